'use strict';
// The function image fibonacci-nodejs: Fibonacci numbers of any size.

const serve = require('./serve');

/** The Fibonacci number with index x, 0 where x is negative or no number. */
function number(x) {
  let current = 0n;
  let next = 1n;
  for (let i = 0; i < x; i++) {
    [current, next] = [next, current + next];
  }
  return current;
}

function answer(text) {
  const x = parseInt(text, 10);
  return `fn: Fib: y = fib(x) | x: ${x} y: ${number(x)} | runtime: NodeJS`;
}

serve.run(serve.flags(), 'fibonacci-nodejs', 'fibonacci.Greeter', 'SayHello', answer);
