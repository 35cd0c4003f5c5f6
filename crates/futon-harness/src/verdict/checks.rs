//! Checks of logs and expected failures, as the user declares them.

use std::path::Path;

use futon_common::text::one_line;
use futon_model::{CheckLevel, Code, ExpectedFailure, LogCheck, Outcome, Verdict, split_not_whole, steps};
use regex::RegexBuilder;

use super::explain::{hint, verdict};

/// Bytes of a log that a check looks at.
const LOOKED_AT: u64 = 64 << 20;
/// Characters of a line that a remark shows.
const SHOWN: usize = 200;

const HINT: &str = "the check is in `x-futon: checks`";

/// Where a check's file is; `console` and `container` are special names.
fn path_of(check: &LogCheck, results: &Path, uploads: &Path) -> std::path::PathBuf {
    match check.file.as_str() {
        "console" => results.join("console.log"),
        "container" | "container.log" => uploads.join("container.log"),
        name if uploads.join(name).is_file() => uploads.join(name),
        name => results.join(name),
    }
}

/// Applies the checks to a run's files: the failure, if one of that level does not hold, and remarks on the others.
#[must_use]
pub fn check_logs(checks: &[LogCheck], results: &Path, uploads: &Path) -> (Option<Verdict>, Vec<String>) {
    let mut failed = None;
    let mut remarks = Vec::new();
    for check in checks {
        let Some(why) = broken(check, &path_of(check, results, uploads)) else { continue };
        match check.level {
            CheckLevel::Fail => {
                let told = || hint(verdict(Outcome::Failed, steps::RUN, Code::CheckFailed, why), HINT);
                failed.get_or_insert_with(told);
            }
            CheckLevel::Warn => remarks.push(format!("warning: {why}")),
            CheckLevel::Info => remarks.push(format!("info: {why}")),
        }
    }
    (failed, remarks)
}

/// Why a check does not hold.
fn broken(check: &LogCheck, path: &Path) -> Option<String> {
    let name = &check.file;
    let text = match std::fs::metadata(path) {
        Ok(found) if found.len() > LOOKED_AT => {
            return Some(format!("{name} is too large to check: {} bytes", found.len()));
        }
        _ => match std::fs::read(path) {
            // As `ready: {log: …}` reads lines: what ends them is no part of them.
            Ok(bytes) => String::from_utf8_lossy(&bytes).replace("\r\n", "\n"),
            Err(_) => return Some(format!("{name} does not exist, so it cannot be checked")),
        },
    };
    let (text, not_whole) = split_not_whole(&text);
    // People write expressions for single lines.
    let regex = |text: &str| RegexBuilder::new(text).multi_line(true).build();
    if let Some(wanted) = &check.must_match {
        match regex(wanted) {
            Ok(regex) if regex.is_match(text) => {}
            Ok(_) => {
                let missing = not_whole.map(|why| format!("; but the log is not whole: {why}")).unwrap_or_default();
                return Some(format!("{name} has no line that matches /{wanted}/{missing}"));
            }
            Err(error) => return Some(format!("{name}: /{wanted}/: {error}")),
        }
    }
    if let Some(unwanted) = &check.must_not_match {
        match regex(unwanted) {
            Ok(regex) => {
                if let Some(found) = regex.find(text) {
                    let begin = text[..found.start()].rfind('\n').map_or(0, |at| at + 1);
                    let line: String = text[begin..].lines().next().unwrap_or_default().chars().take(SHOWN).collect();
                    return Some(format!("{name} must not match /{unwanted}/, but does: {}", one_line(&line)));
                }
                // What nobody saw may match.
                if let Some(why) = not_whole {
                    let sure = format!("{name} must not match /{unwanted}/, which cannot be checked");
                    return Some(format!("{sure}: the log is not whole: {why}"));
                }
            }
            Err(error) => return Some(format!("{name}: /{unwanted}/: {error}")),
        }
    }
    None
}

/// The verdict if a failure is expected: that failure is a pass, any other failure stays, and a pass is a failure.
#[must_use]
pub fn as_expected(expected: &ExpectedFailure, got: Verdict) -> Verdict {
    let known = &expected.why;
    match got.outcome {
        Outcome::Passed => {
            let why = format!("it passed, but was expected to fail ({known})");
            let v = verdict(Outcome::Failed, steps::RUN, Code::PassedUnexpectedly, why);
            hint(v, "if it is fixed, remove `expect_failure` from the declaration")
        }
        Outcome::Failed | Outcome::Crashed | Outcome::TimedOut if got.code == expected.code => Verdict {
            outcome: Outcome::Passed,
            code: Code::FailedAsExpected,
            why: one_line(&format!("failed as expected ({known}): {}", got.why)),
            hint: None,
            ..got
        },
        _ => got,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(file: &str, must: Option<&str>, must_not: Option<&str>, level: CheckLevel) -> LogCheck {
        LogCheck {
            file: file.into(),
            must_match: must.map(Into::into),
            must_not_match: must_not.map(Into::into),
            level,
        }
    }

    #[test]
    fn logs_have_what_they_must_have() {
        let folder = tempfile::tempdir().unwrap();
        let uploads = folder.path().join("uploads");
        std::fs::create_dir(&uploads).unwrap();
        std::fs::write(folder.path().join("console.log"), "one\ntwo deprecated\n").unwrap();
        std::fs::write(uploads.join("container.log"), "serving\n").unwrap();
        let told = |check: LogCheck| {
            let (failed, remarks) = check_logs(&[check], folder.path(), &uploads);
            failed
                .map(|v| (v.code, v.why))
                .into_iter()
                .map(|(code, why)| format!("{code:?}: {why}"))
                .chain(remarks)
                .collect::<Vec<_>>()
        };
        let fail = CheckLevel::Fail;
        assert!(told(check("console", Some("^two"), None, fail)).is_empty());
        assert!(told(check("container", Some("serving$"), Some("panic"), fail)).is_empty());
        assert_eq!(
            told(check("console", Some("three"), None, fail)),
            ["CheckFailed: console has no line that matches /three/"]
        );
        assert_eq!(
            told(check("console", None, Some("dep[a-z]+"), CheckLevel::Warn)),
            ["warning: console must not match /dep[a-z]+/, but does: two deprecated"]
        );
        assert_eq!(
            told(check("gone.log", Some("x"), None, CheckLevel::Info)),
            ["info: gone.log does not exist, so it cannot be checked"]
        );
    }

    #[test]
    fn a_log_that_is_not_whole_proves_nothing_that_is_not_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let told = |text: &str, must: Option<&str>, must_not: Option<&str>, level: CheckLevel| {
            std::fs::write(folder.path().join("container.log"), text).unwrap();
            let (failed, remarks) =
                check_logs(&[check("container.log", must, must_not, level)], folder.path(), folder.path());
            failed
                .map(|v| (v.outcome, v.why))
                .map(|(outcome, why)| format!("{outcome:?}: {why}"))
                .or_else(|| remarks.into_iter().next())
        };
        let cut = format!("serving\nmore{}", futon_model::not_whole("it was cut after 16 MiB"));
        let fail = CheckLevel::Fail;
        assert_eq!(told(&cut, Some("^serving$"), None, fail), None);
        assert_eq!(
            told(&cut, Some("^ready"), None, fail).unwrap(),
            "Failed: container.log has no line that matches /^ready/; but the log is not whole: it was cut after 16 MiB"
        );
        let unsure = "container.log must not match /FATAL/, which cannot be checked: the log is not whole: it was cut after 16 MiB";
        assert_eq!(told(&cut, None, Some("FATAL"), fail).unwrap(), format!("Failed: {unsure}"));
        assert_eq!(told(&cut, None, Some("FATAL"), CheckLevel::Info).unwrap(), format!("info: {unsure}"));
        assert_eq!(
            told(&cut, None, Some("more"), fail).unwrap(),
            "Failed: container.log must not match /more/, but does: more"
        );
        // The guest's own words are no part of the log.
        assert!(told(&cut, Some("futon"), None, fail).is_some());
        let none = futon_model::not_whole("the logging driver none keeps no log");
        assert!(told(&none, None, Some("FATAL"), fail).unwrap().ends_with("the logging driver none keeps no log"));
        assert_eq!(told("serving\n", None, Some("FATAL"), fail), None);
    }

    #[test]
    fn a_carriage_return_is_no_part_of_a_line() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("container.log"), "hello\r\nbye\r\n").unwrap();
        let checks = [check("container.log", Some("^hello$"), Some("^b..$"), CheckLevel::Warn)];
        let (_, remarks) = check_logs(&checks, folder.path(), folder.path());
        assert_eq!(remarks, ["warning: container.log must not match /^b..$/, but does: bye"]);
    }

    #[test]
    fn a_failure_that_is_known_passes_and_a_pass_fails() {
        let expected = ExpectedFailure { code: Code::WrongReply, why: "issue 7".into() };
        let got =
            |outcome, code| as_expected(&expected, Verdict { outcome, step: None, code, why: "w".into(), hint: None });
        let known = got(Outcome::Failed, Code::WrongReply);
        assert_eq!(
            (known.outcome, known.code, known.why.as_str()),
            (Outcome::Passed, Code::FailedAsExpected, "failed as expected (issue 7): w")
        );
        assert_eq!(got(Outcome::Passed, Code::AllWitnessesAgree).code, Code::PassedUnexpectedly);
        assert_eq!(got(Outcome::Failed, Code::CallFailed).code, Code::CallFailed, "another failure stays one");
        assert_eq!(
            got(Outcome::Infra, Code::WrongReply).outcome,
            Outcome::Infra,
            "the host's failures are never the known one"
        );
    }
}
