//! `futon measure`: several perturbed runs of each function, and how sure their means are.

use std::time::Instant;

use futon_cli::{Gem5Args, MeasureArgs, State, TestArgs};
use futon_common::{Error, Result};
use futon_figures::{Figures, SameRuns, kept, short, write_measurement, written};
use futon_gem5::{CoreState, Goal, Seed};
use futon_model::{ExitCode, FunctionReport, Report};
use futon_terminal::Ui;
use tokio_util::sync::CancellationToken;

use super::test::run_all;
use futon_prepare::gem5::states;
use futon_prepare::rundir::run_folder;

/// Warm-up calls of the first run; the next ones make one more each, and then begin anew.
const WARMUP: u64 = 20;
const WARMUPS: u64 = 5;

/// Measures functions.
pub async fn measure(mut args: MeasureArgs, ui: &mut Ui, cancel: CancellationToken) -> Result<ExitCode> {
    if args.test.shards.shard.is_some() || args.test.shards.record_timings.is_some() {
        return Err(Error::usage("--shard and --record-timings are of `futon test`: measurements are not merged")
            .hint("name the functions that this machine is to measure"));
    }
    check(&args.test)?;
    let gem5 = args.test.machine.gem5.clone();
    let states = states(&gem5)?;
    let only_cold = states == [CoreState::Cold];
    let invocations = args.test.client.invocations;
    let warms_up = gem5.software_warmup.is_some() || args.test.machine.explicit.contains("uarch_warmup");
    if only_cold && (warms_up || invocations.is_some_and(|calls| calls != 1)) {
        return Err(Error::usage("--state cold: a run has one call, and none goes before it")
            .hint("leave -n and the warm-ups out"));
    }
    let out = run_folder(args.test.output.out.as_deref(), "futon measure")?;
    let warmup = gem5.software_warmup.unwrap_or(WARMUP);
    let begun = Instant::now();
    let (mut figures, mut rows) = (Figures::new(states.iter().map(ToString::to_string).collect()), Vec::new());
    let (labels, folders) = (figures.labels(), folders(&states));
    let (mut ended, mut same_runs) = (ExitCode::Passed, SameRuns::default());
    'runs: for run in 0.. {
        let number = run + 1;
        let before = (figures.clone(), rows.len());
        let seed = seed_of(gem5.sim_seed.as_ref(), number)?;
        args.test.machine.gem5.sim_seed = Some(seed.clone());
        for (place, state) in states.iter().enumerate() {
            let folder = format!("run-{number}");
            args.test.output.out = Some(match states.len() {
                1 => out.join(folder),
                _ => out.join(folder).join(&folders[place]),
            });
            args.test.machine.gem5.software_warmup = Some(warmup + run % WARMUPS);
            take_state(&mut args.test, &gem5, invocations, state);
            // Emptied structures are none of the checkpoint's affairs: then the second state starts from that of the first.
            let emptied = |state: &CoreState| matches!(state, CoreState::Warm | CoreState::Lukewarm(_));
            let same = place > 0 && emptied(state) && emptied(&states[place - 1]);
            let goal = if !same || args.test.machine.cold { Goal::Test } else { Goal::Evaluate };
            let kept = match &args.test.output.out {
                Some(folder) if args.resume => kept(folder)?,
                _ => None,
            };
            let done = match kept {
                Some(done) => Ok(done),
                None => run_all(&args.test, goal, ui, cancel.clone())
                    .await
                    .map(|(report, folder)| (report, folder.to_path_buf())),
            };
            if cancel.is_cancelled() && run > 0 {
                // What took an hour is not thrown away. Half a run is no run.
                figures = before.0;
                rows.truncate(before.1);
                ui.line(&format!("interrupted in run {number}: the figures are those of the {run} before it"));
                ended = ExitCode::Interrupted;
                break 'runs;
            }
            let (report, folder) = done?;
            let code = ExitCode::of_all(report.functions.iter().map(|f| &f.verdict));
            if code != ExitCode::Passed {
                ui.result(&report)?;
                let why = format!(
                    "run {number} did not pass: nothing is measured; its report is {}",
                    folder.join("report.html").display()
                );
                ui.line(&why);
                return Ok(code);
            }
            all_in_state(&report, number, state)?;
            same_runs.check(&report, place, number, &seed.to_string())?;
            let more = futon_figures::read(&folder.join("invocations.csv"))?;
            figures.add(number, place, &more)?;
            rows.extend(more);
            say(&figures, place, (states.len() > 1).then_some(labels[place].as_str()), number, ui);
        }
        if number >= u64::from(args.runs) && figures.narrow_enough(args.ci) {
            break;
        }
        if number >= u64::from(args.runs) && begun.elapsed() >= args.budget {
            ui.line(&format!(
                "the interval of CPI is wider than was asked for, but the budget is spent ({})",
                humantime::format_duration(args.budget)
            ));
            break;
        }
    }
    write_measurement(&out, &figures, &rows)?;
    let text = if ui.json() { figures.as_json()?.to_string() } else { figures.table() };
    ui.out(&text)?;
    ui.line(&format!(
        "charts: {0}/measure.html and SVG files · rows: {0}/invocations.csv · intervals: {0}/measure.csv, measure.json",
        out.display()
    ));
    Ok(ended)
}

/// A folder for each state, by its word; the second lukewarm one is `lukewarm-2`.
fn folders(states: &[CoreState]) -> Vec<String> {
    let names: Vec<String> = states.iter().map(ToString::to_string).collect();
    let folder = |(place, name): (usize, &String)| {
        let word = short(name);
        let before = names[..place].iter().filter(|other| short(other) == word).count();
        if before == 0 { word.to_owned() } else { format!("{word}-{}", before + 1) }
    };
    names.iter().enumerate().map(folder).collect()
}

/// A state as a flag; nothing where another flag says it.
fn flag(state: &CoreState) -> Option<State> {
    match state {
        CoreState::Warm => Some(State::Warm),
        CoreState::Lukewarm(_) => Some(State::Lukewarm),
        CoreState::Cold => Some(State::Cold),
        CoreState::Interleaved(_) => None,
    }
}

/// The flags of one of several states.
fn take_state(test: &mut TestArgs, gem5: &Gem5Args, invocations: Option<u64>, state: &CoreState) {
    let now = &mut test.machine.gem5;
    now.state = flag(state).into_iter().collect();
    now.alone = !matches!(state, CoreState::Interleaved(_));
    now.flush = state.flush_list().into_iter().collect();
    now.uarch_warmup = gem5.uarch_warmup;
    test.client.invocations = invocations;
    if *state == CoreState::Cold {
        (now.software_warmup, now.uarch_warmup, test.client.invocations) = (Some(0), 0, Some(1));
    }
}

/// Refuses a run some of whose calls were found in another state: the others would not be what its pair is.
fn all_in_state(report: &Report, run: u64, state: &CoreState) -> Result<()> {
    let dropped = |f: &FunctionReport| f.simulation.as_ref().map_or(0, |s| s.not_in_state);
    match report.functions.iter().find(|f| dropped(f) > 0) {
        Some(f) => Err(Error::infra(format!(
            "{}: in run {run}, {} measured calls were not found in the state {state}: nothing is measured",
            f.name,
            dropped(f)
        ))
        .hint(
            "the run's gem5.log has the event lines; with --gem5-config the script must know --flush (docs/gem5.md)",
        )),
        None => Ok(()),
    }
}

/// Says what is known after a run.
fn say(figures: &Figures, place: usize, state: Option<&str>, run: u64, ui: &mut Ui) {
    let state = state.map_or_else(String::new, |state| format!(", {state}"));
    for (function, known) in figures.decisive(place) {
        let known = known.map_or_else(|| "CPI: one run has no interval".to_owned(), |i| format!("CPI {}", written(&i)));
        ui.line(&format!("  {function}: run {run}{state}: {known}"));
    }
}

/// Refuses what a measurement does not have.
fn check(args: &TestArgs) -> Result<()> {
    let cpu = args.machine.gem5.cpu;
    if !cpu.has_cycles() {
        return Err(Error::usage(format!("--cpu {cpu}: this core counts no cycles")).hint("--cpu o3 or --cpu timing"));
    }
    if args.stress.is_some() {
        return Err(Error::usage("--stress: a measurement has its own number of runs").hint("--runs N"));
    }
    if args.client.warmup.is_some() {
        return Err(Error::usage("--warmup and --software-warmup mean the same").hint("give --software-warmup"));
    }
    Ok(())
}

/// The seed of a run: named, so that the run can be made again.
fn seed_of(given: Option<&Seed>, run: u64) -> Result<Seed> {
    let text = given.map_or_else(|| run.to_string(), |seed| format!("{seed}x{run}"));
    text.parse().map_err(|e| Error::usage(format!("--sim-seed: {e}")))
}
