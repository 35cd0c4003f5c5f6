//! Attributes that overlayfs keeps for itself: whoever packs the upper directory of an overlay has them in a layer.

use crate::image::Case;
use crate::member::Member;

/// A file without content.
fn empty(name: &str) -> Member {
    Member::file(name).data("")
}

pub(super) fn cases() -> Vec<Case> {
    let below =
        || vec![Member::folder("a"), Member::file("a/x"), Member::folder("b"), Member::file("b/y"), Member::file("m")];
    let over = |name: &str, members: Vec<Member>| Case::new(name, &[below(), members]);
    let mut cases = Vec::new();
    for (name, target) in [
        ("absolute", "/a"),
        ("relative", "a"),
        ("deeper", "/a/../b"),
        ("nowhere", "/none"),
        ("empty", ""),
        ("root", "/"),
        ("up", ".."),
        ("file", "/m"),
    ] {
        let moved = Member::folder("c").xattr("trusted.overlay.redirect", target);
        cases.push(over(&format!("redirect-{name}"), vec![moved, Member::file("c/new")]));
    }
    let moved = |name: &str| Member::folder(name).xattr("trusted.overlay.redirect", "/a");
    cases.extend([
        over("redirect-over", vec![moved("b")]),
        over("redirect-opaque", vec![moved("b").xattr("trusted.overlay.opaque", "y")]),
        over("redirect-of-file", vec![Member::file("n").xattr("trusted.overlay.redirect", "/m")]),
        over("redirect-at-root", vec![Member::folder("./").xattr("trusted.overlay.redirect", "/a")]),
        Case::new(
            "redirect-twice",
            &[below(), vec![moved("c")], vec![Member::folder("d").xattr("trusted.overlay.redirect", "/c")]],
        ),
        over("metacopy", vec![empty("m").xattr("trusted.overlay.metacopy", "")]),
        over(
            "metacopy-moved",
            vec![empty("n").xattr("trusted.overlay.metacopy", "").xattr("trusted.overlay.redirect", "/m")],
        ),
        over("metacopy-alone", vec![Member::file("n").xattr("trusted.overlay.metacopy", "")]),
        over("metacopy-hidden", vec![Member::folder("d"), empty("d/n").xattr("trusted.overlay.metacopy", "")]),
        over("metacopy-of-folder", vec![Member::folder("a").xattr("trusted.overlay.metacopy", "")]),
        over(
            "opaque-x",
            vec![
                Member::folder("a").xattr("trusted.overlay.opaque", "x"),
                empty("a/x").xattr("trusted.overlay.whiteout", ""),
            ],
        ),
        over(
            "opaque-x-full",
            vec![
                Member::folder("a").xattr("trusted.overlay.opaque", "x"),
                Member::file("a/x").xattr("trusted.overlay.whiteout", "y"),
                Member::file("a/z"),
            ],
        ),
        over("whiteout-plain", vec![empty("a/x").xattr("trusted.overlay.whiteout", "")]),
        over("whiteout-top", vec![empty("m").xattr("trusted.overlay.whiteout", "y")]),
        over("whiteout-of-folder", vec![Member::folder("a").xattr("trusted.overlay.whiteout", "y")]),
        over("opaque-n", vec![Member::folder("a").xattr("trusted.overlay.opaque", "n")]),
        over("opaque-empty", vec![Member::folder("a").xattr("trusted.overlay.opaque", "")]),
        over("opaque-long", vec![Member::folder("a").xattr("trusted.overlay.opaque", "yes")]),
        over("opaque-of-file", vec![Member::file("m").xattr("trusted.overlay.opaque", "y")]),
        over("opaque-at-root", vec![Member::folder("./").xattr("trusted.overlay.opaque", "x")]),
    ]);
    for name in ["opaque", "whiteout", "redirect", "metacopy"] {
        for space in ["user.overlay", "trusted.overlay.overlay", "user.overlay.overlay"] {
            let key = format!("{space}.{name}");
            let members = vec![Member::folder("a").xattr(&key, "y"), empty("m").xattr(&key, "y")];
            cases.push(over(&format!("{}-{name}", space.replace('.', "-")), members));
        }
    }
    for name in ["origin", "impure", "nlink", "upper", "uuid", "protattr", "nonsense"] {
        let key = format!("trusted.overlay.{name}");
        let members = vec![Member::folder("a").xattr(&key, "y"), Member::file("m").data("new").xattr(&key, "y")];
        cases.push(over(&format!("private-{name}"), members));
    }
    cases
}
