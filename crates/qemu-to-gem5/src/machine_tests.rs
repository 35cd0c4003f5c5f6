use crate::fixture::{CLOCK, STATE, machine, renamed, set, set_bytes, stopped};
use crate::{Stream, TransferError};

fn refused(device: &str, instance: u32, path: &str, nth: usize, value: i128) -> String {
    let mut state = stopped();
    set(&mut state, device, instance, path, nth, value);
    machine(&state).unwrap_err().to_string()
}

#[test]
fn reads_the_machine() {
    let machine = machine(&stopped()).unwrap();
    assert_eq!(i128::from(machine.stopped_at_ns()), CLOCK - 1000);
    assert_eq!(machine.cores.len(), 2);
    let [one, two] = machine.cores.as_slice() else { unreachable!() };
    assert!(!one.halted && two.halted);
    assert_eq!(one.rip, 0xffff_ffff_8119_0c3e);
    assert_eq!(one.xmm[0], [0x537a_7054_b036_6200, 0x5f_9490]);
    assert_eq!(one.apic.expiry, Some(1_083_757_360));
    assert_eq!(machine.pics[0].irr, 0x10);
}

#[test]
fn register_15_must_hold_the_time_of_the_stop() {
    assert!(machine(STATE).unwrap_err().to_string().contains("register 15 of core 0 holds no time"));
    for (r15, fits) in
        [(CLOCK, true), (CLOCK + 1, false), (CLOCK - 9_999_999, true), (CLOCK - 10_000_000, false), (0, false)]
    {
        let mut state = stopped();
        set(&mut state, "cpu", 0, "env.regs[]", 15, r15);
        assert_eq!(machine(&state).is_ok(), fits, "{r15}");
    }
}

#[test]
fn time_must_be_counted_in_instructions() {
    let error = machine(&renamed(&stopped(), "timer/icount", "timer/icoun2")).unwrap_err();
    assert!(error.to_string().contains("timer/icoun2"), "{error}");
}

#[test]
fn refuses_cores_that_are_not_at_rest() {
    assert!(refused("cpu_common", 1, "halted", 0, 0).contains("cpu_common 1: halted is 0: this core ran on"));
    assert!(refused("cpu", 0, "env.dr[]", 7, 0x401).contains("0x401 (DR7): a breakpoint is armed"));
    assert!(refused("cpu", 0, "env.segs[].flags", 1, 0xcf_fb00).contains("compatibility mode"));
    assert!(refused("cpu", 0, "env.efer", 0, 1).contains("long mode"));
    assert!(refused("cpu", 1, "env.exception_nr", 0, 14).contains("cpu 1: env.exception_nr is 0xe"));
    assert!(refused("cpu_common", 0, "interrupt_request", 0, 0x200).contains("interrupt_request is 0x200"));
    assert!(refused("cpu", 0, "env.hflags", 0, 0x0040_C2B8).contains("shadow"));
    assert!(refused("cpu", 0, "env.xmm_regs[1][]._q_ZMMReg[2]", 15, 1).contains("YMM"));
    assert!(refused("apic", 1, "id", 0, 2).contains("another number"));
    assert!(refused("apic", 0, "lvt[]", 0, 0x200ec).contains("not one-shot"));
    assert!(refused("apic", 0, "count_shift", 0, 8).contains("at most 128"));
}

#[test]
fn refuses_devices_that_are_not_at_rest() {
    assert!(refused("i8254", 0, "channels[].next_transition_time", 0, 5).contains("first channel of the PIT"));
    assert!(refused("i8254", 0, "channels[0].next_transition_time", 0, 5).contains("first channel of the PIT"));
    assert!(refused("serial", 0, "state.lsr", 0, 0x20).contains("drained"));
    assert!(refused("ioapic", 0, "irr", 0, 16).contains("no device asks"));
    for (at, value, why) in
        [(10, 0x2A, "default rate"), (11, 0x42, "interrupts are on"), (11, 0x12, "interrupts are on")]
    {
        let mut state = stopped();
        let mut cmos = [0; 12];
        cmos[10..].copy_from_slice(&[0x26, 0x02]);
        cmos[at] = value;
        set_bytes(&mut state, "mc146818rtc", 0, "cmos_data", 0, &cmos);
        assert!(machine(&state).unwrap_err().to_string().contains(why));
    }
    // Update-in-progress passes.
    let mut state = stopped();
    set_bytes(&mut state, "mc146818rtc", 0, "cmos_data", 0, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xA6, 0x02]);
    assert_eq!(machine(&state).unwrap().rtc.a, 0x26);
    // A channel whose interrupt is not connected may run.
    let mut state = stopped();
    set(&mut state, "i8254", 0, "channels[].next_transition_time", 0, 5);
    set(&mut state, "i8254", 0, "channels[0].irq_disabled", 0, 1);
    assert!(machine(&state).is_ok());
}

fn late() -> Vec<u8> {
    let mut state = stopped();
    set(&mut state, "apic", 1, "timer_expiry", 0, -1);
    set(&mut state, "apic", 1, "irr[]", 7, 1 << 12);
    state
}

#[test]
fn a_timer_that_fired_after_the_stop_has_not_fired() {
    for request in [0, 2, 0x10, 0x12] {
        let mut state = late();
        set(&mut state, "cpu_common", 1, "interrupt_request", 0, request);
        let machine = machine(&state).unwrap();
        let core = &machine.cores[1];
        assert_eq!(core.apic.expiry, Some(1_083_757_364));
        assert_eq!(core.apic.irr, [0; 8]);
        assert!(core.halted);
    }
}

#[test]
fn a_timer_that_fired_before_the_stop_has_fired() {
    let mut state = late();
    set(&mut state, "apic", 1, "initial_count_load_time", 0, 1_000_000_000);
    let machine = machine(&state).unwrap();
    assert_eq!(machine.cores[1].apic.expiry, None);
    assert!(!machine.cores[1].halted, "an interrupt waits");
}

#[test]
fn a_core_with_a_waiting_interrupt_does_not_sleep() {
    let mut state = stopped();
    set(&mut state, "apic", 1, "irr[]", 1, 2);
    assert!(!machine(&state).unwrap().cores[1].halted);
    let mut state = stopped();
    set(&mut state, "cpu_common", 1, "interrupt_request", 0, 2);
    assert!(!machine(&state).unwrap().cores[1].halted);
}

#[test]
fn without_icount_the_machine_is_refused() {
    let state = stopped();
    let stream = Stream::parse(&state).unwrap();
    let timer = stream.sections().iter().find(|s| s.name == "timer").unwrap();
    let inside: Vec<_> = timer.items.iter().filter(|i| i.path.starts_with("timer/icount")).collect();
    // The subsection goes, from the stream and from its description.
    let marker = state.iter().rposition(|b| *b == 6).unwrap();
    let mut json: serde_json::Value = serde_json::from_slice(&state[marker + 5..]).unwrap();
    json["devices"][0].as_object_mut().unwrap().remove("subsections").unwrap();
    let json = json.to_string();
    let start = inside[0].place.start;
    let mut without = [&state[..start], &state[inside.last().unwrap().place.end..=marker]].concat();
    without.extend_from_slice(&u32::try_from(json.len()).unwrap().to_be_bytes());
    without.extend_from_slice(json.as_bytes());
    let error = machine(&without).unwrap_err();
    assert!(matches!(error, TransferError::Refused { .. }), "{error}");
    assert!(error.to_string().contains("no timer/icount"), "{error}");
}

/// Recorded as it is: a program of the guest stopped the machine through the device of [`crate::boot`], from the memory and ROM made there.
#[test]
fn a_machine_that_its_guest_stopped_can_be_moved() {
    let machine = machine(include_bytes!("../tests/recorded/qemu-7.2-stopped.state")).unwrap();
    assert_eq!(machine.stopped_at_ns(), 190_125_254);
    let [one, two] = machine.cores.as_slice() else { unreachable!() };
    assert_eq!((one.rip, one.halted, two.halted), (4_200_254, false, true));
}
