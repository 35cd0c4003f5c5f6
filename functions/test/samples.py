"""The checks of the samples (../samples.yaml), called by check.py. What a right reply is in full stands in their declared calls."""

import json
import shutil
import socket
import time
import urllib.error
import urllib.request
from pathlib import Path

import grpc
import numbers_pb2
import numbers_pb2_grpc
import shop_pb2
import shop_pb2_grpc
import squares_pb2
import squares_pb2_grpc
import units_pb2
import units_pb2_grpc

PORTS = {"http-python": 8080, "lambda-python": 8080, "memcached": 11211}
NAMES = ("stream-go", "units-rust", "http-python", "lambda-python", "shop-go", "cached-go", "memcached")


def run(name, out, root, config, folder, checks):
    """`checks` is check.py: counting, and the running of servers."""
    log = folder / f"{name}.log"
    if name == "cached-go":
        cache_root = folder / "cache"
        cache_config, _ = checks.unpack(out / "memcached", cache_root)
        cache = checks.Server(cache_root, cache_config, log=folder / "cache.log")
        try:
            filler = checks.Server(root, config, ("-cache=127.0.0.1:11211", "-fill=10"), folder / "fill.log")
            checks.check(f"{name}: -fill ends", filler.process.wait(checks.START_LIMIT), 0)
            with checks.serving(root, config, ("-cache=127.0.0.1:11211",), log) as (server, channel):
                serves(name, server, channel, checks)
                cached(name, channel, checks)
        finally:
            cache.end()
        return
    if name == "shop-go":
        (root / "etc/shop").mkdir(parents=True)
        shutil.copy(Path(__file__).parent.parent / "shop-go/catalog.json", root / "etc/shop")
    if name == "memcached":
        server = checks.Server(root, config, log=log)
        try:
            checks.check(f"{name}: answers", version(), b"VERSION")
        finally:
            server.end()
        return
    with checks.serving(root, config, (), log) as (server, channel):
        if name in PORTS:
            checks.check_true(f"{name}: listens", reachable(PORTS[name]), server.output())
            {"http-python": http, "lambda-python": lambda_}[name](name, checks)
        else:
            serves(name, server, channel, checks)
            {"stream-go": stream, "shop-go": shop, "units-rust": units}[name](name, channel, checks)
        checks.check_true(f"{name}: ends on SIGTERM", server.terminate() is not None)


def version():
    """The first word of memcached's answer to "version"."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            with socket.create_connection(("127.0.0.1", 11211), timeout=5) as connection:
                connection.sendall(b"version\r\n")
                return connection.recv(100).split()[0]
        except OSError:
            time.sleep(0.1)
    return b"silence"


def serves(name, server, channel, checks):
    checks.check_true(f"{name}: listens", checks.ready(channel), server.output())


def status(call):
    try:
        call()
    except grpc.RpcError as error:
        return error.code().name
    return "OK"


def stream(name, channel, checks):
    stub = numbers_pb2_grpc.NumbersStub(channel)
    number = lambda value: numbers_pb2.Number(value=value)
    checks.check(f"{name}: unary", stub.Find(numbers_pb2.Name(name="two")).value, 2)
    checks.check(f"{name}: unknown", status(lambda: stub.Find(numbers_pb2.Name(name="x"))), "NOT_FOUND")
    counted = [reply.value for reply in stub.Count(numbers_pb2.Range(last=3))]
    checks.check(f"{name}: server's stream", counted, [1, 2, 3])
    checks.check(f"{name}: client's stream", stub.Sum(map(number, (1, 2, 4))).sum, 7)
    running = [reply.sum for reply in stub.Running(map(number, (1, 2, 4)))]
    checks.check(f"{name}: both", running, [1, 3, 7])


def shop(name, channel, checks):
    stub = shop_pb2_grpc.CatalogueStub(channel)
    checks.check(f"{name}: products", len(stub.List(shop_pb2.ListRequest()).products), 4)
    checks.check(f"{name}: one", stub.Get(shop_pb2.GetRequest(id="C-1")).name, "Corkscrew")
    checks.check(f"{name}: none", status(lambda: stub.Get(shop_pb2.GetRequest(id="?"))), "NOT_FOUND")


def units(name, channel, checks):
    stub = units_pb2_grpc.UnitsStub(channel)
    length = lambda value, unit: units_pb2.Length(value=value, unit=unit)
    converted = stub.Convert(units_pb2.Conversion(length=length(2, units_pb2.MILE), to=units_pb2.METRE))
    checks.check(f"{name}: unary", round(converted.value, 3), 3218.688)
    table = [reply.unit for reply in stub.Table(length(1, units_pb2.FOOT))]
    checks.check(f"{name}: server's stream", table, [1, 2, 3])
    checks.check(f"{name}: no pace", status(lambda: stub.Schedule(units_pb2.Trip())), "INVALID_ARGUMENT")


def cached(name, channel, checks):
    get = squares_pb2_grpc.SquaresStub(channel).Get
    seen = []
    for number in (9, 20, 20):
        reply = get(squares_pb2.Request(number=number))
        seen.append((reply.square, reply.cached))
    checks.check(f"{name}: squares", seen, [(81, True), (400, False), (400, True)])


def ask(port, path, body=None, headers=None):
    """Status, headers and body of a request."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, headers or {})
    try:
        with urllib.request.urlopen(request, timeout=10) as reply:
            return reply.status, reply.headers, reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()


def reachable(port):
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            ask(port, "/")
            return True
        except OSError:
            time.sleep(0.1)
    return False


def http(name, checks):
    status, _, body = ask(8080, "/hello?name=you")
    checks.check(f"{name}: text", (status, body), (200, "Hello, you!\n"))
    checks.check(f"{name}: unknown", ask(8080, "/x")[0], 404)
    headers = {"ce-id": "1", "ce-type": "t", "ce-source": "s", "ce-specversion": "1.0", "content-type": "application/json"}
    status, headers, body = ask(8080, "/", b'{"a": 1}', headers)
    checks.check(f"{name}: event", (status, headers["ce-id"], json.loads(body)["data"]), (200, "1-taken", {"a": 1}))


def lambda_(name, checks):
    path = "/2015-03-31/functions/function/invocations"
    status, _, body = ask(8080, path, b'{"numbers": [1, 2]}')
    checks.check(f"{name}: sum", (status, json.loads(body)["sum"]), (200, 3))
    checks.check(f"{name}: error", json.loads(ask(8080, path, b"{}")[2])["errorType"], "KeyError")
