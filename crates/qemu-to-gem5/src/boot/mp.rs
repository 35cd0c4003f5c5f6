//! Intel MultiProcessor Specification 1.4: floating pointer and table, as futon's gem5 platform writes them.

/// Where the ROM is seen below 1 MiB, and the tables at its start.
const BASE: u32 = 0xF0000;
const LOCAL_APIC: u32 = 0xFEE0_0000;
const IO_APIC: u32 = 0xFEC0_0000;
const PCI: u8 = 0;
const ISA: u8 = 1;
const INTERRUPT: u8 = 0;
const EXTERNAL: u8 = 3;

/// The pointer (16 bytes) and the table behind it.
pub(super) fn tables(cpus: u8) -> Vec<u8> {
    let mut body = Vec::new();
    let mut entries: u16 = 0;
    let mut add = |entry: &[u8]| {
        body.extend_from_slice(entry);
        entries += 1;
    };
    for id in 0..cpus {
        let flags = if id == 0 { 3 } else { 1 }; // enabled, and the one that boots
        let mut entry = [0; 20];
        entry[..4].copy_from_slice(&[0, id, 0x14, flags]);
        add(&entry);
    }
    add(b"\x01\x00PCI   ");
    add(b"\x01\x01ISA   ");
    let [a, b, c, d] = IO_APIC.to_le_bytes();
    add(&[2, cpus, 0x11, 1, a, b, c, d]);
    let route = |bus: u8, irq: u8, pin: u8, kind: u8| [3, kind, 0, 0, bus, irq, cpus, pin];
    add(&route(PCI, 4 << 2, 16, INTERRUPT));
    for irq in [0, 1].into_iter().chain(3..15) {
        add(&route(ISA, irq, 0, EXTERNAL));
        add(&route(ISA, irq, if irq == 0 { 2 } else { irq }, INTERRUPT));
    }
    let mut table = b"PCMP".to_vec();
    let length = u16::try_from(44 + body.len()).unwrap_or(u16::MAX);
    table.extend_from_slice(&length.to_le_bytes());
    table.extend_from_slice(&[4, 0]); // revision 1.4, checksum
    table.extend_from_slice(b"FUTON   STAGING     ");
    table.extend_from_slice(&[0; 6]); // no table of the maker
    table.extend_from_slice(&entries.to_le_bytes());
    table.extend_from_slice(&LOCAL_APIC.to_le_bytes());
    table.extend_from_slice(&[0; 4]); // no extended table
    table.extend_from_slice(&body);
    let mut pointer = b"_MP_".to_vec();
    pointer.extend_from_slice(&(BASE + 16).to_le_bytes());
    // One paragraph, revision 1.4, checksum; feature byte 2, bit 7: there is an interrupt mode configuration register.
    pointer.extend_from_slice(&[1, 4, 0, 0, 0x80, 0, 0, 0]);
    close(&mut pointer, 10);
    close(&mut table, 7);
    pointer.extend_from_slice(&table);
    pointer
}

/// Sets the byte that makes the sum 0.
fn close(bytes: &mut [u8], at: usize) {
    let sum = bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    if let Some(slot) = bytes.get_mut(at) {
        *slot = slot.wrapping_sub(sum);
    }
}
