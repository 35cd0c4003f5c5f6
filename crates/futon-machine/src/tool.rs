//! Programs of the host's that make or read files: found where Debian has them, with a time limit.

use std::io::ErrorKind;
use std::process::{Output, Stdio};
use std::time::Duration;

use futon_common::{Error, Result, Setup};
use tokio::process::Command;

/// A program of the host's.
#[derive(Debug, Clone, Copy)]
pub struct Tool<'a> {
    /// Its name.
    pub name: &'a str,
    /// Debian's package that brings it, for the hint where it is missing.
    pub package: &'a str,
    /// How long it may run.
    pub limit: Duration,
    /// Variables beside the environment.
    pub environment: &'a [(&'a str, &'a str)],
}

impl Tool<'_> {
    /// Runs it to its end, whatever its status.
    ///
    /// # Errors
    /// When it is not there, cannot be run, or does not end within its limit.
    pub async fn output(&self, arguments: &[&str]) -> Result<Output> {
        let mut command = Command::new(self.name);
        command.args(arguments).envs(self.environment.iter().copied()).stdin(Stdio::null()).kill_on_drop(true);
        // Debian keeps some where an ordinary user's PATH does not look.
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{path}:/usr/sbin:/sbin:/usr/bin:/bin"));
        let output = tokio::time::timeout(self.limit, command.output())
            .await
            .map_err(|_| Error::infra(format!("{} did not end within {:?}", self.shown(arguments), self.limit)))?;
        output.map_err(|e| {
            let missing = e.kind() == ErrorKind::NotFound;
            let error = Error::infra(format!("cannot run {}", self.name)).caused_by(e);
            if missing { error.hint(Setup::here().package(self.package)) } else { error }
        })
    }

    /// Runs it; a status that is not among the good ones is an error with the program's last line.
    ///
    /// # Errors
    /// As [`Self::output`], and for such a status.
    pub async fn run(&self, arguments: &[&str], good: &[i32]) -> Result<()> {
        let output = self.output(arguments).await?;
        if output.status.code().is_some_and(|code| good.contains(&code)) {
            return Ok(());
        }
        let said = [output.stderr, output.stdout].concat();
        let said = String::from_utf8_lossy(&said);
        let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
        Err(Error::infra(format!("{}: {last} ({})", self.shown(arguments), output.status)))
    }

    fn shown(&self, arguments: &[&str]) -> String {
        format!("{} {}", self.name, arguments.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHELL: Tool<'_> =
        Tool { name: "sh", package: "dash", limit: Duration::from_secs(5), environment: &[("X", "y")] };

    #[tokio::test]
    async fn an_end_that_is_not_good_is_told_with_the_last_line() {
        assert_eq!(SHELL.output(&["-c", "echo $X"]).await.unwrap().stdout, b"y\n");
        assert!(SHELL.run(&["-c", "exit 1"], &[0, 1]).await.is_ok());
        let error = SHELL.run(&["-c", "echo one; echo two >&2; exit 3"], &[0]).await.unwrap_err().to_string();
        assert_eq!(error, "sh -c echo one; echo two >&2; exit 3: one (exit status: 3)");
    }

    #[tokio::test]
    async fn a_program_that_hangs_or_is_not_there_is_named() {
        let hangs = Tool { limit: Duration::from_millis(50), ..SHELL };
        let error = hangs.output(&["-c", "sleep 60"]).await.unwrap_err().to_string();
        assert!(error.contains("did not end within 50ms"), "{error}");
        let absent = Tool { name: "no-such-tool", package: "tools", ..SHELL };
        let error = absent.output(&[]).await.unwrap_err();
        assert!(error.to_string().contains("cannot run no-such-tool"), "{error}");
        assert!(error.hint_text().unwrap().contains("tools"));
    }
}
