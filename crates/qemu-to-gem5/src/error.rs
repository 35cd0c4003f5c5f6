//! What can go wrong.

use std::io;
use std::path::PathBuf;

/// Why a machine cannot be moved, or its guest cannot be prepared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransferError {
    /// The migration stream is not what its format or its own description says.
    #[error("the migration stream cannot be read at byte {at}: {why}")]
    Stream {
        /// Bytes from the stream's start.
        at: usize,
        /// What is wrong there.
        why: String,
    },
    /// A section, field, subsection or version that the rules lack, or that they need and the stream lacks.
    #[error("no rule moves this machine: {what}")]
    Unknown {
        /// What it is, by name.
        what: String,
    },
    /// A field shows that something is under way that gem5 cannot take over.
    #[error("the machine is not at rest: {section}: {field} is {value}: {why}")]
    NotAtRest {
        /// The section of the stream, with its instance, such as `cpu 0`.
        section: String,
        /// The field's path, array indices left out.
        field: String,
        /// What the stream says.
        value: String,
        /// Why that cannot be moved.
        why: String,
    },
    /// The template is no checkpoint of the machine that is wanted.
    #[error("the template does not fit: {why}")]
    Template {
        /// What is missing or wrong, by section and key.
        why: String,
    },
    /// Two parts do not fit each other.
    #[error("the machine cannot be moved: {why}")]
    Refused {
        /// Why.
        why: String,
    },
    /// The guest cannot be prepared.
    #[error("the guest cannot be prepared: {why}")]
    Boot {
        /// Why.
        why: String,
    },
    /// A file could not be written.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}
