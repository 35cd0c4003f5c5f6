//! QEMU's program: where it is, its version, its last words.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use futon_common::{Error, Result, Setup};
use tokio::process::Command;

/// The program.
pub const QEMU: &str = "qemu-system-x86_64";

/// Where the program is, if it is on the caller's path.
pub(super) fn qemu_program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join(QEMU)).find(|file| file.is_file())
}

/// QEMU's version line.
///
/// # Errors
/// When QEMU is missing or does not answer.
pub async fn qemu_version() -> Result<String> {
    let run = Command::new(QEMU).arg("--version").stdin(Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(Duration::from_secs(10), run)
        .await
        .map_err(|_| Error::infra(format!("{QEMU} --version did not end within 10 s")))?
        .map_err(|e| {
            Error::infra(format!("cannot run {QEMU}")).caused_by(e).hint(Setup::here().package("qemu-system-x86"))
        })?;
    Ok(String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().trim().to_owned())
}

/// Major and minor number in QEMU's version line, `QEMU emulator version 7.2.22 (Debian …)`.
pub(super) fn version_of(line: &str) -> Option<(u32, u32)> {
    let numbers = line.strip_prefix("QEMU emulator version ")?;
    let mut numbers = numbers.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// Whether QEMU's last words are about `-sandbox`: it was built without libseccomp, or the system refuses filters.
pub(super) fn is_of_sandbox(said: &str) -> bool {
    ["sandbox", "seccomp"].iter().any(|word| said.contains(word))
}

/// Last lines of a text file; nothing when it cannot be read.
pub(super) fn last_lines(file: &Path, count: usize) -> String {
    let text = std::fs::read(file).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(version_of("QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)"), Some((7, 2)));
        assert_eq!(version_of("QEMU emulator version 10.0.13"), Some((10, 0)));
        assert_eq!(version_of("fake"), None);
    }
}
