// Command program is what the containers of these tests run. It writes down in the directory /box that it began, and
// how it ends; a second one that lives at the same time on the same box says so and ends.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

// firstCode is the exit code of the first run; every further run has the next one, so that no two are taken for another.
const firstCode = 10

func main() {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGHUP)

	lock, err := os.OpenFile("/box/lock", os.O_CREATE|os.O_RDWR, 0o600)
	must(err)

	if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		note("twice")
		os.Exit(98)
	}

	before, err := os.ReadFile("/box/runs")
	if !os.IsNotExist(err) {
		must(err)
	}

	note("began")

	for received := range signals {
		switch received {
		case syscall.SIGTERM: // it is to stop
			os.Exit(0)
		case syscall.SIGUSR1: // it is to fail
			os.Exit(firstCode + strings.Count(string(before), "began\n"))
		case syscall.SIGHUP: // it is to read its configuration
			content, _ := os.ReadFile("/etc/settings")
			note("read " + string(content))
		}
	}
}

func note(line string) {
	runs, err := os.OpenFile("/box/runs", os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	must(err)

	_, err = fmt.Fprintln(runs, line)
	must(err)
	must(runs.Close())
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(99)
	}
}
