//! Who a container's process is: `User` of an image or service, looked up in the image's own files.
//!
//! Rules and messages are those of the Docker Engine 26.1 (its `getUser`, which reads the files with `github.com/moby/sys/user`):
//! a number is never taken for a name, malformed numbers in the files count as 0, a list of groups begins with the first group.

/// A user with groups.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct User {
    /// Number of the user.
    pub uid: u32,
    /// Number of the first group.
    pub gid: u32,
    /// Numbers of the supplementary groups; the first group is among them.
    pub additional: Vec<u32>,
}

/// Largest number of a user or group that an engine takes from a setting.
const MAX_ID: i64 = i32::MAX as i64;
/// What the engine says of a number beyond that.
const OUT_OF_RANGE: &str = "uids and gids must be in range 0-2147483647";

/// Lines of `/etc/passwd` from this length on are too long for the engine, whatever user it looks for.
const LONGEST_LINE: usize = 64 << 10;

/// A line of `/etc/passwd`.
struct Passwd<'a> {
    name: &'a [u8],
    uid: i64,
    gid: i64,
}

/// A line of `/etc/group`.
struct Group<'a> {
    name: &'a [u8],
    gid: i64,
    members: &'a [u8],
}

/// Looks `wanted` (`""`, `NAME`, `UID`, either with `:GROUP` or `:GID`) up in the text of `/etc/passwd` and `/etc/group`, and adds
/// the groups `more` (`group_add`).
///
/// # Errors
/// The engine's own words on a name that is not there or a number out of range.
pub fn find_user(wanted: &str, passwd: &[u8], group: &[u8], more: &[String]) -> Result<User, String> {
    let mut parts = wanted.split(':');
    let (user, wanted_group) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    if passwd.split(|byte| *byte == b'\n').any(|line| line.len() >= LONGEST_LINE) {
        let looked_for = if user.is_empty() { "0" } else { user };
        return Err(format!("unable to find user {looked_for}: bufio.Scanner: token too long"));
    }
    let number = number(user.as_bytes());
    let mut entries = lines(passwd, false).map(passwd_entry);
    let entry = entries.find(|entry| match number {
        _ if user.is_empty() => entry.uid == 0,
        Some(number) => entry.uid == number,
        None => entry.name == user.as_bytes(),
    });
    let (uid, mut gid) = match (&entry, number) {
        (Some(entry), _) => (entry.uid, entry.gid),
        (None, _) if user.is_empty() => (0, 0),
        // A number need not be known to the image.
        (None, Some(number)) => (in_range(number)?, 0),
        (None, None) => return Err(format!("unable to find user {user}: no matching entries in passwd file")),
    };
    let name = entry.map(|entry| entry.name).unwrap_or_default();
    let mut others = Vec::new();
    if !wanted_group.is_empty() {
        gid = group_number(wanted_group, group).unwrap_or_else(|| {
            Err(format!("unable to find group {wanted_group}: no matching entries in group file"))
        })?;
    } else if !name.is_empty() {
        let member = |entry: &Group<'_>| entry.members.split(|byte| *byte == b',').any(|member| member == name);
        others.extend(lines(group, true).map(group_entry).filter(member).map(|entry| entry.gid));
    }
    // Each once, also where the image has it already.
    let mut added = Vec::new();
    for wanted in more {
        let found = group_number(wanted, group)
            .unwrap_or_else(|| Err(format!("Unable to find group {wanted}: no matching entries in group file")))?;
        if !added.contains(&found) {
            added.push(found);
        }
    }
    others.extend(added);
    let mut additional = vec![id(gid)];
    additional.extend(others.into_iter().map(id));
    Ok(User { uid: id(uid), gid: id(gid), additional })
}

/// A group by name or number; nothing for a name that is not there.
fn group_number(wanted: &str, group: &[u8]) -> Option<Result<i64, String>> {
    let number = number(wanted.as_bytes());
    let mut entries = lines(group, true).map(group_entry);
    let found = entries.find(|entry| match number {
        Some(number) => entry.gid == number,
        None => entry.name == wanted.as_bytes(),
    });
    match (found, number) {
        (Some(entry), _) => Some(Ok(entry.gid)),
        (None, Some(number)) => Some(in_range(number)),
        (None, None) => None,
    }
}

fn in_range(number: i64) -> Result<i64, String> {
    if (0..=MAX_ID).contains(&number) { Ok(number) } else { Err(OUT_OF_RANGE.to_owned()) }
}

/// As Go converts its `int` to an `uint32`: the low bits.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn id(number: i64) -> u32 {
    number as u32
}

/// A decimal number with or without a sign, as Go's `strconv.Atoi` takes it.
fn number(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// A number in one of the files: one that cannot be read counts as the nearest that fits, or as 0.
fn lenient(text: &[u8]) -> i64 {
    let Ok(text) = std::str::from_utf8(text) else { return 0 };
    match text.parse::<i64>() {
        Ok(number) => number,
        Err(error) => match error.kind() {
            std::num::IntErrorKind::PosOverflow => i64::MAX,
            std::num::IntErrorKind::NegOverflow => i64::MIN,
            _ => 0,
        },
    }
}

/// Lines that say something, without blanks around them; `/etc/group` may have comments, `/etc/passwd` not.
fn lines(text: &[u8], comments: bool) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n')
        .map(<[u8]>::trim_ascii)
        .filter(move |line| !(line.is_empty() || comments && line.starts_with(b"#")))
}

fn field(line: &[u8], index: usize) -> &[u8] {
    line.split(|byte| *byte == b':').nth(index).unwrap_or_default()
}

fn passwd_entry(line: &[u8]) -> Passwd<'_> {
    Passwd { name: field(line, 0), uid: lenient(field(line, 2)), gid: lenient(field(line, 3)) }
}

fn group_entry(line: &[u8]) -> Group<'_> {
    Group { name: field(line, 0), gid: lenient(field(line, 2)), members: field(line, 3) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &[u8] = b"root:x:0:0:root:/root:/bin/sh\nweb:x:33:44::/:/sbin/nologin\n7:x:70:71::/:\n";
    const GROUP: &[u8] = b"root:x:0:\nwww:x:44:\n# tty:x:6:web\ntty:x:5:web,other\n";

    fn user(wanted: &str) -> (u32, u32, Vec<u32>) {
        let found = find_user(wanted, PASSWD, GROUP, &[]).unwrap();
        (found.uid, found.gid, found.additional)
    }

    #[test]
    fn names_numbers_and_groups() {
        assert_eq!(user(""), (0, 0, vec![0]));
        assert_eq!(user("web"), (33, 44, vec![44, 5]));
        assert_eq!(user("33"), (33, 44, vec![44, 5]));
        assert_eq!(user("web:tty"), (33, 5, vec![5]));
        assert_eq!(user("web:"), (33, 44, vec![44, 5]));
        assert_eq!(user(":tty"), (0, 5, vec![5]));
        assert_eq!(user("1000"), (1000, 0, vec![0]));
        assert_eq!(user("1000:1001"), (1000, 1001, vec![1001]));
        // A number is a number, even where it is somebody's name.
        assert_eq!(user("7"), (7, 0, vec![0]));
        assert_eq!(user("+33"), (33, 44, vec![44, 5]));
        assert_eq!(find_user("1000", b"", b"", &[]).unwrap().uid, 1000);
    }

    #[test]
    fn a_line_that_is_too_long_for_the_engine_hides_every_user() {
        let passwd = |length: usize| [&vec![b'y'; length][..], b"\n", PASSWD].concat();
        assert_eq!(find_user("web", &passwd((64 << 10) - 1), GROUP, &[]).unwrap().uid, 33);
        for (wanted, said) in [("web", "web"), ("33:tty", "33"), ("", "0")] {
            let why = find_user(wanted, &passwd(64 << 10), GROUP, &[]).unwrap_err();
            assert_eq!(why, format!("unable to find user {said}: bufio.Scanner: token too long"));
        }
    }

    #[test]
    fn refusals_are_the_engines() {
        let why = |wanted: &str| find_user(wanted, PASSWD, GROUP, &[]).unwrap_err();
        assert_eq!(why("app"), "unable to find user app: no matching entries in passwd file");
        assert_eq!(why("web:nobody"), "unable to find group nobody: no matching entries in group file");
        for number in ["-1", "2147483648", "4294967296", "0:-1", "0:2147483648"] {
            assert_eq!(why(number), OUT_OF_RANGE, "{number}");
        }
        // Too long for a number, and so a name.
        assert!(why("99999999999999999999").starts_with("unable to find user"));
    }

    #[test]
    fn malformed_files_are_read_as_the_engine_reads_them() {
        let passwd = b"#c\n\napp:x:what:5\n\tlate:x:43:44\r\nshort:x\nlast:x:50:51";
        let of = |wanted: &str| find_user(wanted, passwd, b"bad\n:x:9:late\n", &[]).map(|u| (u.uid, u.gid));
        assert_eq!(of("app"), Ok((0, 5)));
        assert_eq!(of("late"), Ok((43, 44)));
        assert_eq!(of("short"), Ok((0, 0)));
        assert_eq!(of("last"), Ok((50, 51)));
    }

    #[test]
    fn groups_are_added() {
        let more = ["tty".to_owned(), "99".to_owned(), "5".to_owned()];
        assert_eq!(find_user("", PASSWD, GROUP, &more).unwrap().additional, [0, 5, 99]);
        assert_eq!(find_user("web", PASSWD, GROUP, &more).unwrap().additional, [44, 5, 5, 99]);
        assert_eq!(
            find_user("", PASSWD, GROUP, &["none".to_owned()]).unwrap_err(),
            "Unable to find group none: no matching entries in group file"
        );
    }
}
