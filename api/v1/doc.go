// Package apiv1 is the wire format of extactor's own gRPC service, extactor.v1, generated from extactor.proto.
package apiv1

//go:generate protoc --go_out=. --go_opt=paths=source_relative --go-grpc_out=. --go-grpc_opt=paths=source_relative extactor.proto
