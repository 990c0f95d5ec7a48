package api

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"github.com/siderolabs/talos/pkg/machinery/api/machine"

	"github.com/extactor/extactor/credentials"
	"github.com/extactor/extactor/events"
)

// Frames of HTTP/2 and their flags.
const (
	frameData, frameHeaders, frameSettings, frameWindow = 0, 1, 4, 8

	endStream, endHeaders = 1, 4
)

// rawClient speaks HTTP/2 by hand, because a real client reads what it is answered.
type rawClient struct {
	t    *testing.T
	conn *tls.Conn
}

// unreading connects as a client that takes no bytes of any answer.
func (r *remote) unreading(t *testing.T) rawClient {
	t.Helper()

	return r.unreadingWith(t, r.clientConfig(t, credentials.Reader))
}

func (r *remote) unreadingWith(t *testing.T, config *tls.Config) rawClient {
	t.Helper()

	config = config.Clone()
	config.NextProtos = []string{"h2"}

	client := rawClient{t, tls.Client(r.raw(t, ""), config)}
	if err := client.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}

	client.write([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
	client.frame(frameSettings, 0, 0, []byte{0, 4, 0, 0, 0, 0}) // the initial window of a stream is empty

	return client
}

func (c rawClient) write(content []byte) {
	c.t.Helper()

	if _, err := c.conn.Write(content); err != nil {
		c.t.Fatal(err)
	}
}

func (c rawClient) frame(kind, flags byte, stream uint32, payload []byte) {
	c.t.Helper()

	head := binary.BigEndian.AppendUint32(nil, uint32(len(payload))<<8|uint32(kind))
	c.write(append(binary.BigEndian.AppendUint32(append(head, flags), stream), payload...))
}

// call makes a call without an argument.
func (c rawClient) call(stream uint32, method string) {
	c.t.Helper()

	var headers []byte
	for _, header := range [][2]string{
		{":method", "POST"}, {":scheme", "https"}, {":path", method}, {":authority", "vm"}, {"content-type", "application/grpc"}, {"te", "trailers"},
	} {
		headers = fmt.Appendf(headers, "\x00%c%s%c%s", len(header[0]), header[0], len(header[1]), header[1])
	}

	c.frame(frameHeaders, endHeaders, stream, headers)
	c.frame(frameData, endStream, stream, make([]byte, 5))
}

// next waits for a frame of a kind on a stream, and returns its flags.
func (c rawClient) next(kind byte, stream uint32) (flags byte) {
	c.t.Helper()

	for {
		var head [9]byte
		if _, err := io.ReadFull(c.conn, head[:]); err != nil {
			c.t.Fatal(err)
		}

		if _, err := io.CopyN(io.Discard, c.conn, int64(binary.BigEndian.Uint32(head[:])>>8)); err != nil {
			c.t.Fatal(err)
		}

		if head[3] == kind && binary.BigEndian.Uint32(head[5:]) == stream {
			return head[4]
		}
	}
}

// refused makes a call, and tells whether there is no answer to it but why.
func (c rawClient) refused(stream uint32) bool {
	c.t.Helper()
	c.call(stream, machine.MachineService_ServiceList_FullMethodName)

	return c.next(frameHeaders, stream)&endStream != 0
}

func (r *remote) ofManyServices(t *testing.T, unread int, stall time.Duration) *remote {
	t.Helper()

	var views []events.View
	for number := range 300 {
		views = append(views, view(fmt.Sprintf("ext-%d", number), events.StateRunning, 1))
	}

	limits := networkLimits
	limits.unread, limits.unreadLeast, limits.stall = unread, 0, stall
	r.serveWith(t, start(t, newServices(views...), newJournal()).server, limits, r.serverConfig(t))

	return r
}

// Answers that a client does not read take no more memory than they may, however many calls it makes.
func TestAnswersThatAreNotRead(t *testing.T) {
	r := newRemote(t).ofManyServices(t, 4<<10, time.Hour)
	client := r.unreading(t)

	if client.refused(1) {
		t.Fatal("a client that owes nothing is refused")
	}

	for _, stream := range []uint32{3, 5} {
		if !client.refused(stream) {
			t.Fatal("a client that does not read is answered")
		}
	}

	r.hears(t, "machine.MachineService/ServiceList was not answered, because the client has not read 4 KiB of answers before", "127.0.0.1")
	answers(t, r.dial(t, credentials.Reader))

	client.frame(frameWindow, 0, 1, []byte{0, 1, 0, 0}) // now it reads
	for client.next(frameHeaders, 1)&endStream == 0 {
	}

	if client.refused(7) {
		t.Error("a client that has read is refused")
	}
}

// Many connections with one certificate may not leave much more unread than one.
func TestAnswersThatAreNotReadAnywhere(t *testing.T) {
	r := newRemote(t).ofManyServices(t, 64<<10, time.Hour)
	config := r.clientConfig(t, credentials.Reader)

	answered := func(client rawClient) (count int) {
		for stream := uint32(1); !client.refused(stream); stream += 2 {
			count++
		}

		return count
	}

	alone := answered(r.unreadingWith(t, config))
	if alone < 2 {
		t.Fatalf("one connection has %d answers", alone)
	}

	var clients []rawClient

	for range 2 * alone {
		client := r.unreadingWith(t, config)
		client.next(frameSettings, 0) // the server knows its certificate

		clients = append(clients, client)
	}

	for _, client := range clients {
		if count := answered(client); count > 1 {
			t.Errorf("one of %d connections has %d answers, as if it were alone", len(clients)+1, count)
		}
	}
}

// What streams leave behind that have ended counts too, and what those may have that go on does not.
func TestDebtOfStreams(t *testing.T) {
	debt := debt{}

	for range 3 {
		if opened, _ := debt.open(1000); !opened {
			t.Fatal("a stream does not begin")
		}

		debt.send(streamShare)
	}

	if added, _ := debt.answer(1, 1000); !added {
		t.Error("open streams have their share, and nobody is answered")
	}

	debt.shut()

	if opened, since := debt.open(1000); opened || since.IsZero() {
		t.Error("a stream has ended that was not read, and another one begins")
	}

	debt.pay(streamShare)

	if opened, since := debt.open(1000); !opened || !since.IsZero() {
		t.Errorf("all is read, and no stream begins; since %v", since)
	}
}

// Who does not read for long is sent away, and with it what waits for it.
func TestClientThatNeverReads(t *testing.T) {
	client := newRemote(t).ofManyServices(t, 4<<10, 0).unreading(t)

	if client.refused(1) {
		t.Fatal("a client that owes nothing is refused")
	}

	client.call(3, machine.MachineService_ServiceList_FullMethodName)

	if _, err := io.Copy(io.Discard, client.conn); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the connection stays: %v", err)
	}
}
