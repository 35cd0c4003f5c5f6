//! Devices that are moved. Source: QEMU's `hw/intc/ioapic_common.c`, `i8259_common.c`, `hw/rtc/mc146818rtc.c`, `hw/char/serial.c`,
//! `hw/timer/i8254_common.c`.

use super::rule::Rule::{Bits, Ignored, Is, Never, OneOf, Subsection, Text, Used, Zero, ZeroOrAbsent};
use super::rule::{Field, Known, Times};

pub(super) const SECTIONS: &[Known] = &[
    Known { section: "ioapic", versions: &[3], times: Times::Exactly(1), fields: IO_APIC },
    Known { section: "i8259", versions: &[1], times: Times::Exactly(2), fields: PIC },
    Known { section: "mc146818rtc", versions: &[3], times: Times::Exactly(1), fields: RTC },
    Known { section: "i8254", versions: &[3], times: Times::Exactly(1), fields: PIT },
    Known { section: "serial", versions: &[3], times: Times::Exactly(1), fields: SERIAL },
    Known { section: "globalstate", versions: &[1], times: Times::Exactly(1), fields: GLOBAL },
];

const IO_APIC: &[Field] = &[
    Field("id", Ignored, "gem5's own, from its MP table; the register is read at boot"),
    Field("ioregsel", Used, ""),
    Field("irr", Zero, "no device asks for an interrupt: gem5's pins are low"),
    Field("ioredtbl[]", Bits(1 << 14, 0), "no level interrupt waits for its end (remote IRR)"),
];

const PIC: &[Field] = &[
    Field("last_irr", Used, "the lines' levels"),
    Field("irr", Used, ""),
    Field("imr", Used, ""),
    Field("isr", Used, ""),
    Field("priority_add", Zero, "gem5 does not rotate priorities"),
    Field("irq_base", Used, ""),
    Field("read_reg_select", Used, ""),
    Field("poll", Zero, "no poll command is under way"),
    Field("special_mask", Zero, "gem5 has no special mask mode"),
    Field("init_state", Zero, "initialisation is complete"),
    Field("auto_eoi", Used, ""),
    Field("rotate_on_auto_eoi", Zero, "gem5 does not rotate priorities"),
    Field("special_fully_nested_mode", Zero, "gem5 has no special nested mode"),
    Field("init4", Used, ""),
    Field("single_mode", Used, ""),
    Field("elcr", Zero, "all lines are edge-triggered"),
];

/// A timer of QEMU that does not run.
const OFF: i128 = 0xFFFF_FFFF_FFFF_FFFF;

const RTC: &[Field] = &[
    Field("cmos_data", Used, "registers A and B; the time of day was read at boot"),
    Field("cmos_index", Ignored, "each access writes it first"),
    Field("periodic_timer", OneOf(&[OFF, -1]), "no periodic interrupt"),
    Field("next_periodic_time", Ignored, "no periodic interrupt"),
    Field("irq_coalesced", Zero, "no interrupt is owed"),
    Field("period", Ignored, "no periodic interrupt"),
    Field("base_rtc", Ignored, "the time of day was read at boot"),
    Field("last_update", Ignored, "the time of day was read at boot"),
    Field("offset", Ignored, "the time of day was read at boot"),
    Field("update_timer", Ignored, "its interrupts are off in register B"),
    Field("next_alarm_time", Ignored, "its interrupts are off in register B"),
];

const STOPPED: &str = "the kernel stopped the PIT";

/// The first channel's deadline is judged when the machine is read: it counts only where the channel's interrupt is connected.
const PIT: &[Field] = &[
    Field("channels[0].irq_disabled", Used, ""),
    Field("channels[].count", Ignored, STOPPED),
    Field("channels[].latched_count", Ignored, STOPPED),
    Field("channels[].count_latched", Ignored, STOPPED),
    Field("channels[].status_latched", Ignored, STOPPED),
    Field("channels[].status", Ignored, STOPPED),
    Field("channels[].read_state", Ignored, STOPPED),
    Field("channels[].write_state", Ignored, STOPPED),
    Field("channels[].write_latch", Ignored, STOPPED),
    Field("channels[].rw_mode", Ignored, STOPPED),
    Field("channels[].mode", Ignored, STOPPED),
    Field("channels[].bcd", Ignored, STOPPED),
    Field("channels[].gate", Ignored, STOPPED),
    Field("channels[].count_load_time", Ignored, STOPPED),
    Field("channels[].next_transition_time", Used, "of the first channel; the others raise no interrupt"),
    Field("channels[0].next_transition_time", Used, ""),
];

const SERIAL: &[Field] = &[
    Field("state.divider", Ignored, "gem5's UART has no rate"),
    Field("state.rbr", Ignored, "nothing was received: see state.lsr"),
    Field("state.ier", Used, ""),
    Field(
        "state.iir",
        OneOf(&[0x01, 0x02, 0xC1, 0xC2]),
        "no interrupt waits but \"transmitter empty\", which gem5 raises again",
    ),
    Field("state.lcr", Bits(0x80, 0), "the divisor latch is shut; gem5's UART has none"),
    Field("state.mcr", Bits(0x10, 0), "no loop-back; gem5's UART has none"),
    Field("state.lsr", Is(0x60), "the console is drained: transmitter empty, nothing received, no error"),
    Field("state.msr", Ignored, "gem5's own"),
    Field("state.scr", Ignored, "scratch; drivers use it while they probe"),
    Field("state.fcr_vmstate", Ignored, "gem5's UART has no FIFO, and takes what is written"),
    Field("state.serial/thr_ipending", Subsection(1), "gem5 raises \"transmitter empty\" where it is enabled"),
    Field("state.serial/thr_ipending.thr_ipending", Ignored, "gem5 raises \"transmitter empty\" where it is enabled"),
    Field("state.serial/tsr", Never, "a byte is being sent"),
    Field("state.serial/recv_fifo", Never, "input waits"),
    Field("state.serial/xmit_fifo", Never, "output waits"),
    Field("state.serial/fifo_timeout_timer", Never, "input waits"),
    Field("state.serial/timeout_ipending", Never, "input waits"),
    Field("state.serial/poll", Never, "the host's modem lines are polled"),
];

const GLOBAL: &[Field] = &[
    Field("size", Ignored, "the text's length"),
    Field("runstate", Text(&["guest-panicked", "paused"]), "the guest stopped the machine"),
    // QEMU 8.2 and later.
    Field("has_vm_was_suspended", Ignored, "whether the next one is there"),
    Field("vm_was_suspended", ZeroOrAbsent, "gem5 knows no suspended machine"),
    Field("unused", Ignored, "QEMU itself calls it unused"),
];
