//! The host's limits on a simulation. Pure: the session reports what it sees and asks for the next limit.
//!
//! The third limit, simulated time, is the configuration script's: only the simulator can stop at a tick.

use std::time::{Duration, Instant};

use super::settings::Watchdogs;

/// Watches over one run, across its processes.
#[derive(Debug)]
pub(super) struct Watchdog {
    limits: Watchdogs,
    begin: Instant,
    /// While the guest boots; nothing afterwards.
    boot_since: Option<Instant>,
    last_sign: Instant,
}

/// A limit that strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Strike {
    pub(super) at: Instant,
    pub(super) limit: &'static str,
    pub(super) length: Duration,
}

impl Watchdog {
    pub(super) fn new(limits: Watchdogs, now: Instant) -> Self {
        Self { limits, begin: now, boot_since: Some(now), last_sign: now }
    }

    /// Something happened that only a guest which gets on can cause.
    pub(super) fn sign_of_life(&mut self, now: Instant) {
        self.last_sign = now;
    }

    /// A process begins; `boot` says whether the guest has still to come up.
    pub(super) fn process(&mut self, boot: bool, now: Instant) {
        self.boot_since = boot.then_some(now);
        self.last_sign = now;
    }

    /// The guest is up.
    pub(super) fn booted(&mut self) {
        self.boot_since = None;
    }

    /// The limit that strikes first.
    pub(super) fn next(&self) -> Strike {
        let of = |since: Instant, limit, length| Strike { at: since + length, limit, length };
        let host = of(self.begin, "host", self.limits.host);
        let progress = of(self.last_sign, "progress", self.limits.progress);
        let boot = self.boot_since.map(|since| of(since, "boot", self.limits.boot));
        [Some(host), Some(progress), boot].into_iter().flatten().min_by_key(|s| s.at).unwrap_or(host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn watchdog(now: Instant) -> Watchdog {
        Watchdog::new(Watchdogs { boot: 10 * S, host: 100 * S, simulated: S, progress: 20 * S }, now)
    }

    #[test]
    fn a_guest_that_does_not_come_up_strikes_boot() {
        let now = Instant::now();
        let mut dog = watchdog(now);
        // It may well say something all the time.
        dog.sign_of_life(now + 9 * S);
        assert_eq!(dog.next(), Strike { at: now + 10 * S, limit: "boot", length: 10 * S });
        dog.booted();
        assert_eq!(dog.next(), Strike { at: now + 29 * S, limit: "progress", length: 20 * S });
    }

    #[test]
    fn signs_of_life_put_off_one_limit_and_no_other() {
        let now = Instant::now();
        let mut dog = watchdog(now);
        dog.process(false, now + 5 * S);
        for second in 5..99 {
            dog.sign_of_life(now + second * S);
        }
        assert_eq!(dog.next(), Strike { at: now + 100 * S, limit: "host", length: 100 * S });
    }
}
