// Command fault-go is the function image fault-go: fibonacci-go with one fault,
// for the tests that show that a faulty function never passes.
package main

import (
	"flag"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"futon.invalid/functions/internal/fibonacci"
	"futon.invalid/functions/internal/serve"
)

func main() {
	names := strings.Join(modeNames(), ", ")
	addr := flag.String("addr", "0.0.0.0:50051", "address to listen on, HOST:PORT")
	mode := flag.String("fault", "none", "one of: "+names)
	s := settings{calls: new(atomic.Int64)}
	flag.Int64Var(&s.after, "after", 3, "wrong-after, crash-after: calls that are answered rightly first")
	flag.Int64Var(&s.on, "on", 5, "hang-on: number of the call that hangs (the first is 1)")
	flag.Int64Var(&s.hog, "hog", 3, "memory-hog: number of the call that takes all memory")
	flag.DurationVar(&s.slow, "slow", 20*time.Second, "slow-start: time before the server listens")
	flag.IntVar(&s.size, "size", 20<<10, "long-header, long-reply, long-error: bytes")
	exchange := flag.String("exchange", "http://10.0.2.2:3003,http://_gateway:3003",
		"forge: addresses of the exchange, comma-separated")
	flag.Parse()
	s.exchanges = strings.Split(*exchange, ",")

	fault, known := modes[*mode]
	if !known {
		fmt.Fprintf(os.Stderr, "fault-go: -fault=%s is unknown\nhint: use one of %s\n", *mode, names)
		os.Exit(2)
	}
	fmt.Printf("fault-go: fault %s\n", *mode)
	if fault.start != nil {
		fault.start(&s)
	}
	if fault.listen != nil {
		listener, err := net.Listen("tcp", *addr)
		if err == nil {
			fmt.Printf("fault-go: %s on %s\n", *mode, listener.Addr())
			err = fault.listen(listener)
		}
		serve.Exit(err)
	}
	answer := serve.Func(fibonacci.Answer)
	if fault.answer != nil {
		answer = s.counted(fault.answer)
	}
	function := fibonacci.New("fault-go", answer)
	if fault.deaf {
		serve.Exit(serve.RunUntil(*addr, function, nil))
	}
	serve.Exit(serve.Run(*addr, function))
}

func modeNames() []string {
	var names []string
	for name := range modes {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
