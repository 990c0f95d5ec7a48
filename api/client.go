package api

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"syscall"

	"github.com/siderolabs/talos/pkg/machinery/api/machine"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	apiv1 "github.com/extactor/extactor/api/v1"
)

// largestAnswer is what a client takes in one message: a status of some ten thousand services.
const largestAnswer = 64 << 20

// Client is a connection to a daemon.
type Client struct {
	Extactor apiv1.ExtactorClient
	Machine  machine.MachineServiceClient

	where   string // the socket, or the address
	conn    *grpc.ClientConn
	attempt *attempt // to connect, where it is one on the network
}

// ErrNoDaemon is wrapped by the error of Dial where nobody answers.
var ErrNoDaemon = errors.New("no extactor daemon answers")

// Dial connects to the daemon of a socket. The error is written for people: it says what to do.
func Dial(socket string) (*Client, error) {
	first, err := net.Dial("unix", socket)

	switch {
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("cannot open %s: permission denied; the daemon answers its own user only: try as root (sudo)", socket)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ENOTDIR):
		return nil, fmt.Errorf("%w at %s; start one with: extactor daemon", ErrNoDaemon, socket)
	case err != nil:
		return nil, fmt.Errorf("cannot connect to the extactor daemon at %s: %w", socket, cause(err))
	}

	first.Close()

	conn, err := grpc.NewClient("passthrough:///extactor",
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithUserAgent(cliAgent),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(largestAnswer)),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		}),
	)
	if err != nil {
		return nil, fmt.Errorf("cannot connect to the extactor daemon at %s: %w", socket, err)
	}

	return &Client{
		Extactor: apiv1.NewExtactorClient(conn), Machine: machine.NewMachineServiceClient(conn), where: socket, conn: conn,
	}, nil
}

// Close ends the connection and every call on it.
func (c *Client) Close() error { return c.conn.Close() }

// Where is the socket or the address of the daemon.
func (c *Client) Where() string { return c.where }

// Explain turns the error of a call into one for people; nil stays nil.
func (c *Client) Explain(err error) error {
	if err == nil {
		return nil
	}

	failed, ok := status.FromError(err)
	if !ok {
		return err
	}

	if c.attempt != nil && (failed.Code() == codes.Unavailable || failed.Code() == codes.DeadlineExceeded) {
		if problem := c.attempt.problem(); problem != nil {
			return c.attempt.word(problem)
		}
	}

	switch failed.Code() {
	case codes.PermissionDenied:
		return errors.New(wordRefusal(failed.Message()))
	case codes.DeadlineExceeded:
		return fmt.Errorf("the extactor daemon at %s does not answer in time", c.where)
	case codes.Canceled:
		return context.Canceled
	case codes.Unavailable:
		return fmt.Errorf("the extactor daemon at %s has gone away: %s", c.where, failed.Message())
	case codes.Unimplemented:
		return fmt.Errorf("the extactor daemon at %s is of another version and does not know this call: %s", c.where, failed.Message())
	default:
		return errors.New(failed.Message())
	}
}
