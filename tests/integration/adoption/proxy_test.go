package adoption_test

import (
	"fmt"
	"net"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// proxy stands between one daemon and containerd, so that a daemon can die before and after each single call. What it
// forwards are bytes; every call that the daemon makes has one request and one answer.
type proxy struct {
	server   *grpc.Server
	upstream *grpc.ClientConn
	call     func(method string, forward func() error) error
}

// bytesCodec passes messages on as they are.
type bytesCodec struct{}

func (bytesCodec) Name() string { return "proto" }

func (bytesCodec) Marshal(message any) ([]byte, error) { return *message.(*[]byte), nil }

func (bytesCodec) Unmarshal(data []byte, message any) error {
	*message.(*[]byte) = append([]byte(nil), data...)

	return nil
}

// newProxy listens at a path. call is given each call, with a name such as "tasks.Create", and makes it or not.
func newProxy(path, containerd string, call func(method string, forward func() error) error) (*proxy, error) {
	upstream, err := grpc.NewClient("unix://"+containerd, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(bytesCodec{})))
	if err != nil {
		return nil, err
	}

	listener, err := net.Listen("unix", path)
	if err != nil {
		upstream.Close()

		return nil, err
	}

	p := &proxy{upstream: upstream, call: call}
	p.server = grpc.NewServer(grpc.ForceServerCodec(bytesCodec{}), grpc.UnknownServiceHandler(p.forward))

	go func() { _ = p.server.Serve(listener) }()

	return p, nil
}

func (p *proxy) forward(_ any, stream grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(stream)
	short := shorten(method)

	var request, answer []byte
	if err := stream.RecvMsg(&request); err != nil {
		return err
	}

	if strings.HasSuffix(short, "Stream") {
		return status.Error(codes.Unimplemented, "one request, one answer") // clients then ask in that way
	}

	incoming, _ := metadata.FromIncomingContext(stream.Context())
	ctx := metadata.NewOutgoingContext(stream.Context(), incoming)

	if err := p.call(short, func() error { return p.upstream.Invoke(ctx, method, &request, &answer) }); err != nil {
		return err
	}

	return stream.SendMsg(&answer)
}

// shorten makes "tasks.Create" of "/containerd.services.tasks.v1.Tasks/Create".
func shorten(method string) string {
	service, name, _ := strings.Cut(strings.TrimPrefix(method, "/"), "/")
	words := strings.Split(service, ".")

	if len(words) < 3 {
		return method
	}

	return fmt.Sprintf("%s.%s", words[2], name)
}

// stop breaks every connection, as the death of a process does.
func (p *proxy) stop() {
	p.server.Stop()
	p.upstream.Close()
}
