//! One processor of the host's for all threads of a staging QEMU, so that they take turns in the same order in every run.
//!
//! QEMU counts instructions, and yet its main loop and the thread that plays the guest's processors race. At each timer's deadline that
//! thread wakes the main loop and goes on; the loop then looks whether all processors are halted, and if they are, moves the guest's
//! clock to the next deadline. A processor that halts just then has not yet accounted for what it ran, and the clock jumps too far
//! (`icount_start_warp_timer` and `rr_cpu_thread_fn` of QEMU 7.2). With two of the host's processors one state of thirty was another.
//! On one processor, with the playing thread a little less urgent, the main loop is done before the guest goes on.

use std::fs;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use rustix::process::{Pid, getpriority_process, setpriority_process};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// How much nicer the playing thread is than the rest: the main loop is preferred whenever it wakes.
const NICER: i32 = 5;

/// A claim to a processor of the host's. Two staging machines get two, as far as there are enough.
#[derive(Debug)]
pub(super) struct Core {
    /// A bound name goes with its socket, however the process ends.
    _claim: Option<UnixDatagram>,
}

impl Core {
    /// Moves all threads of a process onto one of the processors that this process may use, and makes one thread less urgent.
    ///
    /// # Errors
    /// When the system refuses it.
    pub(super) fn take(process: i32, thread: i32) -> io::Result<Self> {
        let usable = sched_getaffinity(None)?;
        let usable: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|number| usable.is_set(*number)).collect();
        let (number, claim) = choose(&usable, claim).ok_or_else(|| io::Error::other("no processor is usable"))?;
        let mut one = CpuSet::new();
        one.set(number);
        for task in fs::read_dir(format!("/proc/{process}/task"))? {
            let id = task?.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
            if let Some(id) = id {
                sched_setaffinity(Some(id), &one)?;
            }
        }
        let nice = getpriority_process(Pid::from_raw(process))?;
        setpriority_process(Pid::from_raw(thread), nice + NICER)?;
        Ok(Self { _claim: claim })
    }
}

/// The first processor that nobody claims; where all are claimed, the first.
fn choose<T>(usable: &[usize], claim: impl Fn(usize) -> Option<T>) -> Option<(usize, Option<T>)> {
    let free = usable.iter().find_map(|number| claim(*number).map(|claim| (*number, Some(claim))));
    free.or_else(|| usable.first().map(|number| (*number, None)))
}

fn claim(number: usize) -> Option<UnixDatagram> {
    let name = SocketAddr::from_abstract_name(format!("futon-staging-{number}")).ok()?;
    UnixDatagram::bind_addr(&name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_processor_that_is_claimed_is_left_alone_while_another_is_free() {
        let taken = |number| (number != 2).then_some(());
        assert_eq!(choose(&[2, 5, 7], taken), Some((5, Some(()))));
        assert_eq!(choose(&[2], taken), Some((2, None)));
        assert_eq!(choose(&[], taken), None);
        // No machine has so many processors: no staging machine of another test claims it.
        let first = claim(1_000_001).unwrap();
        assert!(claim(1_000_001).is_none());
        drop(first);
        assert!(claim(1_000_001).is_some());
    }

    #[test]
    fn a_process_stays_where_it_is_put() {
        let mut sleeper = std::process::Command::new("sleep").arg("20").spawn().unwrap();
        let id = i32::try_from(sleeper.id()).unwrap();
        let core = Core::take(id, id);
        let allowed = sched_getaffinity(Pid::from_raw(id)).unwrap();
        let nice = getpriority_process(Pid::from_raw(id));
        sleeper.kill().unwrap();
        sleeper.wait().unwrap();
        core.unwrap();
        assert_eq!((allowed.count(), nice.unwrap()), (1, getpriority_process(None).unwrap() + NICER));
    }
}
