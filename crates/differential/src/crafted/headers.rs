//! Headers and archives: forms, numbers, names, sparse files, damage.

use crate::image::Case;
use crate::member::{Member, archive, seal};

/// A long name or target as GNU writes it.
fn gnu_long(kind: u8, text: &[u8]) -> Member {
    Member::new(kind, "././@LongLink").gnu().data([text, b"\0"].concat())
}

fn extended(records: &[u8]) -> Member {
    Member::new(b'x', "pax").data(records)
}

pub(super) fn cases() -> Vec<Case> {
    let one = |name: &str, members: Vec<Member>| {
        Case::new(name, &[[vec![Member::file("first")], members, vec![Member::file("last")]].concat()])
    };
    let mut cases = vec![
        one("v7", vec![Member::file("a").v7(), Member::new(0, "d/").v7(), Member::new(0, "f").v7().data("x")]),
        one("v7-device", vec![Member { device: (1, 3), ..Member::new(b'3', "null").v7() }]),
        one("gnu", vec![Member::file("a").gnu()]),
        one("type-0-folder", vec![Member::new(0, "d/")]),
        one("type-7", vec![Member::new(b'7', "a").data("x")]),
        one("type-d-gnu", vec![Member::new(b'D', "a").gnu()]),
        one("type-v-gnu", vec![Member::new(b'V', "a").gnu()]),
        one("type-m-gnu", vec![Member::new(b'M', "a").gnu()]),
        one("type-n-gnu", vec![Member::new(b'N', "a").gnu()]),
        one("type-solaris", vec![Member::new(b'X', "a").data(b"10 path=b\n".as_slice())]),
        one("type-unknown", vec![Member::new(b'?', "a")]),
        one("type-9", vec![Member::new(b'9', "a")]),
        one("prefix", vec![Member::file("a").patch(345, "some/prefix")]),
        one("prefix-star", vec![Member::file("a").patch(345, "some/prefix").patch(508, b"tar\0")]),
        one("prefix-gnu", vec![Member::file("a").gnu().patch(345, "some/prefix")]),
        one("gnu-times", vec![Member::file("a").gnu().patch(345, b"00000000001\0")]),
        one("name-100", vec![Member::file("n".repeat(100))]),
        one("name-255", vec![Member::file("n".repeat(255))]),
        one("name-256", vec![Member::file("n".repeat(256))]),
        one("name-256-folder", vec![Member::folder("n".repeat(256))]),
        one("name-256-parent", vec![Member::file(format!("{}/x", "n".repeat(256)))]),
        one("name-256-symlink", vec![Member::symlink("n".repeat(256), "x")]),
        one("name-256-hard", vec![Member::hard("n".repeat(256), "first")]),
        one("name-256-whiteout", vec![Member::file(format!(".wh.{}", "n".repeat(256)))]),
        one("name-odd", vec![Member::file(b"\xff\xfe\n\t\x01 *?[".as_slice()), Member::file("ä/ö/日本")]),
        one("name-path-max", vec![Member::file(["d"; 2047].join("/"))]),
        one("name-over-path-max", vec![Member::file(["d"; 2049].join("/"))]),
        one("name-deep", vec![Member::file(["d"; 300].join("/"))]),
        one("gnu-long-name", vec![gnu_long(b'L', &[b'n'; 200]), Member::file("short").gnu()]),
        one("gnu-long-link", vec![gnu_long(b'K', &[b'n'; 200]), Member::symlink("l", "short").gnu()]),
        one(
            "gnu-long-both",
            vec![gnu_long(b'L', &[b'n'; 120]), gnu_long(b'K', b"first"), Member::hard("s", "none").gnu()],
        ),
        one("gnu-long-twice", vec![gnu_long(b'L', b"one"), gnu_long(b'L', b"two"), Member::file("s").gnu()]),
        one("gnu-long-none", vec![gnu_long(b'L', b""), Member::file("s").gnu()]),
        one("gnu-long-and-pax", vec![gnu_long(b'L', b"gnu"), Member::file("s").pax("path", "pax")]),
        one("gnu-long-folder", vec![gnu_long(b'L', b"d/"), Member::new(0, "s").gnu()]),
        one("pax-path", vec![Member::file("s").pax("path", "other/name")]),
        one("pax-path-empty", vec![Member::file("s").pax("path", "")]),
        one("pax-path-nul", vec![Member::file("s").pax("path", "a\0b")]),
        one("pax-link", vec![Member::symlink("s", "t").pax("linkpath", "other")]),
        one("pax-owner", vec![Member::file("s").pax("uid", "5").pax("gid", "+6")]),
        one("pax-owner-negative", vec![Member::file("s").pax("uid", "-5")]),
        one("pax-owner-wrong", vec![Member::file("s").pax("uid", "five")]),
        one("pax-size", vec![Member::file("s").data("0123456789").size(0).pax("size", "10")]),
        one("pax-size-wrong", vec![Member::file("s").pax("size", "-1")]),
        one("pax-mtime", vec![Member::file("s").pax("mtime", "1234.000000001")]),
        one("pax-mtime-long", vec![Member::file("s").pax("mtime", "1234.0123456789012")]),
        one("pax-mtime-negative", vec![Member::symlink("s", "t").pax("mtime", "-1.25")]),
        one("pax-mtime-wrong", vec![Member::file("s").pax("mtime", "1234.x")]),
        one("pax-atime-wrong", vec![Member::file("s").pax("atime", "x")]),
        one("pax-twice", vec![extended(b"10 path=x\n10 path=y\n"), Member::file("s")]),
        one("pax-two-headers", vec![extended(b"10 path=x\n"), extended(b"9 uid=77\n"), Member::file("s")]),
        one("pax-wrong-length", vec![extended(b"12 path=x\n"), Member::file("s")]),
        one("pax-no-equals", vec![extended(b"9 path x\n"), Member::file("s")]),
        one("pax-no-end", vec![extended(b"10 path=xx"), Member::file("s")]),
        one("pax-empty", vec![extended(b""), Member::file("s")]),
        one("pax-zeros", vec![extended(b"10 path=x\n\0\0\0"), Member::file("s")]),
        one("pax-unknown", vec![Member::file("s").pax("VENDOR.key", "x").pax("comment", "a\nb")]),
        one("pax-libarchive-xattr", vec![Member::file("s").pax("LIBARCHIVE.xattr.user.a", "eA")]),
        one("pax-large", vec![Member::file("s").pax("comment", vec![b'x'; 1_100_000])]),
        one("global", vec![Member::new(b'g', "pax_global_header").data(b"20 comment=whatever\n".as_slice())]),
        one("global-path", vec![Member::new(b'g', "none/of/it").data(b"10 path=x\n".as_slice()), Member::file("s")]),
        one(
            "global-between",
            vec![extended(b"10 path=x\n"), Member::new(b'g', "g").data(b"6 a=b\n".as_slice()), Member::file("s")],
        ),
        one("global-wrong", vec![Member::new(b'g', "g").data(b"11 mtime=x\n".as_slice())]),
        one("size-of-folder", vec![Member::folder("d").size(1000)]),
        one("size-of-symlink", vec![Member::symlink("s", "t").size(1000)]),
        one("size-of-device", vec![Member::char("s", 1, 3).size(1000)]),
        one("size-negative", vec![Member::file("s").data("").size(-1)]),
        one("number-spaces", vec![Member::file("s").patch(100, b" 644  \0 ").patch(108, b"      5 ")]),
        one("number-no-end", vec![Member::file("s").patch(100, b"00000644")]),
        one("number-wrong", vec![Member::file("s").patch(108, b"00000x5\0")]),
        one("number-empty", vec![Member::file("s").patch(100, [0; 8])]),
        one("number-large", vec![Member::file("s").patch(136, [0x80, 0, 0, 0, 0xff, 0, 0, 0, 0, 0, 0, 0])]),
        one("time-negative", vec![Member::file("s").at(-100_000)]),
        one("checksum-wrong", vec![Member::file("s").patch(148, b"000001\0 ")]),
        one("absolute", vec![Member::file("/abs/olute"), Member::folder("//d")]),
        one(
            "duplicate",
            vec![Member::file("s").mode(0o600), Member::file("s").data("second"), Member::file("./s").data("3")],
        ),
    ];
    let raw = |name: &str, bytes: Vec<u8>| Case::raw(name, vec![bytes]);
    let whole = archive(&[Member::file("a"), Member::file("b").data(vec![b'x'; 700])]);
    let mut signed = Member::file("ä\u{ff}").bytes();
    seal(&mut signed[..512], |byte| i64::from(byte.cast_signed()));
    signed.extend([0; 1024]);
    let mut gap = Member::file("a").bytes();
    gap.extend([0; 512]);
    gap.extend(archive(&[Member::file("b")]));
    let mut behind = whole.clone();
    behind.extend(Member::file("not-read").bytes());
    cases.extend([
        raw("cut-header", whole[..1300].to_vec()),
        raw("cut-content", whole[..1700].to_vec()),
        raw("cut-padding", whole[..512 + 512 + 512 + 700].to_vec()),
        raw("no-end", whole[..2560].to_vec()),
        raw("half-end", whole[..3072].to_vec()),
        raw("padded", [whole.clone(), vec![0; 9000]].concat()),
        raw("garbage-behind", [whole.clone(), b"garbage".to_vec()].concat()),
        raw("behind-the-end", behind),
        raw("gap", gap),
        raw("signed-checksum", signed),
        raw("no-archive", vec![b'z'; 2000]),
        raw("short", b"short".to_vec()),
    ]);
    cases.extend(sparse());
    cases
}

/// Sparse files in every form: `....data....data`, 10000 bytes long.
fn sparse() -> Vec<Case> {
    let data = [vec![b'd'; 512], vec![b'e'; 100]].concat();
    let old = |name: &str| {
        let mut map = Vec::new();
        for (offset, length) in [(1024, 512), (9900, 100)] {
            map.extend(format!("{offset:011o}\0{length:011o}\0").into_bytes());
        }
        Member::new(b'S', name).gnu().data(data.clone()).patch(386, map).patch(483, format!("{:011o}\0", 10_000))
    };
    let p00 = |map: &[(&str, &str)]| {
        let mut member = Member::file("s").data(data.clone()).pax("GNU.sparse.size", "10000");
        member = member.pax("GNU.sparse.numblocks", (map.len()).to_string());
        for (offset, length) in map {
            member = member.pax("GNU.sparse.offset", offset).pax("GNU.sparse.numbytes", length);
        }
        member
    };
    let p01 = |count: &str, map: &str, size: &str| {
        let member = Member::file("GNUSparseFile.0/s").data(data.clone()).pax("GNU.sparse.major", "0");
        let member = member.pax("GNU.sparse.minor", "1").pax("GNU.sparse.name", "real").pax("GNU.sparse.size", size);
        member.pax("GNU.sparse.numblocks", count).pax("GNU.sparse.map", map)
    };
    let p10 = |map: &str| {
        let mut before = map.as_bytes().to_vec();
        before.resize(before.len().next_multiple_of(512), 0);
        let member = Member::file("GNUSparseFile.0/s").data([before, data.clone()].concat());
        let member = member.pax("GNU.sparse.major", "1").pax("GNU.sparse.minor", "0");
        member.pax("GNU.sparse.name", "real").pax("GNU.sparse.realsize", "10000")
    };
    let good = [("1024", "512"), ("9900", "100")];
    let one = |name: &str, member: Member| Case::new(format!("sparse-{name}"), &[vec![member, Member::file("last")]]);
    vec![
        one("gnu", old("s")),
        one("gnu-not-gnu", Member { magic: *b"ustar\x0000", ..old("s") }),
        one("00", p00(&good)),
        one("00-order", p00(&[("9900", "100"), ("1024", "512")])),
        one("00-short", p00(&[("1024", "512")])),
        one("00-more", p00(&[("1024", "512"), ("9000", "900")])),
        one("00-comma", p00(&[("1024,5", "512"), ("9900", "100")])),
        one("01", p01("2", "1024,512,9900,100", "10000")),
        one("01-end", p01("3", "1024,512,9900,100,10000,0", "10000")),
        one("01-count", p01("3", "1024,512,9900,100", "10000")),
        one("01-size", p01("2", "1024,512,9900,100", "9000")),
        one("01-wrong", p01("2", "1024,512,x,100", "10000")),
        one("01-overlap", p01("2", "0,512,500,100", "10000")),
        one("01-none", p01("0", "", "10000").data("")),
        one("10", p10("2\n1024\n512\n9900\n100\n")),
        one("10-end", p10("3\n1024\n512\n9900\n100\n10000\n0\n")),
        one("10-count", p10("x\n1024\n512\n")),
        one("10-cut", p10("9\n1024\n512\n")),
        one("10-on-a-link", Member { kind: b'2', link: b"t".to_vec(), ..p10("2\n1024\n512\n9900\n100\n") }),
        one(
            "other-version",
            Member::file("s").pax("GNU.sparse.major", "2").pax("GNU.sparse.minor", "0").pax("GNU.sparse.name", "real"),
        ),
    ]
}
