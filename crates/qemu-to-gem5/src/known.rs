//! What is known of each field of the migration stream, and the check that nothing else is there and that the machine is at rest.
//!
//! To move machines of another QEMU: add its sections' versions, and a line for each field and subsection that it has more.

mod board;
mod cpu;
mod idle;
mod rule;

pub(crate) use cpu::{HARD, POLL};
pub(crate) use rule::not_at_rest;

use rule::{Known, Times};

use crate::TransferError;
use crate::stream::Stream;

const SECTIONS: &[&[Known]] = &[cpu::SECTIONS, board::SECTIONS, idle::SECTIONS];

fn known() -> impl Iterator<Item = &'static Known> {
    SECTIONS.iter().copied().flatten()
}

/// Refuses what has no rule and what is not at rest.
pub(crate) fn check(stream: &Stream, cpus: u32) -> Result<(), TransferError> {
    for section in stream.sections() {
        let title = section.title();
        let Some(rules) = known().find(|k| k.section == section.device()) else {
            return Err(TransferError::Unknown { what: format!("section {title}, version {}", section.version) });
        };
        if !rules.versions.contains(&section.version) {
            let what = format!("section {title} is version {}; known: {:?}", section.version, rules.versions);
            return Err(TransferError::Unknown { what });
        }
        let most = match rules.times {
            Times::EachCore => cpus,
            Times::Exactly(n) | Times::AtMost(n) => n,
        };
        if section.instance >= most {
            return Err(TransferError::Unknown {
                what: format!("section {title}: at most {most} of its kind are known"),
            });
        }
        rules.check(section)?;
    }
    for rules in known() {
        let least = match rules.times {
            Times::EachCore => cpus,
            Times::Exactly(n) => n,
            Times::AtMost(_) => 0,
        };
        for instance in 0..least {
            if !stream.sections().iter().any(|s| s.device() == rules.section && s.instance == instance) {
                return Err(TransferError::Unknown {
                    what: format!("the stream has no section {} {instance}", rules.section),
                });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "known_tests.rs"]
mod tests;
