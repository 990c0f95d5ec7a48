// Package console writes what services print to a console that people look at: the kernel log of the host, or standard
// error. It is for services with logToConsole; their full output is in their logs.
package console

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// How much of a service gets to the kernel log, which all of the host share and which is small.
const (
	linesPerSecond = 20
	linesAtOnce    = 100
	// suppressedEvery is how often it is said how many lines were left out.
	suppressedEvery = 5 * time.Second
)

// Console writes the lines of services, one at a time. Its methods may be called from any goroutine.
type Console struct {
	write    func(service, text string)
	limited  bool
	mutex    sync.Mutex
	services map[string]*service
}

// service is what the console knows of one service.
type service struct {
	limit      *rate.Limiter
	suppressed int
	notice     *time.Timer // says what was suppressed; nil while nothing was
}

// Kmsg returns a console that writes to the kernel log, each service at a limited rate. The path is /dev/kmsg. It fails
// where that cannot be written to.
func Kmsg(path string) (*Console, error) {
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot write to the kernel log: %w", err)
	}
	file.Close()
	return newConsole(true, func(service, text string) {
		for _, record := range records(service, text) {
			writeRecord(path, record)
		}
	}), nil
}

// Stderr returns a console that writes every line to a writer.
func Stderr(to io.Writer) *Console {
	return newConsole(false, func(service, text string) { fmt.Fprintf(to, "[%s] %s\n", service, text) })
}

func newConsole(limited bool, write func(service, text string)) *Console {
	return &Console{write: write, limited: limited, services: map[string]*service{}}
}

// WriteLine writes a line that a service printed, without its end. Empty lines are left out, bytes that could move the
// cursor of a terminal are escaped. What cannot be written is lost: it is in the service's log.
func (c *Console) WriteLine(service string, line []byte) {
	text := sanitise(line)
	if text == "" {
		return
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.limited && !c.allow(service) {
		return
	}
	c.write(service, text)
}

func (c *Console) allow(name string) bool {
	known := c.services[name]
	if known == nil {
		known = &service{limit: rate.NewLimiter(linesPerSecond, linesAtOnce)}
		c.services[name] = known
	}
	if known.limit.Allow() {
		return true
	}
	known.suppressed++
	if known.notice == nil {
		known.notice = time.AfterFunc(suppressedEvery, func() {
			c.mutex.Lock()
			defer c.mutex.Unlock()
			c.tellSuppressed(name, known)
		})
	}
	return false
}

// tellSuppressed says how many lines were left out, if any were and it was not said yet.
func (c *Console) tellSuppressed(name string, known *service) {
	if known.notice == nil {
		return
	}
	known.notice.Stop()
	c.write(name, fmt.Sprintf("%d lines suppressed", known.suppressed))
	known.suppressed, known.notice = 0, nil
}

// Close writes what is still to be said about suppressed lines.
func (c *Console) Close() error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	for name, known := range c.services {
		c.tellSuppressed(name, known)
	}
	return nil
}
