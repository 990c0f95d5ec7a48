package api

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"

	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/journal"
)

// FuzzRequests: whatever bytes a client sends as a request of whatever method, the answer is an answer or a plain error:
// no handler panics, none goes on when its client has left, and no error is endless.
func FuzzRequests(f *testing.F) {
	methods := slices.Sorted(maps.Keys(allImplemented(f)))

	for index, method := range methods {
		f.Add(uint8(index), []byte(nil))
		f.Add(uint8(index), []byte("\xff\xff\xff\xffno message"))
		f.Add(uint8(index), filledRequest(f, method))
	}

	conn, busy := fuzzed(f)

	f.Fuzz(func(t *testing.T, index uint8, request []byte) {
		method := methods[int(index)%len(methods)]

		err := exchange(t.Context(), conn, method, request)
		if told := status.Convert(err); strings.Contains(told.Message(), "internal error in") || len(told.Message()) > 10000 {
			t.Errorf("%s with %q: %.1000v", method, request, err)
		}

		late := time.After(handlerPatience)

		for look := time.NewTicker(time.Millisecond); busy.Load() > 0; {
			select {
			case <-look.C:
			case <-late:
				t.Fatalf("%s with %q goes on, though its client has left", method, request)
			}
		}
	})
}

// exchange sends one message, and reads what is answered; of a stream only so much.
func exchange(ctx context.Context, conn *grpc.ClientConn, method string, request []byte) error {
	const most = 10

	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()

	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, method)
	if err != nil {
		return err
	}

	if err := stream.SendMsg(request); err != nil && !errors.Is(err, io.EOF) { // what ended it is what it answers
		return err
	}

	if err := stream.CloseSend(); err != nil {
		return err
	}

	// Whoever follows hears nothing more; it leaves.
	leave := time.AfterFunc(20*time.Millisecond, cancel)
	defer leave.Stop()

	for range most {
		if err := stream.RecvMsg(new(any)); err != nil {
			return err
		}
	}

	return nil
}

// handlerPatience is how long a handler may go on after its client has left.
const handlerPatience = 2 * time.Second

// fuzzed is a connection to a server that has everything, and tells how many handlers are at work.
func fuzzed(f *testing.F) (conn *grpc.ClientConn, busy *atomic.Int64) {
	past, err := journal.Open(journal.Options{Dir: f.TempDir(), Identity: journal.Identity{
		Instance: "c6f0e0f4-0000-4000-8000-000000000000", BootID: bootID, RunID: "c6f0e0f4-0000-4000-8000-000000000001",
	}})
	if err != nil {
		f.Fatal(err)
	}

	f.Cleanup(func() { past.Close() })

	event := events.New(&events.DaemonStarted{Version: "v1.2.3"})
	past.Append(events.Decision{At: testNow, Entries: []events.Entry{{Event: event, Message: events.Text("", event)}}})

	services := newServices(view("ext-a", events.StateRunning, 1), view("ext-b", events.StateWaiting, 2))
	services.command = func(string, events.Order, *events.Origin) (uint64, error) { return 7, nil }

	h := start(f, services, newJournal(record(1, "ext-a", events.StateRunning, "Started task ext-a")))
	h.host.exec = func(context.Context, ExecRequest) (int, error) { return 0, nil }
	h.server.options.Past, h.server.options.Keeper, h.server.options.Logs = past, fakeKeeper{}, quietLogs{}

	listener := bufconn.Listen(1 << 20)
	busy = &atomic.Int64{}

	countCall := func(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
		busy.Add(1)
		defer busy.Add(-1)

		return handle(ctx, request)
	}
	countStream := func(service any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
		busy.Add(1)
		defer busy.Add(-1)

		return handle(service, stream)
	}

	server := h.server.register(grpc.ChainUnaryInterceptor(countCall, recoverCall), grpc.ChainStreamInterceptor(countStream, h.server.endStreams))

	go func() { _ = server.Serve(listener) }()

	f.Cleanup(server.Stop)

	conn, err = grpc.NewClient("passthrough:///bufconn", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(rawCodec{})),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	if err != nil {
		f.Fatal(err)
	}

	f.Cleanup(func() { conn.Close() })

	return conn, busy
}

// filledRequest is a request of a method in which every field is set.
func filledRequest(f *testing.F, method string) []byte {
	name := protoreflect.FullName(strings.ReplaceAll(strings.TrimPrefix(method, "/"), "/", "."))

	found, err := protoregistry.GlobalFiles.FindDescriptorByName(name)
	if err != nil {
		f.Fatal(err)
	}

	message := dynamicpb.NewMessage(found.(protoreflect.MethodDescriptor).Input())
	fill(message, 3)

	content, err := proto.Marshal(message)
	if err != nil {
		f.Fatal(err)
	}

	return content
}

func fill(message protoreflect.Message, depth int) {
	fields := message.Descriptor().Fields()

	for index := range fields.Len() {
		field := fields.Get(index)

		switch {
		case depth == 0, field.IsMap():
		case field.IsList() && field.Message() != nil:
			fill(message.Mutable(field).List().AppendMutable().Message(), depth-1)
		case field.IsList():
			message.Mutable(field).List().Append(filled(field))
		case field.Message() != nil:
			fill(message.Mutable(field).Message(), depth-1)
		default:
			message.Set(field, filled(field))
		}
	}
}

func filled(field protoreflect.FieldDescriptor) protoreflect.Value {
	switch field.Kind() {
	case protoreflect.StringKind:
		return protoreflect.ValueOfString("ext-a")
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte("name: a"))
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(true)
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return protoreflect.ValueOfInt32(1)
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return protoreflect.ValueOfInt64(1)
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return protoreflect.ValueOfUint32(1)
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return protoreflect.ValueOfUint64(1)
	default:
		return field.Default()
	}
}

// rawCodec sends bytes as they are, and takes every answer.
type rawCodec struct{}

func (rawCodec) Name() string { return "proto" }

func (rawCodec) Marshal(value any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(value.([]byte))}, nil
}

func (rawCodec) Unmarshal(mem.BufferSlice, any) error { return nil }

// fakeKeeper keeps no file.
type fakeKeeper struct{}

func (fakeKeeper) Status() *apiv1.JournalStatusResponse                   { return &apiv1.JournalStatusResponse{} }
func (fakeKeeper) Backup(context.Context, string, bool) (uint64, error)   { return 1, nil }
func (fakeKeeper) Prune(_ context.Context, before uint64) (uint64, error) { return before, nil }

// quietLogs have two lines of every service.
type quietLogs struct{}

func (quietLogs) IDs() ([]string, error) { return []string{"ext-a"}, nil }

func (quietLogs) Open(ctx context.Context, _ []string, query LogQuery) (io.ReadCloser, error) {
	return io.NopCloser(&fakeLog{ctx: ctx, text: bytes.NewBufferString("one\ntwo\n"), follow: query.Follow, stopped: make(chan struct{})}), nil
}
