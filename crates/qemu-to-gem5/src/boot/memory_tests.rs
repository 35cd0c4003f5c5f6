use super::*;
use crate::boot::template_kernel;

fn guest<'a>(kernel: &'a [u8], initrds: &'a [&'a [u8]], command_line: &'a str) -> Guest<'a> {
    Guest { kernel, initrds, command_line, memory_mib: 16, persistent_mib: 0, acpi: None, file_mib: 20 }
}

fn number(bytes: &[u8], at: u64, size: usize) -> u64 {
    let at = usize::try_from(at).unwrap();
    bytes[at..at + size].iter().rev().fold(0, |all, b| all << 8 | u64::from(*b))
}

#[test]
fn writes_what_the_loader_would() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mem.img");
    let kernel = template_kernel();
    let initrds: [&[u8]; 2] = [b"first", b"second!"];
    let entry = write_memory(&path, &guest(&kernel, &initrds, "console=ttyS0")).unwrap();
    assert_eq!(entry, 0x20_0000);
    let memory = fs::read(&path).unwrap();
    assert_eq!(memory.len(), 20 << 20);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    assert_eq!(&memory[0x20_0000..0x20_0030], &kernel[0x1000..]);
    assert_eq!(&memory[8 << 20..(8 << 20) + 16], b"first\0\0\0second!\0");
    assert_eq!(&memory[0x90000..0x9000E], b"console=ttyS0\0");
    let at = |offset: u64, size| number(&memory, PARAMETERS + offset, size);
    assert_eq!(at(0x202, 4), u64::from(u32::from_le_bytes(*b"HdrS")));
    assert_eq!((at(0x206, 2), at(0x210, 1)), (0x20C, 0xFF));
    assert_eq!((at(0x218, 4), at(0x21C, 4), at(0x228, 4)), (8 << 20, 15, 0x90000));
    assert_eq!(at(0x1E8, 1), 5);
    let map: Vec<_> = (0..5).map(|i| (at(0x2D0 + 20 * i, 8), at(0x2D8 + 20 * i, 8), at(0x2E0 + 20 * i, 4))).collect();
    assert_eq!(
        map,
        [
            (0, 0x9FC00, 1),
            (0x9FC00, 0x60400, 2),
            (MIB, 15 * MIB, 1),
            // The window beyond the memory is reserved.
            (16 * MIB, PCI_HOLE - 16 * MIB, 2),
            (0xFFFF_0000, 0x1_0000, 2),
        ]
    );
    assert_eq!(number(&memory, PML4, 8), 0x71007);
    assert_eq!(number(&memory, PML4 + 8, 8), 6);
    assert_eq!(number(&memory, PDPT + 24, 8), 0x75007);
    assert_eq!(number(&memory, PD + 8 * 2047, 8), 0xFFE0_0087);
}

/// The prototype's `boot_parameters` and `page_tables`, for 16 MiB, archives of 15 bytes, a short command line.
#[test]
fn pages_are_as_the_prototype_made_them() {
    let mut pages = page_tables();
    pages.extend(boot_parameters(&e820(16 * MIB, 0), 8 * MIB, 15, COMMAND_LINE));
    assert_eq!(pages.len(), 7 * 4096);
    assert_eq!(pages, include_bytes!("../../tests/recorded/pages.bin"));
}

#[test]
fn long_command_lines_stand_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mem.img");
    let kernel = template_kernel();
    for (length, at) in [(511, COMMAND_LINE), (512, LONG_COMMAND_LINE), (2047, LONG_COMMAND_LINE)] {
        let line = "x".repeat(length);
        write_memory(&path, &guest(&kernel, &[], &line)).unwrap();
        let memory = fs::read(&path).unwrap();
        assert_eq!(number(&memory, PARAMETERS + 0x228, 4), at);
        let at = usize::try_from(at).unwrap();
        assert_eq!(&memory[at..at + length], line.as_bytes());
        assert_eq!(memory[at + length], 0);
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mem.img");
    let kernel = template_kernel();
    let why = |guest: &Guest<'_>| write_memory(&path, guest).unwrap_err().to_string();
    let good = guest(&kernel, &[], "x");
    assert!(why(&Guest { file_mib: 15, ..good }).contains("do not fit"));
    assert!(why(&Guest { memory_mib: 4096, file_mib: 4096, ..good }).contains("16 to 3072"));
    assert!(why(&Guest { memory_mib: 0, ..good }).contains("16 to 3072"));
    assert!(why(&Guest { kernel: b"MZ", ..good }).contains("vmlinux"));
    assert!(why(&Guest { command_line: &"x".repeat(2048), ..good }).contains("command line"));
    assert!(why(&Guest { command_line: "a\0b", ..good }).contains("command line"));
    let large = vec![1; 9 << 20];
    assert!(why(&Guest { initrds: &[&large], ..good }).contains("archives end"));
    for end in 0..kernel.len() {
        assert!(write_memory(&path, &Guest { kernel: &kernel[..end], ..good }).is_err(), "{end}");
    }
    let mut low = kernel.clone();
    low[64 + 24..64 + 32].copy_from_slice(&0x9_0000_u64.to_le_bytes());
    assert!(why(&Guest { kernel: &low, ..good }).contains("outside 1 MiB"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
    assert!(matches!(write_memory(&path.join("no/such"), &good), Err(TransferError::Io { .. })));
}

#[test]
fn persistent_memory_and_acpi_tables_are_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mem.img");
    let kernel = template_kernel();
    write_memory(&path, &Guest { persistent_mib: 2, acpi: Some(2), ..guest(&kernel, &[], "x") }).unwrap();
    let memory = fs::read(&path).unwrap();
    let at = |offset: u64, size| number(&memory, PARAMETERS + offset, size);
    let entry = |i: u64| (at(0x2D0 + 20 * i, 8), at(0x2D8 + 20 * i, 8), at(0x2E0 + 20 * i, 4));
    assert_eq!((at(0x1E8, 1), entry(3), entry(4).0), (6, (16 * MIB, 2 * MIB, 12), 18 * MIB));
    assert_eq!(at(0x70, 8), acpi::BASE);
    assert_eq!(&memory[usize::try_from(acpi::BASE).unwrap()..][..8], b"RSD PTR ");
    let too_much = Guest { persistent_mib: 5, ..guest(&kernel, &[], "x") };
    let why = write_memory(&path, &too_much).unwrap_err().to_string();
    assert!(why.contains("21 MiB of memory do not fit in a file of 20 MiB"), "{why}");
    let crowd = Guest { acpi: Some(64), ..guest(&kernel, &[], "x") };
    assert!(write_memory(&path, &crowd).unwrap_err().to_string().contains("64 processors"));
}
