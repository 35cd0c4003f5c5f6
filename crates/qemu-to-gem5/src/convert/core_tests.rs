use super::*;

#[test]
fn names_have_their_numbers() {
    let names = misc::names();
    assert_eq!(names.len(), misc::WITH_XCR0);
    assert_eq!(names[0], "cr0");
    assert_eq!(names[16], "dr0");
    assert_eq!(names[24], "rflags");
    assert_eq!(names[204], "xcr0");
    // The template's values tell where things are: PAT, EFER's reset, the APIC's base, DR6, MXCSR.
    let template = Checkpoint::parse(crate::fixture::TEMPLATE).unwrap();
    let misc = Misc::read(&template, "system.cpu0.isa").unwrap();
    let value = |name: &str| misc.values[misc.names.iter().position(|n| n == name).unwrap()];
    assert_eq!(value("pat"), 0x0007_0406_0007_0406);
    assert_eq!(value("efer"), 0x500);
    assert_eq!(value("cr3"), 0x70000);
    assert_eq!(value("apic_base"), 0xFEE0_0800);
    assert_eq!(value("dr6"), 0xFFFF_0FF0);
    assert_eq!(value("mxcsr"), 0x1F80);
    assert_eq!(value("ftw"), 0xFFFF);
    assert_eq!(value("cs_sel"), 8);
}

#[test]
fn attributes_are_derived() {
    // What the kernel's own segments have in gem5: 64-bit code, data, a busy TSS.
    assert_eq!(attributes(0x00AF_9B00, true), 0x80D0 | 0x2000 | 0xB00 & !0x40 | 0x40);
    assert_eq!(attributes(0x00CF_9300, true), 0xB000 | 0xC8 | 0x300);
    assert_eq!(attributes(0x0000_8900, true), 0x3080 | 0x900);
    assert_eq!(attributes(0, false), 0x3004);
    // Expanding down, privilege level 3, available.
    assert_eq!(attributes(0x0010_F600, true), 0xF000 | 0x80 | 0x20 | 3 | 0x600);
}

#[test]
fn tags_of_16_bits() {
    assert_eq!(tags(0), 0xFFFF);
    assert_eq!(tags(0xFF), 0);
    assert_eq!(tags(0x81), 0x3FFC);
}
