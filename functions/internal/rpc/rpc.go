// Package rpc runs a gRPC server with what grpc-go brings along: reflection,
// which tells a client the methods and messages, and grpc.health.v1.
package rpc

import (
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"

	"futon.invalid/functions/internal/serve"
)

// Run listens on addr and serves what register adds, until SIGTERM or SIGINT.
func Run(name, addr string, register func(*grpc.Server)) error {
	server := grpc.NewServer()
	register(server)
	serving := health.NewServer()
	for service := range server.GetServiceInfo() {
		serving.SetServingStatus(service, grpc_health_v1.HealthCheckResponse_SERVING)
	}
	grpc_health_v1.RegisterHealthServer(server, serving)
	reflection.Register(server)
	return serve.Until(server, addr, name, "", serve.Signals())
}
