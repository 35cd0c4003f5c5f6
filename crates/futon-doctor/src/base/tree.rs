//! A root file system, to be read; and what systemd would start in it.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use ext4_view::{Ext4, Ext4Error};

use super::units::Unit;

/// Where units lie, the ones that win first.
const UNITS: [&str; 3] = ["/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];

/// A root file system. Links in it lead to files in it.
pub(super) struct Tree {
    files: Ext4,
    /// The first thing that is there and could not be read.
    problem: RefCell<Option<String>>,
    /// Units that are started, once somebody has asked.
    started: OnceCell<BTreeSet<String>>,
}

impl Tree {
    pub(super) fn new(files: Ext4) -> Self {
        Self { files, problem: RefCell::default(), started: OnceCell::new() }
    }

    /// What could not be read.
    pub(super) fn problem(&self) -> Option<String> {
        self.problem.borrow().clone()
    }

    fn answer<T>(&self, path: &str, result: Result<T, Ext4Error>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error @ (Ext4Error::Io(_) | Ext4Error::Corrupt(_) | Ext4Error::Encrypted)) => {
                self.problem.borrow_mut().get_or_insert_with(|| format!("{path}: {error}"));
                None
            }
            Err(_) => None,
        }
    }

    /// The content of a file.
    pub(super) fn bytes(&self, path: &str) -> Option<Vec<u8>> {
        self.answer(path, self.files.read(path))
    }

    /// The text of a file.
    pub(super) fn text(&self, path: &str) -> Option<String> {
        Some(String::from_utf8_lossy(&self.bytes(path)?).into_owned())
    }

    /// Whether something is there, behind links.
    pub(super) fn has(&self, path: &str) -> bool {
        self.answer(path, self.files.exists(path)).unwrap_or(false)
    }

    /// Where a path leads, behind links.
    pub(super) fn canonical(&self, path: &str) -> Option<String> {
        let real = self.answer(path, self.files.canonicalize(path))?;
        real.to_str().ok().map(str::to_owned)
    }

    /// Names in a folder, sorted; none where it is not there.
    pub(super) fn names(&self, folder: &str) -> Vec<String> {
        let entries = self.answer(folder, self.files.read_dir(folder)).into_iter().flatten();
        let names = entries.filter_map(|entry| {
            let entry = self.answer(folder, entry)?;
            entry.file_name().as_str().ok().map(str::to_owned)
        });
        let mut names: Vec<String> = names.filter(|name| name != "." && name != "..").collect();
        names.sort();
        names
    }

    /// A program, in one of the folders where systems keep them.
    pub(super) fn program(&self, name: &str) -> Option<String> {
        const FOLDERS: [&str; 6] = ["/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/bin", "/sbin"];
        FOLDERS.iter().map(|folder| format!("{folder}/{name}")).find(|path| self.is_program(path))
    }

    /// Whether this looks like the root of a system.
    pub(super) fn is_root(&self) -> bool {
        self.has("/etc/os-release") || self.program("init").is_some()
    }

    /// Whether `UUID=…` or `LABEL=…` means this file system.
    pub(super) fn has_name(&self, root: &str) -> bool {
        match root.split_once('=') {
            Some(("UUID", id)) => self.files.uuid().to_string().eq_ignore_ascii_case(id),
            Some(("LABEL", label)) => self.files.label().to_str().is_ok_and(|own| own == label),
            _ => false,
        }
    }

    /// Whether a program is there that may be run.
    pub(super) fn is_program(&self, path: &str) -> bool {
        self.answer(path, self.files.metadata(path)).is_some_and(|about| !about.is_dir() && about.mode() & 0o111 != 0)
    }

    /// A unit with its drop-ins; none where it is not there or masked.
    pub(super) fn unit(&self, name: &str) -> Option<Unit> {
        let path = UNITS.iter().map(|folder| format!("{folder}/{name}")).find(|path| self.is_entry(path))?;
        // A unit is masked by a link to /dev/null.
        let target = self.files.read_link(&*path).ok();
        if target.is_some_and(|to| to.to_str() == Ok("/dev/null")) {
            return None;
        }
        let mut unit = Unit::default();
        unit.read(&self.text(&path)?);
        // Of drop-ins with one name the first folder's wins; they are read in the order of their names.
        let mut more = BTreeMap::new();
        for folder in UNITS.map(|folder| format!("{folder}/{name}.d")) {
            for file in self.names(&folder).into_iter().filter(|file| file.ends_with(".conf")) {
                more.entry(file.clone()).or_insert_with(|| format!("{folder}/{file}"));
            }
        }
        for path in more.values() {
            unit.read(&self.text(path).unwrap_or_default());
        }
        Some(unit)
    }

    /// Whether systemd starts a unit by itself: the default target wants it, or something does that the target wants.
    pub(super) fn starts(&self, unit: &str) -> bool {
        self.started.get_or_init(|| self.all_started()).contains(unit)
    }

    fn all_started(&self) -> BTreeSet<String> {
        let default = UNITS.iter().find_map(|folder| self.canonical(&format!("{folder}/default.target")));
        let default = default.and_then(|path| Some(path.rsplit_once('/')?.1.to_owned()));
        // Without that link systemd goes to its own choice.
        let mut next = vec![default.unwrap_or_else(|| "multi-user.target".to_owned())];
        let mut all = BTreeSet::new();
        while let Some(name) = next.pop() {
            if all.contains(&name) {
                continue;
            }
            let Some(unit) = self.unit(&name) else { continue };
            let lists = ["Wants", "Requires", "Upholds", "BindsTo"].map(|key| unit.values("Unit", key).join(" "));
            next.extend(lists.iter().flat_map(|list| list.split_whitespace()).map(str::to_owned));
            for kind in ["wants", "requires", "upholds"] {
                next.extend(UNITS.iter().flat_map(|folder| self.names(&format!("{folder}/{name}.{kind}"))));
            }
            all.insert(name);
        }
        all
    }

    /// Whether there is an entry, be it a link that leads nowhere.
    fn is_entry(&self, path: &str) -> bool {
        self.answer(path, self.files.symlink_metadata(path)).is_some()
    }
}
