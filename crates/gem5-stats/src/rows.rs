//! One tidy row an invocation. A row says which core model it is; what was not measured is empty, never 0.

use std::io::{self, Read};

use futon_common::{Error, Result};

use super::core::CoreModel;
use super::names::{Access, Figure, Layout, Names};
use super::text::{Dump, Summary, read_dumps};

/// Columns, in order.
pub const COLUMNS: [&str; 32] = [
    "run_id",
    "function",
    "image_digest",
    "language",
    "system",
    "params_hash",
    "gem5_version",
    "checkpoint_key",
    "core",
    "software_warmup",
    "uarch_warmup",
    "invocation",
    "seed",
    "insts_user",
    "insts_kernel",
    "active_cycles",
    "quiesced_cycles",
    "sim_ns",
    "cpi",
    "ipc",
    "l1i_mpki",
    "l1d_mpki",
    "l2_mpki",
    "llc_mpki",
    "itlb_mpki",
    "dtlb_mpki",
    "branch_mpki",
    "host_s",
    "host_mips",
    "converged",
    "verified",
    "state",
];

/// Invocations that must agree for a run to count as converged.
const CONVERGED_LAST: usize = 5;

/// How far they may lie apart, as a share of their mean.
const CONVERGED_WITHIN: f64 = 0.02;

/// What all rows of one run have in common.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context {
    /// Name of the run.
    pub run_id: String,
    /// Function.
    pub function: String,
    /// Digest of its image's manifest.
    pub image_digest: String,
    /// Language of the function, where it is known.
    pub language: Option<String>,
    /// System that was simulated.
    pub system: String,
    /// Digest of its parameters.
    pub params_hash: String,
    /// gem5's version.
    pub gem5_version: String,
    /// Key of the checkpoint that the invocations started from, where there was one.
    pub checkpoint_key: Option<String>,
    /// Invocations before the checkpoint.
    pub software_warmup: u64,
    /// Invocations on the measured core that were discarded.
    pub uarch_warmup: u64,
    /// Seed of the simulation.
    pub seed: String,
    /// State in which each call found the core: `warm`, or `lukewarm:` and what was emptied before it.
    pub state: String,
    /// Which replies were verified, by measured invocation from 0; nothing where the client said nothing.
    pub verified: Vec<Option<bool>>,
}

/// Which invocation a dump belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DumpLabel {
    /// Number of the dump in its file, from 0.
    pub dump: u64,
    /// Number of the measured invocation, from 0.
    pub invocation: u64,
    /// Core model that ran it.
    pub core: CoreModel,
}

/// One invocation.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Row {
    /// Values in the order of [`COLUMNS`]; absent is `None`.
    pub(super) values: Vec<Option<String>>,
    /// Instructions of the measured core, user and kernel; the dump's own figure, or what its row lets one work out.
    pub insts: Option<f64>,
}

impl Row {
    /// A value by its column's name.
    #[must_use]
    pub fn get(&self, column: &str) -> Option<&str> {
        let at = COLUMNS.iter().position(|c| *c == column)?;
        self.values.get(at)?.as_deref()
    }

    /// A number by its column's name.
    #[must_use]
    pub fn number(&self, column: &str) -> Option<f64> {
        self.get(column)?.parse().ok()
    }
}

/// Reads `stats.txt` and makes a row of each labelled dump.
///
/// # Errors
/// When reading fails. A dump that broke off, or is not there, gives a row without figures.
pub fn rows(
    stats: impl Read,
    layout: &Layout,
    labels: &[DumpLabel],
    context: &Context,
) -> io::Result<(Vec<Row>, Summary)> {
    let names = Names::new(layout);
    let (dumps, summary) = read_dumps(stats, |name| names.find(name))?;
    let cpis: Vec<Option<f64>> = labels.iter().map(|label| figures(&dumps, label).cpi()).collect();
    let agreed = converged(&cpis);
    let rows = labels.iter().map(|label| row(label, &figures(&dumps, label), context, agreed)).collect();
    Ok((rows, summary))
}

/// Whether the last five values agree within 2 per cent; nothing when there are fewer, or one is missing.
#[must_use]
pub fn converged(values: &[Option<f64>]) -> Option<bool> {
    let last = values.get(values.len().checked_sub(CONVERGED_LAST)?..)?;
    let last: Vec<f64> = last.iter().copied().collect::<Option<_>>()?;
    let (low, high) = last.iter().fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(*v), h.max(*v)));
    let mean = last.iter().sum::<f64>() / f64::from(u32::try_from(last.len()).ok()?);
    (mean > 0.0).then(|| (high - low) / mean <= CONVERGED_WITHIN)
}

/// Says whether rows may be compared.
///
/// # Errors
/// When they come from different core models: TimingSimple counts idle cycles, O3 leaves quiesced ones out, Atomic
/// counts none that mean anything.
pub fn comparable(rows: &[Row]) -> Result<()> {
    let mut cores: Vec<&str> = rows.iter().filter_map(|r| r.get("core")).collect();
    cores.sort_unstable();
    cores.dedup();
    if cores.len() < 2 {
        return Ok(());
    }
    Err(Error::usage(format!("rows of different core models ({}) cannot be compared", cores.join(", ")))
        .hint("each model counts cycles differently; compare rows with the same value in the column core"))
}

/// The figures of one dump, of which the best source was taken.
struct Figures<'a> {
    dump: Option<&'a Dump<(Figure, u8)>>,
    core: CoreModel,
}

fn figures<'a>(dumps: &'a [Dump<(Figure, u8)>], label: &DumpLabel) -> Figures<'a> {
    // What a dump that broke off shows may be all there is of it, or not.
    let dump = dumps.iter().find(|d| d.index == label.dump && d.complete);
    Figures { dump, core: label.core }
}

impl Figures<'_> {
    fn get(&self, figure: Figure) -> Option<f64> {
        let dump = self.dump?;
        let best = dump.values.iter().filter(|((f, _), _)| *f == figure).min_by_key(|((_, rank), _)| *rank)?;
        best.1.is_finite().then_some(best.1)
    }

    fn insts(&self) -> Option<f64> {
        self.get(Figure::Insts)
    }

    /// Cycles in which the core worked. O3 does not count quiesced cycles, simple cores count idle ones.
    fn active_cycles(&self) -> Option<f64> {
        match self.core {
            CoreModel::Kvm => None,
            CoreModel::O3 => self.get(Figure::Cycles),
            CoreModel::Timing | CoreModel::Atomic => {
                self.busy_by_time().or_else(|| self.get(Figure::BusyCycles)).or_else(|| {
                    let idle = self.get(Figure::IdleCycles)?;
                    Some(self.get(Figure::Cycles)? - idle)
                })
            }
        }
    }

    /// Cycles from one end of the dump to the other.
    fn all_cycles(&self) -> Option<f64> {
        let period = self.get(Figure::ClockPeriod).filter(|p| *p > 0.0)?;
        Some(self.get(Figure::SimTicks)? / period)
    }

    /// Busy cycles of a simple core. It adds cycles up when something happens, and so those before a reset may come after it
    /// (`TimingSimpleCPU::updateCycleCounts`); the share of the time is exact.
    fn busy_by_time(&self) -> Option<f64> {
        Some(self.get(Figure::NotIdle)? * self.all_cycles()?)
    }

    /// The rest. The cores' own counts take in a sleep before the dump, and leave out one that has not ended.
    fn quiesced_cycles(&self) -> Option<f64> {
        if self.core != CoreModel::Kvm
            && let (Some(all), Some(active)) = (self.all_cycles(), self.active_cycles())
        {
            return Some((all - active).max(0.0));
        }
        match self.core {
            CoreModel::Kvm => None,
            CoreModel::O3 => self.get(Figure::QuiesceCycles),
            CoreModel::Timing | CoreModel::Atomic => self.get(Figure::IdleCycles),
        }
    }

    /// Cycles an instruction. Only of models that have cycles.
    fn cpi(&self) -> Option<f64> {
        let insts = self.insts().filter(|n| *n > 0.0)?;
        self.core.has_cycles().then_some(self.active_cycles()? / insts)
    }

    /// Misses per thousand instructions. A cache that was asked and never missed leaves its misses out of the dump.
    fn mpki(&self, of: fn(Access) -> Figure) -> Option<f64> {
        let misses = match (self.get(of(Access::Misses)), self.get(of(Access::All))) {
            (Some(misses), _) => misses,
            (None, Some(_)) => 0.0,
            (None, None) => return None,
        };
        self.per_thousand(misses)
    }

    fn per_thousand(&self, count: f64) -> Option<f64> {
        let insts = self.insts().filter(|n| *n > 0.0)?;
        Some(count * 1000.0 / insts)
    }

    fn sim_ns(&self) -> Option<f64> {
        let frequency = self.get(Figure::SimFreq).filter(|f| *f > 0.0)?;
        Some(self.get(Figure::SimTicks)? * 1e9 / frequency)
    }

    /// Of the measured core. gem5's own counts of all instructions do not start anew with a dump.
    fn host_mips(&self) -> Option<f64> {
        let seconds = self.get(Figure::HostSeconds).filter(|s| *s > 0.0)?;
        Some(self.insts()? / seconds / 1e6)
    }
}

fn row(label: &DumpLabel, f: &Figures<'_>, context: &Context, converged: Option<bool>) -> Row {
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    // Of figures that are far from anything gem5 writes, no number may be left.
    let finite = |value: Option<f64>| value.filter(|v| v.is_finite());
    let whole = |value| finite(value).map(|v| format!("{v:.0}"));
    let fraction = |value| finite(value).map(|v| format!("{v:.6}"));
    let user = f.get(Figure::UserInsts);
    let kernel = user.and_then(|user| Some(f.insts()? - user));
    let cpi = f.cpi();
    let at = usize::try_from(label.invocation).unwrap_or(usize::MAX);
    let verified = context.verified.get(at).copied().flatten();
    let values = vec![
        text(&context.run_id),
        text(&context.function),
        text(&context.image_digest),
        context.language.clone(),
        text(&context.system),
        text(&context.params_hash),
        text(&context.gem5_version),
        context.checkpoint_key.clone(),
        Some(label.core.word().to_owned()),
        Some(context.software_warmup.to_string()),
        Some(context.uarch_warmup.to_string()),
        Some(label.invocation.to_string()),
        text(&context.seed),
        whole(user),
        whole(kernel),
        whole(f.active_cycles()),
        whole(f.quiesced_cycles()),
        whole(f.sim_ns()),
        fraction(cpi),
        fraction(cpi.filter(|c| *c > 0.0).map(|c| 1.0 / c)),
        fraction(f.mpki(Figure::L1i)),
        fraction(f.mpki(Figure::L1d)),
        fraction(f.mpki(Figure::L2)),
        fraction(f.mpki(Figure::Llc)),
        fraction(f.mpki(Figure::Itlb)),
        fraction(f.mpki(Figure::Dtlb)),
        fraction(f.get(Figure::BranchMispredicts).and_then(|n| f.per_thousand(n))),
        f.get(Figure::HostSeconds).map(|v| format!("{v:.2}")),
        finite(f.host_mips()).map(|v| format!("{v:.3}")),
        converged.map(|c| c.to_string()),
        verified.map(|v| v.to_string()),
        text(&context.state),
    ];
    Row { values, insts: f.insts() }
}

#[cfg(test)]
mod tests;
