#!/usr/bin/env python3
"""From one moved state QEMU and gem5 go on, instruction by instruction: do they agree?

    GEM5=/path/to/gem5.fast bench/lockstep/lockstep.py compare RUN [--insts 1000000]
    GEM5=/path/to/gem5.fast bench/lockstep/lockstep.py mutants RUN [--insts 300000]

RUN is the folder of a function after `futon setup FUNCTION --on gem5 --cpu o3 --vcpus 1`, on either base. With one core, client and function are one stream
of instructions.

compare: QEMU goes on from the state that it saved, gem5 (atomic core) from the checkpoint that futon made of it. After each instruction the
general registers, RIP, the selectors and the flags that gem5 shows are compared. What an instruction reads from outside (time stamp counter,
CPUID, devices) is taken from gem5, given to QEMU, and counted. It ends at the first interrupt, at a difference, or after --insts. Then the
whole machine is compared: QEMU's state, converted once more, against a checkpoint that gem5 writes after as many instructions: every key of
cores and devices, and all memory.

mutants: breaks one rule of the conversion after the other and lets gem5 go on for --insts instructions. A mutant is caught when
that comes to another state than the right checkpoint does, with the same rule broken in it: then compare finds it. The others are named:
nothing in these instructions depends on the rule.
"""

import argparse
import json
import mmap
import os
import pathlib
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE))
import gdb
import mutants
from checkpoint import Checkpoint, MEMORY

CONVERT = ROOT / "target/x86_64-unknown-linux-gnu/release/examples/convert"
LIMIT_S = 60
# A processor that takes longer for one instruction waits for an interrupt.
HALTED_S = 5
# Flags that gem5 keeps outside its condition codes: TF, IF, IOPL, NT, AC, ID.
FLAGS = 0x100 | 0x200 | 0x3000 | 0x4000 | 0x40000 | 0x200000
RSP, RIP, EFLAGS = 7, 16, 17
# Vectors below are exceptions, which come with their instruction.
EXCEPTIONS = 32
R15 = 15
# Instructions that read from outside the machine's state, and the registers that they write.
OUTSIDE = [
    (b"\x0f\x31", "rdtsc", (0, 3)),
    (b"\x0f\x01\xf9", "rdtscp", (0, 2, 3)),
    (b"\x0f\xa2", "cpuid", (0, 1, 2, 3)),
    (b"\x0f\x32", "rdmsr", (0, 3)),
    (b"\xec", "in", (0,)),
    (b"\xed", "in", (0,)),
    (b"\xe4", "in", (0,)),
    (b"\xe5", "in", (0,)),
]
# Flags whose values may differ where they are saved: two that gem5's microcode keeps for itself (bits 3 and 5), which no program reads, and
# the arithmetic ones, which many instructions leave undefined. Where a program tests a flag, its way differs from there on.
SAVED = 0x08 | 0x20 | 0x8D5
PUSHF, SYSCALL, R11 = b"\x9c", b"\x0f\x05", 11
# Where an exception leaves the flags above the stack pointer, with an error code and without one.
SAVED_FLAGS = {True: 24, False: 16}
WITH_CODE = {8, 10, 11, 12, 13, 14, 17}
# The numbers of the instruction set's registers, as places in gdb.NAMES.
ENCODED = [0, 2, 3, 1, 7, 6, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15]
# Devices begin here; no guest's memory does.
DEVICES = 0xC000_0000


class Failed(Exception):
    """The comparison could not be made."""


class Point:
    """A stopped machine: what QEMU saved, what futon made of it, and how both are started."""

    Failed = Failed

    def __init__(self, run, work):
        self.run = pathlib.Path(run).resolve()
        self.work = work
        gem5 = self.run / "results/gem5"
        self.state = gem5 / "stage/state"
        self.qemu = shlex.split((gem5 / "stage/qemu.command").read_text())
        self.config = gem5 / "config"
        self.payload = gem5 / "payload"
        resources = pathlib.Path(os.environ.get("RESOURCES", ROOT / "resources"))
        self.checkpoint = resources / "checkpoints" / find(json.loads((self.run / "results/run.json").read_text()), "function_checkpoint")
        made = json.loads((self.checkpoint / "futon.json").read_text())["made_from"]
        self.cmdline, self.cpus = made["cmdline"], made["cpus"]
        self.mib = str((self.checkpoint / MEMORY).stat().st_size >> 20)
        if self.cpus != "1":
            raise Failed(f"{run} has {self.cpus} cores; make it with --vcpus 1")
        kind = "" if "root=" in self.cmdline else "lean-"
        self.kernel, self.initrd = resources / f"{kind}kernel", resources / f"{kind}initrd"

    def start_gem5(self, own, restore, listen):
        out = tempfile.mkdtemp(dir=self.work, prefix="gem5-")
        command = [os.environ["GEM5"], "-d", out, f"--listener-mode={'on' if listen else 'off'}", HERE / "simulate.py", self.config, *own, "--"]
        command += ["--kernel", self.kernel, "--initrd", self.initrd, "--readfile", self.payload, "--cpu", "atomic", "--cpus", self.cpus]
        command += ["--mem-mib", self.mib, "--seed", "1", "--restore", restore, "--apic-divider", "1", f"--cmdline={self.cmdline}"]
        log = open(pathlib.Path(out) / "log", "wb")
        return subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=log, stderr=log), pathlib.Path(out)

    def after(self, insts, restore, to):
        """gem5's checkpoint, `insts` instructions on."""
        # gem5 comes to the end of the instruction in which the count is reached, and drains with one more.
        gem5, out = self.start_gem5(["--insts", insts - 1, "--to", to], restore, listen=False)
        try:
            status = gem5.wait(timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            status = f"after {LIMIT_S} s"
        finally:
            gem5.kill()
            gem5.wait()
        said = [line for line in (out / "log").read_text(errors="replace").splitlines() if "panic:" in line or "fatal:" in line or "fault" in line]
        if status != 0 or not (to / "m5.cpt").exists():
            raise Failed(f"gem5 did not come to {insts} instructions ({status}) " + " | ".join(said[:1])[:160])
        shutil.rmtree(out)
        return Checkpoint.read(to)


def find(tree, key):
    """The first value of a key, anywhere in a JSON value."""
    if isinstance(tree, dict):
        if key in tree:
            return tree[key]
        tree = list(tree.values())
    if isinstance(tree, list):
        for value in tree:
            found = find(value, key)
            if found is not None:
                return found
    return None


class Qemu:
    """QEMU, gone on from a saved state and stopped: under a debugger, with its monitor."""

    def __init__(self, point):
        self.folder = point.work
        self.memory = self.folder / "memory"
        # The checkpoint's memory is what the machine had; the window behind it is not used any more.
        subprocess.run(["cp", "--sparse=always", point.checkpoint / MEMORY, self.memory], check=True)
        words = [word.replace(str(point.run / "results/gem5/stage/memory"), str(self.memory)) for word in point.qemu]
        size = int(words[words.index("-m") + 1].rstrip("M")) << 20
        os.truncate(self.memory, size)
        command, skip = [], False
        for word, following in zip(words, [*words[1:], ""]):
            if skip:
                skip = False
            elif word == "-sandbox":
                skip = True
            elif word == "-chardev" and following.startswith("file,id=console0"):
                command += [word, f"file,id=console0,path={self.folder}/console"]
                skip = True
            elif word == "-chardev" and following.startswith("socket,id=qmp0"):
                command += [word, f"socket,id=qmp0,path={self.folder}/qmp,server=on,wait=off"]
                skip = True
            else:
                command.append(word)
        if "-incoming" not in command:
            command += ["-incoming", "defer"]
        command += ["-S", "-gdb", f"unix:path={self.folder}/qemu.gdb,server=on,wait=off"]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=open(self.folder / "qemu.log", "wb"))
        try:
            self._go_on(point)
        except BaseException:
            self.end()
            raise

    def _go_on(self, point):
        """From the saved state, stopped."""
        self.monitor = socket.socket(socket.AF_UNIX)
        self._connect()
        self.lines = self.monitor.makefile("rw")
        self.lines.readline()
        self.command("qmp_capabilities")
        self._shared()
        self.command("migrate-incoming", uri=f"exec:cat {shlex.quote(str(point.state))}")
        self._until(lambda status: status["status"] in ("paused", "guest-panicked"), "query-status")
        self.gdb = gdb.Debugger(str(self.folder / "qemu.gdb"), LIMIT_S, lambda: self.process.poll() is None)
        self.gdb.without_acks()
        # It sets single registers for those who have asked which there are.
        self.gdb.ask("qXfer:features:read:target.xml:0,1000")
        # One instruction a step, without interrupts and with the clock standing still.
        if self.gdb.ask("Qqemu.sstep=7") != "OK":
            raise Failed("this QEMU does not step without interrupts")

    def _connect(self):
        end = time.monotonic() + LIMIT_S
        while True:
            try:
                return self.monitor.connect(str(self.folder / "qmp"))
            except OSError:
                if time.monotonic() > end or self.process.poll() is not None:
                    raise Failed("QEMU did not start: " + (self.folder / "qemu.log").read_text()) from None
                time.sleep(0.05)

    def _shared(self):
        self.command("migrate-set-capabilities", capabilities=[{"capability": "x-ignore-shared", "state": True}])

    def _until(self, done, query):
        end = time.monotonic() + LIMIT_S
        while not done(self.command(query)):
            if time.monotonic() > end:
                raise Failed(f"QEMU does not get on: {self.command(query)}")
            time.sleep(0.02)

    def command(self, name, **arguments):
        self.lines.write(json.dumps({"execute": name, "arguments": arguments}) + "\n")
        self.lines.flush()
        while True:
            answer = json.loads(self.lines.readline())
            if "error" in answer:
                raise Failed(f"QEMU refuses {name}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]

    def physical(self, address):
        """Where a virtual address lies; nothing where it is not mapped."""
        said = self.command("human-monitor-command", **{"command-line": f"gva2gpa {address:#x}"})
        return int(said.split()[1], 16) if said.startswith("gpa") else None

    def save(self, to):
        """Its state, as futon saves it."""
        self._shared()
        self.command("migrate", uri=f"exec:cat > {shlex.quote(str(to))}")
        self._until(lambda status: status.get("status") == "completed", "query-migrate")
        # Stopped by the debugger, where the guest had stopped it.
        saved = to.read_bytes()
        to.write_bytes(saved.replace(b"debug\0panicked", b"guest-panicked"))

    def end(self):
        self.process.kill()
        self.process.wait()


def outside(qemu, before, after):
    """The name of the outside thing that an instruction read, and the registers it wrote; nothing if it read none."""
    code = qemu.gdb.memory(before[RIP], 12)
    for opcode, name, registers in OUTSIDE:
        if code.startswith(opcode):
            return name, registers
    # A load: MOV r, [r + displacement], or from an absolute address.
    rex, at = (code[0], 1) if code[:1] and 0x40 <= code[0] <= 0x4F else (0, 0)
    if code[at : at + 1] != b"\x8b":
        return None
    mod, reg, rm = code[at + 1] >> 6, code[at + 1] >> 3 & 7 | (rex & 4) << 1, code[at + 1] & 7
    if rm == 4 and mod == 0 and code[at + 2] == 0x25:
        address = int.from_bytes(code[at + 3 : at + 7], "little", signed=True)
    elif rm == 4 or mod == 3:
        return None
    elif rm == 5 and mod == 0:
        address = after[RIP] + int.from_bytes(code[at + 2 : at + 6], "little", signed=True)
    else:
        width = (0, 1, 4)[mod]
        address = before[ENCODED[rm | (rex & 1) << 3]] + int.from_bytes(code[at + 2 : at + 2 + width], "little", signed=True)
    place = qemu.physical(address & (1 << 64) - 1)
    if place is None or place < DEVICES:
        return None
    return f"device at {place & ~0xFFF:#x}", (ENCODED[reg],)


def entries(qemu, checkpoint):
    """Interrupt handlers' addresses to their vectors."""
    base = checkpoint.misc("system.cpu", "idtr_base")
    out = {}
    for vector in range(256):
        gate = qemu.gdb.memory(base + 16 * vector, 16)
        if len(gate) == 16:
            low, middle, high = gate[0:2], gate[6:8], gate[8:12]
            out.setdefault(int.from_bytes(low + middle + high, "little"), vector)
    return out


def seen(registers):
    """What is compared after each instruction."""
    # gem5's SYSCALL leaves the upper half of STAR above a selector's 16 bits, where nothing reads it.
    selectors = tuple(selector & 0xFFFF for selector in registers[EFLAGS + 1 :])
    return registers[:EFLAGS] + (registers[EFLAGS] & FLAGS,) + selectors


def step(qemu, gem5, insts, handlers):
    """Both go on together. What was seen, for the report."""
    told = {"insts": 0, "user": 0, "outside": {}, "flags": 0, "ended": f"{insts} instructions"}
    before = qemu.gdb.registers()
    first = gem5.registers()
    if seen(first) != seen(before):
        told["ended"] = "a difference at the start: " + differences(before, first)
        return told
    gem5.begin_step()
    while told["insts"] < insts:
        # gem5 is one instruction ahead: so QEMU stands where an interrupt came.
        gem5.settle()
        theirs = gem5.registers()
        vector = handlers.get(theirs[RIP], 0)
        if vector >= EXCEPTIONS:
            told["ended"], told["vector"] = f"interrupt {vector:#x}", vector
            return told
        gem5.begin_step()
        qemu.gdb.send("s")
        if not qemu.gdb.stopped(HALTED_S):
            told["ended"] = "a halt"
            return told
        ours = qemu.gdb.registers()
        # QEMU counts each round of a repeated string instruction, gem5 the whole.
        rounds = 0
        while ours[RIP] == before[RIP] and rounds < 1 << 20:
            qemu.gdb.ask("s")
            ours = qemu.gdb.registers()
            rounds += 1
        ours = put_right(qemu, gem5, before, ours, theirs, handlers, told)
        if seen(ours) != seen(theirs):
            code = qemu.gdb.memory(before[RIP], 12).hex()
            told["ended"] = f"a difference at {before[RIP]:#x} ({code}): " + differences(ours, theirs)
            return told
        before = ours
        told["insts"] += 1
        told["user"] += before[RIP] >> 63 == 0
    return told


def put_right(qemu, gem5, before, ours, theirs, handlers, told):
    """What may differ is given to QEMU as gem5 has it, and counted: what comes from outside, and flags where they are saved."""
    if ours[RIP] in handlers and handlers[ours[RIP]] < EXCEPTIONS:
        put_flags(qemu, gem5, ours[RSP] + SAVED_FLAGS[handlers[ours[RIP]] in WITH_CODE], told)
    elif ours[RIP] == before[RIP] + 1 and qemu.gdb.memory(before[RIP], 1) == PUSHF:
        put_flags(qemu, gem5, ours[RSP], told)
    if seen(ours) == seen(theirs):
        return ours
    if ours[R11] != theirs[R11] and (ours[R11] ^ theirs[R11]) & ~SAVED == 0 and qemu.gdb.memory(before[RIP], 2) == SYSCALL:
        qemu.gdb.put(R11, theirs[R11])
        told["flags"] += 1
        return qemu.gdb.registers()
    found = outside(qemu, before, ours)
    if found:
        name, written = found
        for register in written:
            if ours[register] != theirs[register]:
                qemu.gdb.put(register, theirs[register])
        told["outside"][name] = told["outside"].get(name, 0) + 1
        return qemu.gdb.registers()
    return ours


def put_flags(qemu, gem5, at, told):
    """Saved flags in memory. gem5 has gone on by one instruction, which leaves them alone."""
    gem5.settle()
    one, other = (int.from_bytes(machine.memory(at, 8), "little") for machine in (qemu.gdb, gem5))
    if one != other and (one ^ other) & ~SAVED == 0:
        qemu.gdb.write(at, other.to_bytes(8, "little"))
        told["flags"] += 1


def differences(ours, theirs):
    pairs = zip(gdb.NAMES, seen(ours), seen(theirs))
    return ", ".join(f"{name} QEMU {a:#x} gem5 {b:#x}" for name, a, b in pairs if a != b)


def pending(ours, theirs, vector):
    """Differences that are the timer's interrupt: in gem5 it waits to be taken, in QEMU, whose clock stands still, the timer is armed."""
    apic = [section for section in ours.sections if "IRRV" in ours.sections[section]]
    timer, word = 60, 41 + vector // 32
    for section in apic:
        lvt = ours.numbers(section, "regs")[timer]
        armed, waits = ours.sections[section]["apicTimerEventScheduled"], theirs.sections[section]["IRRV"]
        if lvt & 0xFF != vector or armed != "true" or waits != str(vector):
            return []
    return [f"{section}:{key}" for section in apic for key in ("IRRV", f"apic.{word}", "apicTimerEventScheduled")]


def timer(checkpoint):
    """When the local APIC's timer is to fire, or has."""
    return [keys["apicTimerEventTick"] for keys in checkpoint.sections.values() if "apicTimerEventTick" in keys]


def whole(point, qemu, told):
    """Differences of the whole machine, where the steps ended."""
    insts, vector = told["insts"], told.get("vector")
    to = point.work / "after"
    theirs = point.after(insts, point.checkpoint, to)
    state = point.work / "state"
    qemu.save(state)
    ours = converted(point, state, qemu)
    expected = pending(ours, theirs, vector) if vector else []
    if vector:
        # One that was armed on the way counts from QEMU's clock, which stands still.
        moved = timer(ours) == timer(Checkpoint.read(point.checkpoint))
        same = "at the tick for which the moved timer was set" if timer(ours) == timer(theirs) else "at another time than QEMU's"
        told["ended"] += f", {same}" if moved else ", of a timer that was armed on the way"
        if moved and timer(ours) != timer(theirs):
            return [f"the timer: {timer(ours)} and {timer(theirs)}"]
    out = [line for line in ours.differences(theirs) if line.rsplit(": ", 1)[0] not in expected]
    pages = 0
    with open(qemu.memory, "rb") as a, open(theirs.memory(), "rb") as b:
        a = mmap.mmap(a.fileno(), int(point.mib) << 20, prot=mmap.PROT_READ)
        b = mmap.mmap(b.fileno(), 0, prot=mmap.PROT_READ)
        for at in range(0, int(point.mib) << 20, 1 << 20):
            if a[at : at + (1 << 20)] == b[at : at + (1 << 20)]:
                continue
            for page in range(at, at + (1 << 20), 4096):
                one, other = a[page : page + 4096], b[page : page + 4096]
                if one != other:
                    pages += 1
                    if pages <= 8:
                        byte = next(i for i in range(4096) if one[i] != other[i])
                        word = byte & ~7
                        out.append(f"memory at {page + word:#x}: QEMU {one[word : word + 8].hex()} gem5 {other[word : word + 8].hex()}")
    if pages > 8:
        out.append(f"{pages} pages of memory in all")
    return out


def converted(point, state, qemu):
    """The checkpoint of a state. The guest did not stop here itself, so register 15 gets the time by hand."""
    command = [CONVERT, state, point.checkpoint / "m5.cpt", point.cpus, point.mib]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0 and "the machine's clock is" in done.stderr:
        registers = qemu.gdb.registers()
        words = [registers[place].to_bytes(8, "big") for place in ENCODED]
        clock = int(done.stderr.split("the machine's clock is")[1].split()[0])
        saved = state.read_bytes()
        state.write_bytes(saved.replace(b"".join(words), b"".join([*words[:R15], clock.to_bytes(8, "big")])))
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed(f"QEMU's state cannot be converted: {done.stderr.strip()}")
    return Checkpoint(done.stdout, point.checkpoint)


def compare(point, insts):
    begun = time.monotonic()
    socket_path = point.work / "gem5.gdb"
    gem5, out = point.start_gem5(["--debugger", socket_path], point.checkpoint, listen=True)
    qemu = None
    try:
        qemu = Qemu(point)
        debugger = gdb.Debugger(str(socket_path), LIMIT_S, lambda: gem5.poll() is None)
        told = step(qemu, debugger, insts, entries(qemu, Checkpoint.read(point.checkpoint)))
        gem5.kill()
        told["differences"] = whole(point, qemu, told) if told["insts"] else []
    finally:
        gem5.kill()
        gem5.wait()
        if qemu:
            qemu.end()
    told["s"] = round(time.monotonic() - begun, 1)
    return told


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("compare", "mutants"))
    parser.add_argument("runs", nargs="+", metavar="RUN")
    parser.add_argument("--insts", type=int)
    parser.add_argument("--only", help="mutants, separated by commas")
    parser.add_argument("--keep", help="keep what was made, there")
    args = parser.parse_args()
    if "GEM5" not in os.environ:
        sys.exit("error: GEM5 is not set\nhint: GEM5=/path/to/gem5.fast; docs/gem5.md says how to get one")
    failed = 0
    for run in args.runs:
        work = pathlib.Path(args.keep or tempfile.mkdtemp(dir=ROOT / "target", prefix="lockstep-"))
        work.mkdir(exist_ok=True)
        try:
            point = Point(run, work)
            if args.what == "mutants":
                failed += mutants.run(point, args.insts or 300_000, args.only)
                continue
            told = compare(point, args.insts or 1_000_000)
            outside_said = ", ".join(f"{name} {count}" for name, count in sorted(told["outside"].items())) or "nothing"
            print(f"{run}: {told['insts']} instructions ({told['user']} of user space), from outside: {outside_said}; "
                  f"flags saved differently: {told['flags']}; ended by {told['ended']}; {told['s']} s")
            for line in told["differences"]:
                print(f"  {line}")
            failed += bool(told["differences"]) or told["ended"].startswith("a difference")
            sys.stdout.flush()
        except Failed as why:
            print(f"{run}: {why}")
            failed += 1
        finally:
            if not args.keep:
                shutil.rmtree(work)
    sys.exit(failed != 0)


if __name__ == "__main__":
    main()
