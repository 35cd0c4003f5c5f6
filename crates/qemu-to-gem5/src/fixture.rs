//! A recorded stream, and how tests change it.

use crate::{Checkpoint, Machine, Stream, Target, TransferError};

/// QEMU 7.2 with two cores, stopped by the host.
pub(crate) const STATE: &[u8] = include_bytes!("../tests/recorded/qemu-7.2.state");
/// gem5 v24.0 with two cores.
pub(crate) const TEMPLATE: &str = include_str!("../tests/recorded/gem5-24.0.cpt");
pub(crate) const TARGET: Target = Target { cpus: 2, period_ps: 1000, memory_bytes: 1 << 30 };
/// `qemu_icount + qemu_icount_bias`.
pub(crate) const CLOCK: i128 = 87_037_376 + 993_175_819;

/// Overwrites the nth value of a field.
pub(crate) fn set(state: &mut [u8], device: &str, instance: u32, path: &str, nth: usize, value: i128) {
    let place = place(state, device, instance, path, nth);
    let bytes = value.to_be_bytes();
    let start = bytes.len() - place.len();
    state[place].copy_from_slice(&bytes[start..]);
}

pub(crate) fn set_bytes(state: &mut [u8], device: &str, instance: u32, path: &str, nth: usize, value: &[u8]) {
    let place = place(state, device, instance, path, nth);
    state[place][..value.len()].copy_from_slice(value);
}

fn place(state: &[u8], device: &str, instance: u32, path: &str, nth: usize) -> std::ops::Range<usize> {
    let stream = Stream::parse(state).unwrap();
    let section = stream.sections().iter().find(|s| s.device() == device && s.instance == instance).unwrap();
    section.items.iter().filter(|i| *i.path == *path).nth(nth).unwrap().place.clone()
}

/// As if the guest had stopped the machine: register 15 holds the time, the other core waits.
pub(crate) fn stopped() -> Vec<u8> {
    let mut state = STATE.to_vec();
    set(&mut state, "cpu", 0, "env.regs[]", 15, CLOCK - 1000);
    set(&mut state, "cpu_common", 1, "halted", 0, 1);
    state
}

pub(crate) fn machine(state: &[u8]) -> Result<Machine, TransferError> {
    Machine::from_stream(&Stream::parse(state)?, 2)
}

/// Two names of one length, exchanged everywhere.
pub(crate) fn renamed(state: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut out = state.to_vec();
    let places: Vec<usize> = (0..out.len() - from.len()).filter(|at| out[*at..].starts_with(from.as_bytes())).collect();
    assert!(!places.is_empty(), "{from} is not there");
    for at in places {
        out[at..at + to.len()].copy_from_slice(to.as_bytes());
    }
    out
}

pub(crate) fn converted(state: &[u8]) -> Checkpoint {
    crate::convert(&machine(state).unwrap(), &Checkpoint::parse(TEMPLATE).unwrap(), &TARGET).unwrap()
}
