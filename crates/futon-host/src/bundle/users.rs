//! Who a container's process is: `User` of an image or service, looked up in the image's own files.

/// A user with groups.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct User {
    /// Number of the user.
    pub uid: u32,
    /// Number of the first group.
    pub gid: u32,
    /// Numbers of the other groups.
    pub additional: Vec<u32>,
}

/// Looks `wanted` (`""`, `NAME`, `UID`, either with `:GROUP` or `:GID`) up in the text of `/etc/passwd` and `/etc/group`.
///
/// # Errors
/// The name that is not there.
pub fn find_user(wanted: &str, passwd: &str, group: &str) -> Result<User, String> {
    let (user, wanted_group) = match wanted.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (wanted, None),
    };
    let user = if user.is_empty() { "0" } else { user };
    let number: Option<u32> = user.parse().ok();
    let entry = passwd.lines().map(fields).find(|entry| {
        entry.first() == Some(&user) || number.is_some_and(|n| entry.get(2).and_then(|f| f.parse().ok()) == Some(n))
    });
    let numbers = entry.as_ref().and_then(|e| Some((e.get(2)?.parse().ok()?, e.get(3)?.parse().ok()?)));
    let (uid, first_gid): (u32, u32) = match (numbers, number) {
        (Some(found), _) => found,
        // A number need not be known to the image.
        (None, Some(uid)) => (uid, 0),
        (None, None) => return Err(format!("the image has no user {user:?}")),
    };
    if let Some(wanted_group) = wanted_group {
        let found = group.lines().map(fields).find(|entry| entry.first() == Some(&wanted_group));
        let gid = found.and_then(|e| e.get(2)?.parse().ok()).or_else(|| wanted_group.parse().ok());
        let gid = gid.ok_or_else(|| format!("the image has no group {wanted_group:?}"))?;
        return Ok(User { uid, gid, additional: Vec::new() });
    }
    let name = entry.as_ref().and_then(|e| e.first().copied()).unwrap_or_default();
    let member = |entry: &Vec<&str>| !name.is_empty() && entry.get(3).is_some_and(|m| m.split(',').any(|m| m == name));
    let additional = group.lines().map(fields).filter(member).filter_map(|e| e.get(2)?.parse().ok()).collect();
    Ok(User { uid, gid: first_gid, additional })
}

fn fields(line: &str) -> Vec<&str> {
    line.trim_end().split(':').collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nweb:x:33:44::/:/sbin/nologin\n";
    const GROUP: &str = "root:x:0:\nwww:x:44:\ntty:x:5:web,other\n";

    fn user(wanted: &str) -> (u32, u32, Vec<u32>) {
        let found = find_user(wanted, PASSWD, GROUP).unwrap();
        (found.uid, found.gid, found.additional)
    }

    #[test]
    fn names_numbers_and_groups() {
        assert_eq!(user(""), (0, 0, vec![]));
        assert_eq!(user("web"), (33, 44, vec![5]));
        assert_eq!(user("33"), (33, 44, vec![5]));
        assert_eq!(user("web:tty"), (33, 5, vec![]));
        assert_eq!(user("1000"), (1000, 0, vec![]));
        assert_eq!(user("1000:1001"), (1000, 1001, vec![]));
        assert_eq!(find_user("1000", "", "").unwrap().uid, 1000);
    }

    #[test]
    fn a_name_that_is_not_there_is_an_error() {
        assert_eq!(find_user("app", PASSWD, GROUP).unwrap_err(), "the image has no user \"app\"");
        assert!(find_user("web:nobody", PASSWD, GROUP).is_err());
    }
}
