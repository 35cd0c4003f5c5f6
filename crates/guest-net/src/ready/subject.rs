//! A container that is waited for, and what is known of it.

use std::net::{IpAddr, SocketAddr};

use futon_model::is_loopback;

use crate::Result;

/// How a container's first process ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exit {
    /// Exit status as a shell counts it.
    pub status: i64,
    /// Whether the kernel ended a process in it for want of memory.
    pub oom_killed: bool,
    /// The kernel's line about a process that crashed.
    pub kernel_said: Option<String>,
    /// What the container printed first, where it printed little.
    pub first_words: String,
}

/// What is known of a container that runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Its first process, in whose network namespace it listens.
    pub pid: Option<i32>,
    /// The port in the container that is called; absent where it is the one that is called on this machine.
    pub port: Option<u16>,
    /// How often it was started again.
    pub restarts: u64,
    /// Its last exit status, where it was started again.
    pub last_status: Option<i64>,
    /// Its own address, where another one is called.
    pub address: Option<IpAddr>,
}

impl Facts {
    /// Where the container itself is called; `called` is what is called on this machine. Nothing where that is not known.
    pub(super) fn own(&self, called: SocketAddr) -> Option<SocketAddr> {
        let address = self.address.or_else(|| Some(called.ip()).filter(|ip| !is_loopback(*ip)))?;
        Some(SocketAddr::new(address, self.port.unwrap_or_else(|| called.port())))
    }
}

/// A container that is waited for.
pub trait Subject {
    /// How it ended, if it has for good.
    fn exit(&mut self) -> Result<Option<Exit>>;

    /// What is known of it while it runs.
    fn facts(&mut self) -> Result<Facts>;

    /// Whether a line that it has printed is wanted. Lines that were seen before need not be looked at again; one without an end is none yet.
    fn has_line(&mut self, wanted: &dyn Fn(&str) -> bool) -> Result<bool>;
}
