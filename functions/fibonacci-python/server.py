"""The function image fibonacci-python: Fibonacci numbers of any size."""

import sys

import serve


def number(x):
    """The Fibonacci number with index x, 0 where x is negative."""
    current, following = 0, 1
    for _ in range(x):
        current, following = following, current + following
    return current


def answer(text):
    x = int(text)
    return f"fn: Fib: y = fib(x) | x: {x} y: {number(x)} | runtime: python"


if __name__ == "__main__":
    # Python refuses by default to print numbers of more than 4300 digits.
    sys.set_int_max_str_digits(0)
    serve.run(serve.flags().parse_args(), "fibonacci-python", "fibonacci.Greeter", "SayHello", answer)
