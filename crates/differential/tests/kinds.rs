//! What is known of the engine, held fast: each was another tree, or none, before layers were merged as the engine unpacks them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::fs::File;
use std::io::{Read, Seek, Write};

use differential::image::{Case, Packing};
use differential::member::Member;
use image_store::rootfs::{Kind, Node, Rootfs, RootfsError};

fn open(case: &Case) -> Result<Rootfs, RootfsError> {
    let layers = case.blobs().unwrap().into_iter().map(|blob| {
        let open = move || -> std::io::Result<File> {
            let mut file = tempfile::tempfile()?;
            file.write_all(&blob)?;
            file.rewind()?;
            Ok(file)
        };
        ("sha256:layer".to_owned(), open)
    });
    Rootfs::of_layers(layers)
}

fn tree(layers: &[Vec<Member>]) -> Rootfs {
    open(&Case::new("kind", layers)).unwrap()
}

fn refusal(layers: &[Vec<Member>]) -> String {
    open(&Case::new("kind", layers)).unwrap_err().to_string()
}

fn paths(rootfs: &Rootfs) -> Vec<String> {
    rootfs.tree().iter().map(|(path, _)| String::from_utf8_lossy(path).into_owned()).collect()
}

fn node<'a>(rootfs: &'a Rootfs, path: &str) -> &'a Node {
    rootfs.tree().get(path.as_bytes()).unwrap_or_else(|| panic!("no {path} in {:?}", paths(rootfs)))
}

fn text(rootfs: &Rootfs, path: &str) -> Vec<u8> {
    let (_, node) = rootfs.tree().resolve(path.as_bytes()).unwrap();
    let Kind::File(content) = &node.kind else { panic!("{path} is no file") };
    let mut text = Vec::new();
    rootfs.reader(content).unwrap().read_to_end(&mut text).unwrap();
    text
}

#[test]
fn links_on_the_way_are_followed_within_a_layer_and_replaced_by_the_next() {
    let base = vec![Member::folder("usr/lib"), Member::symlink("lib", "usr/lib")];
    let same = tree(&[[base.clone(), vec![Member::file("lib/new")]].concat()]);
    assert_eq!(paths(&same), ["lib", "usr", "usr/lib", "usr/lib/new"]);
    let above = tree(&[base, vec![Member::file("lib/new")]]);
    assert_eq!(paths(&above), ["lib", "lib/new", "usr", "usr/lib"]);
    assert_eq!(node(&above, "lib").kind, Kind::Directory);
}

#[test]
fn hard_links_lead_within_their_layer_or_nowhere() {
    let a = || Member::file("a");
    for target in ["a", "/a", "d/../d/../a", "../a"] {
        let tree = tree(&[vec![a(), Member::folder("d"), Member::hard("b", target)]]);
        assert_eq!(node(&tree, "b").kind, Kind::HardLink(b"a".to_vec()), "{target}");
    }
    let words = "failed to register layer: link /a /b: no such file or directory";
    assert_eq!(refusal(&[vec![a()], vec![Member::hard("b", "a")]]), words);
    assert_eq!(refusal(&[vec![Member::hard("b", "a"), a()]]), words);
    assert_eq!(
        refusal(&[vec![Member::folder("d"), Member::hard("b", "d")]]),
        "failed to register layer: link /d /b: operation not permitted"
    );
}

#[test]
fn a_hard_link_sets_owner_mode_and_time_and_takes_capabilities() {
    let file = Member::file("a").mode(0o4755).xattr("security.capability", [&[1, 0, 0, 2][..], &[0; 16]].concat());
    let tree = tree(&[vec![file, Member::hard("b", "a").mode(0o2711).owner(3, 4).at(9)]]);
    let a = node(&tree, "a");
    assert_eq!((a.mode, a.uid, a.gid, a.mtime.unwrap().seconds), (0o2711, 3, 4, 9));
    assert!(a.xattrs.is_empty());
}

#[test]
fn the_roots_own_entries_have_no_effect_and_none_but_directories_take_its_place() {
    let tree =
        tree(&[vec![Member::folder("./").mode(0o700).owner(5, 5), Member::folder("/").mode(0o700), Member::file("a")]]);
    assert_eq!(paths(&tree), ["a"]);
    let busy = "failed to register layer: unlinkat .//: device or resource busy";
    assert_eq!(refusal(&[vec![Member::hard("/", ".")]]), busy);
}

#[test]
fn whiteouts_hide_and_meet_what_is_in_their_layer() {
    let low = || vec![Member::file("d/a"), Member::file("d/b"), Member::folder("d/sub"), Member::file("d/sub/x")];
    let hidden =
        tree(&[low(), vec![Member::file("d/.wh.a"), Member::file("d/.wh.sub"), Member::file("d/a").data("new")]]);
    assert_eq!(paths(&hidden), ["d", "d/a", "d/b"]);
    assert_eq!(text(&hidden, "d/a"), b"new");
    assert_eq!(
        refusal(&[low(), vec![Member::file("d/a"), Member::file("d/.wh.a")]]),
        "failed to register layer: failed to mknod(\"/d/a\", S_IFCHR, 0): file exists"
    );
    for order in [["d/.wh..wh..opq", "d/new"], ["d/new", "d/.wh..wh..opq"]] {
        let opaque = tree(&[low(), order.iter().map(Member::file).collect()]);
        assert_eq!(paths(&opaque), ["d", "d/new"]);
    }
    // Overlayfs' own marks, as a tar of an overlay's upper folder has them.
    let marks = vec![Member::char("d/a", 0, 0), Member::folder("d/sub").xattr("trusted.overlay.opaque", "y")];
    let marked = tree(&[low(), marks]);
    assert_eq!(paths(&marked), ["d", "d/b", "d/sub"]);
    assert!(node(&marked, "d/sub").xattrs.is_empty());
}

#[test]
fn a_directory_that_no_entry_describes_is_roots_even_above_one_that_is_described() {
    let tree = tree(&[vec![Member::folder("tmp").mode(0o1777).owner(5, 5)], vec![Member::file("tmp/x")]]);
    let tmp = node(&tree, "tmp");
    assert_eq!((tmp.mode, tmp.uid, tmp.mtime), (0o755, 0, None));
}

#[test]
fn attributes_have_any_value_and_only_known_name_spaces() {
    let marked =
        tree(&[vec![Member::file("a").xattr("user.a", b"1\n2=\0"), Member::symlink("l", "a").xattr("user.a", "1")]]);
    assert_eq!(node(&marked, "a").xattrs[&b"user.a"[..]], b"1\n2=\0");
    assert!(node(&marked, "l").xattrs.is_empty());
    assert_eq!(
        refusal(&[vec![Member::file("marked").xattr("nonsense.note", "x")]]),
        "failed to register layer: lsetxattr nonsense.note /marked: operation not supported"
    );
}

#[test]
fn sparse_files_are_unpacked_in_paxs_forms_and_refused_in_gnus() {
    let wanted = [&[0; 1000][..], &[b'x'; 24], &[0; 476]].concat();
    let pax = |minor: &str, major: &str| {
        let member = Member::file("GNUSparseFile.0/s").data([b'x'; 24]).pax("GNU.sparse.major", major);
        member.pax("GNU.sparse.minor", minor).pax("GNU.sparse.name", "s").pax("GNU.sparse.realsize", "1500")
    };
    let form_00 = Member::file("s").data([b'x'; 24]).pax("GNU.sparse.size", "1500").pax("GNU.sparse.numblocks", "1");
    let form_00 = form_00.pax("GNU.sparse.offset", "1000").pax("GNU.sparse.numbytes", "24");
    let form_01 = pax("1", "0").pax("GNU.sparse.numblocks", "1").pax("GNU.sparse.map", "1000,24");
    let mut map = b"1\n1000\n24\n".to_vec();
    map.resize(512, 0);
    let form_10 = pax("0", "1").data([map, vec![b'x'; 24]].concat());
    for member in [form_00, form_01, form_10] {
        let tree = tree(&[vec![member, Member::file("after")]]);
        assert_eq!(paths(&tree), ["after", "s"]);
        assert_eq!(text(&tree, "s"), wanted);
    }
    let gnu = Member::new(b'S', "s").gnu().patch(483, b"00000002734\0");
    assert_eq!(refusal(&[vec![gnu]]), "failed to register layer: unhandled tar header type 83");
}

#[test]
fn a_hundred_and_twenty_five_layers_are_enough() {
    let layers = |count: usize| -> Vec<Vec<Member>> { vec![vec![Member::file("a")]; count] };
    assert_eq!(paths(&tree(&layers(125))), ["a"]);
    assert_eq!(refusal(&layers(126)), "failed to register layer: max depth exceeded");
}

#[test]
fn layers_may_be_compressed_in_any_way() {
    for packing in [Packing::Gzip, Packing::Bzip2, Packing::Zstd] {
        let case = Case::new("packed", &[vec![Member::file("a").data("packed")]]).packed(packing);
        assert_eq!(text(&open(&case).unwrap(), "a"), b"packed");
    }
    let cut = Case::raw(
        "cut",
        vec![Case::new("whole", &[vec![Member::file("a")]]).packed(Packing::Gzip).blobs().unwrap()[0][..60].to_vec()],
    );
    assert_eq!(open(&cut).unwrap_err().to_string(), "failed to register layer: unexpected EOF");
}

#[test]
fn times_are_exact_and_those_before_1970_are_1970() {
    let tree = tree(&[vec![
        Member::file("a").pax("mtime", "12.5"),
        Member::file("b").at(-5),
        Member::symlink("c", "a").at(-5),
        Member::folder("d").at(7),
        Member::file("d/x"),
    ]]);
    let time = |path: &str| node(&tree, path).mtime.map(|time| (time.seconds, time.nanoseconds)).unwrap();
    assert_eq!([time("a"), time("b"), time("c"), time("d")], [(12, 500_000_000), (0, 0), (-5, 0), (7, 0)]);
}

#[test]
fn users_are_looked_up_over_links() {
    let tree = tree(&[vec![
        Member::folder("etc"),
        Member::symlink("etc/passwd", "../run/users"),
        Member::symlink("run", "/var/run/"),
        Member::file("var/run/users").data("root:x:0:0::/:"),
        Member::symlink("loop", "loop"),
    ]]);
    assert_eq!(tree.text(b"etc/passwd").as_deref(), Some("root:x:0:0::/:"));
    assert_eq!(tree.text(b"loop"), None);
    assert_eq!(tree.text(b"etc/passwd/x"), None);
}

#[test]
fn signs_of_overlays_that_lead_elsewhere_are_refused_by_name_and_the_others_are_hidden() {
    let low = || vec![Member::folder("d"), Member::file("d/a"), Member::file("m")];
    for (member, name) in [
        (Member::folder("e").xattr("trusted.overlay.redirect", "/d"), "trusted.overlay.redirect"),
        (Member::file("m").data("").xattr("trusted.overlay.metacopy", ""), "trusted.overlay.metacopy"),
        (Member::folder("d").xattr("trusted.overlay.opaque", "x"), "trusted.overlay.opaque"),
    ] {
        let path = String::from_utf8_lossy(&member.name).into_owned();
        let error = open(&Case::new("kind", &[low(), vec![member]])).unwrap_err();
        assert!(matches!(error, RootfsError::Unsupported { .. }), "{error}");
        assert!(error.to_string().contains(&format!("/{path} has the attribute {name}")), "{error}");
    }
    let hidden = ["origin", "impure", "nlink", "uuid", "protattr"];
    let mut folder = Member::folder("d").xattr("user.overlay.opaque", "y");
    for name in hidden {
        folder = folder.xattr(&format!("trusted.overlay.{name}"), "y");
    }
    let tree = tree(&[low(), vec![folder]]);
    assert_eq!(paths(&tree), ["d", "d/a", "m"]);
    let left: Vec<&[u8]> = node(&tree, "d").xattrs.keys().map(Vec::as_slice).collect();
    assert_eq!(left, [b"user.overlay.opaque"]);
}

#[test]
fn an_empty_file_with_overlayfss_attribute_hides_what_is_below() {
    let base = vec![Member::folder("a"), Member::file("a/x"), Member::file("a/y")];
    let mark = |name: &str, content: &[u8]| {
        Member::new(b'0', name).data(content.to_vec()).xattr("trusted.overlay.whiteout", "")
    };
    assert_eq!(paths(&tree(&[base.clone(), vec![mark("a/x", b"")]])), ["a", "a/y"]);
    // One with content is a file like others.
    assert_eq!(paths(&tree(&[base, vec![mark("a/x", b"1")]])), ["a", "a/x", "a/y"]);
}
