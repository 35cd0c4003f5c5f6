//! What a process may have that is not carried over: looked for, and a reason not to freeze.

use std::fs;

use nix::unistd::Pid;

use super::saved::{Descriptor, Kind, field};
use super::{Result, failed};

/// Refuses what is seen in `/proc` of the process: filters of system calls that a new process would not have, shadow stacks, timers.
pub(super) fn refuse(pid: i32) -> Result<()> {
    let status = |who: &str| fs::read_to_string(format!("/proc/{who}/status")).map_err(failed("its status"));
    let (its, ours) = (status(&pid.to_string())?, status("self")?);
    refuse_by_status(&its, &ours)?;
    // Timers of timer_create(2), which a kernel lists only when it is built for checkpoints.
    let timers = fs::read_to_string(format!("/proc/{pid}/timers")).map_err(failed("its timers"))?;
    if timers.trim().is_empty() { Ok(()) } else { Err("it has timers".into()) }
}

/// `ours` is the status of a process of which the new one is a child: what it has, the new one has, too.
fn refuse_by_status(its: &str, ours: &str) -> Result<()> {
    // Not what keeps a process from privileges (NoNewPrivs): the guard sets that for every machine.
    for name in ["Seccomp:", "Seccomp_filters:"] {
        if field(its, name) != field(ours, name) {
            return Err(format!("it has confined itself ({}{})", name, field(its, name).unwrap_or_default()));
        }
    }
    if field(its, "x86_Thread_features:").is_some_and(|features| features.contains("shstk")) {
        return Err("it has a shadow stack".into());
    }
    Ok(())
}

/// Marks the descriptors that are copies of another one (dup(2)): they share its position, flags and locks.
pub(super) fn find_copies(pid: i32, descriptors: &mut [Descriptor]) -> Result<()> {
    for at in 1..descriptors.len() {
        let (before, rest) = descriptors.split_at_mut(at);
        let this = &mut rest[0];
        // One that is handed over is whatever the new process is given.
        if this.kind == Kind::Inherited {
            continue;
        }
        for other in before.iter().filter(|other| !matches!(other.kind, Kind::Copy { .. })) {
            if same_file(Pid::from_raw(pid), other.number, this.number)? {
                this.kind = Kind::Copy { of: other.number };
                this.locks.clear();
                break;
            }
        }
    }
    Ok(())
}

/// kcmp(2).
fn same_file(pid: Pid, first: u64, second: u64) -> Result<bool> {
    const KCMP_FILE: libc::c_int = 0;
    // SAFETY: the system call takes no pointers.
    let answer = unsafe { libc::syscall(libc::SYS_kcmp, pid.as_raw(), pid.as_raw(), KCMP_FILE, first, second) };
    nix::errno::Errno::result(answer).map(|answer| answer == 0).map_err(failed("comparing its open files"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_has_more_than_its_starter_is_refused() {
        let ours = "Name:\tfuton\nNoNewPrivs:\t0\nSeccomp:\t2\nSeccomp_filters:\t1\n";
        refuse_by_status(ours, ours).unwrap();
        let refused = |from: &str, to: &str| refuse_by_status(&ours.replace(from, to), ours).unwrap_err();
        assert_eq!(refused("filters:\t1", "filters:\t2"), "it has confined itself (Seccomp_filters:2)");
        assert_eq!(refused("Name:", "x86_Thread_features:\tshstk \nName:"), "it has a shadow stack");
    }
}
