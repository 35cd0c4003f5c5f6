//! Names of the steps.

/// From the machine's start to the guest's request for its run script; seen by the host.
pub const BOOT: &str = "boot";
/// Guest tools and the function's files are fetched.
pub const FETCH: &str = "fetch";
/// The function image is pulled.
pub const PULL: &str = "pull";
/// The container is started.
pub const START: &str = "start";
/// The function is waited for until it serves.
pub const READY: &str = "ready";
/// The function is invoked.
pub const INVOKE: &str = "invoke";
/// The container's log is saved.
pub const LOG: &str = "log";
/// The container is stopped.
pub const STOP: &str = "stop";
/// The results log is uploaded; seen by the host.
pub const UPLOAD: &str = "upload";
/// The machine shuts down; seen by the host.
pub const SHUTDOWN: &str = "shutdown";
/// The user's own run script, from its fetch to its results log; seen by the host.
pub const SCRIPT: &str = "script";
/// The whole run: the name of its limit.
pub const RUN: &str = "run";
/// The steps of futon's own run script, in order.
pub const GUEST: [&str; 7] = [FETCH, PULL, START, READY, INVOKE, LOG, STOP];
