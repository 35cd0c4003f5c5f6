//! The results log: sections for people and old tools, and its closing line.

use std::{
    env,
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use guest_net::{Context, Result};

const DEFAULT_PATH: &str = "/run/futon/results.log";

/// The closing line of a run in which all went well; old tools look for exactly this.
const SUCCESS: &str = "SUCCESS: All commands completed successfully";

/// The results log.
#[derive(Debug, Clone)]
pub(crate) struct RunLog {
    path: PathBuf,
}

impl RunLog {
    /// The log named by `$FUTON_LOG`, else the usual one.
    pub(crate) fn from_env() -> Self {
        Self { path: env::var_os("FUTON_LOG").map_or_else(|| PathBuf::from(DEFAULT_PATH), PathBuf::from) }
    }

    /// The log at `path`.
    #[cfg(test)]
    pub(crate) fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// A log in a folder of its own, where nobody is to report to.
    #[cfg(test)]
    pub(crate) fn alone(name: &str) -> Self {
        let folder = env::temp_dir().join(format!("futon-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("no-events"), "").unwrap();
        Self::at(folder.join("results.log"))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The folder it is in.
    pub(crate) fn folder(&self) -> &Path {
        self.path.parent().unwrap_or_else(|| Path::new("."))
    }

    /// Opens it for appending, and so for a command's output.
    pub(crate) fn open(&self) -> Result<File> {
        OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&self.path)
            .context(format_args!("cannot write {}", self.path.display()))
    }

    /// Appends a line.
    pub(crate) fn line(&self, text: &str) -> Result<()> {
        self.open()?.write_all(format!("{text}\n").as_bytes()).context("cannot write the results log")
    }

    /// Appends the closing line.
    pub(crate) fn close(&self, status: i32, why: Option<&str>) -> Result<()> {
        self.line(&closing_line(status, why))
    }

    /// Length now, bytes.
    pub(crate) fn length(&self) -> u64 {
        std::fs::metadata(&self.path).map_or(0, |data| data.len())
    }

    /// The last `limit` bytes written since the log had `start` bytes, from the beginning of a line where one begins there.
    pub(crate) fn tail(&self, start: u64, limit: u64) -> io::Result<String> {
        let mut file = File::open(&self.path)?;
        let end = file.metadata()?.len();
        let from = start.max(end.saturating_sub(limit));
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.take(end - from.min(end)).read_to_end(&mut bytes)?;
        let text = String::from_utf8_lossy(&bytes);
        let whole_lines = match text.split_once('\n') {
            Some((_, rest)) if from > start && !rest.is_empty() => rest,
            _ => &text,
        };
        Ok(whole_lines.to_owned())
    }
}

fn closing_line(status: i32, why: Option<&str>) -> String {
    match (status, why) {
        (0, _) => SUCCESS.to_owned(),
        (_, Some(why)) => format!("FAIL: {}", why.replace(['\r', '\n'], " ")),
        (status, None) => format!("FAIL: the run script ended with status {status}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(name: &str) -> RunLog {
        let path = env::temp_dir().join(format!("futon-runlog-{}-{name}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        RunLog::at(path)
    }

    #[test]
    fn closing_lines_are_exact() {
        assert_eq!(closing_line(0, Some("x")), "SUCCESS: All commands completed successfully");
        assert_eq!(closing_line(1, Some("step pull: no\nsuch image")), "FAIL: step pull: no such image");
        assert_eq!(closing_line(7, None), "FAIL: the run script ended with status 7");
    }

    #[test]
    fn the_tail_begins_with_a_line_and_not_before_its_start() {
        let log = log("tail");
        log.line("before").unwrap();
        let start = log.length();
        log.line("first").unwrap();
        log.line("second").unwrap();
        assert_eq!(log.tail(start, 4096).unwrap(), "first\nsecond\n");
        assert_eq!(log.tail(start, 10).unwrap(), "second\n");
        assert_eq!(log.tail(start, 3).unwrap(), "nd\n");
        std::fs::remove_file(log.path()).unwrap();
    }

    #[test]
    fn a_log_cut_while_a_step_runs_has_an_empty_tail() {
        let log = log("cut");
        log.line("x").unwrap();
        assert_eq!(log.tail(1000, 10).unwrap(), "");
        std::fs::remove_file(log.path()).unwrap();
    }
}
