//! The engine's error: what went wrong, whose fault it is, and what helps.

use std::fmt;

use futon_model::{EventKind, ExitCode};

/// Result with futon's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, with the exit code it leads to and a hint for the user.
#[derive(Debug)]
pub struct Error {
    exit: ExitCode,
    message: String,
    hint: Option<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// The command line or a configuration file is wrong.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(ExitCode::Usage, message)
    }

    /// The harness or the host failed.
    pub fn infra(message: impl Into<String>) -> Self {
        Self::new(ExitCode::Infra, message)
    }

    /// There is nothing to run.
    pub fn nothing_to_run(message: impl Into<String>) -> Self {
        Self::new(ExitCode::NothingToRun, message)
    }

    /// Somebody stopped futon.
    #[must_use]
    pub fn interrupted() -> Self {
        Self::new(ExitCode::Interrupted, "interrupted")
    }

    fn new(exit: ExitCode, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), hint: None, source: None }
    }

    /// Adds what the user can do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the error that caused this one.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The event that tells of this error in a run.
    #[must_use]
    pub fn as_event(&self, step: &str) -> EventKind {
        EventKind::HostFailed { step: step.to_owned(), why: self.to_string(), hint: self.hint.clone() }
    }

    /// Exit code of the program when this error ends it.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        self.exit
    }

    /// What the user can do about it.
    #[must_use]
    pub fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|e| e as &(dyn std::error::Error + 'static))
    }
}

/// Adds what was being done to an error of the system or of a library.
pub trait Context<T> {
    /// Turns the error into one of the host, with `message` before it.
    ///
    /// # Errors
    /// The error itself, wrapped.
    fn context(self, message: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Into<Box<dyn std::error::Error + Send + Sync>>> Context<T> for std::result::Result<T, E> {
    fn context(self, message: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|e| Error::infra(message()).caused_by(e))
    }
}

/// Splits `message (hint: help)`, the form in which library errors carry their hints.
fn split_hint(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(" (hint: ") {
        Some((message, help)) => (message, Some(help.strip_suffix(')').unwrap_or(help))),
        None => (text, None),
    }
}

impl From<futon_model::ReferenceError> for Error {
    fn from(error: futon_model::ReferenceError) -> Self {
        let text = error.to_string();
        let (message, help) = split_hint(&text);
        let error = Self::usage(message);
        match help {
            Some(help) => error.hint(help),
            None => error,
        }
    }
}

impl From<image_store::StoreError> for Error {
    fn from(error: image_store::StoreError) -> Self {
        let text = error.to_string();
        let (message, help) = split_hint(&text);
        // A file that is no image is not this host's fault.
        let error = if error.is_of_the_image() { Self::usage(message) } else { Self::infra(message) };
        match help {
            Some(help) => error.hint(help),
            None => error,
        }
    }
}
