package faults_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// supervisor takes the part of init: it starts the daemon again at once when it was killed.
type supervisor struct {
	host   *host
	output *os.File
	done   chan struct{} // closed once no daemon is started any more

	mu       sync.Mutex
	command  *exec.Cmd
	stopping bool
	problems []string // ends that nobody caused
}

func (h *host) supervise() {
	h.t.Helper()

	output, err := os.OpenFile(h.daemonLog(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	must(h.t, err)

	h.supervisor = &supervisor{host: h, output: output, done: make(chan struct{})}
	must(h.t, h.supervisor.start())

	go h.supervisor.keep()
}

func (h *host) daemonLog() string { return filepath.Join(h.dir, "daemon.log") }

func (s *supervisor) start() error {
	h := s.host
	command := exec.Command(extactor, "daemon", "--services", h.services, "--rootfs", h.rootfs, "--config", h.config,
		"--state", h.state, "--run", h.run, "--containerd", "embedded", "--console", "stderr")
	command.Stderr = s.output

	s.mu.Lock()
	defer s.mu.Unlock()

	if err := command.Start(); err != nil {
		return err
	}

	s.command = command

	return nil
}

func (s *supervisor) keep() {
	defer close(s.done)
	defer s.output.Close()

	for {
		_ = s.command.Wait()
		status := s.command.ProcessState.Sys().(syscall.WaitStatus)

		s.mu.Lock()
		stopping := s.stopping

		if stopping && status.ExitStatus() != 0 || !stopping && status.Signal() != unix.SIGKILL {
			s.problems = append(s.problems, fmt.Sprintf("the daemon (PID %d) ended with status %d, signal %v",
				s.command.Process.Pid, status.ExitStatus(), status.Signal()))
		}
		s.mu.Unlock()

		if stopping {
			return
		}

		if err := s.start(); err != nil {
			s.mu.Lock()
			s.problems = append(s.problems, err.Error())
			s.mu.Unlock()

			return
		}
	}
}

// pid is that of the daemon.
func (s *supervisor) pid() int {
	s.mu.Lock()
	defer s.mu.Unlock()

	return s.command.Process.Pid
}

// stop has the daemon end with all services, as at a shutdown, and returns what was wrong in its whole life.
func (s *supervisor) stop() []string {
	s.mu.Lock()
	s.stopping = true
	_ = s.command.Process.Signal(unix.SIGTERM)
	s.mu.Unlock()

	<-s.done

	return s.problems
}
