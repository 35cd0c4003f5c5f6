#!/usr/bin/env python3
"""futon's exchange against the Python upload server: one large file down and up, many small files up, peak memory.

    bench/exchange.py [--mib 1024] [--small 1000] [--runs 3] [--out bench/out]

Both serve the same folder in memory (/dev/shm) to the same curl; rounds are interleaved, medians and ratios go to exchange.json. curl takes
time, too: "down_least" is what it takes to fetch the file from a server that only calls sendfile(2), about the least for any server.
"""

import argparse
import json
import pathlib
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
FUTON = ROOT / "target/x86_64-unknown-linux-gnu/release/futon"
VENV = ROOT / "target/uploadserver-venv"
PORTS = {"futon": 3013, "uploadserver": 3014}


def upload_server(folder: pathlib.Path, port: int) -> list:
    """Command of the Python upload server, from PyPI."""
    if not (VENV / "bin/uploadserver").exists():
        subprocess.run(["/usr/bin/python3", "-m", "venv", VENV], check=True)
        subprocess.run([VENV / "bin/pip", "install", "-q", "--disable-pip-version-check", "uploadserver==6.0.3"], check=True)
    return [VENV / "bin/python", "-m", "uploadserver", "-d", folder, "--bind", "127.0.0.1", "--allow-replace", str(port)]


def start(name: str, folder: pathlib.Path) -> subprocess.Popen:
    """Starts a server on a folder and waits until it answers."""
    port = PORTS[name]
    command = [FUTON, "serve", folder, "--port", str(port), "-q"] if name == "futon" else upload_server(folder, port)
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(100):
        if subprocess.run(["curl", "-fso", "/dev/null", f"http://127.0.0.1:{port}/ready.txt"], check=False).returncode == 0:
            return server
        time.sleep(0.1)
    server.kill()
    sys.exit(f"{name} does not answer on port {port}")


def least(file: pathlib.Path) -> float:
    """Seconds that curl takes for a file which the kernel sends by itself."""
    with socket.create_server(("127.0.0.1", 0)) as server, file.open("rb") as source:
        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % file.stat().st_size)
                connection.sendfile(source)
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        took = curl(f"http://127.0.0.1:{server.getsockname()[1]}/")
        thread.join()
        return took


def curl(*words: str) -> float:
    """Seconds that one curl took."""
    begin = time.monotonic()
    subprocess.run(["curl", "-fsS", "-o", "/dev/null", *words], check=True)
    return time.monotonic() - begin


def peak_mib(server: subprocess.Popen) -> float:
    """Largest resident set so far (VmHWM of proc(5)), MiB."""
    text = pathlib.Path(f"/proc/{server.pid}/status").read_text()
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("VmHWM")) / 1024


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--mib", type=int, default=1024)
    arguments.add_argument("--small", type=int, default=1000)
    arguments.add_argument("--runs", type=int, default=3)
    arguments.add_argument("--out", type=pathlib.Path, default=ROOT / "bench/out")
    a = arguments.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    times: dict[str, dict[str, list[float]]] = {name: {"down": [], "up": [], "small": []} for name in PORTS}
    floor: list[float] = []
    peaks: dict[str, float] = {}
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        work = pathlib.Path(name)
        big = work / "big.bin"
        with big.open("wb") as file:
            for _ in range(a.mib):
                file.write(b"\xa5" * (1 << 20))
        (work / "small").mkdir()
        for i in range(a.small):
            (work / "small" / f"{i}.txt").write_text("a small file\n" * 20)
        for _ in range(a.runs):
            least(big)  # not counted, as for the others
            floor.append(least(big))
            for name, port in PORTS.items():
                folder = work / "served"
                folder.mkdir()
                (folder / "ready.txt").write_text("yes\n")
                (folder / "down.bin").hardlink_to(big)
                server = start(name, folder)
                try:
                    url = f"http://127.0.0.1:{port}"
                    curl(f"{url}/down.bin")  # not counted: a server that has just started
                    times[name]["down"].append(curl(f"{url}/down.bin"))
                    times[name]["up"].append(curl(f"{url}/upload", "-F", f"files=@{big}"))
                    # One connection, one request a file, as a guest that uploads its logs does.
                    requests = []
                    for i in range(a.small):
                        requests += ["--next"] if requests else []
                        requests += ["-fsS", "-o", "/dev/null", "-F", f"files=@{work}/small/{i}.txt", f"{url}/upload"]
                    begin = time.monotonic()
                    subprocess.run(["curl", *requests], check=True)
                    times[name]["small"].append(time.monotonic() - begin)
                    peaks[name] = max(peaks.get(name, 0), peak_mib(server))
                finally:
                    server.terminate()
                    server.wait(20)
                shutil.rmtree(folder)
    medians = {name: {what: statistics.median(values) for what, values in of.items()} for name, of in times.items()}
    result = {
        "mib": a.mib, "small_files": a.small, "seconds": times, "median": medians,
        "mib_per_s": {name: {what: round(a.mib / of[what]) for what in ("down", "up")} for name, of in medians.items()},
        "times_as_fast": {what: round(medians["uploadserver"][what] / medians["futon"][what], 1) for what in ("down", "up", "small")},
        "down_least": statistics.median(floor),
        "peak_mib": {name: round(value) for name, value in peaks.items()},
    }
    (a.out / "exchange.json").write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps({key: result[key] for key in ("median", "mib_per_s", "times_as_fast", "down_least", "peak_mib")}, indent=2))


if __name__ == "__main__":
    main()
