// Package confine runs an application in namespaces of its own (namespaces(7)): users, network, processes and mounts.
//
// Only the application goes in; the streamer, the display and the sound server stay outside. What the application needs of them are Unix
// sockets, which are files and cross network namespaces, so that nothing has to be routed: the application has a loopback interface of its
// own with nothing else on it, and no other network at all. It reaches neither NATS and what else listens on the host's loopback, nor
// abstract sockets, nor the network of the house. The streamer, which has to reach NATS and be reached by browsers, is our own program and
// runs none of the application's code.
//
// There are two steps. [Attributes] has the kernel start our own executable in the namespaces, and [Run] in there brings the loopback up,
// mounts a /proc that shows what is inside only, gives up all capabilities for good, and starts the application. It stays as the
// namespace's init: it waits for what the application leaves behind, passes signals on, and with its end the kernel ends all
// that is left in the namespace, whatever it did to hide.
//
// The user is the same inside and outside (root has another number inside, and none of its powers), since sockets and files of the instance
// are that user's: files are not hidden. System V shared
// memory is not separated either; the X server's clients need it (MIT-SHM).
package confine

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// signalBase is what the exit status of a program is that a signal has ended, less the signal's number, as in shells.
const signalBase = 128

// Signal is the signal that an exit status of [Run] tells of; false for an exit of the application's own. A program that exits with such
// a status by itself cannot be told apart.
func Signal(status int) (syscall.Signal, bool) {
	s := syscall.Signal(status - signalBase)
	return s, status > signalBase && unix.SignalName(s) != ""
}

// plainID is what root is inside. Programs that find themselves to be root do what only root can, such as to choose their groups, and fail
// where they have none of its powers: xterm does. It is the first that distributions give to people.
const plainID = 1000

// Attributes are those of a process in namespaces of its own.
func Attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		Setsid:      true,
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: plain(os.Getuid()), HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: plain(os.Getgid()), HostID: os.Getgid(), Size: 1}},
		// What Run needs; who is not root would lose them with the program that it becomes.
		AmbientCaps: []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_NET_ADMIN, unix.CAP_SETPCAP},
	}
}

func plain(id int) int {
	if id == 0 {
		return plainID
	}
	return id
}

// Run does what is to be done inside and runs a command, which may follow a [View]; it returns its exit status.
func Run(argv []string) (int, error) {
	if os.Getpid() != 1 {
		return 0, errors.New("confine: this is no namespace of its own: the agent starts it")
	}
	view, argv, err := parse(argv)
	if err != nil {
		return 0, err
	}
	if len(argv) == 0 {
		return 0, errors.New("confine: no command")
	}
	path, err := exec.LookPath(argv[0])
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return 0, fmt.Errorf("confine: %w", err)
	}
	if err := errors.Join(mountProc(), loopbackUp()); err != nil {
		return 0, err
	}
	if err := view.impose(path); err != nil {
		return 0, err
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2)
	// Capabilities and no_new_privs are a thread's, and a child has those of the thread that forks it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := renounce(); err != nil {
		return 0, err
	}
	pid, err := syscall.ForkExec(path, argv, &syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{0, 1, 2}})
	if err != nil {
		return 0, fmt.Errorf("confine: %s: %w", path, err)
	}
	go func() { // ends with the process
		for s := range signals {
			if s, ok := s.(syscall.Signal); ok {
				_ = syscall.Kill(pid, s) // it may be gone
			}
		}
	}()
	return reap(pid)
}

// reap waits for whatever ends, until the application does.
func reap(pid int) (int, error) {
	for {
		var status syscall.WaitStatus
		ended, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return 0, fmt.Errorf("confine: wait: %w", err)
		case ended != pid:
		case status.Signaled():
			return signalBase + int(status.Signal()), nil
		default:
			return status.ExitStatus(), nil
		}
	}
}

// mountProc has /proc show this namespace's processes.
func mountProc() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("confine: mounts of its own: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("confine: a /proc of its own: %w (in a container, one whose /proc is masked does not allow it)", err)
	}
	return nil
}

// loopbackUp brings the one interface up that there is (netdevice(7)).
func loopbackUp() error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("confine: loopback: %w", err)
	}
	defer func() { _ = unix.Close(socket) }() // nothing was sent
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return fmt.Errorf("confine: loopback: %w", err)
	}
	request.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, request); err != nil {
		return fmt.Errorf("confine: loopback: %w", err)
	}
	return nil
}

// renounce gives up all capabilities, which are those over these namespaces, for the thread and what it starts: also one that is root
// inside gets none with its next program.
func renounce() error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("confine: no new privileges: %w", err)
	}
	for c := uintptr(0); c <= unix.CAP_LAST_CAP; c++ {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil && !errors.Is(err, unix.EINVAL) { // a kernel that is older knows fewer
			return fmt.Errorf("confine: capability %d: %w", c, err)
		}
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return fmt.Errorf("confine: ambient capabilities: %w", err)
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&header, &none[0]); err != nil {
		return fmt.Errorf("confine: capabilities: %w", err)
	}
	return nil
}
