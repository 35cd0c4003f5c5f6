package main

import (
	"context"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"futon.invalid/functions/internal/fibonacci"
	"futon.invalid/functions/internal/serve"
)

// closingLine is what an honest run script prints last, and what a log alone
// would be judged by.
const closingLine = "SUCCESS: All commands completed successfully"

type settings struct {
	after, on, hog int64
	size           int
	slow           time.Duration
	exchanges      []string
	calls          *atomic.Int64
}

// A mode is one fault: what happens before the server listens (it need not
// return), what listens in place of the server, and how call number n is
// answered. nil means: as fibonacci-go. A deaf one hears no SIGTERM.
type mode struct {
	deaf   bool
	start  func(s *settings)
	listen func(listener net.Listener) error
	answer func(s *settings, n int64, ctx context.Context, text string) (string, error)
}

var modes = map[string]mode{
	"none": {},
	"exit-at-once": {start: func(*settings) {
		os.Exit(1)
	}},
	"never-listen": {start: func(*settings) {
		stop := make(chan os.Signal, 1)
		signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
		fmt.Println("fault-go: never listens")
		<-stop
		os.Exit(0)
	}},
	"slow-start": {start: func(s *settings) {
		time.Sleep(s.slow)
	}},
	"wrong-reply": {answer: wrong},
	"wrong-after": {answer: func(s *settings, n int64, ctx context.Context, text string) (string, error) {
		if n > s.after {
			return wrong(s, n, ctx, text)
		}
		return fibonacci.Answer(ctx, text)
	}},
	"crash-after": {answer: func(s *settings, n int64, ctx context.Context, text string) (string, error) {
		if n > s.after {
			fmt.Printf("fault-go: crash on call %d\n", n)
			os.Exit(3)
		}
		return fibonacci.Answer(ctx, text)
	}},
	"hang-on": {answer: func(s *settings, n int64, ctx context.Context, text string) (string, error) {
		if n == s.on {
			fmt.Printf("fault-go: hang on call %d\n", n)
			select {} // deaf even to the call's own deadline
		}
		return fibonacci.Answer(ctx, text)
	}},
	"success-liar": {
		start: func(*settings) { fmt.Println(closingLine) },
		answer: func(s *settings, n int64, ctx context.Context, text string) (string, error) {
			fmt.Println(closingLine)
			return wrong(s, n, ctx, text)
		},
	},
	"forge": {start: func(s *settings) { go forge(s.exchanges) }, answer: wrong},
	"memory-hog": {answer: func(s *settings, n int64, ctx context.Context, text string) (string, error) {
		if n == s.hog {
			takeAllMemory()
		}
		return fibonacci.Answer(ctx, text)
	}},
	"http1":  {listen: serveHTTP1},
	"tls":    {listen: serveTLS},
	"silent": {listen: acceptAnd(func(net.Conn) {})},
	"closes": {listen: acceptAnd(func(connection net.Conn) { connection.Close() })},
	"long-header": {answer: func(s *settings, n int64, ctx context.Context, text string) (string, error) {
		if err := grpc.SetHeader(ctx, metadata.Pairs("x-long", strings.Repeat("x", s.size))); err != nil {
			return "", err
		}
		return fibonacci.Answer(ctx, text)
	}},
	"long-reply": {answer: func(s *settings, n int64, ctx context.Context, text string) (string, error) {
		return strings.Repeat("x", s.size), nil
	}},
	"long-error": {answer: func(s *settings, n int64, ctx context.Context, text string) (string, error) {
		return "", status.Error(codes.Internal, "first line\nsecond line \x1b[2J"+strings.Repeat("x", s.size))
	}},
	"panic": {answer: func(s *settings, n int64, ctx context.Context, text string) (string, error) {
		fmt.Println("panic: not a real one, but the first of many lines")
		for i := range 50 {
			fmt.Printf("frame %d\n", i)
		}
		os.Exit(2)
		return "", nil
	}},
	"ignore-term": {deaf: true, start: func(*settings) {
		signal.Ignore(syscall.SIGTERM)
	}},
}

// counted numbers the calls from 1, every one that the server answers.
func (s *settings) counted(
	answer func(*settings, int64, context.Context, string) (string, error),
) serve.Func {
	return func(ctx context.Context, text string) (string, error) {
		return answer(s, s.calls.Add(1), ctx, text)
	}
}

// wrong is the right reply with 1 added to the number: well-formed, and a lie.
func wrong(_ *settings, _ int64, ctx context.Context, text string) (string, error) {
	x, _ := strconv.ParseInt(text, 10, 64)
	y, err := fibonacci.Number(ctx, x)
	if err != nil {
		return "", err
	}
	return fibonacci.Format(x, y.Add(y, big.NewInt(1))), nil
}

// takeAllMemory allocates and touches memory until the kernel ends somebody.
func takeAllMemory() {
	const chunk, page = 16 << 20, 4 << 10
	var held [][]byte
	for {
		block := make([]byte, chunk)
		for i := 0; i < chunk; i += page {
			block[i] = 1
		}
		held = append(held, block)
		fmt.Printf("fault-go: holds %d MiB\n", len(held)*chunk>>20)
	}
}
