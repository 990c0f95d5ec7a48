package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

const (
	dialTimeout  = time.Second      // of one attempt to connect
	tcpDown      = time.Second      // between two attempts while nothing accepts
	recheckAfter = 10 * time.Second // between two attempts while something accepts: the kernel does not tell its end
)

// A dialer connects to an address and closes the connection.
type dialer func(ctx context.Context, address string) error

// tcp is up while host:port accepts. Nothing notifies, so it is asked at intervals.
func tcp(address string, dial dialer) Probe {
	return running(func(ctx context.Context, tell tell) {
		for {
			wait := recheckAfter

			err := dial(ctx, address)
			if ctx.Err() != nil {
				return
			}

			if err != nil {
				wait = tcpDown
				tell(false, fmt.Sprintf("%s does not accept: %s", address, oneLine(cause(err).Error())))
			} else {
				tell(true, address+" accepts")
			}

			if !pause(ctx, wait) {
				return
			}
		}
	})
}

func dialTCP(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()

	return connect(ctx, "tcp", address)
}

func dialUnix(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()

	return connectUnix(ctx, path)
}

// connectUnix connects to a unix socket of whatever type: udevd's control socket, for one, is no stream.
func connectUnix(ctx context.Context, path string) error {
	var err error

	for _, network := range []string{"unix", "unixpacket", "unixgram"} {
		if err = connect(ctx, network, path); !errors.Is(err, unix.EPROTOTYPE) {
			break
		}
	}

	return err
}

func connect(ctx context.Context, network, address string) error {
	connection, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return err
	}

	return connection.Close()
}

// cause takes off what package net puts in front of the kernel's words: the address, which the reader knows.
func cause(err error) error {
	if failed, ok := errors.AsType[*net.OpError](err); ok {
		err = failed.Err
	}

	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.DeadlineExceeded), isTimeout(err):
		return errors.New("it does not answer in time")
	case errors.Is(err, unix.ECONNREFUSED):
		return errors.New("connection refused")
	default:
		return err
	}
}

func isTimeout(err error) bool {
	timed, ok := errors.AsType[net.Error](err)

	return ok && timed.Timeout()
}

// pause reports whether the time has passed before the context ended.
func pause(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()

	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return ctx.Err() == nil
	}
}
