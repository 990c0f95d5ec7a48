package api

import (
	"context"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	apiv1 "github.com/extactor/extactor/api/v1"
)

// absent says of a method of Talos, or of one of its other services, that there is no such thing here.
func absent(method string) error {
	service, name, _ := strings.Cut(strings.TrimPrefix(method, "/"), "/")

	if service == apiv1.Extactor_ServiceDesc.ServiceName { // the client is of another version
		return status.Errorf(codes.Unimplemented, "%s has no %s", service, excerpt(name))
	}

	return status.Errorf(codes.Unimplemented, "extactor has no %s (of %s): it runs extension services, and is not Talos",
		excerpt(name), excerpt(service))
}

// absentCall is for the methods of machine.MachineService that are not implemented.
func absentCall(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	reply, err := handle(ctx, request)
	if isTalos(info.Server) && status.Code(err) == codes.Unimplemented {
		return nil, absent(info.FullMethod)
	}

	return reply, err
}

// absentStream is for its streams.
func absentStream(service any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
	err := handle(service, stream)
	if isTalos(service) && status.Code(err) == codes.Unimplemented {
		return absent(info.FullMethod)
	}

	return err
}

// absentService is for all that belongs to no service that is served.
func absentService(_ any, stream grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(stream)

	return absent(method)
}
