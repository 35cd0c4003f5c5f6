//! Packages of two base images.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

/// Versions by package, as a list has them: a line each, `NAME`, a tab, `VERSION`.
pub type Packages = BTreeMap<String, String>;

/// A package that is new, gone, or in another version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PackageChange {
    /// Its name.
    pub name: String,
    /// Version before; absent if it was not there.
    pub a: Option<String>,
    /// Version after; absent if it is gone.
    pub b: Option<String>,
}

/// Reads a list. Lines without a tab are no packages.
#[must_use]
pub fn packages(text: &str) -> Packages {
    text.lines().filter_map(|line| line.split_once('\t')).map(|(n, v)| (n.to_owned(), v.to_owned())).collect()
}

/// What changed from `a` to `b`. Nothing, if one of the lists is empty: then it is not known.
#[must_use]
pub fn package_changes(a: &Packages, b: &Packages) -> Vec<PackageChange> {
    if a.is_empty() || b.is_empty() {
        return Vec::new();
    }
    let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    let changed = names.into_iter().filter(|name| a.get(*name) != b.get(*name));
    changed.map(|name| PackageChange { name: name.clone(), a: a.get(name).cloned(), b: b.get(name).cloned() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_new_gone_and_other_versions() {
        let then = packages("docker.io\t26.1.4\nlibc6\t2.36\nold\t1\n\nno tab\n");
        let now = packages("docker.io\t26.1.5\nlibc6\t2.36\nnew\t2\n");
        let seen: Vec<_> =
            package_changes(&then, &now).into_iter().map(|change| (change.name, change.a, change.b)).collect();
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            seen,
            [
                ("docker.io".into(), some("26.1.4"), some("26.1.5")),
                ("new".into(), None, some("2")),
                ("old".into(), some("1"), None)
            ]
        );
        assert!(package_changes(&then, &then).is_empty());
        assert!(package_changes(&Packages::new(), &now).is_empty(), "nothing is known of the first");
    }
}
