// Package serve runs one unary text-to-text gRPC method: what every sample
// function is. It knows listening, the method's wire form and signals; it does
// not know what a function computes.
package serve

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// Func answers one request text with one reply text.
type Func func(ctx context.Context, text string) (string, error)

// Function is a function under test: its name (for the log), the gRPC method
// it offers and what it answers.
type Function struct {
	Name    string
	Service string
	Method  string
	Answer  Func
}

// Run listens on addr and serves f until SIGTERM or SIGINT, then returns nil.
func Run(addr string, f Function) error {
	return RunUntil(addr, f, Signals())
}

// Signals are those that end a server.
func Signals() <-chan os.Signal {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	return stop
}

// RunUntil is Run with the signals chosen by the caller.
func RunUntil(addr string, f Function, stop <-chan os.Signal) error {
	server := grpc.NewServer()
	server.RegisterService(describe(f), nil)
	return Until(server, addr, f.Name, f.Service+"/"+f.Method+" ", stop)
}

// Until listens on addr and serves until a signal comes. The log names the
// function and, where what is given, what it serves.
func Until(server *grpc.Server, addr, name, what string, stop <-chan os.Signal) error {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("%s: cannot listen on %s: %w", name, addr, err)
	}
	go func() {
		<-stop
		// Stop, not GracefulStop: clients keep connections open, and a
		// container that lingers on SIGTERM is killed after a long grace time.
		server.Stop()
	}()
	fmt.Printf("%s: serving %son %s\n", name, what, listener.Addr())
	return server.Serve(listener)
}

// describe makes the service description that protoc would generate. Every
// message in proto/ is one string in field 1, and so is StringValue: the bytes
// on the wire are the same, and no generated code has to be kept.
func describe(f Function) *grpc.ServiceDesc {
	handler := func(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		request := new(wrapperspb.StringValue)
		if err := decode(request); err != nil {
			return nil, err
		}
		reply, err := f.Answer(ctx, request.GetValue())
		if err != nil {
			return nil, err
		}
		return wrapperspb.String(reply), nil
	}
	return &grpc.ServiceDesc{
		ServiceName: f.Service,
		HandlerType: (*any)(nil),
		Methods:     []grpc.MethodDesc{{MethodName: f.Method, Handler: handler}},
	}
}

// Exit ends the process: status 1 and the error on standard error, or 0.
func Exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}
