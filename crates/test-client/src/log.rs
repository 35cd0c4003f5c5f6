//! The log: lines as logrus writes them, because scripts and people read them so.

use std::{
    cell::RefCell,
    fmt,
    fs::OpenOptions,
    io::{self, IsTerminal, Write},
    os::unix::fs::OpenOptionsExt,
    time::{Instant, SystemTime},
};

use crate::text::go_quote;

/// How grave a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Only with `-v`.
    Debug,
    /// The course of things.
    Info,
    /// Something to know.
    Warning,
    /// Something is wrong.
    Error,
    /// Something is wrong, and the program ends.
    Fatal,
}

impl Level {
    const fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Fatal => "fatal",
        }
    }

    /// Four letters, and their colour on a terminal.
    const fn short(self) -> (&'static str, u8) {
        match self {
            Self::Debug => ("DEBU", 37),
            Self::Info => ("INFO", 36),
            Self::Warning => ("WARN", 33),
            Self::Error => ("ERRO", 31),
            Self::Fatal => ("FATA", 31),
        }
    }
}

/// Writes lines; a line that cannot be written is lost, the run goes on.
pub struct Log {
    out: RefCell<Box<dyn Write>>,
    terminal: bool,
    debug: bool,
    start: Instant,
}

impl fmt::Debug for Log {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Log").field("terminal", &self.terminal).finish_non_exhaustive()
    }
}

impl Log {
    /// Logs to standard error, or to the end of the file `path` if that is not empty.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn open(path: &str, debug: bool) -> io::Result<Self> {
        if path.is_empty() {
            let err = io::stderr();
            let terminal = err.is_terminal();
            return Ok(Self::to(Box::new(err), terminal, debug));
        }
        let file = OpenOptions::new().append(true).create(true).mode(0o644).open(path)?;
        Ok(Self::to(Box::new(file), false, debug))
    }

    fn to(out: Box<dyn Write>, terminal: bool, debug: bool) -> Self {
        Self { out: RefCell::new(out), terminal, debug, start: Instant::now() }
    }

    /// Writes one line.
    pub fn line(&self, level: Level, message: impl AsRef<str>) {
        if level == Level::Debug && !self.debug {
            return;
        }
        let line = if self.terminal {
            coloured(level, message.as_ref(), self.start.elapsed().as_secs())
        } else {
            plain(level, message.as_ref(), SystemTime::now())
        };
        // One write a line, so that lines of several writers do not mix.
        let _ = self.out.borrow_mut().write_all(line.as_bytes());
    }

    /// Debug line.
    pub fn debug(&self, message: impl AsRef<str>) {
        self.line(Level::Debug, message);
    }

    /// Info line.
    pub fn info(&self, message: impl AsRef<str>) {
        self.line(Level::Info, message);
    }

    /// Warning line.
    pub fn warning(&self, message: impl AsRef<str>) {
        self.line(Level::Warning, message);
    }

    /// Error line.
    pub fn error(&self, message: impl AsRef<str>) {
        self.line(Level::Error, message);
    }
}

fn plain(level: Level, message: &str, now: SystemTime) -> String {
    let time = humantime::format_rfc3339_seconds(now);
    format!("time=\"{time}\" level={} msg={}\n", level.name(), go_quote(message))
}

fn coloured(level: Level, message: &str, seconds: u64) -> String {
    let (name, colour) = level.short();
    let message = tame(message.strip_suffix('\n').unwrap_or(message));
    format!("\x1b[{colour}m{name}\x1b[0m[{seconds:04}] {message:<44} \n")
}

/// A reply must not paint on the terminal, nor begin a line that looks like one of the log's.
fn tame(message: &str) -> String {
    let lines: Vec<_> =
        message.split('\n').map(|line| line.replace(|c: char| c.is_control() && c != '\t', "\u{fffd}")).collect();
    lines.join("\n    ")
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn a_line_for_files_and_pipes() {
        let now = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        assert_eq!(
            plain(Level::Info, "Connection established.\n", now),
            "time=\"2023-11-14T22:13:20Z\" level=info msg=\"Connection established.\\n\"\n"
        );
        assert!(plain(Level::Warning, "x", now).contains(" level=warning msg=\"x\""));
    }

    #[test]
    fn a_line_for_terminals() {
        assert_eq!(
            coloured(Level::Info, "Connect to  localhost:50000\n", 3),
            format!("\x1b[36mINFO\x1b[0m[0003] Connect to  localhost:50000{} \n", " ".repeat(17))
        );
        assert!(coloured(Level::Error, "x", 12).starts_with("\x1b[31mERRO\x1b[0m[0012] x"));
    }

    #[test]
    fn a_reply_cannot_forge_a_line_on_a_terminal() {
        let line = coloured(Level::Info, "Greeting: x\nSUCCESS: all\x1b[2J\rSUCCESS: all\n", 0);
        assert!(line.contains("x\n    SUCCESS: all\u{fffd}[2J\u{fffd}SUCCESS"), "{line:?}");
        assert_eq!(line.lines().filter(|line| line.starts_with("SUCCESS")).count(), 0);
    }

    #[test]
    fn debug_lines_only_when_asked_for_and_files_are_appended_to() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("client.log");
        let path = path.to_str().unwrap();
        for (debug, message) in [(false, "hidden"), (true, "shown")] {
            Log::open(path, debug).unwrap().debug(message);
        }
        Log::open(path, false).unwrap().error("last");
        let text = std::fs::read_to_string(path).unwrap();
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(text.contains("shown") && text.ends_with("level=error msg=\"last\"\n"), "{text}");
        assert!(Log::open("/nonexistent/dir/log", false).is_err());
    }
}
