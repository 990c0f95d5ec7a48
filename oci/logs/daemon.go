package logs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/oci/program"
)

// DaemonOptions say how logd is started. Dir and Command are required.
//
// A logd that is found may be another program than that of Command: of the version before. It is kept until Replace.
type DaemonOptions struct {
	Dir     Dir
	Command []string      // program and arguments of a process that calls Run with Ready set to os.Stdout
	Stderr  *os.File      // of that process, which outlives this one; nil: /dev/null
	Started func(pid int) // called each time one is found or started, to put it into its cgroup
	Report  func(error)   // called with each death of logd and each failure to start it
}

// Daemon keeps a logd alive: one that is found running, or one that it starts.
type Daemon struct {
	options  DaemonOptions
	cancel   context.CancelFunc
	done     chan struct{}
	replaces chan replacement
	previous atomic.Pointer[program.Program] // of a logd that is not that of Command; nil: there is none
}

// replacement is one call of Replace.
type replacement struct {
	ctx  context.Context
	done chan<- error // room for one
}

// The pauses before logd is started again, where it did not live longer than the longest of them.
const (
	shortestPause = 100 * time.Millisecond
	longestPause  = 5 * time.Second
)

// How long logd may take for another one to take its place.
const (
	endTimeout   = 5 * time.Second  // to end, before it is killed
	readyTimeout = 30 * time.Second // to be ready, before the other one is started again
)

// startTries is how often logd is started before StartDaemon gives up: it may be killed before it is ready.
const startTries = 3

// StartDaemon returns once logd is running and reads every FIFO, and then starts it again each time it dies. The
// process is in a session of its own: it outlives this one, and the next one finds it by its lock.
func StartDaemon(ctx context.Context, options DaemonOptions) (*Daemon, error) {
	if options.Started == nil {
		options.Started = func(int) {}
	}
	if options.Report == nil {
		options.Report = func(error) {}
	}
	d := &Daemon{options: options, done: make(chan struct{}), replaces: make(chan replacement)}
	process, err := d.findOrStart(ctx)
	for tries := 1; err != nil && tries < startTries && ctx.Err() == nil; tries++ {
		d.options.Report(err)
		process, err = d.findOrStart(ctx)
	}
	if err != nil {
		d.keepProgram(nil)
		return nil, err
	}
	lifetime, cancel := context.WithCancel(context.WithoutCancel(ctx))
	d.cancel = cancel
	go d.keep(lifetime, process)
	return d, nil
}

// Release leaves logd running and no longer watches it.
func (d *Daemon) Release() {
	d.cancel()
	<-d.done
}

// Stop asks logd to end, once it has moved what is in the FIFOs, and kills it where it does not. Then this process moves
// what is left there, for example because logd was dead.
func (d *Daemon) Stop(ctx context.Context) error {
	d.Release()
	process, err := find(d.options.Dir)
	if err != nil {
		return err
	}
	if process != nil {
		defer process.pidfd.Close()
		if err := process.end(context.WithoutCancel(ctx), ctx); err != nil {
			return fmt.Errorf("cannot stop logd (PID %d): %w", process.pid, err)
		}
	}
	return d.flush()
}

// Outdated returns the version of a logd that is another program than that of Command; ok is false where it is not.
func (d *Daemon) Outdated() (version string, ok bool) {
	if d.previous.Load() == nil {
		return "", false
	}
	return program.NotedVersion(d.options.Dir.lockPath()), true
}

// Replace ends a logd that is another program than that of Command, and starts the one of Command. Services print into
// their FIFOs meanwhile. Where it does not start, the other one is started again, and the error says why.
func (d *Daemon) Replace(ctx context.Context) error {
	done := make(chan error, 1)
	select {
	case d.replaces <- replacement{ctx, done}:
		return <-done
	case <-d.done:
		return errors.New("cannot replace logd: it is left to the next daemon")
	case <-ctx.Done():
		return fmt.Errorf("cannot replace logd: %w", context.Cause(ctx))
	}
}

// keep waits for logd to die and starts it again.
func (d *Daemon) keep(ctx context.Context, process *process) {
	defer close(d.done)
	defer d.keepProgram(nil)
	pause := shortestPause
	for {
		begun := time.Now()
		if process != nil {
			asked, err := d.await(ctx, process)
			if asked != nil {
				process, err = d.exchange(ctx, asked.ctx, process)
				asked.done <- err
				continue
			}
			process.pidfd.Close()
			if ctx.Err() != nil {
				return
			}
			d.options.Report(errors.Join(fmt.Errorf("logd (PID %d) died", process.pid), err))
		}
		// Nothing is lost meanwhile: services print into their FIFOs.
		if lived := time.Since(begun); process != nil && lived > longestPause {
			pause = shortestPause
		} else {
			select {
			case <-time.After(pause):
			case <-ctx.Done():
				return
			}
			pause = min(2*pause, longestPause)
		}
		var err error
		if process, err = d.startAgain(ctx); err != nil && ctx.Err() == nil {
			d.options.Report(err)
			if process != nil { // of another program, but it lives
				d.options.Started(process.pid)
			} else if err := d.flush(); err != nil { // services must not wait for ever
				d.options.Report(err)
			}
		}
	}
}

// startAgain does not wait for ever: it is tried again.
func (d *Daemon) startAgain(ctx context.Context) (*process, error) {
	limit, cancel := context.WithTimeoutCause(ctx, readyTimeout, fmt.Errorf("it is not ready after %v", readyTimeout))
	defer cancel()
	return d.findOrStart(limit)
}

// flush does in this process what logd would do, once.
func (d *Daemon) flush() error { return flush(Options{Dir: d.options.Dir, Report: d.options.Report}) }

// await returns when logd has died, the context has ended, or a replacement is asked for.
func (d *Daemon) await(ctx context.Context, process *process) (*replacement, error) {
	waiting, stop := context.WithCancel(ctx)
	defer stop()
	died := make(chan error, 1)
	go func() { died <- process.wait(waiting) }()
	select {
	case err := <-died:
		return nil, err
	case asked := <-d.replaces:
		stop()
		<-died
		return &asked, nil
	}
}

// exchange ends one logd and starts the other.
func (d *Daemon) exchange(ctx, asked context.Context, process *process) (*process, error) {
	if d.previous.Load() == nil {
		return process, nil
	}
	if err := process.end(ctx, asked); err != nil {
		return process, fmt.Errorf("cannot replace logd: %w", err)
	}
	process.pidfd.Close()
	return d.findOrStart(ctx)
}

// findOrStart returns the living logd. An error beside it says why it is not that of Command.
func (d *Daemon) findOrStart(ctx context.Context) (*process, error) {
	found, err := find(d.options.Dir)
	if err != nil {
		return nil, err
	}
	var refused error
	if found == nil {
		refused = d.startOwn(ctx)
		if previous := d.previous.Load(); refused != nil && previous != nil && ctx.Err() == nil {
			refused = errors.Join(refused, d.start(ctx, previous.Path()))
		}
		// Where another one was quicker, this one was refused, and the other is found.
		if found, err = find(d.options.Dir); err != nil {
			return nil, err
		}
	}
	if found == nil {
		return nil, cmp.Or(refused, errors.New("cannot start logd: it ended at once"))
	}
	d.compare(found.pid)
	d.options.Started(found.pid)
	if d.previous.Load() == nil {
		refused = nil
	}
	return found, refused
}

// startOwn starts the logd of Command. Where there is another one to fall back on it is not given all the time that it
// wants.
func (d *Daemon) startOwn(ctx context.Context) error {
	if d.previous.Load() == nil {
		return d.start(ctx, d.options.Command[0])
	}
	limit, cancel := context.WithTimeoutCause(ctx, readyTimeout, fmt.Errorf("it is not ready after %v", readyTimeout))
	defer cancel()
	return d.start(limit, d.options.Command[0])
}

// compare keeps the program of a logd that is not that of Command, so that it can be started again.
func (d *Daemon) compare(pid int) {
	running, err := program.Of(pid)
	if err != nil {
		d.options.Report(err) // it has died since, which is seen in a moment
		return
	}
	if same, err := running.Is(d.options.Command[0]); same || err != nil {
		running.Close()
		running = nil
		if err != nil {
			d.options.Report(err)
		}
	}
	d.keepProgram(running)
}

func (d *Daemon) keepProgram(running *program.Program) {
	if before := d.previous.Swap(running); before != nil {
		before.Close()
	}
}

// start starts the logd of a path and returns when it reads every FIFO.
func (d *Daemon) start(ctx context.Context, path string) error {
	ready, stdout, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("cannot start logd: %w", err)
	}
	defer ready.Close()
	command := exec.Command(path, d.options.Command[1:]...)
	command.Args[0] = d.options.Command[0]
	command.Stdout = stdout
	if d.options.Stderr != nil {
		command.Stderr = d.options.Stderr
	}
	command.Dir = "/"
	command.Env = append(os.Environ(), "GOMAXPROCS=1") // it is one loop; more would only be more threads
	command.SysProcAttr = &unix.SysProcAttr{Setsid: true}
	err = command.Start()
	stdout.Close()
	if err != nil {
		return fmt.Errorf("cannot start logd: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	stop := context.AfterFunc(ctx, func() { ready.Close() })
	defer stop()
	_, err = io.ReadFull(ready, make([]byte, len(readyLine)))
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		_ = command.Process.Kill()
		<-ended // else it might still hold the lock
		return fmt.Errorf("cannot start logd: %w", context.Cause(ctx))
	}
	return fmt.Errorf("cannot start logd: it ended before it was ready: %w", errors.Join(err, <-ended))
}

// process is a logd that may not be a child of this process.
type process struct {
	pid   int
	pidfd *os.File
}

// find returns the living logd, or nil.
func find(dir Dir) (*process, error) {
	for {
		pid, err := holder(dir)
		if err != nil {
			return nil, fmt.Errorf("cannot find logd: %w", err)
		}
		if pid == 0 {
			return nil, nil
		}
		fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
		if errors.Is(err, unix.ESRCH) {
			continue // it died in between
		}
		if err != nil {
			return nil, fmt.Errorf("cannot watch logd (PID %d): %w", pid, err)
		}
		pidfd := os.NewFile(uintptr(fd), "pidfd")
		// The pid may have been given to another process before it was opened, but not if it holds the lock even now.
		if again, err := holder(dir); again == pid && err == nil {
			return &process{pid, pidfd}, nil
		}
		pidfd.Close()
	}
}

func (p *process) signal(signal unix.Signal) error {
	connection, err := p.pidfd.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = connection.Control(func(fd uintptr) { failed = unix.PidfdSendSignal(int(fd), signal, nil, 0) })
	if errors.Is(failed, unix.ESRCH) {
		failed = nil
	}
	return errors.Join(err, failed)
}

// end asks the process to end, and kills it soon: being killed costs logd nothing. Where asked ends it is killed at once.
func (p *process) end(ctx, asked context.Context) error {
	var err error
	for _, signal := range []unix.Signal{unix.SIGTERM, unix.SIGKILL} {
		if err := p.signal(signal); err != nil {
			return err
		}
		limit, cancel := context.WithTimeout(asked, endTimeout)
		err = p.wait(limit)
		cancel()
		if err == nil {
			return nil
		}
		asked = ctx
	}
	return err
}

// wait blocks, without a thread, until the process has died or the context ends.
func (p *process) wait(ctx context.Context) error {
	connection, err := p.pidfd.SyscallConn()
	if err != nil {
		return err
	}
	_ = p.pidfd.SetReadDeadline(time.Time{}) // an earlier wait may have been given up
	stop := context.AfterFunc(ctx, func() { _ = p.pidfd.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	err = connection.Read(func(fd uintptr) bool {
		polled := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, _ := unix.Poll(polled, 0)
		return n > 0
	})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
