//! Thresholds of a load.

use futon_common::{Error, Result};
use futon_model::{Accelerator, LoadPlan};

use super::prepared::Prepared;

/// Refuses thresholds if times do not measure performance.
///
/// # Errors
/// When the machine is emulated.
pub fn check_thresholds(plan: &LoadPlan, prepared: &Prepared) -> Result<()> {
    let accelerator = prepared.machine.report().accelerator;
    if plan.thresholds.is_empty() || plan.emulated || accelerator == Accelerator::Kvm {
        return Ok(());
    }
    let (word, why) = (accelerator.word(), prepared.machine.report().accelerator_reason);
    Err(Error::usage(format!(
        "--max: the machine is emulated ({word}: {why}), so its latencies do not measure performance"
    ))
    .hint("leave --max out, use a machine with KVM, or give --emulated if you know what these latencies mean"))
}
