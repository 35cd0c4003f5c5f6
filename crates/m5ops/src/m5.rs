//! The way to the simulator, proven before it is used.

use std::{
    io::{self, BufRead, Read, Write},
    ops::Range,
};

use crate::{
    Error, detect,
    file::{Buffer, PIECE, host_name},
    op::Op,
    raw,
    window::Window,
};

/// Which form of the operations to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Form {
    /// The window through `/dev/mem`: root, any processor model.
    #[default]
    Address,
    /// The instruction: no privilege, gem5's own processor models only.
    Instruction,
}

/// The simulator, reached and proven.
#[derive(Debug)]
pub struct M5 {
    window: Option<Window>,
}

impl M5 {
    /// Reaches the simulator by the address form.
    ///
    /// # Errors
    ///
    /// [`Error::NotGem5`] on any other machine, before anything else is tried; [`Error::Window`] where `/dev/mem` refuses;
    /// [`Error::NoAnswer`] where nobody sums.
    pub fn open() -> Result<Self, Error> {
        Self::open_form(Form::Address)
    }

    /// Reaches the simulator by the form named.
    ///
    /// # Errors
    ///
    /// As [`M5::open`].
    pub fn open_form(form: Form) -> Result<Self, Error> {
        let evidence = detect::evidence();
        if !evidence.gem5 {
            return Err(Error::NotGem5 { found: evidence.words });
        }
        let window = match form {
            Form::Address => Some(Window::map()?),
            Form::Instruction => None,
        };
        let m5 = Self { window };
        match m5.sum([1, 2, 3, 4, 5, 6]) {
            21 => Ok(m5),
            got => Err(Error::NoAnswer { got }),
        }
    }

    /// Sum of six numbers, wrapping, as the simulator adds.
    #[must_use]
    pub fn sum(&self, numbers: [u64; 6]) -> u64 {
        self.call(Op::Sum, numbers)
    }

    /// Nanoseconds simulated since the start.
    #[must_use]
    pub fn simulated_ns(&self) -> u64 {
        self.call(Op::SimulatedNs, [0; 6])
    }

    /// Leaves the simulation loop in `delay_ns`, code 0. The guest goes on if the simulator is told to.
    pub fn exit(&self, delay_ns: u64) {
        self.call(Op::Exit, [delay_ns, 0, 0, 0, 0, 0]);
    }

    /// Leaves the simulation loop in `delay_ns` with `code`.
    pub fn fail(&self, delay_ns: u64, code: i32) {
        let code = i64::from(code).cast_unsigned();
        self.call(Op::Fail, [delay_ns, code, 0, 0, 0, 0]);
    }

    /// A work item begins.
    pub fn work_begin(&self, id: u64, thread: u64) {
        self.call(Op::WorkBegin, [id, thread, 0, 0, 0, 0]);
    }

    /// A work item ends.
    pub fn work_end(&self, id: u64, thread: u64) {
        self.call(Op::WorkEnd, [id, thread, 0, 0, 0, 0]);
    }

    /// Asks for a checkpoint in `delay_ns`, and again every `period_ns` unless that is 0.
    pub fn checkpoint(&self, delay_ns: u64, period_ns: u64) {
        self.call(Op::Checkpoint, [delay_ns, period_ns, 0, 0, 0, 0]);
    }

    /// Sets the statistics back to zero in `delay_ns`, and again every `period_ns` unless that is 0.
    pub fn reset_stats(&self, delay_ns: u64, period_ns: u64) {
        self.call(Op::ResetStats, [delay_ns, period_ns, 0, 0, 0, 0]);
    }

    /// Writes the statistics out in `delay_ns`, and again every `period_ns` unless that is 0.
    pub fn dump_stats(&self, delay_ns: u64, period_ns: u64) {
        self.call(Op::DumpStats, [delay_ns, period_ns, 0, 0, 0, 0]);
    }

    /// Writes the statistics out and sets them back to zero, times as in [`M5::dump_stats`].
    pub fn dump_reset_stats(&self, delay_ns: u64, period_ns: u64) {
        self.call(Op::DumpResetStats, [delay_ns, period_ns, 0, 0, 0, 0]);
    }

    /// Asks for the other processor model.
    pub fn switch_cpu(&self) {
        self.call(Op::SwitchCpu, [0; 6]);
    }

    /// The simulator's `readfile` (the run script), whole. Empty where none is configured.
    ///
    /// # Errors
    ///
    /// [`Error::Lock`] where the buffer cannot be locked, [`Error::Short`] on a nonsensical count.
    pub fn read_file(&self) -> Result<Vec<u8>, Error> {
        let mut whole = Vec::new();
        self.read_file_to(&mut whole)?;
        Ok(whole)
    }

    /// Streams the simulator's `readfile` into `sink` and returns its length, bytes.
    ///
    /// # Errors
    ///
    /// As [`M5::read_file`], and [`Error::Io`] where the sink fails.
    pub fn read_file_to(&self, sink: &mut dyn Write) -> Result<u64, Error> {
        let mut reader = self.file_reader(0)?;
        let mut length = 0_u64;
        loop {
            let piece = reader.piece()?;
            let got = piece.len();
            if got == 0 {
                return Ok(length);
            }
            sink.write_all(piece).map_err(Error::Io)?;
            reader.consume(got);
            length += got as u64;
        }
    }

    /// The simulator's `readfile` from the byte `offset` on, as a stream.
    ///
    /// # Errors
    ///
    /// [`Error::Lock`] where the buffer cannot be locked.
    pub fn file_reader(&self, offset: u64) -> Result<FileReader<'_>, Error> {
        Ok(FileReader { m5: self, buffer: Buffer::new()?, offset, have: 0..0 })
    }

    /// Streams `source` into the file `name` of the simulator's output folder and returns its length, bytes.
    /// An empty source makes an empty file.
    ///
    /// # Errors
    ///
    /// [`Error::Name`] for anything but one plain path component (the simulator would obey `/etc/passwd`),
    /// [`Error::Io`] where the source fails, [`Error::Short`] where the simulator takes less than it was given.
    pub fn write_file(&self, name: &str, source: &mut dyn Read) -> Result<u64, Error> {
        self.write_file_at(name, 0, source)
    }

    /// As [`M5::write_file`], from the byte `start` on: a file that is longer keeps what is before it. The file must be there unless
    /// `start` is 0, which makes it anew.
    ///
    /// # Errors
    ///
    /// As [`M5::write_file`].
    pub fn write_file_at(&self, name: &str, start: u64, source: &mut dyn Read) -> Result<u64, Error> {
        let mut buffer = Buffer::new()?;
        let name = buffer.hold_name(&host_name(name)?);
        let mut offset = start;
        loop {
            let length = buffer.fill(source).map_err(Error::Io)?;
            if length == 0 && offset > 0 {
                return Ok(offset - start);
            }
            let args = [buffer.address(), length as u64, offset, name, 0, 0];
            let got = self.call(Op::WriteFile, args);
            if got != length as u64 {
                return Err(Error::Short { expected: length, got });
            }
            if length == 0 {
                return Ok(0);
            }
            offset += got;
        }
    }

    fn call(&self, op: Op, args: [u64; 6]) -> u64 {
        match &self.window {
            // SAFETY: the window is mapped, and the only pointers passed are those of a live `Buffer`.
            Some(window) => unsafe { raw::by_address(window.address(op), args) },
            // SAFETY: `open_form` saw gem5's processor, and the only pointers passed are those of a live `Buffer`.
            None => unsafe { raw::by_instruction(op, args) },
        }
    }
}

/// The simulator's `readfile` as a stream ([`M5::file_reader`]).
#[derive(Debug)]
pub struct FileReader<'a> {
    m5: &'a M5,
    buffer: Buffer,
    /// Of the byte that the simulator is asked for next.
    offset: u64,
    /// What is in the buffer and was not given yet.
    have: Range<usize>,
}

impl FileReader<'_> {
    /// What is in the buffer, or what the simulator gives next; nothing at the end.
    fn piece(&mut self) -> Result<&[u8], Error> {
        if self.have.is_empty() {
            // Written just before the call: the simulator copies without faulting pages in.
            self.buffer.touch();
            let args = [self.buffer.address(), PIECE as u64, self.offset, 0, 0, 0];
            let got = self.m5.call(Op::ReadFile, args);
            let length = usize::try_from(got).ok().filter(|length| *length <= PIECE);
            self.have = 0..length.ok_or(Error::Short { expected: PIECE, got })?;
            self.offset += got;
        }
        Ok(self.buffer.get(self.have.clone()))
    }
}

impl BufRead for FileReader<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.piece().map_err(io::Error::other)
    }

    fn consume(&mut self, amount: usize) {
        self.have.start = self.have.end.min(self.have.start + amount);
    }
}

impl Read for FileReader<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = self.fill_buf()?.read(into)?;
        self.consume(length);
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_machine_is_refused_before_anything_is_tried() {
        for form in [Form::Address, Form::Instruction] {
            assert!(matches!(M5::open_form(form), Err(Error::NotGem5 { .. })));
        }
    }
}
