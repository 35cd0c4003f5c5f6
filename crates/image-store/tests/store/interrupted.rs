//! A process that is killed right before its Nth system call that changes files, for every N.

use std::process::Command;

use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::child::{Bench, Step};

/// System calls that change files or folders, or make them durable.
const CHANGES: [i64; 19] = [
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_pwrite64,
    libc::SYS_open,
    libc::SYS_openat,
    libc::SYS_rename,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_unlink,
    libc::SYS_unlinkat,
    libc::SYS_rmdir,
    libc::SYS_mkdir,
    libc::SYS_mkdirat,
    libc::SYS_link,
    libc::SYS_linkat,
    libc::SYS_fchmod,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_ftruncate,
];

/// Runs a process that stops before its work, and kills it before its `nth` change, from 0. True when it was killed, false when it made
/// fewer changes and ended well.
#[allow(clippy::zombie_processes, reason = "waitpid below takes its end, as that of every thread that is traced")]
fn killed_at(mut command: Command, nth: usize) -> bool {
    let child = command.spawn().unwrap();
    let main = Pid::from_raw(i32::try_from(child.id()).unwrap());
    // Of this thread's children alone: other tests have some, too.
    let any = || waitpid(Pid::from_raw(-1), Some(WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD)).unwrap();
    let worker = match any() {
        WaitStatus::Stopped(worker, Signal::SIGSTOP) => worker,
        other => panic!("the process does not stop before its work: {other:?}"),
    };
    ptrace::setoptions(worker, ptrace::Options::PTRACE_O_TRACESYSGOOD | ptrace::Options::PTRACE_O_EXITKILL).unwrap();
    ptrace::syscall(worker, None).unwrap();
    let (mut seen, mut killed) = (0, false);
    loop {
        match any() {
            WaitStatus::PtraceSyscall(thread) => {
                let registers = ptrace::getregs(thread).unwrap();
                // At the entry of a call the kernel has put ENOSYS where the result will be.
                let entry = registers.rax.cast_signed() == -i64::from(libc::ENOSYS);
                if entry && CHANGES.contains(&registers.orig_rax.cast_signed()) {
                    if seen == nth {
                        nix::sys::signal::kill(main, Signal::SIGKILL).unwrap();
                        killed = true;
                        continue;
                    }
                    seen += 1;
                }
                ptrace::syscall(thread, None).unwrap();
            }
            WaitStatus::Exited(process, code) if process == main => {
                assert!(killed || code == 0, "the process failed by itself");
                return killed;
            }
            WaitStatus::Signaled(process, signal, _) if process == main => {
                assert!(killed, "ended by {signal}");
                return true;
            }
            WaitStatus::Stopped(thread, signal) => ptrace::syscall(thread, Some(signal)).unwrap(),
            _ => {}
        }
    }
}

/// Kills `step` at each of its changes, on a store where `before` was done, and looks at what is left.
fn at_every_change(before: &[Step], step: Step) {
    let whole = Bench::new();
    before.iter().for_each(|step| whole.work(*step));
    let old = whole.sound();
    whole.work(step);
    let new = whole.sound();
    let (mut nth, mut olds, mut news) = (0, 0, 0);
    loop {
        let bench = Bench::new();
        before.iter().for_each(|step| bench.work(*step));
        let killed = killed_at(bench.traced(&[step]), nth);
        let found = bench.sound();
        assert!(
            found == old || found == new,
            "killed at change {nth}, the store has {found:?}, not {old:?} or {new:?}"
        );
        if killed && found == old {
            olds += 1;
        } else {
            news += 1;
        }
        // Whoever comes next can do the same, and clears away what the killed one left.
        bench.work(step);
        assert_eq!(bench.sound(), new, "after another try");
        bench.work(Step::Add { name: 9, content: 3 });
        bench.work(Step::Remove { name: 9 });
        assert_eq!(bench.leftovers(), Vec::<String>::new(), "killed at change {nth}");
        if !killed {
            break;
        }
        nth += 1;
    }
    assert!(nth > 5 && olds > 0 && news > 0, "{nth} changes, {olds} times the old state, {news} times the new one");
}

#[test]
fn an_add_is_whole_or_not_at_all() {
    at_every_change(&[], Step::Add { name: 0, content: 0 });
}

#[test]
fn an_add_over_another_image_is_whole_or_not_at_all() {
    let other = Step::Add { name: 1, content: 2 };
    at_every_change(&[Step::Add { name: 0, content: 0 }, other], Step::Add { name: 0, content: 1 });
}

#[test]
fn a_removal_is_whole_or_not_at_all() {
    at_every_change(&[Step::Add { name: 0, content: 0 }, Step::Add { name: 1, content: 1 }], Step::Remove { name: 0 });
}
