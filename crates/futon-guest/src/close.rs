//! `close`: the last steps of a run in one call. Each start of this tool takes a simulated core two million instructions with the shell's
//! part in it, and an emulated one tens of milliseconds.

use std::{path::PathBuf, time::Duration};

use guest_net::Result;

use crate::{
    cli::{Cli, Close, ContainerVerb, End, LOG_LIMIT, Verb},
    finish, gem5, power,
    runlog::RunLog,
    step::{self, Verbs},
};

/// The point at which the container has stopped.
const STOPPED: i32 = 6;

/// Keeps the container's log, stops the container, and ends the run.
pub(crate) fn run(close: &Close, verbs: Verbs, log: &RunLog) -> Result<()> {
    let mut end = close.end.clone();
    if let Some(name) = &close.container {
        // And its state, and those of the services that it needs.
        one("log", close.log_limit, keep_log(name, &close.companions), verbs, &mut end, log);
        // Only the function's container: the others end with the machine.
        if one("stop", close.stop_limit, stop(name, close.freeze), verbs, &mut end, log) {
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
fn one(name: &str, limit: Duration, verb: Verb, verbs: Verbs, end: &mut End, log: &RunLog) -> bool {
    let code = step::run_verb(name, limit, Cli { verb }, verbs, log).unwrap_or_else(|error| {
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

fn keep_log(name: &str, companions: &[(String, String)]) -> Verb {
    let (name, file) = (name.to_owned(), PathBuf::from("container.log"));
    Verb::Containers(ContainerVerb::Log { name, file, companions: companions.to_vec(), limit: LOG_LIMIT })
}

fn stop(name: &str, freeze: bool) -> Verb {
    Verb::Containers(ContainerVerb::Stop { name: name.to_owned(), freeze })
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
        let gone = || stop("nobody", false);
        assert!(!one("stop", Duration::from_secs(9), gone(), crate::run, &mut end, &log));
        assert_eq!((end.status, end.why.as_deref()), (1, Some("step stop: exit status 1")));
        (end.status, end.why) = (7, Some("earlier".to_owned()));
        assert!(!one("log", Duration::from_secs(9), gone(), crate::run, &mut end, &log));
        assert_eq!((end.status, end.why.as_deref()), (7, Some("earlier")));
        let text = fs::read_to_string(log.path()).unwrap();
        assert!(text.contains("=== step stop\n") && text.contains("--- step log: exit status 1"), "{text}");
    }
}
