//! Hard links and symbolic links: where they lead, and what they carry.

use crate::image::Case;
use crate::member::Member;

/// A file's capabilities.
fn capability() -> Vec<u8> {
    [&[1, 0, 0, 2][..], &[0, 4, 0, 0], &[0; 12]].concat()
}

pub(super) fn cases() -> Vec<Case> {
    let base = || {
        vec![
            Member::file("a").mode(0o4755).at(10).xattr("security.capability", capability()),
            Member::folder("d"),
            Member::file("d/a").data("inner"),
            Member::symlink("to-a", "a"),
            Member::symlink("to-d", "d"),
            Member::symlink("dangling", "nowhere"),
            Member::fifo("pipe"),
            Member::char("null", 1, 3),
            Member::char("zero", 0, 0),
        ]
    };
    let targets = [
        ("plain", "a"),
        ("absolute", "/a"),
        ("dot", "./a"),
        ("inner-up", "d/../d/a"),
        ("inner-up-of-nothing", "none/../a"),
        ("up", "../a"),
        ("slashes", "//d//a"),
        ("slash-behind", "a/"),
        ("self", "new"),
        ("folder", "d"),
        ("root", "/"),
        ("none", ""),
        ("nowhere", "nowhere"),
        ("below-a-file", "a/b"),
        ("symlink", "to-a"),
        ("symlink-folder", "to-d"),
        ("symlink-folder-slash", "to-d/"),
        ("over-a-link", "to-d/a"),
        ("dangling", "dangling"),
        ("pipe", "pipe"),
        ("device", "null"),
        ("whiteout", "zero"),
    ];
    let mut cases = Vec::new();
    for (name, target) in targets {
        let link = Member::hard("new", target).mode(0o711).at(20).owner(3, 4);
        cases.push(Case::new(format!("hard-{name}"), &[[base(), vec![link.clone()]].concat()]));
        if matches!(name, "plain" | "absolute" | "folder" | "symlink") {
            cases.push(Case::new(format!("hard-{name}-below"), &[base(), vec![link]]));
        }
    }
    let same = |name: &str, members: Vec<Member>| Case::new(name, &[members]);
    cases.extend([
        same("before-its-target", vec![Member::hard("b", "a"), Member::file("a")]),
        same("with-size", vec![Member::file("a"), Member::hard("b", "a").size(5), Member::file("c")]),
        same(
            "with-capability",
            vec![Member::file("a"), Member::hard("b", "a").xattr("security.capability", capability())],
        ),
        same(
            "keeps-no-capability",
            vec![Member::file("a").xattr("security.capability", capability()), Member::hard("b", "a")],
        ),
        same(
            "three",
            vec![Member::file("a"), Member::hard("b", "a"), Member::hard("c", "b"), Member::file("a").data("new")],
        ),
        same("of-a-new-file", vec![Member::file("a"), Member::file("a").data("new"), Member::hard("b", "a")]),
        Case::new(
            "first-hidden",
            &[vec![Member::file("a"), Member::hard("b", "a"), Member::hard("c", "a")], vec![Member::file(".wh.a")]],
        ),
        Case::new(
            "first-replaced",
            &[
                vec![Member::file("a"), Member::hard("b", "a"), Member::hard("c", "a")],
                vec![Member::file("a").data("2")],
            ],
        ),
        Case::new(
            "folder-hidden",
            &[vec![Member::file("d/a"), Member::hard("b", "d/a")], vec![Member::file("d/.wh..wh..opq")]],
        ),
        same("symlink-none", vec![Member::symlink("l", "")]),
        same("symlink-long", vec![Member::symlink("l", "x".repeat(4095))]),
        same("symlink-too-long", vec![Member::symlink("l", "x".repeat(4096))]),
        same("symlink-negative", vec![Member::symlink("l", "x").at(-1000)]),
        same("symlink-very-negative", vec![Member::symlink("l", "x").at(-4_000_000_000)]),
        same("symlink-far", vec![Member::symlink("l", "x").at(10_000_000_000)]),
        same("symlink-owner", vec![Member::symlink("l", "x").owner(7, 8).mode(0o4000)]),
        same("symlink-odd", vec![Member::symlink("l", b"\xff\n\x01 x".as_slice())]),
        same("over-forty", {
            let chain = (0..45).map(|n| Member::symlink(format!("l{n}"), format!("l{}", n + 1)));
            chain.chain([Member::folder("l45"), Member::file("l0/x")]).collect()
        }),
        same("just-forty", {
            let chain = (0..40).map(|n| Member::symlink(format!("l{n}"), format!("l{}", n + 1)));
            chain.chain([Member::folder("l40"), Member::file("l0/x")]).collect()
        }),
    ]);
    cases
}
