#!/usr/bin/env python3
"""test-client -load against ghz and h2load: calls a second over one connection with 32 in flight, on loopback.

    bench/load.py [--server COMMAND --port PORT] [--seconds 6] [--rounds 5] [--out bench/out]

The client has one core (the last one), the server another (the first). Rounds are interleaved, so that what else the machine does strikes all
alike; medians and ratios go to load.json. The server is `test-client -serve` (tonic's server) unless another command is given, which must
serve helloworld.Greeter on 127.0.0.1:PORT. ghz is built into target/load-tools by `go install`; h2load is Debian's nghttp2-client.

Only test-client verifies replies. ghz decodes them, h2load counts HTTP statuses.
"""

import argparse
import json
import os
import pathlib
import re
import shlex
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
CLIENT = ROOT / "target/x86_64-unknown-linux-gnu/release/test-client"
TOOLS = ROOT / "target/load-tools"
METHOD = "helloworld.Greeter/SayHello"
TEXT = "A unique message"
PROTO = """syntax = "proto3";
package helloworld;
service Greeter { rpc SayHello (HelloRequest) returns (HelloReply); }
message HelloRequest { string name = 1; }
message HelloReply { string message = 1; }
"""


def on(core: int, command: list) -> list:
    """A command on one core."""
    return ["taskset", "-c", str(core), *map(str, command)]


def output(command: list) -> str:
    """What a command prints; its failure ends the benchmark."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{shlex.join(command)}: {done.stderr or done.stdout}")
    return done.stdout


def ghz() -> pathlib.Path:
    """ghz, built where it is not there yet."""
    built = TOOLS / "ghz"
    if not built.exists():
        environment = {**os.environ, "GOBIN": str(TOOLS)}
        subprocess.run(["go", "install", "github.com/bojand/ghz/cmd/ghz@v0.93.0"], env=environment, check=True)
    return built


def start(command: list, port: int) -> subprocess.Popen:
    """Starts the server and waits until it listens."""
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return server
        time.sleep(0.1)
    server.kill()
    sys.exit(f"{shlex.join(command)} does not listen on port {port}")


def clients(port: int, seconds: int, folder: pathlib.Path, tool: pathlib.Path) -> dict:
    """Each client's command, and how its output is read."""
    message = TEXT.encode()
    (folder / "body").write_bytes(b"\0" + (len(message) + 2).to_bytes(4, "big") + b"\x0a" + bytes([len(message)]) + message)
    (folder / "hello.proto").write_text(PROTO)
    ours = [CLIENT, "-load", "-port", port, "-connections", 1, "-concurrency", 32, "-duration", f"{seconds}s", "-warmup", "1s", "-json"]
    theirs = ["h2load", "-t", 1, "-c", 1, "-m", 32, "-D", seconds, "--warm-up-time", 1, "-H", "te: trailers", "-H", "content-type: application/grpc",
              "-d", folder / "body", f"http://127.0.0.1:{port}/{METHOD}"]
    others = [tool, "--insecure", "--connections", 1, "-c", 32, "-z", f"{seconds}s", "--cpus", 1, "--proto", folder / "hello.proto",
              "--call", METHOD, "-d", json.dumps({"name": TEXT}), "-O", "json", f"127.0.0.1:{port}"]

    def verified(text: str) -> float:
        report = json.loads(text)
        if report["failed"] or not report["verified"]:
            sys.exit(f"not all replies are right: {text}")
        return report["verified_per_s"]

    return {
        "futon": (ours, verified),
        "h2load": (theirs, lambda text: float(re.search(r"finished in [^,]*, ([0-9.]+) req/s", text).group(1))),
        "ghz": (others, lambda text: json.loads(text)["rps"]),
    }


def main() -> None:
    """Measures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--server", help="command of a server [default: test-client -serve]")
    parser.add_argument("--port", type=int, default=50110)
    parser.add_argument("--seconds", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "bench/out")
    args = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2 or not shutil.which("h2load"):
        sys.exit("two cores are needed, and h2load (Debian: nghttp2-client)")
    command = shlex.split(args.server) if args.server else [str(CLIENT), "-serve", "-port", str(args.port)]
    rates: dict = {}
    with tempfile.TemporaryDirectory() as folder:
        chosen = clients(args.port, args.seconds, pathlib.Path(folder), ghz())
        server = start(on(cores[0], command), args.port)
        try:
            for round_ in range(args.rounds):
                for name, (client, read) in chosen.items():
                    rate = read(output(on(cores[-1], client)))
                    rates.setdefault(name, []).append(round(rate))
                    print(f"round {round_ + 1}: {name:7} {rate:10.0f} calls/s", flush=True)
        finally:
            server.kill()
            server.wait()
    medians = {name: statistics.median(all_) for name, all_ in rates.items()}
    ratios = {name: round(medians["futon"] / medians[name], 2) for name in ("ghz", "h2load")}
    result = {"server": shlex.join(command), "seconds": args.seconds, "rates": rates, "medians": medians, "ratios": ratios}
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "load.json").write_text(json.dumps(result, indent=2) + "\n")
    print(f"medians: {medians}; futon against them: {ratios}")


if __name__ == "__main__":
    main()
