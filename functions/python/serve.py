"""Runs one unary text-to-text gRPC method: what every sample function is.

It knows listening, the method's wire form and signals; it does not know what a
function computes.
"""

import argparse
import signal
from concurrent.futures import ThreadPoolExecutor

import grpc

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5


def flags():
    """A parser with the flags of every Python function."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--addr", default="0.0.0.0", help="address to listen on")
    parser.add_argument("--port", default="50051", help="port to listen on")
    return parser


def run(args, name, service, method, answer):
    """Serves `answer(text) -> text` as service/method until SIGTERM or SIGINT.

    What `answer` raises becomes the call's status UNKNOWN.
    """
    signals = {signal.SIGTERM, signal.SIGINT}
    # Blocked before any thread starts, so that only sigwait below sees them.
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    server = grpc.server(ThreadPoolExecutor(max_workers=1))
    handler = grpc.unary_unary_rpc_method_handler(
        lambda text, _context: answer(text),
        request_deserializer=decode,
        response_serializer=encode,
    )
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(service, {method: handler}),)
    )
    address = f"{args.addr}:{args.port}"
    server.add_insecure_port(address)
    server.start()
    print(f"{name}: serving {service}/{method} on {address}", flush=True)
    signal.sigwait(signals)
    server.stop(grace=None).wait()


# Every message of ../proto is one string in field 1. Reading and writing that
# by hand spares the image protobuf's package and the server its import, which
# takes seconds on an emulated machine.


def encode(text):
    """The message that holds text."""
    data = text.encode()
    return _varint(LENGTH | 1 << 3) + _varint(len(data)) + data if data else b""


def decode(message):
    """The text that a message holds; fields other than 1 are skipped."""
    text, at = b"", 0
    while at < len(message):
        tag, at = _read_varint(message, at)
        kind = tag & 7
        if kind == VARINT:
            _, at = _read_varint(message, at)
            continue
        if kind == LENGTH:
            size, at = _read_varint(message, at)
        elif kind in (FIXED32, FIXED64):
            size = 4 if kind == FIXED32 else 8
        else:
            raise ValueError(f"field of unknown kind {kind}")
        if at + size > len(message):
            raise ValueError("message ends inside a field")
        if tag == LENGTH | 1 << 3:
            text = message[at : at + size]
        at += size
    return text.decode()


def _varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _read_varint(message, at):
    number = shift = 0
    while True:
        if at >= len(message) or shift > 63:
            raise ValueError("message ends inside a number")
        byte = message[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return number, at
