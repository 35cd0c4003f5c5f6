//! What can go wrong when a compose file is read.

use std::path::PathBuf;
use std::time::Duration;

use crate::Place;

/// Why there is no model of a compose file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The file cannot be read.
    #[error("cannot read the compose file {}: {why}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The system's reason.
        why: std::io::Error,
    },
    /// Docker Compose refuses the file.
    #[error("{}{}: {words}", file.display(), place.map(|p| format!(":{}", p.line)).unwrap_or_default())]
    Refused {
        /// The file.
        file: PathBuf,
        /// The line that Compose's words speak of, where it can be told.
        place: Option<Place>,
        /// Compose's own words.
        words: String,
    },
    /// Docker Compose does not print a text of an extension as the file has it.
    #[error("{}: service {service}: a text of `{key}` begins with a line break or a blank, or has a line break of Unicode's (U+0085, U+2028, U+2029), which Docker Compose does not print as it is", file.display())]
    Unprintable {
        /// The file.
        file: PathBuf,
        /// The service.
        service: String,
        /// The extension's key.
        key: String,
    },
    /// Docker Compose takes a value that means nothing to an engine.
    #[error("{}: service {service}: key `{key}`: {why}", file.display())]
    Value {
        /// The file.
        file: PathBuf,
        /// The service.
        service: String,
        /// Its key.
        key: String,
        /// What is wrong with the value.
        why: String,
    },
    /// Docker Compose is not there, or does not start on this machine.
    #[error("cannot run Docker Compose ({}): {why}", program.display())]
    NoProgram {
        /// The program.
        program: PathBuf,
        /// Why it did not start.
        why: String,
    },
    /// Docker Compose did not end in time.
    #[error("Docker Compose did not finish reading {} within {} s", file.display(), limit.as_secs())]
    TooLong {
        /// The file.
        file: PathBuf,
        /// The limit that struck.
        limit: Duration,
    },
    /// Docker Compose needed more memory than it is given: aliases of aliases make any amount of a few lines.
    #[error("reading {} takes more than {mib} MiB", file.display())]
    TooMuchMemory {
        /// The file.
        file: PathBuf,
        /// The limit that struck.
        mib: u64,
    },
    /// Docker Compose's answer is not understood.
    #[error("cannot parse Docker Compose's output for {}: {why}", file.display())]
    Nonsense {
        /// The file.
        file: PathBuf,
        /// What is wrong with the answer.
        why: String,
    },
}

impl LoadError {
    /// Whether the file is at fault, and not the machine that reads it.
    #[must_use]
    pub fn is_files_fault(&self) -> bool {
        matches!(
            self,
            Self::Unreadable { .. }
                | Self::Refused { .. }
                | Self::Unprintable { .. }
                | Self::Value { .. }
                | Self::TooLong { .. }
                | Self::TooMuchMemory { .. }
        )
    }
}
