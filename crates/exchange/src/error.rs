//! Errors of the exchange: its own, and the refusals that clients get.

use std::io;
use std::path::PathBuf;

use hyper::StatusCode;
use nix::errno::Errno;

/// Why an exchange could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExchangeError {
    /// The listening socket cannot be used.
    #[error("cannot use the exchange's listening socket: {0}")]
    Listener(io::Error),
    /// A folder is missing or cannot be made.
    #[error("cannot use the exchange's folder {}: {cause}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The system's reason.
        cause: io::Error,
    },
}

/// A request that is not served: status and reason, both sent to the client.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    pub status: StatusCode,
    pub why: String,
}

impl Refusal {
    pub fn new(status: StatusCode, why: impl Into<String>) -> Self {
        Self { status, why: why.into() }
    }

    pub fn bad(why: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, why)
    }

    pub fn not_found(why: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, why)
    }

    /// A failure of the host's file system while storing something.
    pub fn storing(name: &str, error: &io::Error) -> Self {
        let full = error.raw_os_error().map(Errno::from_raw);
        // EFBIG: the process's own file size limit. For the guest it is the same: the host has no room.
        if matches!(full, Some(Errno::ENOSPC | Errno::EDQUOT | Errno::EFBIG)) {
            let why =
                format!("no space left on the host for {name:?}: {error} (hint: free space for the uploads folder)");
            return Self::new(StatusCode::INSUFFICIENT_STORAGE, why);
        }
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, format!("cannot store {name:?}: {error}"))
    }
}
