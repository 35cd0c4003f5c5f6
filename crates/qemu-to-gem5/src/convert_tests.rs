use super::*;
use crate::fixture::{TARGET, TEMPLATE, converted, machine, set, set_bytes, stopped};

/// The template's keys that changed, and its sections that are gone.
fn changes(text: &str) -> Vec<String> {
    let keys = |text: &str| {
        let (mut section, mut out) = (String::new(), Vec::new());
        for line in text.lines() {
            if let Some(name) = line.strip_prefix('[') {
                section = name.trim_end_matches(']').to_owned();
                out.push((section.clone(), String::new()));
            } else if !section.is_empty() && !line.is_empty() {
                out.push((section.clone(), line.to_owned()));
            }
        }
        out
    };
    let (old, new) = (keys(TEMPLATE), keys(text));
    let mut out: Vec<String> = Vec::new();
    for (section, line) in &old {
        let here = new.iter().any(|(s, _)| s == section);
        if line.is_empty() && !here {
            out.push(format!("-{section}"));
        } else if here && !line.is_empty() {
            let key = line.split_once('=').unwrap().0;
            let found: Vec<_> =
                new.iter().filter(|(s, l)| s == section && l.split_once('=').is_some_and(|(k, _)| k == key)).collect();
            assert_eq!(found.len(), 1, "{section}:{key}");
            if found[0].1 != *line {
                out.push(format!("{section}:{}", found[0].1));
            }
        }
    }
    // Nothing is added.
    assert_eq!(new.len() + old.iter().filter(|(s, _)| !new.iter().any(|(n, _)| n == s)).count(), old.len());
    out
}

/// The prototype (Python) made the expected changes from the same bytes. The PIT's key is this crate's own.
fn compare(state: &[u8], expected: &str) {
    let mut found = changes(&converted(state).to_text());
    found.retain(|line| line != "system.pc.south_bridge.pit:pit.counter0.event_tick_offset=0");
    let expected: Vec<&str> = expected.lines().collect();
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.len(), expected.len());
}

#[test]
fn the_recorded_machine_becomes_what_the_prototype_made() {
    compare(&stopped(), include_str!("../tests/recorded/stopped.txt"));
}

/// As `stopped`, with more to move: x87, MMX, flags, waiting interrupts, a late timer, an overdue one, an enabled transmitter interrupt.
fn rich() -> Vec<u8> {
    let mut state = stopped();
    let s = &mut state;
    set_bytes(s, "cpu", 0, "env.fpregs[].tmp", 0, b"\xC9\x0F\xDA\xA2\x21\x68\xC2\x35\x40\x00");
    set_bytes(s, "cpu", 0, "env.fpregs[].tmp", 3, b"\x01\x23\x45\x67\x89\xAB\xCD\xEF\xFF\xFF");
    set(s, "cpu", 0, "env.fpus_vmstate", 0, 0x1800);
    set(s, "cpu", 0, "env.fptag_vmstate", 0, 9);
    set(s, "cpu", 0, "env.eflags", 0, 0xED7 & !0x100);
    set(s, "cpu", 0, "env.ldt.selector", 0, 0x50);
    set(s, "cpu", 0, "env.ldt.flags", 0, 0x8200);
    set(s, "cpu", 0, "env.segs[].flags", 3, 0xCFF300);
    set(s, "apic", 1, "timer_expiry", 0, -1);
    set(s, "apic", 1, "irr[]", 7, 1 << 12);
    set(s, "cpu_common", 1, "interrupt_request", 0, 2);
    set(s, "apic", 0, "irr[]", 1, 8);
    set(s, "apic", 0, "isr[]", 4, 1);
    set(s, "apic", 0, "tmr[]", 4, 1);
    set(s, "apic", 0, "timer_expiry", 0, 1_080_000_000);
    set(s, "apic", 0, "lvt[]", 0, 0x10EC);
    set(s, "apic", 0, "icr[]", 0, 0x10FD);
    set(s, "ioapic", 0, "ioredtbl[]", 4, 0x0100_0000_0000_1021);
    set(s, "serial", 0, "state.ier", 0, 7);
    set(s, "i8259", 0, "isr", 0, 4);
    set(s, "i8259", 0, "read_reg_select", 0, 1);
    state
}

#[test]
fn a_busier_machine_becomes_what_the_prototype_made() {
    compare(&rich(), include_str!("../tests/recorded/rich.txt"));
}

#[test]
fn times_are_mapped() {
    let clock = Clock::new(1_000).unwrap();
    assert_eq!(clock.tick, 1_000_000);
    assert_eq!(clock.at(3_000).unwrap(), 3_000_000);
    assert_eq!(clock.at(1_000).unwrap(), 1_001_000, "what is due comes a nanosecond later");
    assert_eq!(clock.at(-5).unwrap(), 1_001_000);
    assert!(clock.at(i128::from(i64::MAX)).is_err());
    assert!(Clock::new(u64::MAX / 999).is_err());
}

/// Each key that is written must be in the template.
#[test]
fn a_template_that_lacks_a_key_is_refused() {
    let machine = machine(&rich()).unwrap();
    let changed = changes(&converted(&rich()).to_text());
    let mut tried = 0;
    for change in changed.iter().filter(|c| !c.starts_with('-')) {
        let (section, rest) = change.split_once(':').unwrap();
        let key = rest.split_once('=').unwrap().0;
        let start = TEMPLATE.find(&format!("[{section}]\n")).unwrap();
        let at = start + TEMPLATE[start..].find(&format!("\n{key}=")).unwrap() + 1;
        let end = at + TEMPLATE[at..].find('\n').unwrap() + 1;
        let cut = format!("{}{}", &TEMPLATE[..at], &TEMPLATE[end..]);
        let error = convert(&machine, &Checkpoint::parse(&cut).unwrap(), &TARGET).unwrap_err();
        assert!(matches!(error, TransferError::Template { .. }), "{error}");
        // The clock's keys are found by their endings.
        assert!(error.to_string().contains(key.trim_start_matches("rtc.")), "{key}: {error}");
        tried += 1;
    }
    assert!(tried > 40, "{tried}");
}

#[test]
fn a_template_of_another_machine_is_refused() {
    let machine = machine(&stopped()).unwrap();
    let why = |from: &str, to: &str| {
        assert!(TEMPLATE.contains(from), "{from}");
        let template = Checkpoint::parse(&TEMPLATE.replace(from, to)).unwrap();
        convert(&machine, &template, &TARGET).unwrap_err().to_string()
    };
    assert!(why("[system.cpu0]", "[system.cpu2]").contains("another number of cores"));
    assert!(why("[system.cpu1]", "[system.cpu]").contains("another number of cores"));
    assert!(why("regVal=", "regVal=1 ").contains("206 miscellaneous registers"));
    assert!(why("filename=", "filename=../").contains("no file beside"));
    assert!(why("regs.integer=0 0", "regs.integer=0 256").contains("bytes"));
    let fewer = Target { cpus: 1, ..TARGET };
    assert!(convert(&machine, &Checkpoint::parse(TEMPLATE).unwrap(), &fewer).is_err());
}

#[test]
fn gem5_v23_has_no_xcr0() {
    let old = |text: &str| {
        let lines: Vec<_> =
            text.lines().map(|l| if l.starts_with("regVal=") { l.rsplit_once(' ').unwrap().0 } else { l }).collect();
        Checkpoint::parse(&(lines.join("\n") + "\n")).unwrap()
    };
    let template = old(TEMPLATE);
    assert_eq!(template.numbers("system.cpu0.isa", "regVal").unwrap().len(), 204);
    let out = convert(&machine(&stopped()).unwrap(), &template, &TARGET).unwrap();
    assert_eq!(out.to_text(), old(&converted(&stopped()).to_text()).to_text());
    let why = convert(&machine(&rich()).unwrap(), &template, &TARGET).unwrap_err().to_string();
    assert!(why.contains("v23 may cut"), "{why}");
}

/// QEMU 10 names the last element of an array without an index, and has two fields more.
#[test]
fn a_machine_of_qemu_10_is_taken_over_as_well() {
    let state = include_bytes!("../tests/recorded/qemu-10.0-stopped.state");
    assert_eq!(crate::Stream::parse(state).unwrap().machine_type(), "pc-i440fx-10.0");
    let ns = machine(state).unwrap().stopped_at_ns();
    let checkpoint = converted(state).to_text();
    assert!(checkpoint.contains(&format!("curTick={}\n", ns * 1000)), "{ns}");
    let mut suspended = state.to_vec();
    set(&mut suspended, "globalstate", 0, "vm_was_suspended", 0, 1);
    assert!(machine(&suspended).unwrap_err().to_string().contains("vm_was_suspended"));
    let mut busy = state.to_vec();
    set(&mut busy, "ide", 0, "bmdma[].cmd", 1, 1);
    assert!(machine(&busy).unwrap_err().to_string().contains("bmdma"), "the last element is checked, too");
}
