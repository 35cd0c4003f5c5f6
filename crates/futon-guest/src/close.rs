//! `close`: the last steps of a run in one call. Each start of this tool takes a simulated core two million instructions with the shell's
//! part in it, and an emulated one tens of milliseconds.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use guest_net::Result;

use crate::{
    cli::{Cli, LOG_LIMIT, Verb, pair},
    finish, gem5,
    lean::{self, LeanVerb},
    power,
    runlog::RunLog,
    step,
};

/// The point at which the container has stopped.
const STOPPED: i32 = 6;

/// What is left to do.
#[derive(Debug, Clone, Args)]
pub(crate) struct Close {
    /// The container, if one was started.
    #[arg(long, value_name = "NAME")]
    container: Option<String>,
    /// Containers beside it, whose state and log are kept as well.
    #[arg(value_name = "SERVICE=CONTAINER", value_parser = pair)]
    companions: Vec<(String, String)>,
    /// Time limit of the step that keeps the container's log.
    #[arg(long, value_name = "LIMIT", default_value = "30s", value_parser = humantime::parse_duration)]
    log_limit: Duration,
    /// Time limit of the step that stops the container.
    #[arg(long, value_name = "LIMIT", default_value = "60s", value_parser = humantime::parse_duration)]
    stop_limit: Duration,
    /// Freeze the container instead of stopping it: the machine ends with the run.
    #[arg(long)]
    freeze: bool,
    #[command(flatten)]
    end: End,
}

/// How the run ends.
#[derive(Debug, Clone, Args)]
pub(crate) struct End {
    /// 0 when every step succeeded.
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    status: i32,
    /// What went wrong, for the closing line.
    #[arg(long)]
    why: Option<String>,
    /// Point in the workflow to tell gem5, if it is there, when all is done (`m5 fail CODE`).
    #[arg(long, value_name = "CODE", allow_negative_numbers = true)]
    mark: Vec<i32>,
    /// Switch the machine off then, uploaded or not.
    #[arg(long)]
    poweroff: bool,
}

/// Keeps the container's log, stops the container, and ends the run.
pub(crate) fn run(close: &Close, log: &RunLog) -> Result<()> {
    let mut end = close.end.clone();
    if let Some(name) = &close.container {
        let lean = lean::is_here();
        // And its state, and those of the services that it needs.
        one("log", close.log_limit, keep_log(name, &close.companions, lean), &mut end, log);
        // Only the function's container: the others end with the machine.
        if one("stop", close.stop_limit, stop(name, close.freeze, lean), &mut end, log) {
            gem5::mark(&[STOPPED], log);
        }
    }
    finish(&end, log)
}

/// Closes the results log, uploads it and reports the end.
pub(crate) fn finish(end: &End, log: &RunLog) -> Result<()> {
    let finished = finish::run(end.status, end.why.as_deref(), log);
    gem5::mark(&end.mark, log);
    if end.poweroff {
        if let Err(error) = finished {
            println!("futon: results.log could not be uploaded: {error}");
        }
        match power::off()? {}
    }
    finished
}

/// One step. The first that fails says how the run ends.
fn one(name: &str, limit: Duration, verb: Verb, end: &mut End, log: &RunLog) -> bool {
    let code = step::run_verb(name, limit, Cli { verb }, log).unwrap_or_else(|error| {
        println!("futon: {error}");
        1
    });
    if code != 0 && end.status == 0 {
        end.status = i32::from(code);
        end.why = Some(match code {
            step::TIMED_OUT => format!("step {name}: time limit of {} struck", humantime::format_duration(limit)),
            _ => format!("step {name}: exit status {code}"),
        });
    }
    code == 0
}

fn keep_log(name: &str, companions: &[(String, String)], lean: bool) -> Verb {
    let (name, file, limit) = (name.to_owned(), PathBuf::from("container.log"), LOG_LIMIT);
    if lean {
        // It knows the containers beside it by itself.
        return Verb::Lean(LeanVerb::Log { name, file, limit });
    }
    Verb::Log { name, file, companions: companions.to_vec(), limit }
}

fn stop(name: &str, freeze: bool, lean: bool) -> Verb {
    let name = name.to_owned();
    if lean { Verb::Lean(LeanVerb::Stop { name, freeze }) } else { Verb::Stop { name, freeze } }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use clap::Parser;

    use super::*;

    fn close(words: &str) -> Close {
        match Cli::parse_from(words.split(' ')).verb {
            Verb::Close(close) => close,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_scripts_command_lines_are_understood() {
        let close = close(
            "futon-guest close --status 0 --container f --log-limit 30s --stop-limit 1005ms --freeze --mark -1 --poweroff db=p-db-1",
        );
        assert_eq!((close.container.as_deref(), close.freeze, close.end.poweroff), (Some("f"), true, true));
        assert_eq!((close.stop_limit, &close.end.mark[..]), (Duration::from_millis(1005), &[-1][..]));
        assert_eq!(close.companions, [("db".to_owned(), "p-db-1".to_owned())]);
    }

    #[test]
    fn the_first_step_that_fails_decides() {
        let log = RunLog::alone("close");
        let mut end = close("futon-guest close").end;
        // There is no such container, nor an engine.
        let gone = || stop("nobody", false, true);
        assert!(!one("stop", Duration::from_secs(9), gone(), &mut end, &log));
        assert_eq!((end.status, end.why.as_deref()), (1, Some("step stop: exit status 1")));
        (end.status, end.why) = (7, Some("earlier".to_owned()));
        assert!(!one("log", Duration::from_secs(9), gone(), &mut end, &log));
        assert_eq!((end.status, end.why.as_deref()), (7, Some("earlier")));
        let text = fs::read_to_string(log.path()).unwrap();
        assert!(text.contains("=== step stop\n") && text.contains("--- step log: exit status 1"), "{text}");
    }
}
