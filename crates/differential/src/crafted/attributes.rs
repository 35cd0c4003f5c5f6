//! Owners, modes, times and extended attributes.

use crate::image::Case;
use crate::member::Member;

/// An access control list: tag, permissions and number of each line.
pub(super) fn list(lines: &[(u16, u16, u32)]) -> Vec<u8> {
    let mut value = vec![2, 0, 0, 0];
    for (tag, bits, id) in lines {
        value.extend(tag.to_le_bytes());
        value.extend(bits.to_le_bytes());
        value.extend(if matches!(tag, 2 | 8) { id.to_le_bytes() } else { [0xff; 4] });
    }
    value
}

fn capability(revision: u8, more: &[u8]) -> Vec<u8> {
    [&[1, 0, 0, revision][..], &[0, 4, 0, 0], &[0; 12], more].concat()
}

pub(super) fn cases() -> Vec<Case> {
    let values: Vec<(&str, &str, Vec<u8>)> = vec![
        ("user", "user.note", b"x".to_vec()),
        ("user-empty", "user.empty", vec![]),
        ("user-odd", "user.odd", b"a\nb\0=\xff 12 x=y\n".to_vec()),
        ("user-dots", "user.a.b.c", b"x".to_vec()),
        ("user-bare", "user.", b"x".to_vec()),
        ("trusted", "trusted.note", b"x".to_vec()),
        ("trusted-bare", "trusted.", b"x".to_vec()),
        ("security", "security.note", b"x".to_vec()),
        ("selinux", "security.selinux", b"system_u:object_r:bin_t:s0\0".to_vec()),
        ("ima", "security.ima", b"\x03\x02\x04abc".to_vec()),
        ("capability", "security.capability", capability(2, b"")),
        ("capability-3", "security.capability", capability(3, &[0; 4])),
        ("capability-3-other", "security.capability", capability(3, &[1, 0, 0, 0])),
        ("capability-short", "security.capability", vec![1, 0, 0, 2]),
        ("capability-1", "security.capability", vec![1, 0, 0, 1, 0, 4, 0, 0, 0, 0, 0, 0]),
        ("capability-empty", "security.capability", vec![]),
        ("nonsense", "nonsense.note", b"x".to_vec()),
        ("no-dot", "note", b"x".to_vec()),
        ("no-name", "", b"x".to_vec()),
        ("system", "system.note", b"x".to_vec()),
        ("long-name", &LONG, b"x".to_vec()),
        ("too-long-name", &TOO_LONG, b"x".to_vec()),
        ("large", "user.large", vec![b'x'; 3000]),
        ("too-large", "user.large", vec![b'x'; 5000]),
        ("far-too-large", "user.large", vec![b'x'; 70_000]),
        ("list", "system.posix_acl_access", list(&[(1, 6, 0), (2, 4, 1000), (4, 4, 0), (16, 4, 0), (32, 4, 0)])),
        (
            "list-other-mode",
            "system.posix_acl_access",
            list(&[(1, 7, 0), (2, 7, 1000), (4, 7, 0), (8, 5, 9), (16, 7, 0), (32, 7, 0)]),
        ),
        ("list-plain", "system.posix_acl_access", list(&[(1, 7, 0), (4, 7, 0), (32, 7, 0)])),
        ("list-empty", "system.posix_acl_access", vec![2, 0, 0, 0]),
        ("list-none", "system.posix_acl_access", vec![]),
        ("list-wrong", "system.posix_acl_access", vec![2, 0, 0, 0, 1]),
        ("list-version", "system.posix_acl_access", vec![1, 0, 0, 0]),
        ("list-no-mask", "system.posix_acl_access", list(&[(1, 6, 0), (2, 4, 1000), (4, 4, 0), (32, 4, 0)])),
        (
            "default-list",
            "system.posix_acl_default",
            list(&[(1, 7, 0), (2, 5, 1000), (4, 5, 0), (16, 5, 0), (32, 0, 0)]),
        ),
        ("default-list-plain", "system.posix_acl_default", list(&[(1, 7, 0), (4, 5, 0), (32, 0, 0)])),
    ];
    let mut cases = Vec::new();
    for (name, key, value) in values {
        for (kind, member) in [
            ("file", Member::file("m").mode(0o640)),
            ("folder", Member::folder("m").mode(0o2750)),
            ("symlink", Member::symlink("m", "x")),
            ("fifo", Member::fifo("m")),
        ] {
            if kind == "fifo" && !matches!(name, "user" | "trusted" | "list" | "default-list") {
                continue;
            }
            let below = Member::file(if kind == "folder" { "m/in/new" } else { "beside" }).mode(0o4664);
            cases.push(Case::new(format!("{name}-{kind}"), &[vec![member.xattr(key, &value), below]]));
        }
    }
    let one = |name: &str, member: Member| Case::new(name, &[vec![member]]);
    for (name, mode) in [
        ("setuid", 0o4755),
        ("all", 0o7777),
        ("none", 0),
        ("sticky", 0o1666),
        ("kind", 0o100_755),
        ("huge", 0o1_234_567),
        ("negative", -1),
    ] {
        cases.push(one(&format!("mode-{name}"), Member::file("m").mode(mode)));
        cases.push(one(&format!("mode-{name}-folder"), Member::folder("m").mode(mode)));
    }
    for (name, id) in [
        ("large", 4_000_000_000),
        ("most", 4_294_967_294),
        ("minus-one", 4_294_967_295),
        ("wrapped", 4_294_967_301),
        ("negative", -2),
    ] {
        cases.push(one(&format!("owner-{name}"), Member::file("m").owner(id, 0)));
        cases.push(one(&format!("group-{name}"), Member::file("m").owner(0, id)));
    }
    for (name, time) in [
        ("zero", 0),
        ("negative", -1),
        ("far", 9_223_372_036),
        ("too-far", 9_223_372_037),
        ("after-2446", 20_000_000_000),
    ] {
        cases
            .push(Case::new(format!("time-{name}"), &[vec![Member::file("m").at(time), Member::folder("d").at(time)]]));
    }
    cases.extend([
        Case::new(
            "device-numbers",
            &[vec![
                Member::char("a", 4095, 1_048_575),
                Member::char("b", 5000, 1),
                Member { device: (259, 70_000), ..Member::new(b'4', "c") },
                Member { device: (-1, -1), ..Member::new(b'3', "d") },
                Member { device: (1, 2), ..Member::fifo("e") },
            ]],
        ),
        Case::new(
            "capability-then-above",
            &[
                vec![Member::file("m").xattr("security.capability", capability(2, b""))],
                vec![Member::file("m").data("new")],
            ],
        ),
        Case::new(
            "folder-above-drops",
            &[
                vec![Member::folder("m").xattr("user.a", "1").mode(0o700)],
                vec![Member::folder("m").xattr("user.b", "2")],
            ],
        ),
        Case::new(
            "folder-twice-keeps",
            &[vec![Member::folder("m").xattr("user.a", "1"), Member::folder("m").xattr("user.b", "2")]],
        ),
        Case::new(
            "list-then-mode",
            &[vec![
                Member::folder("m")
                    .xattr("system.posix_acl_access", list(&[(1, 7, 0), (2, 7, 5), (4, 7, 0), (16, 7, 0), (32, 7, 0)])),
                Member::folder("/m").mode(0o700),
            ]],
        ),
    ]);
    cases
}

static LONG: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| format!("user.{}", "n".repeat(250)));
static TOO_LONG: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| format!("user.{}", "n".repeat(251)));
