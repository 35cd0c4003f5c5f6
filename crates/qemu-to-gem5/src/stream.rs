//! A QEMU migration stream: sections of devices, read by the description (JSON) at the stream's end.
//!
//! Source: QEMU's `migration/savevm.c`, `migration/vmstate.c`, `migration/ram.c`. Numbers are big endian.

mod describe;
mod format;
mod item;
mod reader;

pub(crate) use item::{Item, Value};

use std::collections::{BTreeMap, BTreeSet};

use describe::Description;
use format::{
    COMMAND, CONFIGURATION, END, END_OF_RAM, EOF, FOOTER, FULL, PAGE, PAGE_SIZE, PART, SAME_BLOCK, SIZES, START,
    SUBSECTION, ZERO,
};
use reader::Reader;

use crate::TransferError;

/// A machine's state without its memory is some 100 KB.
const LARGEST: usize = 16 << 20;
const MAGIC: &[u8] = b"QEVM";
const VERSION: u64 = 3;

/// Memory that may be in the stream: the firmware. The guest uses none of it once the kernel runs.
const FIRMWARE: &[&str] = &["pc.rom", "pc.bios"];
/// The only capability a stream may have been written with: shared memory is left out.
const SHARED: &str = "x-ignore-shared";

/// The stream of a stopped machine, cut into sections and fields.
#[derive(Debug)]
pub struct Stream {
    machine_type: String,
    sections: Vec<Section>,
}

#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) name: String,
    pub(crate) instance: u32,
    pub(crate) version: u32,
    pub(crate) items: Vec<Item>,
}

impl Stream {
    /// Reads a stream that QEMU wrote with the capability `x-ignore-shared` and no other, with a description at its end.
    ///
    /// # Errors
    /// [`TransferError::Stream`] when the bytes do not follow the format or the description, [`TransferError::Unknown`] for parts without a
    /// rule, [`TransferError::Refused`] when the guest's memory is inside.
    pub fn parse(bytes: &[u8]) -> Result<Self, TransferError> {
        if bytes.len() > LARGEST {
            let why = format!("the stream has {} bytes: the memory must be left out (x-ignore-shared)", bytes.len());
            return Err(TransferError::Refused { why });
        }
        let (end, description) = Description::find(bytes)?;
        Self::read(bytes.get(..end).unwrap_or_default(), &description)
    }

    /// What stands before the description.
    fn read(body: &[u8], description: &Description) -> Result<Self, TransferError> {
        let mut parser = Parser {
            r: Reader::new(body),
            description,
            machine_type: None,
            names: BTreeMap::new(),
            shared: false,
            sections: Vec::new(),
        };
        parser.run()?;
        let Some(machine_type) = parser.machine_type else {
            return Err(TransferError::Unknown { what: "a stream without a configuration section".into() });
        };
        if !parser.shared {
            return Err(TransferError::Refused { why: format!("the stream was written without {SHARED}") });
        }
        Ok(Self { machine_type, sections: parser.sections })
    }

    /// QEMU's name of the machine type, such as `pc-i440fx-7.2`.
    pub fn machine_type(&self) -> &str {
        &self.machine_type
    }

    pub(crate) fn sections(&self) -> &[Section] {
        &self.sections
    }
}

impl Section {
    /// Without the PCI address that stands before names of PCI devices (`0000:00:01.1/ide`).
    pub(crate) fn device(&self) -> &str {
        match self.name.split_once('/') {
            Some((address, device)) if address.contains(':') => device,
            _ => &self.name,
        }
    }

    /// As errors name it: `cpu 0`.
    pub(crate) fn title(&self) -> String {
        format!("{} {}", self.name, self.instance)
    }
}

struct Parser<'a> {
    r: Reader<'a>,
    description: &'a Description,
    machine_type: Option<String>,
    /// Live sections, by number.
    names: BTreeMap<u64, String>,
    shared: bool,
    sections: Vec<Section>,
}

impl Parser<'_> {
    fn run(&mut self) -> Result<(), TransferError> {
        if self.r.take(MAGIC.len())? != MAGIC {
            return Err(self.r.wrong("no migration stream: it does not begin with QEVM"));
        }
        if self.r.number(4)? != VERSION {
            return Err(self.r.wrong("not version 3 of the format"));
        }
        loop {
            match self.r.number(1)? {
                EOF if self.r.left() == 0 => return Ok(()),
                EOF => return Err(self.r.wrong("bytes between the sections and the description")),
                CONFIGURATION => self.configuration()?,
                COMMAND => self.command()?,
                START => self.section(true)?,
                FULL => self.section(false)?,
                PART | END => self.continued()?,
                kind => return Err(self.r.wrong(format!("a section of kind {kind:#x}"))),
            }
        }
    }

    fn configuration(&mut self) -> Result<(), TransferError> {
        if self.machine_type.is_some() {
            return Err(self.r.wrong("a second configuration section"));
        }
        let length = self.r.length(4)?;
        self.machine_type = Some(self.r.text(length)?);
        while self.r.next_is(SUBSECTION) {
            self.r.number(1)?;
            let name = self.r.name()?;
            let version = self.r.number(4)?;
            if name != "configuration/capabilities" || version != 1 {
                return Err(TransferError::Unknown { what: format!("subsection {name}, version {version}") });
            }
            // The description leaves this part out: a count and that many names.
            for _ in 0..self.r.number(4)? {
                let capability = self.r.name()?;
                if capability != SHARED {
                    return Err(TransferError::Unknown { what: format!("migration capability {capability}") });
                }
                self.shared = true;
            }
        }
        Ok(())
    }

    /// QEMU 10 announces the switch-over by a command without content; others belong to ways of migration that nobody uses here.
    fn command(&mut self) -> Result<(), TransferError> {
        const SWITCHOVER_START: u64 = 11;
        let (command, length) = (self.r.number(2)?, self.r.number(2)?);
        if command != SWITCHOVER_START || length != 0 {
            return Err(TransferError::Unknown { what: format!("command {command} in the stream, {length} bytes") });
        }
        Ok(())
    }

    fn section(&mut self, live: bool) -> Result<(), TransferError> {
        let number = self.r.number(4)?;
        let name = self.r.name()?;
        let instance = self.r.number32()?;
        let version = self.r.number32()?;
        if live {
            if name != "ram" || instance != 0 || version != 4 {
                return Err(TransferError::Unknown {
                    what: format!("live section {name} {instance}, version {version}"),
                });
            }
            self.names.insert(number, name);
            self.memory()?;
        } else {
            if self.sections.iter().any(|s| s.name == name && s.instance == instance) {
                return Err(self.r.wrong(format!("a second section {name} {instance}")));
            }
            let Some(device) = self.description.device(&name, instance) else {
                return Err(TransferError::Unknown { what: format!("section {name} {instance} is not described") });
            };
            if device.version != Some(version) {
                return Err(self
                    .r
                    .wrong(format!("section {name} {instance} is version {version}, its description is not")));
            }
            let items = device.read(&mut self.r, &name)?;
            self.sections.push(Section { name, instance, version, items });
        }
        self.footer(number)
    }

    fn continued(&mut self) -> Result<(), TransferError> {
        let number = self.r.number(4)?;
        if !self.names.contains_key(&number) {
            return Err(self.r.wrong(format!("section {number} goes on, but never began")));
        }
        self.memory()?;
        self.footer(number)
    }

    fn footer(&mut self, number: u64) -> Result<(), TransferError> {
        if self.r.number(1)? != FOOTER || self.r.number(4)? != number {
            return Err(self.r.wrong(format!("section {number} does not end where its description says")));
        }
        Ok(())
    }

    /// Pages of memory that is not shared: the firmware's, passed over.
    fn memory(&mut self) -> Result<(), TransferError> {
        let mut block = None;
        let mut blocks = BTreeSet::new();
        loop {
            let word = self.r.number(8)?;
            let (mut address, flags) = (word & !(PAGE_SIZE - 1), word & (PAGE_SIZE - 1));
            match flags {
                SIZES => {
                    while address > 0 {
                        let name = self.r.name()?;
                        let size = self.r.number(8)?;
                        self.r.number(8)?; // where the block is in the guest, for shared memory
                        let Some(left) = address.checked_sub(size) else {
                            return Err(self.r.wrong(format!("memory block {name} is larger than all together")));
                        };
                        if !blocks.insert(name) {
                            return Err(self.r.wrong("a memory block is named twice"));
                        }
                        address = left;
                    }
                }
                END_OF_RAM => return Ok(()),
                _ if flags & !SAME_BLOCK == ZERO || flags & !SAME_BLOCK == PAGE => {
                    if flags & SAME_BLOCK == 0 {
                        block = Some(self.r.name()?);
                    }
                    let name = block.as_deref().unwrap_or_default();
                    if !FIRMWARE.contains(&name) {
                        let why =
                            format!("memory block `{name}` is in the stream: the guest's memory must be a shared file");
                        return Err(TransferError::Refused { why });
                    }
                    if flags & ZERO != 0 {
                        self.r.take(1)?;
                    } else {
                        self.r.take(usize::try_from(PAGE_SIZE).unwrap_or(usize::MAX))?;
                    }
                }
                _ => return Err(self.r.wrong(format!("flags {flags:#x} in the memory's section"))),
            }
        }
    }
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
