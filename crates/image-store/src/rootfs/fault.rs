//! Why a layer is refused, with the messages of the engine and of its system calls.

use std::fmt;
use std::io;

use super::RootfsError;

/// What stops the reading of a layer.
#[derive(Debug)]
pub(super) enum Fault {
    /// The engine refuses the layer, with this message.
    Refused(String),
    /// The image has something that futon does not support, or too much of it.
    Unsupported(String),
    /// The layer could not be read on this host.
    Io(io::Error),
}

impl Fault {
    /// A header that Go's `archive/tar` does not take.
    pub(super) fn header() -> Self {
        Self::Refused("archive/tar: invalid tar header".into())
    }

    /// An archive that ends in the middle of something.
    pub(super) fn cut() -> Self {
        Self::Refused("unexpected EOF".into())
    }
}

impl Fault {
    /// The same as a public error.
    pub(super) fn of(self, layer: String) -> RootfsError {
        match self {
            Self::Refused(why) => RootfsError::Refused { layer, why },
            Self::Unsupported(why) => RootfsError::Unsupported { layer, why },
            Self::Io(cause) => RootfsError::Read { layer, cause },
        }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::UnexpectedEof { Self::cut() } else { Self::Io(error) }
    }
}

/// Errors of Linux's file systems, with Go's words for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Errno {
    /// Operation not permitted.
    Perm,
    /// No such file or directory.
    NoEntry,
    /// Argument list too long.
    TooBig,
    /// Permission denied.
    Access,
    /// File exists.
    Exists,
    /// Not a directory.
    NotDirectory,
    /// Invalid argument.
    Invalid,
    /// No space left on device.
    NoSpace,
    /// Numerical result out of range.
    Range,
    /// File name too long.
    NameTooLong,
    /// Too many levels of symbolic links.
    Loop,
    /// Operation not supported.
    NotSupported,
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Perm => "operation not permitted",
            Self::NoEntry => "no such file or directory",
            Self::TooBig => "argument list too long",
            Self::Access => "permission denied",
            Self::Exists => "file exists",
            Self::NotDirectory => "not a directory",
            Self::Invalid => "invalid argument",
            Self::NoSpace => "no space left on device",
            Self::Range => "numerical result out of range",
            Self::NameTooLong => "file name too long",
            Self::Loop => "too many levels of symbolic links",
            Self::NotSupported => "operation not supported",
        })
    }
}
