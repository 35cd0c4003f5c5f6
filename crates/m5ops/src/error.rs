//! What can go wrong on the way to the simulator.

use std::{fmt, io};

/// Why an operation was not done.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The processor is not gem5's: nothing was tried.
    NotGem5 {
        /// What the processor calls itself.
        found: String,
    },
    /// The processor looks like gem5's, but the sum came back wrong.
    NoAnswer {
        /// What came back instead of 21.
        got: u64,
    },
    /// The window of the address form could not be mapped.
    Window {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// A buffer could not be locked in memory.
    Lock(io::Error),
    /// A name for the host holds a zero byte, is empty or has more than one component.
    Name(String),
    /// The simulator took or gave fewer bytes than it should.
    Short {
        /// Bytes expected.
        expected: usize,
        /// Bytes done.
        got: u64,
    },
    /// The program's own side of a transfer failed.
    Io(io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotGem5 { found } => write!(f, "this machine is not gem5 (processor: {found})"),
            Self::NoAnswer { got } => write!(
                f,
                "the processor is gem5's but m5 sum gave {got} instead of 21; hint: set m5ops_base in the simulator's configuration"
            ),
            Self::Window { what, source } => write!(
                f,
                "cannot {what}: {source}; hint: be root, and boot with iomem=relaxed where the kernel restricts /dev/mem"
            ),
            Self::Lock(source) => write!(f, "cannot lock the transfer buffer in memory: {source}"),
            Self::Name(name) => write!(f, "{name:?} is not a file name for the host: it must be one plain component"),
            Self::Short { expected, got } => {
                write!(f, "the simulator moved {got} of {expected} bytes")
            }
            Self::Io(source) => write!(f, "transfer failed: {source}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Window { source, .. } | Self::Lock(source) | Self::Io(source) => Some(source),
            Self::NotGem5 { .. } | Self::NoAnswer { .. } | Self::Name(_) | Self::Short { .. } => None,
        }
    }
}
