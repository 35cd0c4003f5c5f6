//! The loop: calls are sent at their times, replies are taken, until the load's time is over and the last call has ended.

use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use futon_model::LoadPlan;

use super::flight::Flight;
use super::pace::{Next, Pace};
use super::poll::Poll;
use super::recorder::Recorder;
use super::socket::{Got, Socket};
use super::target::{Kind, Target};

/// How often calls that are under way are looked at for their deadlines.
const LOOK: Duration = Duration::from_millis(5);
/// How often a connection is made anew without any reply in between.
const RENEWED: u32 = 20;
/// How long a lost connection is tried to be had again.
const RECONNECT: Duration = Duration::from_secs(5);

/// Drives a load.
#[derive(Debug)]
pub struct Driver<'a> {
    target: &'a Target<'a>,
    sockets: Vec<Socket>,
    poll: Poll,
    /// Sockets that wait for room to write.
    blocked: Vec<bool>,
    /// Where the next call goes.
    turn: usize,
    /// Where the sequence goes on.
    place: usize,
    in_flight: usize,
    each: usize,
    /// For each connection the replies of the whole load when it was made anew, and how often that was without one between.
    renewed: Vec<(u64, u32)>,
    ended: Option<String>,
}

impl<'a> Driver<'a> {
    /// Opens all connections.
    ///
    /// # Errors
    /// One cannot be had within `limit`.
    pub fn connect(target: &'a Target<'a>, plan: &LoadPlan, limit: Duration) -> Result<Self, String> {
        // A moment that is waited for is to be met, not the slack of 50 µs that threads have; without it calls are late.
        let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
        let connections = match target.kind {
            // One call at a time on each.
            Kind::Http1(_) => plan.concurrency.unwrap_or(plan.connections).max(plan.connections),
            Kind::Http2(_) => plan.connections.min(plan.in_flight()),
        };
        let told = |error: std::io::Error| format!("cannot wait for sockets: {error}");
        let poll = Poll::new().map_err(told)?;
        let mut sockets = Vec::new();
        for number in 0..connections.max(1) as usize {
            let socket = Socket::connect(target, limit)?;
            poll.add(socket.pipe.socket(), number).map_err(told)?;
            sockets.push(socket);
        }
        let each = (plan.in_flight() as usize).div_ceil(sockets.len());
        let (blocked, renewed) = (vec![false; sockets.len()], vec![(0, 0); sockets.len()]);
        Ok(Self { target, sockets, poll, blocked, turn: 0, place: 0, in_flight: 0, each, renewed, ended: None })
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.sockets.len()
    }

    /// Makes all calls; why it ended before its time, if it did.
    pub fn run(mut self, pace: &mut Pace, recorder: &mut Recorder) -> Option<String> {
        let mut ready = Vec::with_capacity(self.sockets.len());
        let mut look = Instant::now() + LOOK;
        let mut measuring = false;
        loop {
            let now = Instant::now();
            if !measuring && now >= pace.begin() {
                measuring = true;
                recorder.meter.start(now);
            }
            let next = self.send_all(pace, recorder, now);
            self.flush(recorder, now);
            if let Some(why) = self.ended {
                self.sockets.iter_mut().for_each(|socket| socket.lost(&why, now, recorder));
                return Some(why);
            }
            if next == Next::Over && self.in_flight == 0 && recorder.again.is_empty() {
                return None;
            }
            if now >= look {
                self.sockets.iter_mut().for_each(|socket| socket.expire(now, recorder));
                look = now + LOOK;
            }
            let mut most = look.saturating_duration_since(now);
            if let Next::At(due) = next {
                most = most.min(due.saturating_duration_since(now));
            }
            if let Err(error) = self.poll.wait(most, &mut ready) {
                return Some(format!("cannot wait for sockets: {error}"));
            }
            let now = Instant::now();
            for number in &ready {
                self.read(*number, recorder, now);
            }
            if next != Next::Over || !recorder.again.is_empty() {
                self.reopen(recorder);
            }
            self.in_flight = self.sockets.iter().map(Socket::in_flight).sum();
        }
    }

    /// Sends all calls that are due and have room.
    fn send_all(&mut self, pace: &mut Pace, recorder: &mut Recorder, now: Instant) -> Next {
        loop {
            if let Some(flight) = recorder.again.pop() {
                let Some(number) = self.room() else {
                    recorder.again.push(flight);
                    return Next::Full;
                };
                self.send(number, flight);
                continue;
            }
            let next = pace.next(now, self.in_flight);
            let Next::Send(since, measured) = next else { return next };
            let Some(number) = self.room() else { return Next::Full };
            let place = self.place;
            self.place = if place + 1 == self.target.sequence.len() { 0 } else { place + 1 };
            let own = self.target.sequence.get(place).and_then(|call| *self.target.deadlines.get(*call as usize)?);
            self.send(
                number,
                Flight {
                    place: u32::try_from(place).unwrap_or_default(),
                    since,
                    expires: now + own.map_or(self.target.limit, |own| own.min(self.target.limit)),
                    own_deadline: own.is_some_and(|own| own <= self.target.limit),
                    measured,
                },
            );
            pace.sent(measured);
        }
    }

    fn send(&mut self, number: usize, flight: Flight) {
        if let (Some(socket), Some(call)) =
            (self.sockets.get_mut(number), self.target.sequence.get(flight.place as usize))
        {
            socket.send(*call, flight);
            self.in_flight += 1;
        }
    }

    /// The next connection with room, each in its turn.
    fn room(&mut self) -> Option<usize> {
        let count = self.sockets.len();
        for step in 0..count {
            let number = (self.turn + step) % count;
            let socket = self.sockets.get(number)?;
            if socket.in_flight() < self.each && socket.has_room() {
                self.turn = (number + 1) % count;
                return Some(number);
            }
        }
        None
    }

    fn flush(&mut self, recorder: &mut Recorder, now: Instant) {
        for number in 0..self.sockets.len() {
            let (Some(socket), Some(blocked)) = (self.sockets.get_mut(number), self.blocked.get_mut(number)) else {
                continue;
            };
            match socket.flush() {
                Ok(all) if all == *blocked => {
                    *blocked = !all;
                    if let Err(error) = self.poll.for_room(socket.pipe.socket(), number, !all) {
                        self.ended = Some(format!("cannot wait for sockets: {error}"));
                    }
                }
                Ok(_) => {}
                Err(why) if socket.leaving().is_none() => socket.lost(&why, now, recorder),
                Err(_) => {}
            }
        }
    }

    fn read(&mut self, number: usize, recorder: &mut Recorder, now: Instant) {
        let Some(socket) = self.sockets.get_mut(number) else { return };
        loop {
            match socket.read(now, recorder) {
                // What TLS has deciphered and not given out is nothing that a socket would tell of.
                Ok(Got::Bytes) if socket.pipe.may_hold_more() => {}
                Ok(Got::Bytes | Got::Nothing) => return,
                Ok(Got::Closed) => return socket.closed(now, recorder),
                Err(why) => return socket.lost(&why, now, recorder),
            }
        }
    }

    /// Makes connections anew that no further call can be made on. One that is lost again and again without any reply ends the load.
    fn reopen(&mut self, recorder: &Recorder) {
        for (number, (socket, renewed)) in self.sockets.iter_mut().zip(&mut self.renewed).enumerate() {
            let Some(why) = socket.leaving().filter(|_| socket.in_flight() == 0) else { continue };
            let times = if renewed.0 == recorder.answered { renewed.1 + 1 } else { 0 };
            *renewed = (recorder.answered, times);
            if times > RENEWED {
                self.ended = Some(format!("the connection keeps breaking: {why}"));
                return;
            }
            let opened = Socket::connect(self.target, RECONNECT);
            let waited = opened.and_then(|new| {
                self.poll.add(new.pipe.socket(), number).map_err(|error| format!("cannot wait for it: {error}"))?;
                Ok(new)
            });
            match waited {
                Ok(new) => (*socket, self.blocked[number]) = (new, false),
                Err(again) => {
                    self.ended = Some(format!("the connection was lost ({why}), and reconnecting failed: {again}"));
                    return;
                }
            }
        }
    }
}
