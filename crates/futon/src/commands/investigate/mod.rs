//! `futon investigate`: whose fault a failed run is.

mod changes;
mod side;

use std::collections::BTreeMap;
use std::path::Path;

use futon_cli::{InvestigateArgs, RunArgs};
use futon_common::{Context, Error, Result};
use futon_job::Blob;
use futon_model::ExitCode;
use futon_resources::{
    BASE_IMAGE, CMDLINE, FUTON_GUEST, INITRD, KERNEL, LEAN_CMDLINE, LEAN_INITRD, LEAN_KERNEL, LEAN_PACKAGES, PACKAGES,
    SECCOMP, TEST_CLIENT,
};
use futon_terminal::Ui;
use report_diff::{Blame, Findings, Tally};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use self::changes::{changes, is_list};
use self::side::{Side, last_good};
use super::job::{Bench, Wanted, find_or_make};
use super::rerun::run_args;
use futon_prepare::rundir::run_folder;

/// A part of a base, with the resources and the flags that are it.
type Part = (&'static str, &'static [&'static str]);

/// Parts of the docker base.
const OF_DOCKER: [Part; 3] = [
    ("base image", &[BASE_IMAGE, PACKAGES, "base_image"]),
    ("kernel", &[KERNEL, INITRD, CMDLINE]),
    ("guest tools", &[FUTON_GUEST, TEST_CLIENT]),
];

/// Parts of the lean base, whose initrd is all there is of it.
const OF_LEAN: [Part; 3] = [
    ("lean guest", &[LEAN_INITRD, LEAN_PACKAGES, SECCOMP, "initrd"]),
    ("kernel", &[LEAN_KERNEL, LEAN_CMDLINE, "kernel"]),
    ("guest tools", &[FUTON_GUEST, TEST_CLIENT]),
];

/// Runs the function again, as it was and with parts of a good run, and says whose fault it is.
pub async fn investigate(args: &InvestigateArgs, ui: &mut Ui, cancel: CancellationToken) -> Result<ExitCode> {
    let out = run_folder(args.out.as_deref(), "futon investigate")?;
    let resources = &args.resources.resources;
    let blobs = args.blobs.as_deref();
    let bad = Side::open(&args.run, args.function.as_deref(), resources, &out.join("bad"), blobs, ui, &cancel).await?;
    let name = bad.function.plan.function.clone();
    let good = match &args.good {
        Some(path) => Some(path.clone()),
        None => last_good(&name, &args.run),
    };
    let good = match good {
        Some(path) => Some(Side::open(&path, Some(&name), resources, &out.join("good"), blobs, ui, &cancel).await?),
        None => {
            ui.line("note: no run in which it passed is known: it is only run again (--good RUN names one)");
            None
        }
    };
    let lab = Lab {
        bad: &bad,
        good: good.as_ref(),
        args: run_args(&args.resources, false)?,
        times: args.times,
        out: &out,
        cancel: &cancel,
    };
    let findings = lab.findings(ui).await?;
    let changed = good.as_ref().map(|good| changes(good, &bad)).unwrap_or_default();
    let found = json!({
        "schema": "futon.investigation/1", "function": name, "blame": findings.blame(), "sentence": findings.sentence(),
        "findings": findings, "changes": changed,
    });
    let text = serde_json::to_string_pretty(&found).context(|| "the findings".into())?;
    let path = out.join("findings.json");
    std::fs::write(&path, &text).context(|| format!("cannot write {}", path.display()))?;
    if args.json {
        ui.out(&text)?;
    } else {
        ui.out(&table(&name, &findings, &changed))?;
        ui.line(&format!("runs and findings.json: {}", out.display()));
    }
    Ok(if findings.blame() == Blame::Gone { ExitCode::Passed } else { ExitCode::Failed })
}

/// Everything that the runs share.
struct Lab<'a> {
    bad: &'a Side,
    good: Option<&'a Side>,
    args: RunArgs,
    times: u32,
    out: &'a Path,
    cancel: &'a CancellationToken,
}

/// The resources and flags of a combination.
#[derive(Clone, PartialEq, Eq)]
struct Base {
    resources: BTreeMap<String, Blob>,
    given: BTreeMap<String, Blob>,
}

impl Base {
    fn of(side: &Side) -> Self {
        Self { resources: side.job.job.resources.clone(), given: side.job.job.given.clone() }
    }

    /// This base with a part of another one.
    fn with(&self, part: &[&str], other: &Self) -> Self {
        let mix = |mine: &BTreeMap<String, Blob>, others: &BTreeMap<String, Blob>| {
            let kept = mine.iter().filter(|(name, _)| !part.contains(&name.as_str()));
            let taken = others.iter().filter(|(name, _)| part.contains(&name.as_str()));
            kept.chain(taken).map(|(name, blob)| (name.clone(), blob.clone())).collect()
        };
        Self { resources: mix(&self.resources, &other.resources), given: mix(&self.given, &other.given) }
    }

    /// Whether two bases run alike: lists for people do not count.
    fn runs_as(&self, other: &Self) -> bool {
        let digests = |base: &Self| -> BTreeMap<String, String> {
            let all = base.resources.iter().chain(&base.given).filter(|(name, _)| !is_list(name));
            all.map(|(name, blob)| (name.clone(), blob.digest.clone())).collect()
        };
        digests(self) == digests(other)
    }
}

impl Lab<'_> {
    async fn findings(&self, ui: &mut Ui) -> Result<Findings> {
        let bad_base = Base::of(self.bad);
        let mut found = Findings {
            as_it_was: self.runs("as-it-was", self.bad, self.bad, &bad_base, ui).await?,
            ..Findings::default()
        };
        let (Some(good), true) = (self.good, found.as_it_was.failed > 0) else { return Ok(found) };
        let good_base = Base::of(good);
        let base_differs = !bad_base.runs_as(&good_base) || self.bad.job.job.machine != good.job.job.machine;
        let function_differs = self.bad.shape() != good.shape();
        if function_differs {
            found.good_function = Some(self.runs("good-function", good, self.bad, &bad_base, ui).await?);
        }
        if base_differs {
            found.good_base = Some(self.runs("good-base", self.bad, good, &good_base, ui).await?);
        }
        if function_differs && base_differs {
            found.both_good = Some(self.runs("both-good", good, good, &good_base, ui).await?);
        }
        if let Blame::Base(_) = found.blame() {
            let parts = match self.bad.function.plan.machine.base {
                futon_model::Base::Docker => OF_DOCKER,
                futon_model::Base::Lean => OF_LEAN,
            };
            let parts: Vec<_> = parts
                .iter()
                .map(|(name, files)| (*name, bad_base.with(files, &good_base)))
                .filter(|(_, base)| !base.runs_as(&bad_base))
                .collect();
            // A single one that differs is the one.
            if let [(name, _)] = &parts[..] {
                found.good_parts.extend(found.good_base.clone().map(|tally| ((*name).to_owned(), tally)));
                return Ok(found);
            }
            for (name, base) in parts {
                let folder = format!("good-{}", name.replace(' ', "-"));
                let tally = self.runs(&folder, self.bad, self.bad, &base, ui).await?;
                found.good_parts.insert(name.to_owned(), tally);
            }
        }
        Ok(found)
    }

    /// Runs of one combination: whose function, whose machine, which files.
    async fn runs(&self, folder: &str, function: &Side, machine: &Side, base: &Base, ui: &mut Ui) -> Result<Tally> {
        let jobs: Vec<_> = [Some(self.bad), self.good].into_iter().flatten().map(|side| &side.job).collect();
        let here = &self.args.resources.resources;
        let wanted = Wanted { resources: &base.resources, given: &base.given };
        let resources = find_or_make(wanted, &jobs, here, ui).await?;
        // Its steps are in its folder; here they would hide what matters.
        let mut silent = Ui::new(true, true);
        let mut tally = Tally::default();
        let what = folder.replace('-', " ");
        ui.start(&format!("{what}: {} runs", self.times));
        let bench = Bench::new(&machine.job, resources, &self.args, true, &mut silent, self.cancel).await;
        let bench = match bench {
            Ok(bench) => bench,
            Err(e) => {
                ui.stop();
                return Err(e);
            }
        };
        for run in 1..=self.times {
            if !self.cancel.is_cancelled() {
                ui.tick(&format!("{what}: run {run} of {}, {} failed", self.times, tally.failed));
                let place = self.out.join(folder).join(format!("run-{run}"));
                let done = bench.run(&function.job, &function.function, &place, &mut silent, self.cancel).await;
                match done {
                    Ok(done) => tally.add(done.verdict.is_pass(), &done.verdict.code.word()),
                    Err(e) => {
                        ui.stop();
                        return Err(e);
                    }
                }
            }
        }
        ui.stop();
        if self.cancel.is_cancelled() {
            return Err(Error::interrupted());
        }
        ui.line(&format!("  {what}: {}", tally.words()));
        Ok(tally)
    }
}

/// The findings for people.
fn table(name: &str, found: &Findings, changed: &[String]) -> String {
    let mut lines = vec![format!("{name}:")];
    let mut row = |what: &str, tally: &Option<Tally>| {
        if let Some(tally) = tally {
            let codes: Vec<String> = tally.codes.iter().map(|(code, count)| format!("{count} × {code}")).collect();
            let codes = if codes.is_empty() { String::new() } else { format!("  ({})", codes.join(", ")) };
            lines.push(format!("  {what:15} {}{codes}", tally.words()));
        }
    };
    row("as it was", &Some(found.as_it_was.clone()));
    row("good function", &found.good_function);
    row("good base", &found.good_base);
    row("both good", &found.both_good);
    for (part, tally) in &found.good_parts {
        row(&format!("good {part}"), &Some(tally.clone()));
    }
    lines.push(found.sentence());
    if !changed.is_empty() {
        lines.push("What changed since the good run:".to_owned());
        lines.extend(changed.iter().map(|change| format!("  {change}")));
    }
    lines.join("\n")
}
