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
    counted: Option<Counted>,
}

/// What the simulator counted last.
#[derive(Debug, Clone, Copy)]
struct Counted {
    insts: u64,
    since: Instant,
    /// How often it has said the same since.
    again: u32,
}

/// So often the simulator must have said the same: one that says nothing does not stand still, it is slow.
const AGAIN: u32 = 3;

/// A limit that strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Strike {
    pub(super) at: Instant,
    pub(super) limit: &'static str,
    pub(super) length: Duration,
}

impl Watchdog {
    pub(super) fn new(limits: Watchdogs, now: Instant) -> Self {
        Self { limits, begin: now, boot_since: Some(now), last_sign: now, counted: None }
    }

    /// Something happened that only a guest which gets on can cause.
    pub(super) fn sign_of_life(&mut self, now: Instant) {
        self.last_sign = now;
    }

    /// A process begins; `boot` says whether the guest has still to come up.
    pub(super) fn process(&mut self, boot: bool, now: Instant) {
        self.boot_since = boot.then_some(now);
        self.last_sign = now;
        self.counted = None;
    }

    /// The simulator says how many instructions its processors have committed.
    pub(super) fn counted(&mut self, insts: u64, now: Instant) {
        match &mut self.counted {
            Some(counted) if counted.insts == insts => counted.again += 1,
            counted => *counted = Some(Counted { insts, since: now, again: 0 }),
        }
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
        // Idle processors commit nothing, either, but so much simulated time passes then that another limit strikes. KVM's count nothing.
        let stands = self.counted.filter(|counted| counted.again >= AGAIN && counted.insts > 0);
        let stall = stands.map(|counted| of(counted.since, "stall", self.limits.stall));
        [Some(host), Some(progress), boot, stall].into_iter().flatten().min_by_key(|s| s.at).unwrap_or(host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn watchdog(now: Instant) -> Watchdog {
        Watchdog::new(Watchdogs { boot: 10 * S, host: 100 * S, simulated: S, progress: 20 * S, stall: 5 * S }, now)
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
    fn processors_that_stand_still_strike_whatever_else_goes_on() {
        let now = Instant::now();
        let mut dog = watchdog(now);
        dog.process(false, now);
        let count = |dog: &mut Watchdog, insts: &[u64]| {
            for (second, insts) in (1..).zip(insts) {
                dog.counted(*insts, now + second * S);
                dog.sign_of_life(now + second * S);
            }
        };
        count(&mut dog, &[1, 2, 2, 2]);
        assert_eq!(dog.next().limit, "progress", "said twice more: it may be slow");
        dog.counted(2, now + 5 * S);
        assert_eq!(dog.next(), Strike { at: now + 7 * S, limit: "stall", length: 5 * S });
        dog.counted(3, now + 6 * S);
        assert_eq!(dog.next().limit, "progress");
        // Another process counts from the beginning.
        count(&mut dog, &[4, 4, 4, 4, 4]);
        assert_eq!(dog.next().limit, "stall");
        dog.process(false, now);
        count(&mut dog, &[0, 0, 0, 0, 0, 0]);
        assert_eq!(dog.next().limit, "progress", "a core of KVM's counts nothing");
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
