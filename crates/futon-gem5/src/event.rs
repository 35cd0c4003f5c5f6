//! Event lines of the configuration script: `futon-event: {json}` on standard output, one for each exit of the simulator.

use serde::Deserialize;

use gem5_stats::CoreModel;

/// What begins an event line.
pub(super) const PREFIX: &str = "futon-event: ";

/// An event line. `docs/gem5.md` has the contract; unknown members are ignored, unknown events are not.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct SimEvent {
    /// What happened.
    #[serde(flatten)]
    pub kind: SimEventKind,
    /// Simulated time, ticks (ps).
    #[serde(default)]
    pub tick: u64,
    /// Instructions of all cores in this process.
    #[serde(default)]
    pub insts: u64,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum SimEventKind {
    /// The simulation begins.
    Start {
        /// gem5's version.
        #[serde(default)]
        gem5: Option<String>,
        /// Full name of the measured core.
        measured: String,
        /// Full name of the shared last-level cache.
        #[serde(default)]
        llc: Option<String>,
        /// Full names of cores that take the measured one's turn, because their branch predictors are fresh.
        #[serde(default)]
        stand_ins: Vec<String>,
        /// Parameters in use.
        #[serde(default)]
        params: serde_json::Map<String, serde_json::Value>,
    },
    /// It goes on.
    Progress,
    /// A point of the workflow (`m5 fail CODE`).
    Fail {
        /// The code.
        code: i32,
    },
    /// The guest ended the simulation (`m5 exit`).
    Exit,
    /// A work item begins.
    Workbegin {
        /// Its number.
        id: u64,
    },
    /// Before the work item that has begun, structures of the measured core were emptied.
    Flushed {
        /// The work item's number.
        id: u64,
        /// What was emptied.
        names: Vec<String>,
    },
    /// The pipelines were drained once, as was asked for.
    Drained,
    /// A work item ended, and statistics were dumped.
    Workend {
        /// Its number.
        id: u64,
        /// Number of the dump, from 0.
        dump: u64,
        /// Core model that ran it.
        core: CoreModel,
    },
    /// A checkpoint is written, and whole.
    Checkpoint {
        /// Its folder.
        folder: String,
    },
    /// A checkpoint is not whole.
    CheckpointFailed {
        /// What is wrong with it.
        why: String,
    },
    /// Another core model took over.
    Switched {
        /// Which.
        core: CoreModel,
    },
    /// The guest asked for another core model; not this configuration's way.
    Switchcpu,
    /// A limit of the script's struck.
    Limit {
        /// Its name.
        limit: String,
        /// Its length, simulated milliseconds.
        ms: f64,
    },
    /// SIGINT.
    Interrupted,
    /// An exit that the script does not know.
    Unknown {
        /// gem5's words.
        cause: String,
        /// gem5's code.
        #[serde(default)]
        code: i64,
    },
    /// The script ends.
    End {
        /// Status that the process will have.
        status: i32,
        /// Why, for people.
        why: String,
    },
}

/// Reads a line of standard output; nothing when it is not an event line, an error when it is malformed.
#[must_use]
pub fn parse_event(line: &str) -> Option<Result<SimEvent, String>> {
    let json = line.strip_prefix(PREFIX)?.trim_end();
    Some(serde_json::from_str(json).map_err(|e| format!("{e}: {json}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(line: &str) -> SimEvent {
        parse_event(line).unwrap().unwrap()
    }

    #[test]
    fn lines_of_the_script() {
        let e = one(r#"futon-event: {"code": 31, "event": "fail", "host_s": 1.2, "insts": 5, "tick": 7}"#);
        assert_eq!(e, SimEvent { kind: SimEventKind::Fail { code: 31 }, tick: 7, insts: 5 });
        let e = one(r#"futon-event: {"core":"o3","dump":0,"event":"workend","id":100,"tick":1}"#);
        assert_eq!(e.kind, SimEventKind::Workend { id: 100, dump: 0, core: CoreModel::O3 });
        let e = one(r#"futon-event: {"event":"flushed","id":103,"names":["l1i"],"on":"system.cpu1","tick":1}"#);
        assert_eq!(e.kind, SimEventKind::Flushed { id: 103, names: vec!["l1i".into()] });
        let e = one(r#"futon-event: {"event":"fail","code":-1}"#);
        assert_eq!(e.kind, SimEventKind::Fail { code: -1 });
        assert!(parse_event("gem5 Simulator System.").is_none());
    }

    #[test]
    fn what_is_malformed_is_no_silence() {
        for line in [
            "futon-event: ",
            "futon-event: {",
            r#"futon-event: {"event":"warp"}"#,
            r#"futon-event: {"event":"workend","id":-3,"dump":0,"core":"o3"}"#,
            r#"futon-event: {"event":"workend","id":1,"dump":0,"core":"warp"}"#,
        ] {
            assert!(matches!(parse_event(line), Some(Err(_))), "{line}");
        }
    }
}
