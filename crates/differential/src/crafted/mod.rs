//! Images made by hand: every kind of member in every odd place that public bug reports, and the engine's code, tell of.

mod attributes;
mod headers;
mod links;
mod overlays;
mod places;
mod roots;
mod whiteouts;

use crate::image::{Case, Packing};
use crate::member::Member;

/// All cases, each under a name of its own.
#[must_use]
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (family, of) in [
        ("parent", places::cases()),
        ("replace", places::replacements()),
        ("root", roots::cases()),
        ("link", links::cases()),
        ("whiteout", whiteouts::cases()),
        ("attribute", attributes::cases()),
        ("overlay", overlays::cases()),
        ("header", headers::cases()),
        ("depth", depths()),
        ("packed", packed()),
    ] {
        cases.extend(of.into_iter().map(|case| Case { name: format!("{family}-{}", case.name), ..case }));
    }
    cases
}

/// Layers up to the engine's most, and one more.
fn depths() -> Vec<Case> {
    let layers = |count: usize| -> Vec<Vec<Member>> {
        (0..count).map(|layer| vec![Member::file(format!("d/{}", layer % 40)).data(layer.to_string())]).collect()
    };
    vec![Case::new("125", &layers(125)), Case::new("126", &layers(126))]
}

/// Layers that are compressed, and empty ones.
fn packed() -> Vec<Case> {
    let case = |name: &str| Case::new(name, &[vec![Member::file("a")], vec![Member::file("b"), Member::folder("c")]]);
    vec![
        case("gzip").packed(Packing::Gzip),
        case("bzip2").packed(Packing::Bzip2),
        case("zstd").packed(Packing::Zstd),
        Case::raw("no-members", vec![vec![0; 1024], crate::member::archive(&[Member::file("a")])]),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    #[test]
    fn there_are_many_and_each_has_a_name_that_an_image_may_have() {
        let cases = super::cases();
        assert!(cases.len() >= 200, "{}", cases.len());
        let names: BTreeSet<&str> = cases.iter().map(|case| case.name.as_str()).collect();
        assert_eq!(names.len(), cases.len());
        let may = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        assert!(names.iter().all(|name| name.chars().all(may) && !name.contains("--")), "{names:?}");
    }
}
