//! Images made at random, the same ones for the same seed: few names, so that members meet one another.

use crate::image::Case;
use crate::member::Member;

/// Numbers that look random (splitmix64).
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// Dice that fall as the seed says.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ z >> 31) % end.max(1)
    }

    /// True in so many of a hundred cases.
    pub fn percent(&mut self, of: u64) -> bool {
        self.below(100) < of
    }

    /// One of several.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        let at = usize::try_from(self.below(of.len() as u64)).unwrap_or(0);
        &of[at]
    }
}

const NAMES: [&str; 5] = ["a", "b", "lib", "usr", "x y"];
/// Names of what is no directory, mostly: below a file nothing can be.
const LEAVES: [&str; 4] = ["f", "g", "h i", "lib"];
const PREFIXES: [&str; 5] = ["", "", "", "./", "/"];
const TIMES: [i64; 6] = [0, 1, 1_700_000_000, 1_700_000_001, -5, 9_000_000_000];
const IDS: [i64; 5] = [0, 1, 1000, 65_534, 3_000_000];
const MODES: [i64; 8] = [0o644, 0o755, 0o4755, 0o2755, 0o1777, 0o6711, 0, 0o100_600];
const XATTRS: [&str; 5] =
    ["user.note", "trusted.note", "security.note", "trusted.overlay.opaque", "trusted.overlay.overlay.opaque"];

const VALUES: [&[u8]; 4] = [b"y", b"1", b"", b"a\nb\0"];

/// The case of a number.
#[must_use]
pub fn case(number: u64) -> Case {
    let mut dice = Dice::new(number);
    let count = 1 + dice.below(4);
    let layers: Vec<Vec<Member>> = (0..count).map(|_| layer(&mut dice)).collect();
    Case::new(format!("generated-{number}"), &layers)
}

fn layer(dice: &mut Dice) -> Vec<Member> {
    let mut members: Vec<Member> = Vec::new();
    for _ in 0..1 + dice.below(9) {
        let earlier = members.clone();
        let mut new = member(dice, &earlier);
        // The engine takes a name once in a layer: twice is a case, not the rule.
        let is_there = |name: &[u8]| earlier.iter().any(|member| plain(&member.name) == plain(name));
        for _ in 0..20 {
            if !is_there(&new.name) || dice.percent(1) {
                break;
            }
            new = member(dice, &earlier);
        }
        members.push(new);
    }
    members
}

fn plain(name: &[u8]) -> &[u8] {
    let name = name.strip_prefix(b"./").unwrap_or(name);
    name.strip_suffix(b"/").unwrap_or(name)
}

fn path(dice: &mut Dice) -> String {
    let depth = 1 + dice.below(3);
    let parts: Vec<&str> = (0..depth).map(|_| *dice.pick(&NAMES)).collect();
    format!("{}{}", dice.pick(&PREFIXES), parts.join("/"))
}

/// A path whose last name is mostly that of a file.
fn leaf(dice: &mut Dice) -> String {
    let path = path(dice);
    if dice.percent(8) {
        return path;
    }
    let name = *dice.pick(&LEAVES);
    path.rsplit_once('/').map_or_else(|| name.into(), |(folder, _)| format!("{folder}/{name}"))
}

fn member(dice: &mut Dice, earlier: &[Member]) -> Member {
    let name = path(dice);
    let member = match dice.below(100) {
        0..30 => Member::folder(if dice.percent(50) { format!("{name}/") } else { name }),
        30..55 => {
            let length = usize::try_from(dice.below(1500)).unwrap_or(0);
            let letter = u8::try_from(dice.below(26)).unwrap_or(0) + b'a';
            Member::file(leaf(dice)).data(vec![letter; length])
        }
        55..68 => {
            let targets = ["a", "usr", "usr/lib", "/usr", "../a", "nowhere", ".", "/", "lib/", "../../.."];
            let name = if dice.percent(30) { name } else { leaf(dice) };
            Member::symlink(name, dice.pick(&targets))
        }
        68..78 => {
            let is_file = |member: &&Member| member.kind != b'5' && !member.name.windows(4).any(|part| part == b".wh.");
            let files: Vec<&Member> = earlier.iter().filter(|member| dice.percent(2) || is_file(member)).collect();
            // Mostly to what is there.
            if files.is_empty() && dice.percent(95) {
                return Member::folder(name);
            }
            let known = !files.is_empty() && dice.percent(97);
            let target = if known { dice.pick(&files).name.clone() } else { path(dice).into_bytes() };
            let target = if dice.percent(20) { [b"/", target.as_slice()].concat() } else { target };
            Member::hard(leaf(dice), target)
        }
        78..88 => {
            // Where the same layer has that name already, the engine refuses it: not too often.
            let names: Vec<&str> = earlier.iter().filter_map(|member| std::str::from_utf8(&member.name).ok()).collect();
            let is_there =
                |new: &str| names.iter().any(|name| name.trim_matches(['.', '/']) == new.trim_matches(['.', '/']));
            let mut name = leaf(dice);
            while is_there(&name) && dice.percent(95) {
                name = format!("{}c", path(dice));
            }
            let (folder, last) = name.rsplit_once('/').map_or(("", name.as_str()), |(folder, last)| (folder, last));
            let slash = if folder.is_empty() { "" } else { "/" };
            Member::file(format!("{folder}{slash}.wh.{last}")).data("")
        }
        88..93 => Member::file(format!("{name}/.wh..wh..opq")).data(""),
        93..95 => Member::fifo(leaf(dice)),
        95..97 => Member::char(leaf(dice), 1, 3),
        97 => Member::char(leaf(dice), 0, 0),
        98 => Member { device: (8, 300), ..Member::new(b'4', leaf(dice)) },
        _ => Member::folder(*dice.pick(&["./", ".", "/"])),
    };
    let member = member.mode(*dice.pick(&MODES)).at(*dice.pick(&TIMES)).owner(*dice.pick(&IDS), *dice.pick(&IDS));
    decorated(dice, member)
}

fn decorated(dice: &mut Dice, mut member: Member) -> Member {
    if dice.percent(12) {
        let name = *dice.pick(&XATTRS);
        let values = if name.ends_with("opaque") { &VALUES[..1] } else { &VALUES[1..] };
        member = member.xattr(name, dice.pick(values));
    }
    if dice.percent(5) {
        member = member.xattr("security.capability", [&[1, 0, 0, 2][..], &[0, 4, 0, 0], &[0; 12]].concat());
    }
    if dice.percent(6) {
        member = member.pax("mtime", dice.pick(&["12.5", "1700000000.123456789", "-1.5", "99999999999"]));
    }
    if dice.percent(4) {
        member = member.gnu();
    }
    member
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_seed_makes_one_image() {
        assert_eq!(super::case(7).layers, super::case(7).layers);
        assert_ne!(super::case(7).layers, super::case(8).layers);
    }
}
