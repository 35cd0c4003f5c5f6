//! ACPI tables (specification 6.0) for kernels that read no MP table, as distributions' are: processors, the I/O APIC, and no device.
//!
//! They lie in memory below 640 KiB, where the memory map has a reserved kilobyte, and the boot parameters say where. So they come along
//! with the memory. There is no PM timer and no SMI command: after its start the kernel touches no register of ACPI's.

/// Where the tables lie: the extended BIOS data area of a PC.
pub(super) const BASE: u64 = 0x9FC00;
/// Room for them, bytes.
const ROOM: usize = 0x400;
const LOCAL_APIC: u32 = 0xFEE0_0000;
const IO_APIC: u32 = 0xFEC0_0000;
const HEADER: usize = 36;
const RSDP: usize = 36;

/// The tables for so many processors; nothing where they do not fit.
pub(super) fn tables(cpus: u8) -> Option<Vec<u8>> {
    let mut room = Room { bytes: vec![0; RSDP] };
    let facs = room.put(&facs(), 64)?;
    let dsdt = room.put(&table(b"DSDT", 2, &[]), 16)?;
    let madt = room.put(&table(b"APIC", 3, &processors(cpus)), 16)?;
    let fadt = room.put(&table(b"FACP", 5, &fixed(facs, dsdt)), 16)?;
    let list: Vec<u8> = [fadt, madt].into_iter().flat_map(u64::to_le_bytes).collect();
    let xsdt = room.put(&table(b"XSDT", 1, &list), 16)?;
    let mut bytes = room.bytes;
    for (slot, byte) in bytes.iter_mut().zip(pointer(xsdt)) {
        *slot = byte;
    }
    Some(bytes)
}

struct Room {
    bytes: Vec<u8>,
}

impl Room {
    /// The table's address.
    fn put(&mut self, table: &[u8], align: usize) -> Option<u64> {
        let at = self.bytes.len().next_multiple_of(align);
        self.bytes.resize(at, 0);
        self.bytes.extend_from_slice(table);
        (self.bytes.len() <= ROOM).then_some(BASE + at as u64)
    }
}

/// Root System Description Pointer, revision 2: two checksums, over 20 bytes and over all.
fn pointer(xsdt: u64) -> Vec<u8> {
    let mut out = b"RSD PTR \0FUTON \x02".to_vec();
    out.extend([0; 4]);
    out.extend(36_u32.to_le_bytes());
    out.extend(xsdt.to_le_bytes());
    out.extend([0; 4]);
    let sum = |bytes: &[u8]| bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_sub(*byte));
    let first = out.get(..20).map_or(0, sum);
    set(&mut out, 8, &[first]);
    let all = sum(&out);
    set(&mut out, 32, &[all]);
    out
}

/// A table with its header and checksum.
fn table(name: &[u8; 4], revision: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(HEADER + body.len()).unwrap_or(u32::MAX);
    let mut out = name.to_vec();
    out.extend(length.to_le_bytes());
    out.extend([revision, 0]);
    out.extend(b"FUTON STAGING \x01\0\0\0FUTO\x01\0\0\0");
    out.extend_from_slice(body);
    let sum = out.iter().fold(0_u8, |sum, byte| sum.wrapping_sub(*byte));
    set(&mut out, 9, &[sum]);
    out
}

/// Multiple APIC Description Table.
fn processors(cpus: u8) -> Vec<u8> {
    let mut out = LOCAL_APIC.to_le_bytes().to_vec();
    // There are two 8259, too.
    out.extend(1_u32.to_le_bytes());
    for id in 0..cpus {
        out.extend([0, 8, id, id, 1, 0, 0, 0]);
    }
    out.extend([1, 12, cpus, 0]);
    out.extend(IO_APIC.to_le_bytes());
    out.extend(0_u32.to_le_bytes());
    // The timer's ISA line 0 is pin 2; the line of ACPI itself (9) is level-triggered and low.
    out.extend([2, 10, 0, 0, 2, 0, 0, 0, 0, 0]);
    out.extend([2, 10, 0, 9, 9, 0, 0, 0, 0xF, 0]);
    out
}

/// Fixed ACPI Description Table, revision 5: its fields by their offsets in the table.
fn fixed(facs: u64, dsdt: u64) -> Vec<u8> {
    let mut out = vec![0; 268 - HEADER];
    let low = |address: u64| u32::try_from(address).unwrap_or(0).to_le_bytes();
    let mut put = |offset: usize, bytes: &[u8]| set(&mut out, offset - HEADER, bytes);
    put(36, &low(facs));
    put(40, &low(dsdt));
    put(46, &9_u16.to_le_bytes()); // SCI; no SMI command: in ACPI mode from the start
    put(56, &0x600_u32.to_le_bytes()); // PM1a event block
    put(64, &0x604_u32.to_le_bytes()); // PM1a control block
    put(88, &[4, 2]); // their lengths
    put(96, &[0xFF; 4]); // no C2, no C3
    put(109, &1_u16.to_le_bytes()); // legacy devices
    put(112, &(1_u32 | 1 << 4 | 1 << 5).to_le_bytes()); // WBINVD; no power and sleep button
    put(131, &[1]);
    put(140, &dsdt.to_le_bytes());
    out
}

/// Firmware ACPI Control Structure.
fn facs() -> Vec<u8> {
    let mut out = b"FACS".to_vec();
    out.extend(64_u32.to_le_bytes());
    out.resize(64, 0);
    set(&mut out, 32, &[2]);
    out
}

fn set(bytes: &mut [u8], at: usize, with: &[u8]) {
    for (slot, byte) in bytes.iter_mut().skip(at).zip(with) {
        *slot = *byte;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(bytes: &[u8], at: usize, size: usize) -> u64 {
        bytes[at..at + size].iter().rev().fold(0, |all, byte| all << 8 | u64::from(*byte))
    }

    fn sum(bytes: &[u8]) -> u8 {
        bytes.iter().fold(0, |sum: u8, byte| sum.wrapping_add(*byte))
    }

    #[test]
    fn a_kernel_finds_its_way_from_the_pointer_to_each_table() {
        let bytes = tables(2).unwrap();
        assert_eq!((&bytes[..8], sum(&bytes[..20]), sum(&bytes[..36])), (b"RSD PTR ".as_slice(), 0, 0));
        let place = |address: u64| usize::try_from(address - BASE).unwrap();
        let whole = |at: usize| &bytes[at..at + usize::try_from(number(&bytes, at + 4, 4)).unwrap()];
        let xsdt = whole(place(number(&bytes, 24, 8)));
        assert_eq!((&xsdt[..4], sum(xsdt), xsdt.len()), (b"XSDT".as_slice(), 0, 36 + 16));
        let (fadt, madt) = (whole(place(number(xsdt, 36, 8))), whole(place(number(xsdt, 44, 8))));
        assert_eq!((&fadt[..4], sum(fadt), &madt[..4], sum(madt)), (b"FACP".as_slice(), 0, b"APIC".as_slice(), 0));
        let dsdt = whole(place(number(fadt, 140, 8)));
        assert_eq!((&dsdt[..4], sum(dsdt), dsdt.len()), (b"DSDT".as_slice(), 0, 36));
        assert_eq!(number(fadt, 40, 4), number(fadt, 140, 8));
        assert_eq!(&bytes[place(number(fadt, 36, 4))..][..4], b"FACS");
        assert_eq!(number(fadt, 36, 4) % 64, 0, "the FACS is aligned");
        // Two processors, the I/O APIC with the number behind theirs, two overrides.
        assert_eq!(&madt[44..60], [0, 8, 0, 0, 1, 0, 0, 0, 0, 8, 1, 1, 1, 0, 0, 0]);
        assert_eq!((madt[60], madt[62], number(madt, 64, 4)), (1, 2, 0xFEC0_0000));
        assert_eq!(madt.len(), 72 + 20);
    }

    /// The prototype's `tables(2)` (acpi.py), which a kernel of Debian's took.
    #[test]
    fn they_have_the_prototypes_fields() {
        let bytes = tables(2).unwrap();
        let place = |address: u64| usize::try_from(address - BASE).unwrap();
        let fadt = place(number(&bytes, place(number(&bytes, 24, 8)) + 36, 8));
        for (offset, size, value) in [
            (46, 2, 9),
            (56, 4, 0x600),
            (64, 4, 0x604),
            (88, 2, 0x204),
            (96, 4, 0xFFFF_FFFF),
            (112, 4, 0x31),
            (131, 1, 1),
        ] {
            assert_eq!(number(&bytes, fadt + offset, size), value, "offset {offset}");
        }
    }

    #[test]
    fn there_is_room_for_as_many_processors_as_gem5_may_have_and_not_for_all() {
        assert!(tables(8).is_some() && tables(64).is_none());
    }
}
