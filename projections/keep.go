package projections

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"streamstack/events"
	"streamstack/projections/snapshot"
)

// Figures of the snapshots.
const (
	// KeepEvery is how often a process looks whether a snapshot is due.
	KeepEvery = 30 * time.Second
	// KeepAfter is how many sequences a new snapshot must be ahead of the newest: a start reads that many in
	// milliseconds, which is not worth another copy of the state.
	KeepAfter = 1000
	// keepTime bounds one writing or reading of a snapshot, which is a matter of a second.
	keepTime = 30 * time.Second
	// lastKeepTime bounds the one at the end: a process that is told to stop has few seconds.
	lastKeepTime = 2 * time.Second
)

// Keeper keeps one read model's states in NATS.
type Keeper[S State] struct {
	runner *Runner[S]
	kind   snapshot.Kind
	store  *snapshot.Store
	log    *slog.Logger
}

// NewKeeper makes a keeper of what runner folds from a stream. The runner's name is the model's.
func NewKeeper[S State](runner *Runner[S], stream string, log *events.Log, logger *slog.Logger) *Keeper[S] {
	k := snapshot.Kind{Model: runner.name, Stream: stream, Schema: runner.state.Schema()}
	return &Keeper[S]{runner: runner, kind: k, store: snapshot.NewStore(log, logger), log: logger}
}

// Resume puts the newest snapshot that fits the stream into the runner, and returns the sequence after which the runner
// goes on; 0, with the runner as it was, when there is none, or when NATS does not answer: the log has everything. Call
// it before the runner is fed.
func (k *Keeper[S]) Resume(ctx context.Context) events.Seq {
	ctx, cancel := context.WithTimeout(ctx, keepTime)
	defer cancel()
	for upTo := events.Seq(math.MaxUint64); ; {
		snap, found, err := k.store.Load(ctx, k.kind, upTo)
		if err != nil {
			k.log.Warn("no snapshot can be read, the whole log will be", "model", k.kind.Model, "err", err)
			return 0
		}
		if !found {
			return 0
		}
		err = k.runner.restore(snap, func(s S, state []byte) error { return s.Restore(state) })
		if err == nil {
			k.log.Info("snapshot read", "model", snap.Model, "sequence", snap.At, "taken", snap.Taken, "bytes", len(snap.State))
			return snap.At
		}
		k.log.Warn("snapshot discarded", "model", snap.Model, "sequence", snap.At, "err", err)
		upTo = snap.At - 1
	}
}

// Keep writes a snapshot whenever one is due, and once more when the context ends. Every process that folds may do so; of
// two that do it at once, one is in vain. A failure is told in the log, and nothing else: a snapshot only saves time.
func (k *Keeper[S]) Keep(ctx context.Context) error {
	tick := time.NewTicker(KeepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			// The next start is fast only if this is written, and the context is over.
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastKeepTime)
			k.save(last)
			cancel()
			return fmt.Errorf("projections: keep %s: %w", k.kind.Model, ctx.Err())
		case <-tick.C:
			k.save(ctx)
		}
	}
}

func (k *Keeper[S]) save(ctx context.Context) {
	if err := k.Save(ctx); err != nil && !errors.Is(err, context.Canceled) {
		k.log.Warn("no snapshot written", "model", k.kind.Model, "err", err)
	}
}

// Save writes a snapshot if it is [KeepAfter] sequences ahead of the newest.
func (k *Keeper[S]) Save(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, keepTime)
	defer cancel()
	newest, err := k.store.Newest(ctx, k.kind)
	if err != nil {
		return err
	}
	// One that is ahead of this process by far may lie beyond the stream's end; the store finds out.
	if at := k.runner.At(); at < KeepAfter || at >= newest && at-newest < KeepAfter {
		return nil
	}
	snap := k.runner.dump(k.kind, func(s S) []byte { return s.Dump() })
	saved, err := k.store.Save(ctx, snap)
	if err != nil {
		return err
	}
	if saved {
		k.log.Debug("snapshot written", "model", snap.Model, "sequence", snap.At, "bytes", len(snap.State))
	}
	return nil
}
