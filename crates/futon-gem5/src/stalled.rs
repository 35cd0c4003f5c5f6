//! A detailed core that stood still is tried once more, from the same checkpoint.
//!
//! A simulation repeats itself to the digit, and so would the stall. The second process drains the core's pipeline early on: from there
//! on everything happens some cycles later, as with a guest that was stopped elsewhere.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::time::Duration;

use futon_common::{Context, Result};
use futon_model::{Code, PhaseReport};

use super::channel::{EVENTS, lines_of};
use super::diagnose::Ending;
use super::session::{Finished, Shared};

/// Simulated time into the second process after which its core is drained: before the first call, as a rule.
pub(super) const DRAIN_AT: Duration = Duration::from_micros(10);

/// Added to the name of the process that stood still: of its folder, in reports.
const SUFFIX: &str = "-stalled";

/// Whether a process stood still, and may be made again. Not if the guest has said anything since the checkpoint: it would say it twice.
pub(super) fn may_try_again(finished: &Finished, with: &[(String, PathBuf)]) -> bool {
    let stalled = matches!(&finished.ending, Ending::Failed(failure) if failure.code == Code::Gem5Stalled);
    let before = with.iter().find(|(name, _)| name == EVENTS).map_or(0, |(_, path)| lines_of(path));
    stalled && lines_of(&finished.outdir.join(EVENTS)) == before
}

/// Keeps a stalled process's files under a name of their own, in the run's folder.
pub(super) fn set_aside(finished: &Finished, folder: &Path, shared: &Shared) -> Result<PhaseReport> {
    let name = format!("{}{SUFFIX}", finished.report.name);
    let from = folder.join(&finished.report.name);
    fs::rename(&from, folder.join(&name)).context(|| format!("cannot rename {}", from.display()))?;
    let why = match &finished.ending {
        Ending::Failed(failure) => failure.why.as_str(),
        _ => "",
    };
    let remark = format!(
        "{why}; measured again from the same checkpoint with a core that was drained after {} simulated \u{b5}s (the first try's \
         files are in {name}): its figures compare with those of another --sim-seed, not digit by digit",
        DRAIN_AT.as_micros()
    );
    shared.remarks.lock().unwrap_or_else(PoisonError::into_inner).push(remark);
    Ok(PhaseReport { name, ..finished.report.clone() })
}
