//! Members that are the root.

use crate::image::Case;
use crate::member::Member;

pub(super) fn cases() -> Vec<Case> {
    let names = [
        ("dot", "."),
        ("dot-slash", "./"),
        ("slash", "/"),
        ("slashes", "//"),
        ("up", ".."),
        ("up-up", "../.."),
        ("none", ""),
    ];
    let mut cases = Vec::new();
    for (name, path) in names {
        let kinds = [
            ("folder", Member::folder(path).mode(0o700).owner(5, 6)),
            ("file", Member::file(path)),
            ("hard", Member::hard(path, "a")),
            ("symlink", Member::symlink(path, "a")),
            ("attribute", Member::folder(path).xattr("user.root", "1")),
        ];
        for (kind, member) in kinds {
            let layers = [vec![Member::file("a")], vec![Member::file("b"), member, Member::file("c")]];
            cases.push(Case::new(format!("{name}-{kind}"), &layers));
        }
    }
    cases.push(Case::new(
        "default-list",
        &[vec![
            Member::folder("/")
                .xattr("system.posix_acl_default", super::attributes::list(&[(1, 7, 0), (4, 5, 0), (32, 0, 0)])),
            Member::folder("d"),
            Member::file("d2/x"),
        ]],
    ));
    cases
}
