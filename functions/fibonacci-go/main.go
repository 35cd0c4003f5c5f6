// Command fibonacci-go is the function image fibonacci-go: Fibonacci numbers of any size.
package main

import (
	"flag"

	"futon.invalid/functions/internal/fibonacci"
	"futon.invalid/functions/internal/serve"
)

func main() {
	addr := flag.String("addr", "0.0.0.0:50051", "address to listen on, HOST:PORT")
	flag.Parse()
	serve.Exit(serve.Run(*addr, fibonacci.New("fibonacci-go", fibonacci.Answer)))
}
