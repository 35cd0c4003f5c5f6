//! Waiting for sockets and for a moment.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Sockets that are told apart at once.
const AT_ONCE: usize = 256;

/// Waits for sockets, each known by a number.
pub struct Poll {
    epoll: OwnedFd,
    events: Vec<Event>,
}

impl std::fmt::Debug for Poll {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Poll").field("epoll", &self.epoll).finish_non_exhaustive()
    }
}

impl Poll {
    /// Waits for nothing yet.
    ///
    /// # Errors
    /// The system has no more descriptors.
    pub fn new() -> io::Result<Self> {
        Ok(Self { epoll: epoll::create(CreateFlags::CLOEXEC)?, events: Vec::with_capacity(AT_ONCE) })
    }

    /// Waits for what comes on a socket from now on. A socket that is closed is waited for no more.
    ///
    /// # Errors
    /// It cannot be waited for.
    pub fn add(&self, socket: impl AsFd, number: usize) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, socket, EventData::new_u64(number as u64), EventFlags::IN)?)
    }

    /// Waits for room to write, too, or no more.
    ///
    /// # Errors
    /// It cannot be waited for.
    pub fn for_room(&self, socket: impl AsFd, number: usize, wanted: bool) -> io::Result<()> {
        let flags = if wanted { EventFlags::IN | EventFlags::OUT } else { EventFlags::IN };
        Ok(epoll::modify(&self.epoll, socket, EventData::new_u64(number as u64), flags)?)
    }

    /// Waits until something comes, at most so long; the sockets' numbers go to `to`.
    ///
    /// # Errors
    /// The system refuses.
    pub fn wait(&mut self, most: Duration, to: &mut Vec<usize>) -> io::Result<()> {
        to.clear();
        let timeout = Timespec::try_from(most).map_err(io::Error::other)?;
        // epoll_wait(2) knows milliseconds; ppoll(2) is finer, on every kernel.
        let mut one = [PollFd::new(&self.epoll, PollFlags::IN)];
        match poll(&mut one, Some(&timeout)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => return Ok(()),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        self.events.clear();
        let none = Timespec { tv_sec: 0, tv_nsec: 0 };
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut self.events), Some(&none)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        to.extend(self.events.iter().filter_map(|event| usize::try_from(event.data.u64()).ok()));
        Ok(())
    }
}
