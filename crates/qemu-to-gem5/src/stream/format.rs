//! Numbers of the format.

// Kinds of sections (savevm.h).
pub(super) const EOF: u64 = 0x00;
pub(super) const START: u64 = 0x01;
pub(super) const PART: u64 = 0x02;
pub(super) const END: u64 = 0x03;
pub(super) const FULL: u64 = 0x04;
pub(super) const SUBSECTION: u64 = 0x05;
pub(super) const DESCRIPTION: u8 = 0x06;
pub(super) const CONFIGURATION: u64 = 0x07;
pub(super) const COMMAND: u64 = 0x08;
pub(super) const FOOTER: u64 = 0x7E;

// Flags of a page of memory (ram.c).
pub(super) const ZERO: u64 = 0x02;
pub(super) const SIZES: u64 = 0x04;
pub(super) const PAGE: u64 = 0x08;
pub(super) const END_OF_RAM: u64 = 0x10;
pub(super) const SAME_BLOCK: u64 = 0x20;
pub(super) const PAGE_SIZE: u64 = 4096;
