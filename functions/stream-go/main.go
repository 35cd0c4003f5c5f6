// Command stream-go is the function image stream-go: streams in both
// directions, metadata, trailers and statuses.
package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	pb "futon.invalid/functions/internal/pb/numbers"
	"futon.invalid/functions/internal/rpc"
	"futon.invalid/functions/internal/serve"
)

func main() {
	addr := flag.String("addr", "0.0.0.0:50051", "address to listen on, HOST:PORT")
	flag.Parse()
	serve.Exit(rpc.Run("stream-go", *addr, func(server *grpc.Server) {
		pb.RegisterNumbersServer(server, numbers{})
	}))
}

type numbers struct {
	pb.UnimplementedNumbersServer
}

var names = map[string]int64{"zero": 0, "one": 1, "two": 2, "three": 3}

func (numbers) Find(ctx context.Context, request *pb.Name) (*pb.Number, error) {
	if err := grpc.SetHeader(ctx, echo(ctx)); err != nil {
		return nil, err
	}
	value, known := names[request.GetName()]
	if !known {
		return nil, status.Errorf(codes.NotFound, "no number is called %q", request.GetName())
	}
	return &pb.Number{Value: value}, nil
}

func (numbers) Count(request *pb.Range, stream grpc.ServerStreamingServer[pb.Number]) error {
	if request.GetLast() < 0 {
		return status.Errorf(codes.InvalidArgument, "cannot count to %d", request.GetLast())
	}
	for value := int64(1); value <= request.GetLast(); value++ {
		if err := stream.Send(&pb.Number{Value: value}); err != nil {
			return err
		}
		select {
		case <-stream.Context().Done():
			return status.FromContextError(stream.Context().Err()).Err()
		case <-time.After(time.Duration(request.GetPauseMs()) * time.Millisecond):
		}
	}
	stream.SetTrailer(metadata.Pairs("x-count", strconv.FormatInt(request.GetLast(), 10)))
	return nil
}

func (numbers) Sum(stream grpc.ClientStreamingServer[pb.Number, pb.Total]) error {
	total := new(pb.Total)
	for {
		number, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return stream.SendAndClose(total)
		}
		if err != nil {
			return err
		}
		total.Sum += number.GetValue()
		total.Count++
	}
}

func (numbers) Running(stream grpc.BidiStreamingServer[pb.Number, pb.Total]) error {
	if err := stream.SetHeader(echo(stream.Context())); err != nil {
		return err
	}
	total := new(pb.Total)
	for {
		number, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			stream.SetTrailer(metadata.Pairs("x-sum", strconv.FormatInt(total.GetSum(), 10)))
			return nil
		}
		if err != nil {
			return err
		}
		total.Sum += number.GetValue()
		total.Count++
		if err := stream.Send(total); err != nil {
			return err
		}
	}
}

// echo is the metadata of the request that goes back to the client: x-id, and x-data-bin, which is bytes.
func echo(ctx context.Context) metadata.MD {
	sent, _ := metadata.FromIncomingContext(ctx)
	back := metadata.MD{}
	for _, name := range []string{"x-id", "x-data-bin"} {
		back.Append(name, sent.Get(name)...)
	}
	return back
}
