"""What every guest finds: buses, the PC's devices, firmware tables, boot parameters. No cores, caches or memory."""

import os
import struct

from m5.objects import (
    AddrRange,
    BadAddr,
    Bridge,
    Cache,
    CowDiskImage,
    IdeDisk,
    IOXBar,
    Pc,
    RawDiskImage,
    SnoopFilter,
    SystemXBar,
    X86E820Entry,
    X86FsLinux,
    X86IntelMPBus,
    X86IntelMPBusHierarchy,
    X86IntelMPIOAPIC,
    X86IntelMPIOIntAssignment,
    X86IntelMPProcessor,
    X86SMBiosBiosInformation,
)
from m5.params import NULL, Addr

MIB = 1 << 20

# Where the X86 model puts the address spaces that are no memory.
IO_SPACE = 0x8000000000000000
INTERRUPT_SPACE = 0xA000000000000000
PCI_CONFIG_SPACE = 0xC000000000000000
PCI_HOLE = 0xC0000000
M5OPS = 0xFFFF0000
IO_APIC = 0xFEC00000

# gem5's loader keeps the boot parameters here.
BOOT_PARAMETERS = 0x90200


def add_buses(system, given, coherent):
    """`coherent` says that there are caches: then the bus keeps a snoop filter."""
    system.membus = SystemXBar(width=given.params["membus.width"])
    system.membus.badaddr_responder = BadAddr()
    system.membus.default = system.membus.badaddr_responder.pio
    # A filter knows only of caches. Without any, each snoop must reach the cores, or MONITOR/MWAIT never wakes up.
    system.membus.snoop_filter = SnoopFilter(lookup_latency=1, max_capacity="64MiB") if coherent else NULL
    system.system_port = system.membus.cpu_side_ports
    system.iobus = IOXBar()
    # From the cores to the devices: the PCI hole without the page range of the m5 operations, ports, PCI configuration.
    system.bridge = Bridge(
        delay="50ns",
        ranges=[
            AddrRange(PCI_HOLE, M5OPS),
            AddrRange(IO_SPACE, INTERRUPT_SPACE - 1),
            AddrRange(PCI_CONFIG_SPACE, Addr.max),
        ],
    )
    system.bridge.cpu_side_port = system.membus.mem_side_ports
    system.bridge.mem_side_port = system.iobus.cpu_side_ports


def add_devices(system, given, coherent):
    system.pc = Pc()
    system.pc.attachIO(system.iobus)
    south = system.pc.south_bridge
    south.io_apic.apic_id = given.cpus
    south.cmos.time = given.rtc
    south.ide.disks = [_disk(given.disk)] if given.disk else []
    # Interrupt messages from the I/O APIC to the cores.
    system.apicbridge = Bridge(
        delay="50ns",
        ranges=[AddrRange(INTERRUPT_SPACE, INTERRUPT_SPACE + given.cpus * 4096 - 1)],
    )
    system.apicbridge.cpu_side_port = system.iobus.mem_side_ports
    system.apicbridge.mem_side_port = system.membus.cpu_side_ports
    # The devices' own reads and writes of memory: through a small cache where there are others to agree with.
    if coherent:
        system.iocache = Cache(
            size="1KiB",
            assoc=8,
            tag_latency=50,
            data_latency=50,
            response_latency=50,
            mshrs=20,
            tgts_per_mshr=12,
            addr_ranges=system.mem_ranges,
        )
        system.iocache.cpu_side = system.iobus.mem_side_ports
        system.iocache.mem_side = system.membus.cpu_side_ports
    else:
        system.iobridge = Bridge(delay="50ns", ranges=system.mem_ranges)
        system.iobridge.cpu_side_port = system.iobus.mem_side_ports
        system.iobridge.mem_side_port = system.membus.cpu_side_ports


def _disk(path):
    # The layer is in memory and thrown away: one image serves many runs, and no copy is made.
    image = CowDiskImage(child=RawDiskImage(image_file=path, read_only=True), read_only=False)
    return IdeDisk(driveID="device0", image=image)


def workload(given, outdir):
    work = X86FsLinux(object_file=given.kernel, command_line=given.cmdline)
    if given.initrd and not given.restore:
        work.extras, work.extras_addrs = _initrd(given, outdir)
    work.smbios_table.structures = [X86SMBiosBiosInformation()]
    _multiprocessor_table(work, given.cpus)
    _memory_map(work, given.mem_mib * MIB)
    return work


def _initrd(given, outdir):
    """Files and addresses that hand an initramfs to the kernel.

    gem5's X86 loader writes the command line's address and the memory map, after it has loaded extra files. A blob over
    the boot parameters keeps its other fields: that is where Linux looks for an initramfs (Documentation/arch/x86/boot).
    """
    size = os.path.getsize(given.initrd)
    start = given.mem_mib // 2 * MIB
    if start + size > given.mem_mib * MIB:
        raise SystemExit(f"error: the initramfs ({size} bytes) does not fit into half of {given.mem_mib} MiB")
    blob = bytearray(0x230)
    blob[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", blob, 0x206, 0x020C)  # version of the boot protocol
    blob[0x210] = 0xFF  # loader: not one with a number, and not none
    struct.pack_into("<I", blob, 0x218, start)
    struct.pack_into("<I", blob, 0x21C, size)
    path = os.path.join(outdir, "boot-parameters.bin")
    with open(path, "wb") as file:
        file.write(blob)
    return [path, given.initrd], [BOOT_PARAMETERS, start]


def _multiprocessor_table(work, cpus):
    """Intel MP tables; Linux reads them with CONFIG_X86_MPPARSE."""
    entries = [
        X86IntelMPProcessor(local_apic_id=i, local_apic_version=0x14, enable=True, bootstrap=(i == 0))
        for i in range(cpus)
    ]
    entries.append(X86IntelMPIOAPIC(id=cpus, version=0x11, enable=True, address=IO_APIC))
    entries.append(X86IntelMPBus(bus_id=0, bus_type="PCI   "))
    entries.append(X86IntelMPBus(bus_id=1, bus_type="ISA   "))

    def route(bus, irq, pin, kind="INT"):
        entries.append(
            X86IntelMPIOIntAssignment(
                interrupt_type=kind,
                polarity="ConformPolarity",
                trigger="ConformTrigger",
                source_bus_id=bus,
                source_bus_irq=irq,
                dest_io_apic_id=cpus,
                dest_io_apic_intin=pin,
            )
        )

    route(0, 4 << 2, 16)  # pin A of PCI device 4, the disk controller
    for irq in [0, 1, *range(3, 15)]:
        route(1, irq, 0, "ExtInt")
        route(1, irq, 2 if irq == 0 else irq)
    work.intel_mp_table.base_entries = entries
    work.intel_mp_table.ext_entries = [X86IntelMPBusHierarchy(bus_id=1, subtractive_decode=True, parent_bus=0)]


def _memory_map(work, size):
    def entry(start, end, kind):
        return X86E820Entry(addr=start, size=f"{end - start}B", range_type=kind)

    entries = [entry(0, 0x9FC00, 1), entry(0x9FC00, MIB, 2), entry(MIB, size, 1)]
    if size < PCI_HOLE:
        # Else Linux might place devices where the bridge does not lead.
        entries.append(entry(size, PCI_HOLE, 2))
    entries.append(entry(M5OPS, 1 << 32, 2))
    work.e820_table.entries = entries
