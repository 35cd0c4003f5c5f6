//! I/O APIC, PICs, PIT, UART, clock chip (`src/dev/x86`, `src/dev/serial/uart8250.cc`, `src/dev/mc146818.cc`).

use super::Clock;
use crate::checkpoint::Checkpoint;
use crate::{Machine, TransferError};

const IO_APIC: &str = "system.pc.south_bridge.io_apic";
const PICS: [(&str, u64); 2] = [("system.pc.south_bridge.pic1", 4), ("system.pc.south_bridge.pic2", 2)];
const PIT: &str = "system.pc.south_bridge.pit";
const CMOS: &str = "system.pc.south_bridge.cmos";
const UART: &str = "system.pc.com_1";

const SENDING: u64 = 1 << 12;
/// IER: the driver waits for an empty transmitter.
const THRI: u64 = 2;
const MICROSECOND: u64 = 1_000_000;

pub(super) fn put(out: &mut Checkpoint, machine: &Machine, clock: Clock) -> Result<(), TransferError> {
    out.put_all(IO_APIC, "redirTableArray", &machine.io_apic.redirection.map(|entry| entry & !SENDING))?;
    out.put(IO_APIC, "regSel", &machine.io_apic.selected)?;
    for ((section, cascade), pic) in PICS.into_iter().zip(&machine.pics) {
        out.put(section, "IRR", &pic.irr)?;
        out.put(section, "ISR", &pic.isr)?;
        out.put(section, "IMR", &pic.imr)?;
        out.put(section, "vectorOffset", &pic.base)?;
        out.put(section, "readIRR", &!pic.reads_isr)?;
        out.put(section, "initControlWord", &0)?;
        out.put(section, "cascadeBits", &cascade)?;
        out.put(section, "cascadeMode", &!pic.single)?;
        out.put(section, "edgeTriggered", &true)?;
        out.put(section, "autoEOI", &pic.auto_eoi)?;
        out.put(section, "expectICW4", &pic.icw4)?;
    }
    // The first channel is at rest in the stopped machine; the template's counts since power-on, and would interrupt 18 times a second.
    out.put(PIT, "pit.counter0.event_tick_offset", &0)?;
    out.put(UART, "IER", &(machine.uart.ier & 0xF))?;
    out.put(UART, "LCR", &(machine.uart.lcr & 0x7F))?;
    out.put(UART, "MCR", &machine.uart.mcr)?;
    out.put(UART, "status", &0)?;
    out.put(UART, "rxintrwhen", &0)?;
    // Where the driver waits for an empty transmitter, it is empty.
    let empty = if machine.uart.ier & THRI == 0 {
        0
    } else {
        clock.tick.checked_add(MICROSECOND).ok_or_else(super::too_late)?
    };
    out.put(UART, "txintrwhen", &empty)?;
    for (ending, value) in [("stat_regA", machine.rtc.a), ("stat_regB", machine.rtc.b)] {
        for key in out.keys_ending(CMOS, ending)? {
            out.put(CMOS, &key, &value)?;
        }
    }
    Ok(())
}
