package api

import (
	"context"

	"github.com/siderolabs/talos/pkg/machinery/api/common"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// nameNodeCall writes into each answer of Talos's API whose it is, where the client asks so: by naming its nodes as "nodes",
// whose answers Talos collects. Its dashboard cannot do without. A client that names a "node" knows whom it asks.
func nameNodeCall(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	reply, err := handle(ctx, request)

	node, ofTalos := asOneOfNodes(ctx), isTalos(info.Server)
	if answer, ok := reply.(proto.Message); ok && err == nil && ofTalos && node != "" {
		nameNode(answer, node)
	}

	return reply, err
}

// nameNodeStream does the same for streams.
func nameNodeStream(service any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
	if node := asOneOfNodes(stream.Context()); node != "" && isTalos(service) {
		stream = namedStream{ServerStream: stream, node: node}
	}

	return handle(service, stream)
}

func isTalos(service any) bool {
	_, ofTalos := service.(*machineService)

	return ofTalos
}

// asOneOfNodes is what the client calls this node where it asks as if there were several; empty where it does not.
func asOneOfNodes(ctx context.Context) string {
	headers, _ := metadata.FromIncomingContext(ctx)
	if named := headers.Get("nodes"); len(named) == 1 {
		return named[0]
	}

	return ""
}

// namedStream is a stream of answers that say whose they are.
type namedStream struct {
	grpc.ServerStream
	node string
}

// SendMsg implements grpc.ServerStream.
func (s namedStream) SendMsg(message any) error {
	if answer, ok := message.(proto.Message); ok {
		nameNode(answer, s.node)
	}

	return s.ServerStream.SendMsg(message)
}

// nameNode sets the host name in the metadata of an answer: of each of its messages, or, in a stream, its own.
func nameNode(answer proto.Message, node string) {
	reflected := answer.ProtoReflect()

	field := reflected.Descriptor().Fields().ByName("messages")
	if field == nil {
		setHostname(reflected, node)

		return
	}

	messages := reflected.Get(field).List()
	for i := range messages.Len() {
		setHostname(messages.Get(i).Message(), node)
	}
}

func setHostname(message protoreflect.Message, node string) {
	if field := message.Descriptor().Fields().ByName("metadata"); field != nil {
		message.Set(field, protoreflect.ValueOfMessage((&common.Metadata{Hostname: node}).ProtoReflect()))
	}
}
