package docker

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"

	"github.com/containerd/errdefs"
	"github.com/docker/go-units"
	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"streamstack/agent/driver"
	"streamstack/agent/driver/docker/guest"
)

// judge tells how the instance ended, once its container has: what the guest said of it, and what the engine knows. err is
// what the wait for its end came to.
func (in *instance) judge(ctx context.Context, err error) driver.Ending {
	if in.Stopped() {
		return driver.Ending{Reason: "stopped on request", ExitCode: -1}
	}
	unknown := driver.Ending{Part: driver.PartInstance, Failed: true, ExitCode: -1, LogTail: in.kept.tail()}
	if err != nil {
		unknown.Reason = clip(err.Error(), maxReason)
		return unknown
	}
	said, err := in.reports(ctx)
	if err != nil {
		in.log.Warn("the engine does not tell what an instance said", "err", err)
	}
	var state container.State
	if got, err := in.d.api.ContainerInspect(ctx, in.id, client.ContainerInspectOptions{}); errdefs.IsNotFound(err) && said.Ending == nil {
		unknown.Reason = errVanished.Error()
		return unknown
	} else if err != nil {
		in.log.Warn("the engine does not tell how an instance ended", "err", err)
	} else if got.Container.State != nil {
		state = *got.Container.State
	}
	e := unknown
	switch {
	case said.Ending != nil:
		e = sound(*said.Ending)
	case said.Failed != nil:
		e.Reason = clip(said.Failed.Reason, maxReason)
	default:
		in.fromState(&e, state)
	}
	e.OutOfMemory = e.OutOfMemory || state.OOMKilled && e.Failed
	if e.OutOfMemory {
		e.Failed = true
		e.Reason = "the instance used more memory than its limit" + in.limit() + ", and the kernel ended a part of it: " + e.Reason
	}
	return e
}

// fromState is what the engine knows of a container whose guest did not say how it ended: it was killed.
func (in *instance) fromState(e *driver.Ending, state container.State) {
	const signalled = 128 // and the signal's number, as shells have it
	e.ExitCode = state.ExitCode
	e.Reason = fmt.Sprintf("the container ended with status %d", state.ExitCode)
	if state.ExitCode > signalled {
		s := syscall.Signal(state.ExitCode - signalled)
		e.ExitCode, e.Signal = -1, s.String()
		e.Reason = fmt.Sprintf("the container was ended by signal %d (%s)", int(s), e.Signal)
	}
	if state.Error != "" {
		e.Reason += ": " + clip(state.Error, maxReason)
	}
}

// limit names the container's limit of memory, where it has one.
func (in *instance) limit() string {
	if memory := cmp.Or(in.spec.Application.Limits.Memory, in.d.config.Memory); memory > 0 {
		return " of " + units.BytesSize(float64(memory))
	}
	return ""
}

// sound bounds what a container says of its own end: what runs in it can say that in its guest's place.
func sound(e driver.Ending) driver.Ending {
	e.Part = driver.Part(clip(string(e.Part), maxWord))
	e.Reason, e.LogTail, e.Signal = clip(e.Reason, maxReason), clip(e.LogTail, maxTail), clip(e.Signal, maxWord)
	return e
}

// reports reads all that the guest has said, from the engine's log: of each kind the last.
func (in *instance) reports(ctx context.Context) (said guest.Report, err error) {
	ctx, cancel := context.WithTimeout(ctx, in.d.config.times.request)
	defer cancel()
	log, err := in.d.api.ContainerLogs(ctx, in.id, client.ContainerLogsOptions{ShowStdout: true})
	if err != nil {
		return said, fmt.Errorf("docker: log: %w", err)
	}
	defer func() { _ = log.Close() }() // opened to read
	read, write := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, err := stdcopy.StdCopy(write, io.Discard, log)
		_ = write.CloseWithError(err)
	}()
	lines := bufio.NewScanner(read)
	lines.Buffer(nil, guest.MaxReport)
	for lines.Scan() {
		r, ok := parseReport(lines.Bytes())
		if !ok {
			continue
		}
		said.Up, said.Launched = said.Up || r.Up, said.Launched || r.Launched
		if r.Failed != nil {
			said.Failed = r.Failed
		}
		if r.Ending != nil {
			said.Ending = r.Ending
		}
	}
	_ = read.Close() // its writer then ends
	_ = log.Close()
	<-done
	if err := lines.Err(); err != nil && !errors.Is(err, bufio.ErrTooLong) {
		return said, fmt.Errorf("docker: log: %w", err)
	}
	return said, nil
}
