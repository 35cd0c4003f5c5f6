// Package fibonacci is the fibonacci function in Go: fibonacci-go serves it as
// it is, fault-go with faults around it.
package fibonacci

import (
	"context"
	"fmt"
	"math/big"
	"strconv"

	"google.golang.org/grpc/status"

	"futon.invalid/functions/internal/serve"
)

// New returns the function, answering under the given name in the log.
func New(name string, answer serve.Func) serve.Function {
	return serve.Function{Name: name, Service: "fibonacci.Greeter", Method: "SayHello", Answer: answer}
}

// Answer computes the Fibonacci number whose index is the text. What is no
// integer counts as 0; what is too large for 64 bits counts as the largest
// one, so such a call ends only with its deadline.
func Answer(ctx context.Context, text string) (string, error) {
	x, _ := strconv.ParseInt(text, 10, 64)
	y, err := Number(ctx, x)
	if err != nil {
		return "", err
	}
	return Format(x, y), nil
}

// Format is the reply text for index x and number y.
func Format(x int64, y *big.Int) string {
	return fmt.Sprintf("fn: Fib: y = fib(x) | x: %d y: %s | runtime: GoLang", x, y)
}

// Number is the Fibonacci number with index x, 0 where x is negative. It ends
// early, with an error, when ctx does.
func Number(ctx context.Context, x int64) (*big.Int, error) {
	current, next := big.NewInt(0), big.NewInt(1)
	for i := int64(0); i < x; i++ {
		if err := ctx.Err(); err != nil {
			return nil, status.FromContextError(err).Err()
		}
		current.Add(current, next)
		current, next = next, current
	}
	return current, nil
}
