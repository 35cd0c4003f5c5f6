//! `futon gem5 selftest`: small programs on the measured core, and what each must cost by the parameters in force.

use std::fs;
use std::path::Path;

use futon_cli::{BaseArg, Gem5Args, MachineArgs, SelftestArgs};
use futon_common::{Context, Error, Result};
use futon_model::{ExitCode, FunctionReport, Report, ScriptKind, SimulationReport};
use futon_terminal::Ui;
use futon_workdir::{Contents, PlanRequest, WorkDir, exec_script, foreign_plan};
use gem5_selftest::config::Config as Gem5Config;
use gem5_selftest::geometry::Geometry;
use gem5_selftest::judge::{Judged, Sample, State, count, csv, judge, table};
use gem5_selftest::model::Model;
use gem5_selftest::suite::{Test, tests, work_items};
use gem5_selftest::work::Work;
use gem5_stats::Row;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::one_run::run_alone;
use futon_prepare::given::settings;
use futon_prepare::machine::{Purpose, prepare};
use futon_prepare::places::tools;
use futon_prepare::prepared::Prepared;
use futon_prepare::rundir::run_folder;

/// Name of the run.
const NAME: &str = "selftest";

/// gem5's configuration of the measured part, in the run's results.
const CONFIG: &str = "gem5/evaluate/m5out/config.ini";

/// What the figures are good for.
const NOTE: &str = "the core does what its parameters say, or not: it is an uncalibrated model; compare, do not quote";

/// Measures the model.
pub async fn selftest(mut args: SelftestArgs, ui: &mut Ui, cancel: CancellationToken) -> Result<ExitCode> {
    take_machine(&mut args.machine)?;
    let gem5 = &args.machine.gem5;
    let geometry = Geometry::of(&gem5.system, &gem5.params).map_err(Error::usage)?;
    let tests = tests(&geometry);
    let items = work_items(&tests);
    args.machine.gem5.work_items = Some(items.len() as u64);
    let resources = &args.resources.resources;
    let mut config = settings(&args.machine, None)?;
    futon_prepare::machine::apply(&args.machine, &mut config);
    let prepared = prepare(&args.machine, resources, &config, Purpose::Run, ui, &cancel).await?;
    let folder = run_folder(args.out.as_deref(), "futon gem5 selftest")?;
    let workdir = workdir(&folder, &prepared, &config, &items, resources)?;
    let report = run_alone(&workdir, &*prepared.machine, None, &folder, ui, cancel).await?;
    // The disk is of no use after the run; the results stay.
    let _ = fs::remove_file(workdir.disk());
    let code = ExitCode::of_all(report.functions.iter().map(|f| &f.verdict));
    if code != ExitCode::Passed {
        ui.result(&report)?;
        ui.line("the programs did not run to their end: nothing was measured");
        // There is no function that could have failed.
        return Ok(if code == ExitCode::Failed { ExitCode::Infra } else { code });
    }
    finish(&folder, &workdir.results(), &report, &tests, &items, ui)
}

/// Compares, writes and shows.
fn finish(
    folder: &Path,
    results: &Path,
    report: &Report,
    tests: &[Test],
    items: &[Work],
    ui: &mut Ui,
) -> Result<ExitCode> {
    let none = || Error::infra("gem5 has measured nothing").hint("the run's gem5.log says what happened");
    let simulation = report.functions.first().and_then(simulation_of).ok_or_else(none)?;
    let path = results.join(CONFIG);
    let text = fs::read_to_string(&path).context(|| format!("cannot read {}", path.display()))?;
    let unknown = |why: String| Error::infra(why).hint("the self-test knows gem5 v23 to v25 with futon's own scripts");
    let model = Model::new(&simulation.params, &Gem5Config::parse(&text)).map_err(unknown)?;
    let rows = futon_figures::read(&results.join("invocations.csv"))?;
    let judged = judge(tests, items, &samples(items.len(), &rows), &model);
    let whole = json!({
        "schema": "futon.selftest/1",
        "gem5": simulation.gem5,
        "system": simulation.system,
        "core": simulation.core,
        "booted_in": simulation.boot_core,
        "params": simulation.params,
        "note": NOTE,
        "tests": judged,
    });
    let whole = serde_json::to_string_pretty(&whole).context(|| "cannot write the figures".into())?;
    put(&folder.join("selftest.json"), &whole)?;
    put(&folder.join("selftest.csv"), &csv(&judged))?;
    ui.out(&if ui.json() { whole } else { table(&judged).trim_end().to_owned() })?;
    ui.line(&summary(&judged));
    ui.line(NOTE);
    ui.line(&format!("figures: {0}/selftest.json, selftest.csv · report: {0}/report.html", folder.display()));
    Ok(verdict(&judged))
}

fn put(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).context(|| format!("cannot write {}", path.display()))
}

fn simulation_of(function: &FunctionReport) -> Option<&SimulationReport> {
    function.simulation.as_ref().filter(|simulation| simulation.rows > 0)
}

/// What gem5 counted in each work item: a row's invocation is its number.
fn samples(items: usize, rows: &[Row]) -> Vec<Option<Sample>> {
    let mut samples = vec![None; items];
    for row in rows {
        let place = row.get("invocation").and_then(|number| number.parse::<usize>().ok());
        if let Some(sample) = place.and_then(|place| samples.get_mut(place)) {
            *sample = sample_of(row);
        }
    }
    samples
}

fn sample_of(row: &Row) -> Option<Sample> {
    let instructions = row.insts?;
    let misses = |column| row.number(column).map(|rate| rate * instructions / 1000.0);
    Some(Sample {
        cycles: row.number("active_cycles")?,
        instructions,
        tlb_misses: misses("dtlb_mpki")?,
        mispredictions: misses("branch_mpki"),
    })
}

/// The exit status: something was not measured, or is off.
fn verdict(judged: &[Judged]) -> ExitCode {
    match (count(judged, State::NotMeasured), count(judged, State::Off), count(judged, State::Ok)) {
        (0, 0, ok) if ok > 0 => ExitCode::Passed,
        (0, off, _) if off > 0 => ExitCode::Failed,
        _ => ExitCode::Infra,
    }
}

fn summary(judged: &[Judged]) -> String {
    let named = [
        (State::Ok, "as the parameters say"),
        (State::Off, "off"),
        (State::NotMeasured, "not measured"),
        (State::NotApplicable, "not applicable"),
    ];
    let counts = named.map(|(state, words)| (count(judged, state), words));
    let parts = counts.iter().filter(|(count, _)| *count > 0).map(|(count, words)| format!("{count} {words}"));
    format!("{} tests: {}", judged.len(), parts.collect::<Vec<_>>().join(", "))
}

/// The machine on which functions are measured, and no other: what the flags may not change is refused.
fn take_machine(args: &mut MachineArgs) -> Result<()> {
    const WITHOUT_EFFECT: [(&str, &str); 9] = [
        ("software_warmup", "--software-warmup"),
        ("uarch_warmup", "--uarch-warmup"),
        ("state", "--state"),
        ("flush", "--flush"),
        ("interleave", "--interleave"),
        ("gem5_config", "--gem5-config"),
        ("base_image", "--base-image"),
        ("cold", "--cold"),
        ("root", "--root"),
    ];
    if let Some((_, flag)) = WITHOUT_EFFECT.iter().find(|(id, _)| args.typed.contains(*id)) {
        return Err(Error::usage(format!("{flag} has no meaning for the self-test"))
            .hint("its programs have their own warm-ups, in the lean guest, on futon's own systems"));
    }
    // The project's settings are for functions.
    if !args.typed.contains("base") {
        args.explicit.remove("base");
        args.base = BaseArg::Lean;
    }
    args.base_image = None;
    args.cold = false;
    args.gem5 = Gem5Args { software_warmup: None, uarch_warmup: 0, ..args.gem5.clone() };
    if futon_prepare::gem5::wants_engine(args) {
        return Err(Error::usage("--base docker: the self-test runs in the lean guest").hint("leave --base out"));
    }
    if !args.gem5.cpu.has_cycles() {
        return Err(Error::usage(format!("--cpu {}: this core counts no cycles", args.gem5.cpu))
            .hint("--cpu o3 or --cpu timing"));
    }
    Ok(())
}

/// The working directory of the run: its script only calls the guest's tool.
fn workdir(
    folder: &Path,
    prepared: &Prepared,
    config: &futon_workdir::config::Config,
    items: &[Work],
    resources: &Path,
) -> Result<WorkDir> {
    let request = PlanRequest::new(config, prepared.machine.report(), prepared.base, ScriptKind::Foreign);
    let plan = foreign_plan(NAME, &request);
    let words: Vec<String> = items.iter().map(ToString::to_string).collect();
    let script = exec_script(&format!("#!/bin/sh\nexec futon-guest selftest {}\n", words.join(" ")));
    let tools = tools(resources);
    let contents = Contents::of_script(&plan, &script, &tools);
    WorkDir::create(&folder.join(NAME), &contents)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futon_cli::{Cli, Command, Gem5Command, On};
    use gem5_stats::CoreModel;

    fn machine(words: &[&str]) -> Result<MachineArgs> {
        let cli = Cli::of_words(&[&["futon", "gem5", "selftest"], words].concat()).unwrap();
        let Command::Gem5(Gem5Command::Selftest(args)) = cli.command else { panic!("{words:?}") };
        let mut machine = args.machine;
        take_machine(&mut machine).map(|()| machine)
    }

    #[test]
    fn the_machine_is_that_of_measured_functions() {
        let plain = machine(&[]).unwrap();
        assert_eq!((plain.on, plain.gem5.cpu), (On::Gem5, CoreModel::O3));
        assert_eq!(machine(&["--cpu", "timing"]).unwrap().gem5.cpu, CoreModel::Timing);
        for (words, why) in [
            (&["--cpu", "atomic"][..], "counts no cycles"),
            (&["--flush", "l1d"], "--flush has no meaning"),
            (&["--uarch-warmup", "3"], "--uarch-warmup has no meaning"),
            (&["--base", "docker"], "lean guest"),
            (&["--cold"], "--cold has no meaning"),
        ] {
            let error = machine(words).unwrap_err();
            assert!(error.to_string().contains(why), "{words:?}: {error}");
            assert_eq!(error.exit_code(), ExitCode::Usage);
        }
    }

    #[test]
    fn the_projects_settings_are_for_functions() {
        let cli = Cli::of_words(&["futon", "gem5", "selftest"]).unwrap();
        let Command::Gem5(Gem5Command::Selftest(args)) = cli.command else { panic!() };
        let mut machine = args.machine;
        // As `[machine]` and `[gem5]` of futon.toml fill it in.
        futon_prepare::machine::ask_for(futon_model::Base::Docker, &mut machine);
        machine.explicit.extend(["uarch_warmup".to_owned(), "cpu".to_owned()]);
        (machine.gem5.uarch_warmup, machine.gem5.cpu, machine.cold) = (4, CoreModel::Timing, true);
        take_machine(&mut machine).unwrap();
        assert_eq!((machine.gem5.uarch_warmup, machine.gem5.cpu, machine.cold), (0, CoreModel::Timing, false));
        assert!(!futon_prepare::gem5::wants_engine(&machine));
    }

    #[test]
    fn the_exit_status_is_the_gravest_state() {
        let tests = tests(&Geometry::of("simple", &[]).unwrap());
        let of = |states: &[State]| {
            let judged = states.iter().zip(&tests).map(|(state, test)| Judged { state: *state, ..Judged::of(test) });
            let judged: Vec<Judged> = judged.collect();
            (verdict(&judged), summary(&judged))
        };
        use State::{NotApplicable, NotMeasured, Off, Ok};
        assert_eq!(
            of(&[Ok, NotApplicable]),
            (ExitCode::Passed, "2 tests: 1 as the parameters say, 1 not applicable".into())
        );
        assert_eq!(of(&[Ok, Off]).0, ExitCode::Failed);
        assert_eq!(of(&[Off, NotMeasured, Ok]).0, ExitCode::Infra);
        // Nothing measured is no pass.
        assert_eq!(of(&[NotApplicable]).0, ExitCode::Infra);
        assert_eq!(of(&[]).0, ExitCode::Infra);
    }
}
