use super::*;

fn sum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, b| sum.wrapping_add(*b))
}

#[test]
fn parts_are_in_their_places() {
    let rom = rom(0x0123_4567_89AB_CDEF, 2);
    assert_eq!(rom.len(), SIZE);
    assert_eq!(rom[0xFE0..0xFE4], 0x8000_F000_u32.to_le_bytes());
    assert_eq!(rom[0xFF0..0xFF8], 0x0123_4567_89AB_CDEF_u64.to_le_bytes());
    assert_eq!(rom[RESET_AT..RESET_AT + 3], [0xE9, 0x0D, 0x10]);
    // The jump goes to the code's first byte.
    let target = u16::from_le_bytes([rom[RESET_AT + 1], rom[RESET_AT + 2]]).wrapping_add(0xFFF3);
    assert_eq!(usize::from(target), CODE_AT);
    assert_eq!(rom[CODE_AT], 0xFA);
    assert_eq!(CODE.len(), 0xDE);
}

/// As the assembler made it from the prototype's source (`rom.S`).
#[test]
fn code_is_as_assembled() {
    let assembled = include_bytes!("../../tests/recorded/rom-code.bin");
    assert_eq!(CODE, assembled);
}

#[test]
fn tables_have_their_checksums() {
    for cpus in [1, 2, 8, 128, 4096] {
        let rom = rom(0x100_0000, cpus);
        assert_eq!(&rom[..4], b"_MP_");
        assert_eq!(sum(&rom[..16]), 0);
        assert_eq!(&rom[16..20], b"PCMP");
        let length = usize::from(u16::from_le_bytes([rom[20], rom[21]]));
        assert!(16 + length < 0xFE0);
        assert_eq!(sum(&rom[16..16 + length]), 0);
        assert!(rom[16 + length..0xFE0].iter().all(|b| *b == 0));
    }
}

/// The prototype's tables for two cores.
#[test]
fn tables_are_as_the_prototype_made_them() {
    assert_eq!(mp::tables(2), include_bytes!("../../tests/recorded/mp-2.bin"));
}
