"""A debugger's remote protocol, as much of it as lockstep.py needs (sourceware's GDB manual, appendix E)."""

import socket
import struct
import time

NAMES = "rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15 rip eflags cs ss ds es fs gs".split()
# Seventeen registers of 8 bytes, seven of 4: QEMU and gem5 send them in the same order.
SHAPE = struct.Struct("<17Q7I")


class Debugger:
    """A connection to a stopped machine."""

    def __init__(self, path, limit_s, alive):
        self.socket = socket.socket(socket.AF_UNIX)
        end = time.monotonic() + limit_s
        while True:
            try:
                self.socket.connect(path)
                break
            except OSError:
                if time.monotonic() > end or not alive():
                    raise
                time.sleep(0.05)
        self.socket.settimeout(limit_s)
        self.buffer = b""
        self.acks = True
        self.stepping = False

    def without_acks(self):
        """QEMU can leave acknowledgements out, gem5 cannot."""
        if self.ask("QStartNoAckMode") == "OK":
            self.acks = False

    def send(self, text):
        data = text.encode()
        self.socket.sendall(b"$%s#%02x" % (data, sum(data) & 0xFF))

    def receive(self):
        while True:
            start = self.buffer.find(b"$")
            end = self.buffer.find(b"#", start) if start >= 0 else -1
            if end >= 0 and len(self.buffer) >= end + 3:
                data = self.buffer[start + 1 : end]
                self.buffer = self.buffer[end + 3 :]
                if self.acks:
                    self.socket.sendall(b"+")
                return data.decode()
            more = self.socket.recv(65536)
            if not more:
                raise EOFError("the machine has gone")
            self.buffer += more

    def begin_step(self):
        """One instruction, without waiting for its end."""
        self.send("s")
        self.stepping = True

    def settle(self):
        """Waits for the end of a step that was begun."""
        if self.stepping:
            self.receive()
            self.stepping = False

    def stopped(self, limit_s):
        """Waits for the end of a step; a machine that goes on is stopped."""
        limit = self.socket.gettimeout()
        self.socket.settimeout(limit_s)
        try:
            self.receive()
            return True
        except TimeoutError:
            self.socket.settimeout(limit)
            self.socket.sendall(b"\x03")
            self.receive()
            return False
        finally:
            self.socket.settimeout(limit)

    def ask(self, text):
        self.send(text)
        return self.receive()

    def registers(self):
        """General registers, RIP, flags, selectors, in the order of NAMES."""
        text = self.ask("g")
        return SHAPE.unpack(bytes.fromhex(text[: SHAPE.size * 2]))

    def memory(self, address, length):
        text = self.ask(f"m{address:x},{length:x}")
        return b"" if text.startswith("E") else bytes.fromhex(text)

    def put(self, register, value):
        """Sets one general register (QEMU)."""
        answer = self.ask(f"P{register:x}={struct.pack('<Q', value).hex()}")
        if answer != "OK":
            raise ValueError(f"{NAMES[register]} cannot be set: {answer}")

    def write(self, address, data):
        """Writes memory (QEMU)."""
        answer = self.ask(f"M{address:x},{len(data):x}:{data.hex()}")
        if answer != "OK":
            raise ValueError(f"{address:#x} cannot be written: {answer}")
