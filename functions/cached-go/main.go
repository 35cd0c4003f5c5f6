// Command cached-go is the function image cached-go: squares, kept in a cache
// (memcached) beside it. With -fill it is the one-shot container that puts the
// first squares there and ends.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "futon.invalid/functions/internal/pb/squares"
	"futon.invalid/functions/internal/rpc"
	"futon.invalid/functions/internal/serve"
)

// patience is how long -fill waits for a cache that is still starting.
const patience = 30 * time.Second

func main() {
	addr := flag.String("addr", "0.0.0.0:50051", "address to listen on, HOST:PORT")
	cache := flag.String("cache", "cache:11211", "address of memcached, HOST:PORT")
	fill := flag.Int64("fill", 0, "put the squares below this number into the cache, and end")
	flag.Parse()
	client := memcache.New(*cache)
	client.Timeout = 5 * time.Second
	if *fill > 0 {
		serve.Exit(fillCache(client, *fill))
	}
	serve.Exit(rpc.Run("cached-go", *addr, func(server *grpc.Server) {
		pb.RegisterSquaresServer(server, squares{cache: client})
	}))
}

func fillCache(client *memcache.Client, below int64) error {
	start := time.Now()
	for client.Ping() != nil && time.Since(start) < patience {
		time.Sleep(100 * time.Millisecond)
	}
	for number := int64(0); number < below; number++ {
		if err := keep(client, number); err != nil {
			return fmt.Errorf("cached-go: cannot fill the cache: %w", err)
		}
	}
	fmt.Printf("cached-go: %d squares are in the cache\n", below)
	return nil
}

func keep(client *memcache.Client, number int64) error {
	return client.Set(&memcache.Item{Key: key(number), Value: []byte(strconv.FormatInt(number*number, 10))})
}

func key(number int64) string {
	return "square-" + strconv.FormatInt(number, 10)
}

type squares struct {
	pb.UnimplementedSquaresServer
	cache *memcache.Client
}

func (s squares) Get(_ context.Context, request *pb.Request) (*pb.Reply, error) {
	number := request.GetNumber()
	if number < 0 || number > math.MaxInt32 {
		return nil, status.Errorf(codes.OutOfRange, "%d is not between 0 and %d", number, math.MaxInt32)
	}
	item, err := s.cache.Get(key(number))
	switch {
	case err == nil:
		square, err := strconv.ParseInt(string(item.Value), 10, 64)
		if err != nil {
			return nil, status.Errorf(codes.DataLoss, "the cache holds %q for %d", item.Value, number)
		}
		return &pb.Reply{Square: square, Cached: true}, nil
	case errors.Is(err, memcache.ErrCacheMiss):
		if err := keep(s.cache, number); err != nil {
			return nil, status.Errorf(codes.Unavailable, "cannot write to the cache: %v", err)
		}
		return &pb.Reply{Square: number * number}, nil
	default:
		return nil, status.Errorf(codes.Unavailable, "cannot read from the cache: %v", err)
	}
}
