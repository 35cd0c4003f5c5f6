"""Puts the machine together: platform, cores, caches, memory."""

import m5
from m5.objects import (
    AddrRange,
    DerivedClockDomain,
    MemCtrl,
    SimpleMemory,
    SrcClockDomain,
    System,
    VoltageDomain,
    X86NonCachingSimpleCPU,
    X86O3CPU,
    X86TimingSimpleCPU,
)
from m5.params import NULL

from . import caches, flush, platform


class Parts:
    """What the driver must know of the machine."""

    def __init__(self):
        self.host_parallel = False
        self.measured = None
        self.llc = None
        # Atomic cores that take over when the measured invocations are done.
        self.spare = []
        # Cores that take over the measured one's part, one for each call, because their predictors are fresh.
        self.fresh = []


def build(given):
    """The system, not yet instantiated, and its parts."""
    parts = Parts()
    detailed = given.cpu in ("timing", "o3")
    system = System()
    system.clk_domain = SrcClockDomain(clock=given.params["clock"], voltage_domain=VoltageDomain())
    system.mem_ranges = [AddrRange(0, size=given.mem_mib * platform.MIB)]
    system.m5ops_base = platform.M5OPS
    system.readfile = given.readfile
    system.exit_on_work_items = True

    platform.add_buses(system, given, coherent=detailed)
    platform.add_devices(system, given, coherent=detailed)
    system.workload = platform.workload(given, m5.options.outdir)
    _add_cores(system, given, parts)
    if detailed:
        hierarchy = caches.skylake if given.system == "skylake" else caches.simple
        hierarchy(system, given.params)
        parts.llc = "system.llc"
        if given.flush is not None:
            flush.widen_filters(system)
    else:
        caches.none(system)
    _add_memory(system, given, detailed)
    for cpu in system.cpu:
        cpu.createInterruptController()
        cpu.interrupts[0].pio = system.membus.mem_side_ports
        cpu.interrupts[0].int_responder = system.membus.mem_side_ports
        cpu.interrupts[0].int_requestor = system.membus.cpu_side_ports
        # QEMU's timers count at the rate of the time stamp counter: a guest that comes from there has learnt that rate.
        cpu.interrupts[0].clk_domain = DerivedClockDomain(
            clk_domain=system.clk_domain, clk_divider=given.apic_divider
        )
    if parts.host_parallel:
        _own_event_queues(system)
    # Checkpoints and statistics name the objects: one core is `cpu`, several are `cpu0`, `cpu1`.
    parts.measured = "system.cpu" if given.cpus == 1 else "system.cpu1"
    return system, parts


def _core(given, cpu_id):
    if given.cpu == "kvm":
        return _kvm_core(cpu_id)
    if given.cpu == "o3" and given.params["core"] == "skylake":
        from . import skylake

        return skylake.core(cpu_id)
    # Without caches every access goes straight to memory: a tenth faster than packets on a bus.
    kind = {"atomic": X86NonCachingSimpleCPU, "timing": X86TimingSimpleCPU, "o3": X86O3CPU}[given.cpu]
    return kind(cpu_id=cpu_id)


def _kvm_core(cpu_id):
    try:
        from m5.objects import X86KvmCPU
    except ImportError:
        raise SystemExit("error: this gem5 was built without KVM") from None
    core = X86KvmCPU(cpu_id=cpu_id)
    # Performance counters need rights that few users have, and nothing here needs them.
    if "usePerf" in core._params:
        core.usePerf = False
    return core


def _add_cores(system, given, parts):
    system.cpu = [_core(given, i) for i in range(given.cpus)]
    system.mem_mode = system.cpu[0].memory_mode()
    if given.cpu == "kvm":
        from m5.objects import KvmVM

        system.kvm_vm = KvmVM()
        parts.host_parallel = given.cpus > 1
    if given.cpu in ("timing", "o3") and given.work_items:
        system.spare_cpu = [X86NonCachingSimpleCPU(cpu_id=i, switched_out=True) for i in range(given.cpus)]
        parts.spare = system.spare_cpu
    if given.fresh_cores:
        _add_fresh_cores(system, given, parts)
    for cpu in [*system.cpu, *parts.spare, *parts.fresh]:
        cpu.createThreads()
        cpu.mmu.itb.size = given.params["itlb.size"]
        cpu.mmu.dtb.size = given.params["dtlb.size"]


def _add_fresh_cores(system, given, parts):
    index = flush.measured_index(given.cpus)
    system.fresh_cpu = [_core(given, index) for _ in range(given.fresh_cores)]
    parts.fresh = system.fresh_cpu
    for cpu in parts.fresh:
        cpu.switched_out = True
        flush.share_predictor(cpu, system.cpu[index], given.flush, NULL)


def _add_memory(system, given, detailed):
    kind = given.params["memory"] if detailed else "SimpleMemory"
    whole = system.mem_ranges[0]
    if kind == "SimpleMemory":
        system.mem_ctrl = SimpleMemory(range=whole)
    else:
        dram = getattr(m5.objects, kind, None)
        if dram is None:
            raise SystemExit(f"error: gem5 has no memory called {kind} (parameter memory)")
        system.mem_ctrl = MemCtrl(dram=dram(range=whole))
    system.mem_ctrl.port = system.membus.mem_side_ports


def _own_event_queues(system):
    for number, cpu in enumerate(system.cpu):
        for child in cpu.descendants():
            child.eventq_index = 0
        cpu.eventq_index = number + 1
