// Package rpc runs a gRPC server with what grpc-go brings along: reflection,
// which tells a client the methods and messages, and grpc.health.v1.
package rpc

import (
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"
)

// Run listens on addr and serves what register adds, until SIGTERM or SIGINT.
func Run(name, addr string, register func(*grpc.Server)) error {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("%s: cannot listen on %s: %w", name, addr, err)
	}
	server := grpc.NewServer()
	register(server)
	serving := health.NewServer()
	for service := range server.GetServiceInfo() {
		serving.SetServingStatus(service, grpc_health_v1.HealthCheckResponse_SERVING)
	}
	grpc_health_v1.RegisterHealthServer(server, serving)
	reflection.Register(server)
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-stop
		// Stop, not GracefulStop: clients keep connections open, and a
		// container that lingers on SIGTERM is killed after a long grace time.
		server.Stop()
	}()
	fmt.Printf("%s: serving on %s\n", name, listener.Addr())
	return server.Serve(listener)
}
