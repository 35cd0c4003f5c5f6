//! Members below links, and members in one another's place.

use crate::image::Case;
use crate::member::Member;

/// Something at `at`, of each kind.
fn kinds(at: &str) -> Vec<(&'static str, Member)> {
    let (folder, name) = at.rsplit_once('/').unwrap_or((".", at));
    vec![
        ("file", Member::file(at)),
        ("folder", Member::folder(at).mode(0o711)),
        ("symlink", Member::symlink(at, "target")),
        ("hard", Member::hard(at, "target").mode(0o4711)),
        ("fifo", Member::fifo(at)),
        ("device", Member::char(at, 5, 1)),
        ("whiteout", Member::file(format!("{folder}/.wh.{name}")).data("")),
        ("opaque", Member::file(format!("{at}/.wh..wh..opq")).data("")),
    ]
}

/// Members below a parent that is a link of some kind, or none, in the layer that has it and in one above.
pub(super) fn cases() -> Vec<Case> {
    let base = || vec![Member::file("target"), Member::folder("usr"), Member::folder("usr/lib").at(5)];
    let parents: [(&str, Vec<Member>); 10] = [
        ("relative", vec![Member::symlink("lib", "usr/lib")]),
        ("absolute", vec![Member::symlink("lib", "/usr/lib")]),
        ("above", vec![Member::symlink("lib", "../../usr/lib/")]),
        ("chain", vec![Member::symlink("lib", "lib64"), Member::symlink("lib64", "usr/lib")]),
        ("dangling", vec![Member::symlink("lib", "nowhere")]),
        ("loop", vec![Member::symlink("lib", "lib")]),
        ("to-file", vec![Member::symlink("lib", "target")]),
        ("file", vec![Member::file("lib")]),
        ("fifo", vec![Member::fifo("lib")]),
        ("nothing", vec![]),
    ];
    let mut cases = Vec::new();
    for (parent, made) in parents {
        for (kind, member) in kinds("lib/new") {
            let below = [base(), made.clone()].concat();
            cases.push(Case::new(format!("{parent}-{kind}"), &[[below.clone(), vec![member.clone()]].concat()]));
            if matches!(kind, "file" | "whiteout" | "opaque") {
                cases.push(Case::new(format!("{parent}-{kind}-above"), &[below, vec![member]]));
            }
        }
    }
    // Deeper, where the engine makes several directories.
    for (name, link) in [("deep", "usr/lib"), ("deep-dangling", "nowhere"), ("deep-file", "target")] {
        let members = [base(), vec![Member::symlink("lib", link), Member::file("lib/a/b/c")]].concat();
        cases.push(Case::new(name, &[members]));
    }
    cases
}

/// Something in the place of something else, in the same layer and in one above.
pub(super) fn replacements() -> Vec<Case> {
    let mut cases = Vec::new();
    for (before, first) in kinds("x") {
        if matches!(before, "whiteout" | "device") {
            continue;
        }
        for ((after, second), (_, above)) in kinds("/x").into_iter().zip(kinds("x")) {
            let base = vec![Member::file("target"), first.clone()];
            let full = if before == "folder" { vec![Member::file("x/inner"), Member::folder("x/sub")] } else { vec![] };
            let base = [base, full].concat();
            // The engine takes a name once in a layer, but another way to write it again.
            let name = format!("{before}-by-{after}");
            cases.push(Case::new(name.clone(), &[[base.clone(), vec![second.clone()]].concat()]));
            let above = vec![Member::file("target").data("above"), above];
            cases.push(Case::new(format!("{name}-above"), &[base, above]));
        }
    }
    // The engine sets directories' times at the end, by their names.
    let folders = || vec![Member::folder("d").at(7), Member::folder("d/x").at(8)];
    cases.extend([
        Case::new("time-of-a-gone-folder", &[[folders(), vec![Member::file("/d")]].concat()]),
        Case::new("time-of-a-file", &[vec![Member::folder("d").at(7), Member::file("/d").at(9)]]),
        Case::new("time-of-a-link", &[vec![Member::folder("d").at(7), Member::symlink("/d", "e"), Member::file("e")]]),
        Case::new("time-of-a-dangling-link", &[vec![Member::folder("d").at(7), Member::symlink("/d", "e")]]),
        Case::new(
            "folder-twice",
            &[vec![Member::folder("d").at(7).mode(0o700), Member::folder("/d").at(8).mode(0o750)]],
        ),
        Case::new(
            "implied-above",
            &[vec![Member::folder("tmp").mode(0o1777).owner(5, 6)], vec![Member::file("tmp/x")]],
        ),
        Case::new("implied-setgid", &[vec![Member::folder("d").mode(0o2775).owner(5, 6), Member::file("d/e/f")]]),
        Case::new("inner-dots", &[vec![Member::file("a/../b/./c"), Member::file("d//e")]]),
        Case::new("leading-dots", &[vec![Member::file("../a"), Member::file("/../../b"), Member::file("./c")]]),
        Case::new("slash-behind-a-file", &[vec![Member::file("a/")]]),
    ]);
    cases
}
