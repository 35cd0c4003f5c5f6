//! The one table of exit codes.

use crate::{Code, Outcome, Verdict};

/// Exit status of the `futon` program. Of several that apply, the first of
/// [`Interrupted`](Self::Interrupted), [`Infra`](Self::Infra), [`Failed`](Self::Failed) wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// Every function passed, or the command did what was asked.
    Passed = 0,
    /// At least one function failed, or a figure of the self-test is off.
    Failed = 1,
    /// The command line or a configuration file is wrong.
    Usage = 2,
    /// The harness, the host or the base image failed; nothing is said about the function.
    Infra = 3,
    /// There is nothing to run.
    NothingToRun = 4,
    /// Interrupted by Ctrl-C or SIGTERM.
    Interrupted = 130,
}

impl ExitCode {
    /// Exit code of one verdict.
    #[must_use]
    pub fn of(verdict: &Verdict) -> Self {
        // Before the run script is there, no function has had its say: the base, the kernel or the host is at fault.
        let before_the_function = matches!(verdict.step.as_deref(), Some("boot"));
        match verdict.outcome {
            Outcome::Passed => Self::Passed,
            Outcome::Failed => Self::Failed,
            Outcome::TimedOut | Outcome::Crashed if before_the_function => Self::Infra,
            Outcome::TimedOut | Outcome::Crashed => Self::Failed,
            Outcome::Infra => Self::Infra,
            Outcome::NotRun if verdict.code == Code::Interrupted => Self::Interrupted,
            // Only after a failure with --fail-fast: never a pass, and nobody else is to blame.
            Outcome::NotRun => Self::Failed,
        }
    }

    /// Exit code of several verdicts; none at all is [`NothingToRun`](Self::NothingToRun).
    #[must_use]
    pub fn of_all<'a>(verdicts: impl IntoIterator<Item = &'a Verdict>) -> Self {
        let codes: Vec<Self> = verdicts.into_iter().map(Self::of).collect();
        [Self::Interrupted, Self::Infra, Self::Failed]
            .into_iter()
            .find(|code| codes.contains(code))
            .unwrap_or(if codes.is_empty() { Self::NothingToRun } else { Self::Passed })
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(outcome: Outcome, step: &str) -> Verdict {
        Verdict { outcome, step: Some(step.into()), code: Code::StepFailed, why: String::new(), hint: None }
    }

    #[test]
    fn nothing_is_not_a_pass() {
        assert_eq!(ExitCode::of_all([]), ExitCode::NothingToRun);
    }

    #[test]
    fn the_gravest_wins() {
        let passed = verdict(Outcome::Passed, "shutdown");
        let failed = verdict(Outcome::Failed, "invoke");
        let infra = verdict(Outcome::Infra, "upload");
        let interrupted = Verdict { code: Code::Interrupted, ..verdict(Outcome::NotRun, "pull") };
        assert_eq!(ExitCode::of_all([&passed]), ExitCode::Passed);
        assert_eq!(ExitCode::of_all([&passed, &failed]), ExitCode::Failed);
        assert_eq!(ExitCode::of_all([&failed, &infra, &passed]), ExitCode::Infra);
        assert_eq!(ExitCode::of_all([&failed, &infra, &interrupted]), ExitCode::Interrupted);
    }

    #[test]
    fn a_guest_that_never_boots_says_nothing_about_the_function() {
        assert_eq!(ExitCode::of(&verdict(Outcome::TimedOut, "boot")), ExitCode::Infra);
        assert_eq!(ExitCode::of(&verdict(Outcome::Crashed, "boot")), ExitCode::Infra);
        assert_eq!(ExitCode::of(&verdict(Outcome::Crashed, "invoke")), ExitCode::Failed);
    }
}
