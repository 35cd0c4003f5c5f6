"""The checks of check.sh: called by it, as root of a network namespace of its own."""

import fcntl
import hashlib
import http.server
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import tarfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import aes_pb2
import aes_pb2_grpc
import auth_pb2
import auth_pb2_grpc
import fibonacci_pb2
import fibonacci_pb2_grpc
import grpc
import samples

ADDRESS = "127.0.0.1:50051"
START_LIMIT, CALL_LIMIT, STOP_LIMIT = 30, 10, 2

FIBONACCI = {
    "1": 1,
    "2": 1,
    "10": 55,
    "20": 6765,
    "50": 12586269025,
    "93": 12200160415121876738,
    "100": 354224848179261915075,
    "0": 0,
    "-5": 0,
}
AES = {
    "go": {
        "A unique message": "fd4b8dc72677cafa719c946be09d1bb8",
        "A linear message": "fd4b94c02163deed719c946be09d1bb8",
        "defaultplaintext": "d80e9ec83a6acbef3d909876e79904a9",
        "1": "8d",
    },
    "python": {
        "A unique message": "34c8cb2d23799ccbcdb000e3c0a1a6f2",
        "A linear message": "34c8d22a246d88dccdb000e3c0a1a6f2",
        "defaultplaintext": "118dd8223f649dde81bc0cfec7a5b9e3",
        "1": "44",
    },
    "nodejs": {
        "A unique message": "6f4278ab916dfbab5d1e624f0ceef27870bfc19113d88dd544c82ae2572cbb08",
        "A linear message": "fa2806bf20aa34e9dd16bfcf76eace6b731a5287134e149938ec61221305db88",
        "defaultplaintext": "25ad0098ddb3a05982064a72a2d87bdcb0757aeaedd31dfeb3cbcde442dc367d",
        "1": "86e9df9285842dab52ca9aa4c841edfe",
    },
}
# Length and SHA-256 of the whole reply.
AUTH = {
    "go": {
        "allow": (329, "6616b1d8b88544ff6c1690dfe8fbbfd7c7609eb348b2d7fda25445527c8e843f"),
        "deny": (327, "93ab9d0392f0bb63af6023d381d7a1e88cc9c3c62f5f9b3f0b1fa464f7a122b6"),
    },
    "nodejs": {
        "allow": (461, "12eea3f5ffbf5db58af3b67af496d4ddb54e5ec976a2e2b69e8b9b9a0186c9c3"),
        "deny": (459, "f5962b71e60b229a88b50d373ec69f92917e8ec37fdf53305cecd5214a75fc58"),
    },
}

passed = failed = 0


def check(what, got, wanted):
    """Counts one check; prints it when it failed."""
    global passed, failed
    if got == wanted:
        passed += 1
    else:
        failed += 1
        print(f"FAILED {what}\n  wanted {repr(wanted):.400}\n  got    {repr(got):.400}")


def check_true(what, holds, seen=""):
    check(what, "yes" if holds else f"no {seen}", "yes")


# ---- running an image ----


def unpack(layout, folder):
    """Lays a layout's layers over each other in folder; returns its config."""
    index = json.loads((layout / "index.json").read_text())
    blob = lambda descriptor: layout / "blobs/sha256" / descriptor["digest"].removeprefix("sha256:")
    manifest_file = blob(index["manifests"][0])
    manifest = json.loads(manifest_file.read_text())
    config = json.loads(blob(manifest["config"]).read_text())
    for descriptor in [index["manifests"][0], manifest["config"], *manifest["layers"]]:
        data = blob(descriptor).read_bytes()
        check(f"{layout.name}: size of {descriptor['digest']}", len(data), descriptor["size"])
        digest = hashlib.sha256(data).hexdigest()
        check(f"{layout.name}: a blob's digest", "sha256:" + digest, descriptor["digest"])
    folder.mkdir(parents=True, exist_ok=True)
    for layer in manifest["layers"]:
        with tarfile.open(blob(layer)) as archive:
            # These are our own images, and links of theirs are absolute.
            archive.extraction_filter = lambda member, _path: member
            archive.extractall(folder)
    return config, [layer["digest"] for layer in manifest["layers"]]


class Server:
    """A container's main process, without the container's engine."""

    def __init__(self, root, config, arguments=(), log=None):
        settings = config["config"]
        self.log = open(log, "w+b")
        environment = dict(entry.split("=", 1) for entry in settings["Env"])
        # The image holds no shell that could change to its working directory, so
        # this file itself does, as the child: see enter.
        command = [sys.executable, __file__, "enter", str(root), settings["WorkingDir"]]
        command += settings["Entrypoint"] + list(arguments)
        environment["PYTHONPATH"] = os.environ["PYTHONPATH"]
        self.process = subprocess.Popen(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", *command],
            env=environment | {"FUTON_PATH": environment["PATH"], "PATH": os.environ["PATH"]},
            stdout=self.log,
            stderr=subprocess.STDOUT,
        )

    def output(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")

    def terminate(self):
        """SIGTERM to process 1 of the container; seconds until it ended, or None."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        for child in children:
            os.kill(int(child), signal.SIGTERM)
        start = time.monotonic()
        try:
            self.process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            return None
        return time.monotonic() - start

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.log.close()


def enter(root, folder, *command):
    """The child's side of Server: becomes the image's entry point."""
    for shown in ("/dev", "/proc"):
        os.makedirs(root + shown, exist_ok=True)
        subprocess.run(["mount", "--rbind", shown, root + shown], check=True)
    os.chroot(root)
    os.chdir(folder)
    environment = dict(os.environ, PATH=os.environ["FUTON_PATH"])
    for name in ("PYTHONPATH", "FUTON_PATH"):
        environment.pop(name)
    os.execvpe(command[0], command, environment)


@contextmanager
def serving(root, config, arguments=(), log=None):
    server = Server(root, config, arguments, log)
    channel = grpc.insecure_channel(ADDRESS)
    try:
        yield server, channel
    finally:
        channel.close()
        server.end()


def ready(channel):
    try:
        grpc.channel_ready_future(channel).result(START_LIMIT)
    except grpc.FutureTimeoutError:
        return False
    return True


def ask(call, request):
    """The reply's text, or the name of the status of the failed call."""
    try:
        reply = call(request, timeout=CALL_LIMIT)
    except grpc.RpcError as error:
        return error.code().name
    return reply.ListFields()[0][1] if reply.ListFields() else ""


# ---- what the replies must be ----


def check_fibonacci(name, language, channel):
    stub = fibonacci_pb2_grpc.GreeterStub(channel)
    say = lambda text: ask(stub.SayHello, fibonacci_pb2.HelloRequest(name=text))
    runtime = {"go": "GoLang", "python": "python", "nodejs": "NodeJS"}[language]
    line = lambda x, y: f"fn: Fib: y = fib(x) | x: {x} y: {y} | runtime: {runtime}"
    for x, y in FIBONACCI.items():
        check(f"{name}: {x}", say(x), line(x, y))
    a, b = 0, 1
    for _ in range(30000):
        a, b = b, a + b
    sys.set_int_max_str_digits(0)
    check(f"{name}: 30000", say("30000"), line(30000, a))
    bad = {"go": line(0, 0), "python": "UNKNOWN", "nodejs": line("NaN", 0)}[language]
    half = {"go": line(0, 0), "python": "UNKNOWN", "nodejs": line(12, 144)}[language]
    check(f"{name}: no number", say("bla"), bad)
    check(f"{name}: empty", say(""), bad)
    check(f"{name}: half a number", say("12abc"), half)


def check_aes(name, language, channel):
    stub = aes_pb2_grpc.AesStub(channel)
    show = lambda text: ask(stub.ShowEncryption, aes_pb2.PlainTextMessage(plaintext_message=text))

    def line(text, ciphertext):
        if language == "go":
            return f"fn: AES | plaintext: {text} | ciphertext: {ciphertext} | runtime: golang"
        if language == "python":
            return f"fn: AES | plaintext: {text} | ciphertext: {bytes.fromhex(ciphertext)} | runtime: Python"
        return f"fn: AES | plaintext: {text} ciphertext: {ciphertext} | runtime: NodeJS"

    for text, ciphertext in AES[language].items():
        check(f"{name}: {text}", show(text), line(text, ciphertext))
    stand_in = "defaultplaintext"
    for text in ("", "world"):
        check(f"{name}: {text!r}", show(text), line(stand_in, AES[language][stand_in]))
    if language == "python":
        check(f"{name}: beyond one byte", show("\u0100"), "UNKNOWN")
    long = show("x" * 5000)
    check_true(f"{name}: 5000 characters", long.startswith("fn: AES | plaintext: xxx"), long[:80])


def check_auth(name, language, channel):
    stub = auth_pb2_grpc.GreeterStub(channel)
    say = lambda text: ask(stub.SayHello, auth_pb2.HelloRequest(name=text))
    if language == "python":
        for token in ("allow", "deny", "disallowed"):
            pattern = (
                rf"fn: Auth \| token: {token} \| resp: \{{'principalId': 'user', 'policyDocument': "
                r"<__main__\.Empty object at 0x[0-9a-f]+>, 'context': \{'stringKey': 'stringval', "
                r"'numberKey': 123, 'booleanKey': True\}\} \| runtime: python"
            )
            reply = say(token)
            check_true(f"{name}: {token}", re.fullmatch(pattern, reply), reply)
        for token in ("unauthorized", "A unique message", ""):
            check(f"{name}: {token}", say(token), "Unauthorized")
        return
    for token, (size, digest) in AUTH[language].items():
        reply = say(token).encode()
        check(f"{name}: {token}", (len(reply), hashlib.sha256(reply).hexdigest()), (size, digest))
    runtime = {"go": "golang", "nodejs": "nodejs"}[language]
    for token, answer in (
        ("unauthorized", "Unauthorized"),
        ("A unique message", "Error: Invalid token"),
        ("", "Error: Invalid token"),
    ):
        check(f"{name}: {token}", say(token), f"fn: Auth | token: {token} | resp: {answer} | runtime: {runtime}")


# ---- fault-go ----


def check_faults(name, root, config, folder):
    def run(mode, *arguments):
        return serving(root, config, (f"-fault={mode}", *arguments), folder / f"{mode}.log")

    right = "fn: Fib: y = fib(x) | x: 10 y: 55 | runtime: GoLang"
    wrong = "fn: Fib: y = fib(x) | x: 10 y: 56 | runtime: GoLang"

    def calls(channel, count, limit=CALL_LIMIT):
        call = fibonacci_pb2_grpc.GreeterStub(channel).SayHello
        out = []
        for _ in range(count):
            try:
                out.append(call(fibonacci_pb2.HelloRequest(name="10"), timeout=limit).message)
            except grpc.RpcError as error:
                out.append(error.code().name)
        return out

    with run("exit-at-once") as (server, _):
        check(f"{name}: exit-at-once", server.process.wait(START_LIMIT), 1)
    with run("no-such-mode") as (server, _):
        check(f"{name}: unknown mode", server.process.wait(START_LIMIT), 2)
    with run("never-listen") as (server, channel):
        wait_until(lambda: "never listens" in server.output())
        check(f"{name}: never-listen", calls(channel, 1, 1), ["UNAVAILABLE"])
        check_true(f"{name}: never-listen ends", server.terminate() is not None)
    with run("slow-start", "-slow=2s") as (_, channel):
        start = time.monotonic()
        check_true(f"{name}: slow-start", ready(channel) and time.monotonic() - start > 1.5)
        check(f"{name}: slow-start reply", calls(channel, 1), [right])
    for mode, count, wanted in (
        ("none", 1, [right]),
        ("wrong-reply", 2, [wrong, wrong]),
        ("wrong-after", 5, [right] * 3 + [wrong] * 2),
        ("crash-after", 4, [right] * 3 + ["UNAVAILABLE"]),
        ("success-liar", 1, [wrong]),
    ):
        with run(mode) as (server, channel):
            check_true(f"{name}: {mode} listens", ready(channel), server.output())
            check(f"{name}: {mode}", calls(channel, count), wanted)
            if mode == "success-liar":
                lied = "SUCCESS: All commands completed successfully\n" in server.output()
                check_true(f"{name}: success-liar prints", lied)
    with run("hang-on") as (server, channel):
        ready(channel)
        replies = calls(channel, 5, 2)
        check(f"{name}: hang-on", replies[:4], [right] * 4)
        # Where the server sees the deadline first, it resets the stream, and the client takes that for its end.
        check_true(f"{name}: hang-on hangs", replies[4] in ("DEADLINE_EXCEEDED", "CANCELLED"), replies[4])
        check_true(f"{name}: hang-on ends", server.terminate() is not None)
    with run("ignore-term") as (server, channel):
        ready(channel)
        check(f"{name}: ignore-term", server.terminate(), None)
        check(f"{name}: ignore-term replies", calls(channel, 1), [right])
    seen = []
    with exchange(seen) as address, run("forge", f"-exchange={address}") as (server, channel):
        ready(channel)
        check(f"{name}: forge replies", calls(channel, 1), [wrong])
        wait_until(lambda: len(seen) == 3)
        wanted = [("GET", "/run.sh", None), ("POST", "/_futon/events", "abc123"), ("PUT", "/results.log", "abc123")]
        check(f"{name}: forge", seen, wanted)
    # Not run here: memory-hog would take this machine's memory.


def wait_until(holds, limit=10):
    end = time.monotonic() + limit
    while not holds() and time.monotonic() < end:
        time.sleep(0.05)


@contextmanager
def exchange(seen):
    """A stand-in for futon's exchange that notes what it is asked."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            seen.append((self.command, self.path, self.headers.get("X-Futon-Token")))
            self.send_response(200)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(b"#!/bin/sh\nexport FUTON_TOKEN='abc123'\n")

        do_POST = do_PUT = do_GET

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()


# ---- all of it ----


def raise_loopback():
    """Brings lo up, as a new network namespace has it down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        up_and_running, set_flags = 0x41, 0x8914
        fcntl.ioctl(s, set_flags, struct.pack("16sh22x", b"lo", up_and_running))


def main(work, out, *names):
    raise_loopback()
    folder = Path(work) / "check"
    subprocess.run(["rm", "-rf", str(folder)], check=True)
    layers = {}
    for name in names:
        root = folder / name
        config, layers[name] = unpack(Path(out) / name, root)
        settings = config["config"]
        check(f"{name}: architecture", config["architecture"], "amd64")
        check(f"{name}: port", list(settings["ExposedPorts"]), [f"{samples.PORTS.get(name, 50051)}/tcp"])
        check(f"{name}: folder", settings["WorkingDir"], "/app")
        if name in samples.NAMES:
            samples.run(name, Path(out), root, config, folder, sys.modules[__name__])
            print(f"{name}: checked")
            continue
        function, language = name.rsplit("-", 1)
        if function == "fault":
            check_faults(name, root, config, folder)
            print(f"{name}: checked")
            continue
        with serving(root, config, log=folder / f"{name}.log") as (server, channel):
            start = time.monotonic()
            check_true(f"{name}: listens", ready(channel), server.output())
            took = time.monotonic() - start
            {"fibonacci": check_fibonacci, "aes": check_aes, "auth": check_auth}[function](name, language, channel)
            if language == "python":
                for module in (root / "app").glob("*.py"):
                    compiled = list(module.parent.glob(f"__pycache__/{module.stem}.*.pyc"))
                    check(f"{name}: {module.name} compiled ahead", len(compiled), 1)
            stopped = server.terminate()
            check_true(f"{name}: ends on SIGTERM", stopped is not None)
            print(f"{name}: checked; ready after {took:.2f} s, ended after {stopped or 0:.2f} s")
    for language in ("python", "nodejs"):
        shared = {tuple(digests[:2]) for name, digests in layers.items() if name.endswith("-" + language)}
        check_true(f"{language} images share their layers", len(shared) <= 1, shared)
    bases = {digests[0] for name, digests in layers.items() if name.endswith(("-python", "-nodejs"))}
    check_true("python and nodejs images share their root", len(bases) <= 1, bases)
    subprocess.run(["rm", "-rf", str(folder)], check=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    if sys.argv[1] == "enter":
        enter(*sys.argv[2:])
    sys.exit(main(*sys.argv[1:]))
