//! In which state a measured call finds function and core: warm, cold, after calls of other functions, or with some of the core's structures
//! emptied.
//! `gem5/futon_gem5/flush.py` has the same rules; here they are known before anything is started.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use futon_common::{Error, Result};
use gem5_stats::CoreModel;
use serde::{Deserialize, Serialize};

/// What can be emptied, in the script's order.
const NAMES: [&str; 10] = ["l1i", "l1d", "mmucache", "l2", "llc", "itlb", "dtlb", "btb", "direction", "indirect"];

/// Fresh cores that the script makes at most.
const MOST_FRESH_CORES: u64 = 64;

/// A list of structures as it was given: names, `all` or `none`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlushList(String);

impl FlushList {
    /// Everything that the machine has.
    #[must_use]
    pub fn all() -> Self {
        Self("all".into())
    }
}

impl fmt::Display for FlushList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for FlushList {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let unknown = |word: &&str| !NAMES.contains(word);
        match text.split(',').find(unknown) {
            Some(word) if text != "all" && text != "none" => Err(format!(
                "there is no structure {word:?}; the structures are {}; all and none stand alone",
                NAMES.join(", ")
            )),
            _ => Ok(Self(text.to_owned())),
        }
    }
}

/// The state of function and core before each measured call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum CoreState {
    /// As the calls before have left it.
    #[default]
    Warm,
    /// With these structures emptied; none is the control, for which gem5 only drains.
    Lukewarm(Vec<&'static str>),
    /// As the calls before have left it, which went to these functions in turn.
    Interleaved(Vec<String>),
    /// A process that no call has reached yet, on a core whose structures are empty: only its first call finds that.
    Cold,
}

impl CoreState {
    /// The state in which what a list names is empty, on a machine that has it.
    ///
    /// # Errors
    /// When the machine lacks something that the list names.
    pub fn lukewarm(list: &FlushList, system: &str, core: CoreModel) -> Result<Self> {
        let have = structures(system, core);
        if have.is_empty() {
            return Err(Error::usage(format!("--state lukewarm: the {core} core has nothing to flush"))
                .hint("--cpu o3 or --cpu timing"));
        }
        let words: BTreeSet<&str> = match list.0.as_str() {
            "none" => BTreeSet::new(),
            "all" => have.iter().copied().collect(),
            names => names.split(',').collect(),
        };
        if let Some(word) = words.iter().find(|word| !have.contains(word)) {
            return Err(Error::usage(format!("--flush {list}: the {core} core on the system {system} has no {word}"))
                .hint(format!("it has {}", have.join(", "))));
        }
        if words.contains("indirect") && !words.contains("direction") {
            return Err(Error::usage(format!("--flush {list}: indirect is emptied only together with direction"))
                .hint("--flush direction,indirect"));
        }
        // A core that is switched in or out has empty TLBs.
        let with = |name: &str| words.contains("direction") && (name == "itlb" || name == "dtlb");
        Ok(Self::Lukewarm(NAMES.into_iter().filter(|name| words.contains(name) || with(name)).collect()))
    }

    /// Refuses more calls than can be found in this state.
    ///
    /// # Errors
    /// When there are too many.
    pub fn check_calls(&self, measured: u64) -> Result<()> {
        match self {
            Self::Cold if measured != 1 => {
                Err(Error::usage(format!("--state cold: only a process's first call is cold, and {measured} are to be measured"))
                    .hint("-n 1; `futon measure` makes several runs"))
            }
            Self::Lukewarm(names) if names.contains(&"direction") && !(1..=MOST_FRESH_CORES).contains(&measured) => {
                Err(Error::usage(format!(
                    "{measured} measured calls: a fresh direction predictor takes a core of its own for each, and {MOST_FRESH_CORES} are \
                     supported"
                ))
                .hint(format!("-n {MOST_FRESH_CORES}, or leave direction out of --flush")))
            }
            _ => Ok(()),
        }
    }

    /// The script's argument, in the lukewarm state.
    #[must_use]
    pub fn argument(&self) -> Option<String> {
        match self {
            Self::Warm | Self::Cold | Self::Interleaved(_) => None,
            Self::Lukewarm(names) if names.is_empty() => Some("none".into()),
            Self::Lukewarm(names) => Some(names.join(",")),
        }
    }

    /// What is emptied, as a flag has it; nothing in other states.
    #[must_use]
    pub fn flush_list(&self) -> Option<FlushList> {
        self.argument().map(FlushList)
    }

    /// Whether a call before which these structures were emptied was found in this state; `call` is its number among all calls.
    pub(super) fn is_met_by(&self, flushed: Option<&[String]>, call: u64) -> bool {
        match (self, flushed) {
            (Self::Warm | Self::Interleaved(_), flushed) => flushed.is_none(),
            (Self::Cold, flushed) => flushed.is_none() && call == 0,
            (Self::Lukewarm(_), None) => false,
            (Self::Lukewarm(names), Some(flushed)) => {
                names.iter().copied().collect::<BTreeSet<_>>() == flushed.iter().map(String::as_str).collect()
            }
        }
    }
}

impl fmt::Display for CoreState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Warm => f.write_str("warm"),
            Self::Cold => f.write_str("cold"),
            Self::Interleaved(names) => write!(f, "interleaved:{}", names.join("+")),
            Self::Lukewarm(names) if names.is_empty() => f.write_str("lukewarm:none"),
            Self::Lukewarm(names) => write!(f, "lukewarm:{}", names.join("+")),
        }
    }
}

/// What a core has on a system. What a system has that only the user's own script knows is for that script to say.
fn structures(system: &str, core: CoreModel) -> Vec<&'static str> {
    let outer = system != "simple";
    let has = |name: &&str| match (*name, core) {
        (_, CoreModel::Atomic | CoreModel::Kvm) | ("btb" | "direction" | "indirect", CoreModel::Timing) => false,
        ("mmucache" | "l2", _) => outer,
        _ => true,
    };
    NAMES.into_iter().filter(has).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(list: &str, system: &str, core: CoreModel) -> Result<CoreState> {
        CoreState::lukewarm(&list.parse::<FlushList>().unwrap(), system, core)
    }

    fn said(list: &str, system: &str, core: CoreModel) -> String {
        state(list, system, core).map_or_else(|e| e.to_string(), |state| state.to_string())
    }

    #[test]
    fn a_state_names_what_is_emptied() {
        assert_eq!(said("l1d,l1i", "simple", CoreModel::O3), "lukewarm:l1i+l1d");
        assert_eq!(said("none", "simple", CoreModel::O3), "lukewarm:none");
        assert_eq!(said("all", "simple", CoreModel::Timing), "lukewarm:l1i+l1d+llc+itlb+dtlb");
        assert_eq!(
            said("all", "skylake", CoreModel::O3),
            "lukewarm:l1i+l1d+mmucache+l2+llc+itlb+dtlb+btb+direction+indirect"
        );
        // What gem5 cannot keep is named, too.
        assert_eq!(said("direction", "simple", CoreModel::O3), "lukewarm:itlb+dtlb+direction");
        assert_eq!(CoreState::default().to_string(), "warm");
    }

    #[test]
    fn what_the_machine_lacks_is_refused_before_anything_starts() {
        for (list, system, core, why) in [
            ("l2", "simple", CoreModel::O3, "has no l2"),
            ("btb", "skylake", CoreModel::Timing, "has no btb"),
            ("l1i", "skylake", CoreModel::Atomic, "nothing to flush"),
            ("indirect", "simple", CoreModel::O3, "only together"),
        ] {
            let error = said(list, system, core);
            assert!(error.contains(why), "{list} on {system}: {error}");
        }
        for list in ["l9", "", "l1i,", "l1i,all", "l1i l1d"] {
            let why = list.parse::<FlushList>().unwrap_err();
            assert!(why.contains("there is no"), "{list:?}: {why}");
        }
    }

    #[test]
    fn fresh_predictors_are_limited() {
        let state = |list| state(list, "simple", CoreModel::O3).unwrap();
        assert!(state("direction").check_calls(64).is_ok());
        assert!(state("direction").check_calls(65).is_err() && state("direction").check_calls(0).is_err());
        assert!(state("l1i").check_calls(65).is_ok() && CoreState::Warm.check_calls(65).is_ok());
        assert!(CoreState::Cold.check_calls(1).is_ok() && CoreState::Cold.check_calls(2).is_err());
    }

    #[test]
    fn the_script_gets_names_alone() {
        let argument = |list| state(list, "simple", CoreModel::Timing).unwrap().argument();
        assert_eq!(argument("all").as_deref(), Some("l1i,l1d,llc,itlb,dtlb"));
        assert_eq!(argument("none").as_deref(), Some("none"));
        assert_eq!(CoreState::Warm.argument(), None);
    }

    #[test]
    fn a_call_counts_only_in_the_state_that_was_asked_for() {
        let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let l1 = state("l1i,l1d", "simple", CoreModel::O3).unwrap();
        assert!(l1.is_met_by(Some(&names(&["l1d", "l1i"])), 4));
        assert!(!l1.is_met_by(Some(&names(&["l1i"])), 4) && !l1.is_met_by(Some(&names(&["l1i", "l1d", "llc"])), 4));
        assert!(!l1.is_met_by(None, 4));
        assert!(CoreState::Warm.is_met_by(None, 4) && !CoreState::Warm.is_met_by(Some(&[]), 4));
        assert!(state("none", "simple", CoreModel::O3).unwrap().is_met_by(Some(&[]), 4));
        // The second call finds a process that has answered once.
        assert!(CoreState::Cold.is_met_by(None, 0) && !CoreState::Cold.is_met_by(None, 1));
        assert!(!CoreState::Cold.is_met_by(Some(&[]), 0));
    }

    /// The script that does it has the same names, in the same order.
    #[test]
    fn the_script_knows_the_same_names() {
        let (_, script) = crate::CONFIG_FILES.iter().find(|(name, _)| name.ends_with("flush.py")).unwrap();
        let line = script.lines().find_map(|line| line.strip_prefix("NAMES = ")).unwrap();
        let names: Vec<&str> = line.trim_matches(['(', ')']).split(", ").map(|name| name.trim_matches('"')).collect();
        assert_eq!(names, NAMES);
    }
}
