//! Runs of a measurement: which are kept, and whether they belong together.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use futon_common::{Error, Result};
use futon_model::{ExitCode, Report};

/// A complete run in a folder: its report. A run that did not pass, or that was interrupted, is none.
///
/// # Errors
/// When it is no report.
pub fn kept(folder: &Path) -> Result<Option<(Report, PathBuf)>> {
    let Ok(text) = fs::read(folder.join("report.json")) else { return Ok(None) };
    let report: Report = serde_json::from_slice(&text).map_err(|e| {
        Error::usage(format!("--resume: {} is no report of this futon", folder.join("report.json").display()))
            .caused_by(e)
    })?;
    let passed = ExitCode::of_all(report.functions.iter().map(|f| &f.verdict)) == ExitCode::Passed;
    let complete = passed && !report.functions.is_empty() && folder.join("invocations.csv").is_file();
    Ok(complete.then(|| (report, folder.to_owned())))
}

/// What all runs of a measurement have in common, by function and state: runs of an earlier call may have been of something else.
#[derive(Debug, Default)]
pub struct SameRuns {
    inputs: BTreeMap<(String, usize), BTreeMap<String, String>>,
}

impl SameRuns {
    /// Inputs that each run has its own of.
    const OWN: [&str; 3] = ["simulation's seed", "client warmup", "calls"];

    /// Refuses a run that is not like those before it but for its seed and its warm-up.
    ///
    /// # Errors
    /// When it is another one.
    pub fn check(&mut self, report: &Report, state: usize, run: u64, seed: &str) -> Result<()> {
        let other = |function: &str, what: String| {
            Error::usage(format!("{function}: run {run} is not one of this measurement: {what}"))
                .hint("measure into another folder, or leave --resume out")
        };
        let first = self.inputs.keys().filter(|(_, place)| *place == state).count();
        if first > 0 && first != report.functions.len() {
            return Err(other("measure", "it has other functions".into()));
        }
        for function in &report.functions {
            let Some(cell) = &function.cell else { continue };
            if let Some(made_with) = cell.inputs.get(Self::OWN[0])
                && made_with != seed
            {
                return Err(other(&function.name, format!("its seed is {made_with}, not {seed}")));
            }
            let mut inputs = cell.inputs.clone();
            inputs.retain(|name, _| !Self::OWN.contains(&name.as_str()));
            let known = self.inputs.entry((function.name.clone(), state)).or_insert_with(|| inputs.clone());
            let differs = known.iter().find(|(name, value)| inputs.get(*name) != Some(value));
            let differs = differs.or_else(|| inputs.iter().find(|(name, _)| !known.contains_key(*name)));
            if let Some((name, _)) = differs {
                return Err(other(&function.name, format!("its {name} differs from that of run 1")));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn report(inputs: &[(&str, &str)]) -> Report {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../futon-model/golden/passed.json");
        let mut whole: serde_json::Value = serde_json::from_slice(&fs::read(golden).unwrap()).unwrap();
        let inputs: BTreeMap<&str, &str> = inputs.iter().copied().collect();
        whole["functions"][0]["cell"] = json!({"digest": "x", "inputs": inputs});
        serde_json::from_value(whole).unwrap()
    }

    #[test]
    fn runs_of_something_else_are_refused() {
        let mut same = SameRuns::default();
        let run = |seed: &str, image: &str| {
            report(&[("simulation's seed", seed), ("image f", image), ("client warmup", seed)])
        };
        same.check(&run("1", "a"), 0, 1, "1").unwrap();
        same.check(&run("2", "a"), 0, 2, "2").unwrap();
        let error = same.check(&run("3", "b"), 0, 3, "3").unwrap_err();
        assert!(error.to_string().contains("its image f differs from that of run 1"), "{error}");
        let error = same.check(&run("7", "a"), 0, 3, "3").unwrap_err();
        assert!(error.to_string().contains("its seed is 7, not 3"), "{error}");
    }

    #[test]
    fn only_a_complete_run_that_passed_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        assert!(kept(folder.path()).unwrap().is_none());
        fs::write(folder.path().join("report.json"), serde_json::to_vec(&report(&[])).unwrap()).unwrap();
        assert!(kept(folder.path()).unwrap().is_none(), "its rows are missing");
        fs::write(folder.path().join("invocations.csv"), "").unwrap();
        assert!(kept(folder.path()).unwrap().is_some());
        fs::write(folder.path().join("report.json"), "{").unwrap();
        assert!(kept(folder.path()).unwrap_err().to_string().contains("is no report"));
    }
}
