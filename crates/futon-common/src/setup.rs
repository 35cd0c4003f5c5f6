//! How to get what a machine lacks. A source tree has `make setup`; an installed futon has none.

use std::path::{Path, PathBuf};

/// Where an installed futon has its recipes and guest tools, seen from the folder that holds `bin`.
const INSTALLED: &str = "lib/futon";

/// Whether a folder has futon's recipes.
#[must_use]
pub fn has_recipes(folder: &Path) -> bool {
    folder.join("images/base/build.sh").is_file()
}

/// The recipes and guest tools of an installed futon: `lib/futon` beside the program's own `bin`.
#[must_use]
pub fn installed_root() -> Option<PathBuf> {
    installed_with(&std::env::current_exe().ok()?)
}

fn installed_with(program: &Path) -> Option<PathBuf> {
    let root = program.parent()?.parent()?.join(INSTALLED);
    has_recipes(&root).then_some(root)
}

/// How this futon came to this machine, and so what it can tell its user to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setup {
    /// It runs in its source tree.
    Source,
    /// It was installed, without a Makefile.
    Installed,
}

impl Setup {
    /// That of the running program.
    #[must_use]
    pub fn here() -> Self {
        if installed_root().is_some() { Self::Installed } else { Self::Source }
    }

    /// A hint at a package of Debian's and Ubuntu's that brings something.
    #[must_use]
    pub fn package(self, package: &str) -> String {
        match self {
            Self::Source => format!("`make setup` installs it (Debian and Ubuntu: {package})"),
            Self::Installed => format!("`apt-get install {package}` installs it (Debian and Ubuntu)"),
        }
    }

    /// A hint when anything may be missing.
    #[must_use]
    pub const fn doctor(self) -> &'static str {
        match self {
            Self::Source => "`futon doctor` says what is missing, `make setup` installs it",
            Self::Installed => "`futon doctor` says what is missing and how to get it",
        }
    }

    /// Either command: what the source tree has for it, and what does it anywhere.
    #[must_use]
    pub fn or(self, make: &str, anywhere: &str) -> String {
        match self {
            Self::Source => format!("`make {make}` or `{anywhere}`"),
            Self::Installed => format!("`{anywhere}`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_installed_program_has_its_own_recipes() {
        let prefix = tempfile::tempdir().unwrap();
        let program = prefix.path().join("bin/futon");
        assert_eq!(installed_with(&program), None);
        let recipe = prefix.path().join("lib/futon/images/base");
        std::fs::create_dir_all(&recipe).unwrap();
        std::fs::write(recipe.join("build.sh"), "").unwrap();
        assert_eq!(installed_with(&program), Some(prefix.path().join("lib/futon")));
        assert_eq!(installed_with(&prefix.path().join("target/release/deps/futon")), None);
    }

    #[test]
    fn an_installed_futon_hints_at_no_make() {
        let words = |setup: Setup| [setup.package("gpg"), setup.doctor().to_owned(), setup.or("setup", "x")].concat();
        assert_eq!(words(Setup::Source).matches("make setup").count(), 3);
        assert!(!words(Setup::Installed).contains("make"));
    }
}
