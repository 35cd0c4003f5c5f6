//! Whiteouts and opaque marks, the engine's and overlayfs' own.

use crate::image::Case;
use crate::member::Member;

fn mark(path: &str) -> Member {
    Member::file(path).data("")
}

pub(super) fn cases() -> Vec<Case> {
    let low = || {
        vec![
            Member::folder("d").mode(0o700).at(3),
            Member::file("d/a"),
            Member::file("d/b"),
            Member::folder("d/sub"),
            Member::file("d/sub/x"),
            Member::file("d/sub2"),
            Member::file("e"),
            Member::symlink("s", "d"),
        ]
    };
    let dev = |name: &str| Member::char(name, 0, 0).mode(0);
    let opaque = |name: &str, value: &str| Member::folder(name).xattr("trusted.overlay.opaque", value);
    let above: Vec<(&str, Vec<Member>)> = vec![
        ("file", vec![mark("d/.wh.a")]),
        ("folder", vec![mark("d/.wh.sub")]),
        ("whole-folder", vec![mark(".wh.d")]),
        ("of-nothing", vec![mark("d/.wh.none"), mark("new/.wh.none")]),
        ("then-file", vec![mark("d/.wh.a"), Member::file("d/a").data("new")]),
        ("file-then", vec![Member::file("d/a").data("new"), mark("d/.wh.a")]),
        ("then-folder", vec![mark("d/.wh.sub"), Member::folder("d/sub"), Member::file("d/sub/y")]),
        ("folder-then", vec![Member::folder("d/sub"), mark("d/.wh.sub")]),
        ("twice", vec![mark("d/.wh.a"), mark("d/.wh.a")]),
        ("then-below", vec![mark(".wh.d"), Member::file("d/new")]),
        ("below-then", vec![Member::file("d/new"), mark(".wh.d")]),
        ("of-a-link", vec![mark(".wh.s")]),
        ("below-a-link", vec![mark("s/.wh.a")]),
        ("of-a-hard-link", vec![Member::file("f"), Member::hard("g", "f"), mark(".wh.f")]),
        ("bare", vec![mark("d/.wh.")]),
        ("dot", vec![mark("d/.wh..")]),
        ("dot-dot", vec![mark("d/.wh...")]),
        ("aufs", vec![mark(".wh..wh.aufs"), mark(".wh..wh.plnk")]),
        ("of-a-whiteout", vec![mark("d/.wh..wh.a")]),
        ("as-folder", vec![Member::folder("d/.wh.a")]),
        ("as-link", vec![Member::symlink("d/.wh.a", "x")]),
        ("with-content", vec![Member::file("d/.wh.a").data("content"), Member::file("z")]),
        ("below-itself", vec![mark("d/.wh.a"), Member::file("d/a/x")]),
        ("long", vec![mark(&format!("d/.wh.{}", "n".repeat(252)))]),
        ("opaque", vec![mark("d/.wh..wh..opq"), Member::file("d/new")]),
        ("opaque-last", vec![Member::file("d/new"), mark("d/.wh..wh..opq")]),
        ("opaque-then-folder", vec![mark("d/.wh..wh..opq"), Member::folder("d").mode(0o711)]),
        ("opaque-twice", vec![mark("d/.wh..wh..opq"), mark("d/.wh..wh..opq")]),
        ("opaque-root", vec![mark(".wh..wh..opq"), Member::file("new")]),
        ("opaque-over-a-link", vec![Member::folder("d"), Member::symlink("t", "d"), mark("t/.wh..wh..opq")]),
        ("opaque-of-a-file", vec![Member::file("e"), mark("e/.wh..wh..opq")]),
        ("opaque-dangling", vec![Member::symlink("t", "none"), mark("t/.wh..wh..opq")]),
        ("opaque-then-gone", vec![mark("d/.wh..wh..opq"), Member::file("d"), Member::folder("d")]),
        ("opaque-sub", vec![mark("d/sub/.wh..wh..opq"), Member::file("d/sub/y")]),
        ("opaque-parent", vec![mark("d/.wh..wh..opq"), Member::file("d/sub/y")]),
        ("device", vec![dev("d/a")]),
        ("device-on-a-folder", vec![dev("d/sub")]),
        ("device-then-file", vec![dev("d/a"), Member::file("d/a").data("new")]),
        ("device-hard", vec![dev("d/zero"), Member::hard("d/a", "d/zero")]),
        ("device-wrapped", vec![Member::char("d/a", 4096, 0)]),
        ("block", vec![Member { kind: b'4', ..dev("d/a") }]),
        ("attribute-y", vec![opaque("d", "y"), Member::file("d/new")]),
        ("attribute-n", vec![opaque("d", "n"), Member::file("d/new")]),
        ("attribute-empty", vec![opaque("d", ""), Member::file("d/new")]),
        ("attribute-on-a-file", vec![Member::file("d/a").xattr("trusted.overlay.opaque", "y")]),
        ("attribute-escaped", vec![Member::folder("d").xattr("trusted.overlay.overlay.opaque", "y")]),
        ("attribute-origin", vec![Member::file("d/a").xattr("trusted.overlay.origin", "x")]),
    ];
    let mut cases: Vec<Case> = above.into_iter().map(|(name, members)| Case::new(name, &[low(), members])).collect();
    cases.extend([
        Case::new("in-the-lowest", &[vec![mark(".wh.a"), Member::file("b")]]),
        Case::new("in-the-lowest-below", &[vec![Member::file("d/x"), mark("d/.wh.a")]]),
        Case::new("and-back", &[low(), vec![mark(".wh.d")], vec![Member::file("d/back")]]),
        Case::new("file-between", &[low(), vec![Member::file("d")], vec![Member::folder("d")]]),
        Case::new("link-between", &[low(), vec![Member::symlink("d", "e")], vec![Member::file("d/back")]]),
        Case::new("opaque-between", &[low(), vec![mark("d/.wh..wh..opq")], vec![Member::file("d/back")]]),
        Case::new(
            "opaque-three",
            &[low(), vec![Member::file("d/mid")], vec![mark("d/.wh..wh..opq"), Member::file("d/top")]],
        ),
    ]);
    cases
}
