//! Where things are read from and written to: the resources folder, and where that is a lab's and cannot be written, a folder of the user's
//! own, which is looked into first.

use std::path::{Path, PathBuf};

use futon_common::{Error, Result, installed_root};
use nix::unistd::{AccessFlags, access, getuid};

/// Names the user's own folder.
const VARIABLE: &str = "FUTON_DATA";

/// The folder that images, warm bases and checkpoints are written to.
///
/// # Errors
/// When neither the resources folder nor the user's own can be written.
pub fn own_folder(resources: &Path) -> Result<PathBuf> {
    if can_be_written(resources) {
        return Ok(resources.to_owned());
    }
    let refused = |why: String| {
        Error::infra(format!("{} cannot be written, and {why}", resources.display()))
            .hint(format!("set {VARIABLE}=DIR to a folder for images, warm bases and checkpoints"))
    };
    match users_folder() {
        None => Err(refused("there is no home directory for your own folder".into())),
        Some(own) if can_be_made(&own) => Ok(own),
        Some(own) => Err(refused(format!("neither can {}", own.display()))),
    }
}

/// The default for resources: `resources` here, and for an installed futon the user's own folder.
pub fn default_folder() -> PathBuf {
    let here = PathBuf::from("resources");
    if installed_root().is_none() || here.join("manifest.json").is_file() {
        return here;
    }
    users_folder().unwrap_or(here)
}

/// The user's own folder, whether or not it is there.
fn users_folder() -> Option<PathBuf> {
    let given = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    given(VARIABLE)
        .or_else(|| given("XDG_DATA_HOME").map(|data| data.join("futon")))
        .or_else(|| given("HOME").or_else(home).map(|home| home.join(".local/share/futon")))
}

/// The folders to look into: the first, which is written to where it can be, and where that is the user's own the resources, which are only
/// read.
pub fn folders(resources: &Path) -> (PathBuf, Option<PathBuf>) {
    let own = || users_folder().filter(|own| own.is_dir() || can_be_made(own));
    match if can_be_written(resources) { None } else { own() } {
        Some(own) => (own, Some(resources.to_owned())),
        None => (resources.to_owned(), None),
    }
}

/// Refuses to build resources into a folder that cannot be written.
///
/// # Errors
/// When it is one.
pub fn writable(resources: &Path) -> Result<()> {
    if can_be_written(resources) {
        return Ok(());
    }
    Err(Error::infra(format!("{} cannot be written", resources.display()))
        .hint("choose your own folder with --resources DIR or RESOURCES"))
}

/// One that is not there yet is the user's to make.
pub fn can_be_written(resources: &Path) -> bool {
    !resources.exists() || access(resources, AccessFlags::W_OK | AccessFlags::X_OK).is_ok()
}

/// Whether a folder can be written, or made if it does not exist.
fn can_be_made(folder: &Path) -> bool {
    let there = folder.ancestors().find(|folder| folder.exists());
    there.is_some_and(|there| there.is_dir() && access(there, AccessFlags::W_OK | AccessFlags::X_OK).is_ok())
}

/// The home that /etc/passwd gives this user. A static program has no other name service.
fn home() -> Option<PathBuf> {
    let (text, uid) = (std::fs::read_to_string("/etc/passwd").ok()?, getuid().to_string());
    let fields = text.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let home = fields
        .filter(|fields| fields.get(2) == Some(&uid.as_str()))
        .find_map(|fields| fields.get(5).map(PathBuf::from));
    home.filter(|home| home.is_dir())
}
