//! Access control lists in extended attributes, and what they do to a file's mode (`acl(5)`, `fs/posix_acl.c` of Linux 6.12).

use super::fault::Errno;

/// A file's access list.
pub(super) const ACCESS: &[u8] = b"system.posix_acl_access";
/// The default list for new files in a directory.
pub(super) const DEFAULT: &[u8] = b"system.posix_acl_default";

const VERSION: u32 = 2;
const USER_OBJ: u16 = 1;
const USER: u16 = 2;
const GROUP_OBJ: u16 = 4;
const GROUP: u16 = 8;
const MASK: u16 = 16;
const OTHER: u16 = 32;

/// One line of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Line {
    tag: u16,
    bits: u16,
    id: u32,
}

/// A list, which may not be valid yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Acl(Vec<Line>);

impl Acl {
    /// Reads an attribute's value; an empty list counts as no list.
    ///
    /// # Errors
    /// When it is not a list.
    pub(super) fn read(value: &[u8]) -> Result<Option<Self>, Errno> {
        let Some((version, lines)) = value.split_first_chunk::<4>() else {
            return if value.is_empty() { Ok(None) } else { Err(Errno::Invalid) };
        };
        if u32::from_le_bytes(*version) != VERSION {
            return Err(Errno::NotSupported);
        }
        let (lines, []) = lines.as_chunks::<8>() else { return Err(Errno::Invalid) };
        let line = |l: &[u8; 8]| Line {
            tag: u16::from_le_bytes([l[0], l[1]]),
            bits: u16::from_le_bytes([l[2], l[3]]),
            id: u32::from_le_bytes([l[4], l[5], l[6], l[7]]),
        };
        let acl = Self(lines.iter().map(line).collect());
        let is_known = |line: &Line| {
            let names = matches!(line.tag, USER | GROUP);
            matches!(line.tag, USER_OBJ | USER | GROUP_OBJ | GROUP | MASK | OTHER) && !(names && line.id == u32::MAX)
        };
        match acl.0.iter().all(is_known) {
            true if acl.0.is_empty() => Ok(None),
            true => Ok(Some(acl)),
            false => Err(Errno::Invalid),
        }
    }

    /// In order: the owner, users, the group, groups, the mask (required by users and groups), the others.
    pub(super) fn is_valid(&self) -> bool {
        let mut stage = 0;
        let mut named = false;
        for line in &self.0 {
            stage = match (line.tag, stage) {
                (USER_OBJ, 0) => 1,
                (USER, 1) => 1,
                (GROUP_OBJ, 1) => 2,
                (GROUP, 2) => 2,
                (MASK, 2) => 3,
                (OTHER, 2) if !named => 4,
                (OTHER, 3) => 4,
                _ => return false,
            };
            named |= matches!(line.tag, USER | GROUP);
            if line.bits > 7 {
                return false;
            }
        }
        stage == 4
    }

    /// Whether it expresses more than nine mode bits can.
    pub(super) fn is_extended(&self) -> bool {
        self.0.iter().any(|line| matches!(line.tag, USER | GROUP | MASK))
    }

    /// The nine mode bits that it gives a file.
    pub(super) fn mode(&self) -> u32 {
        let bits = |tag| self.0.iter().find(|line| line.tag == tag).map(|line| u32::from(line.bits));
        let group = bits(MASK).or_else(|| bits(GROUP_OBJ));
        bits(USER_OBJ).unwrap_or(0) << 6 | group.unwrap_or(0) << 3 | bits(OTHER).unwrap_or(0)
    }

    /// Follows a change of the mode.
    pub(super) fn change_mode(&mut self, mode: u32) {
        self.combine(mode, |_, mode| mode);
    }

    /// As a new file's list, made with a mode.
    pub(super) fn mask(&mut self, mode: u32) {
        self.combine(mode, |bits, mode| bits & mode);
    }

    fn combine(&mut self, mode: u32, with: impl Fn(u16, u16) -> u16) {
        let group = if self.0.iter().any(|line| line.tag == MASK) { MASK } else { GROUP_OBJ };
        for line in &mut self.0 {
            let shift = match line.tag {
                USER_OBJ => 6,
                OTHER => 0,
                tag if tag == group => 3,
                _ => continue,
            };
            line.bits = with(line.bits, u16::try_from(mode >> shift & 7).unwrap_or(0));
        }
    }

    /// The attribute's value.
    pub(super) fn write(&self) -> Vec<u8> {
        let mut value = VERSION.to_le_bytes().to_vec();
        for line in &self.0 {
            // Only users and groups have numbers.
            let id = if matches!(line.tag, USER | GROUP) { line.id } else { u32::MAX };
            value.extend(line.tag.to_le_bytes());
            value.extend(line.bits.to_le_bytes());
            value.extend(id.to_le_bytes());
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(lines: &[(u16, u16, u32)]) -> Vec<u8> {
        Acl(lines.iter().map(|(tag, bits, id)| Line { tag: *tag, bits: *bits, id: *id }).collect()).write()
    }

    #[test]
    fn a_list_and_the_mode_follow_one_another() {
        let value = list(&[(1, 7, 0), (2, 4, 1000), (4, 5, 0), (16, 5, 0), (32, 0, 0)]);
        let mut acl = Acl::read(&value).unwrap().unwrap();
        assert!(acl.is_extended());
        assert_eq!(acl.mode(), 0o750);
        acl.change_mode(0o644);
        assert_eq!(acl.mode(), 0o644);
        assert_eq!(acl.write(), list(&[(1, 6, 0), (2, 4, 1000), (4, 5, 0), (16, 4, 0), (32, 4, 0)]));
        let plain = Acl::read(&list(&[(1, 6, 0), (4, 4, 0), (32, 4, 0)])).unwrap().unwrap();
        assert!(!plain.is_extended());
    }

    #[test]
    fn what_is_no_list_is_refused() {
        assert_eq!(Acl::read(&[2, 0, 0, 0]), Ok(None));
        assert_eq!(Acl::read(&[3, 0, 0, 0]), Err(Errno::NotSupported));
        assert_eq!(Acl::read(&[2, 0]), Err(Errno::Invalid));
        // A user without a mask, a wrong order, and no owner.
        let is_valid = |lines: &[(u16, u16, u32)]| Acl::read(&list(lines)).unwrap().unwrap().is_valid();
        assert!(!is_valid(&[(1, 6, 0), (2, 4, 1), (4, 4, 0), (32, 4, 0)]));
        assert!(!is_valid(&[(4, 4, 0), (1, 6, 0), (32, 4, 0)]));
        assert!(!is_valid(&[(4, 4, 0), (32, 4, 0)]));
        assert!(is_valid(&[(1, 6, 0), (4, 4, 0), (32, 4, 0)]));
        assert_eq!(Acl::read(&list(&[(3, 6, 0)])), Err(Errno::Invalid));
    }
}
