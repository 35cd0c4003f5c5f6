'use strict';
// Runs one unary text-to-text gRPC method: what every sample function is. It
// knows listening, the method's wire form and signals; it does not know what a
// function computes.

const { parseArgs } = require('node:util');
const grpc = require('@grpc/grpc-js');

const VARINT = 0;
const FIXED64 = 1;
const LENGTH = 2;
const FIXED32 = 5;

/** The command line's values: --addr, --port, and the function's own in `more`. */
function flags(more = {}) {
  const options = { addr: '0.0.0.0', port: '50051', ...more };
  for (const name of Object.keys(options)) {
    options[name] = { type: 'string', default: options[name] };
  }
  return parseArgs({ options }).values;
}

/**
 * Serves answer(text) -> text as service/method until SIGTERM or SIGINT.
 * What answer throws becomes the call's status UNKNOWN.
 */
function run(args, name, service, method, answer) {
  const server = new grpc.Server();
  const definition = {
    [method]: {
      path: `/${service}/${method}`,
      requestStream: false,
      responseStream: false,
      // In an object, because the library takes an empty text for no request.
      requestDeserialize: (message) => ({ text: decode(message) }),
      responseSerialize: encode,
    },
  };
  server.addService(definition, {
    [method]: (call, done) => {
      let reply;
      try {
        reply = answer(call.request.text);
      } catch (error) {
        done({ code: grpc.status.UNKNOWN, details: error.message });
        return;
      }
      done(null, reply);
    },
  });
  for (const signal of ['SIGTERM', 'SIGINT']) {
    process.on(signal, () => {
      server.forceShutdown();
      process.exit(0);
    });
  }
  const address = `${args.addr}:${args.port}`;
  server.bindAsync(address, grpc.ServerCredentials.createInsecure(), (error) => {
    if (error) {
      console.error(`${name}: cannot listen on ${address}: ${error.message}`);
      process.exit(1);
    }
    console.log(`${name}: serving ${service}/${method} on ${address}`);
  });
}

// Every message of ../proto is one string in field 1. Reading and writing that
// by hand spares the server the loading and parsing of .proto files, which
// takes seconds on an emulated machine.

/** The message that holds text. */
function encode(text) {
  const data = Buffer.from(text);
  if (data.length === 0) return data;
  return Buffer.concat([Buffer.from([(1 << 3) | LENGTH]), varint(data.length), data]);
}

/** The text that a message holds; fields other than 1 are skipped. */
function decode(message) {
  let text = '';
  let at = 0;
  const number = () => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      if (at >= message.length || factor > 2 ** 63) throw new Error('message ends inside a number');
      const byte = message[at++];
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
  };
  while (at < message.length) {
    const tag = number();
    const kind = tag % 8;
    if (kind === VARINT) {
      number();
      continue;
    }
    let size;
    if (kind === LENGTH) size = number();
    else if (kind === FIXED32) size = 4;
    else if (kind === FIXED64) size = 8;
    else throw new Error(`field of unknown kind ${kind}`);
    if (at + size > message.length) throw new Error('message ends inside a field');
    if (tag === ((1 << 3) | LENGTH)) text = message.toString('utf8', at, at + size);
    at += size;
  }
  return text;
}

function varint(number) {
  const out = [];
  while (number > 0x7f) {
    out.push((number % 128) | 0x80);
    number = Math.floor(number / 128);
  }
  out.push(number);
  return Buffer.from(out);
}

module.exports = { flags, run };
