//! Where recipes and resources are.

use std::path::{Path, PathBuf};

use futon_common::{Error, Result, has_recipes, installed_root};

use super::{BASE_IMAGE, CMDLINE, INITRD, KERNEL, Manifest};

/// The folder that holds the recipes: `$FUTON_HOME`, else what was installed with this program, else the nearest folder above the working
/// directory or the program that has `images/base/build.sh`, else where futon was built.
///
/// # Errors
/// When there is none.
pub fn source_root() -> Result<PathBuf> {
    if let Some(home) = std::env::var_os("FUTON_HOME").map(PathBuf::from) {
        return if has_recipes(&home) {
            Ok(home)
        } else {
            Err(Error::usage(format!("FUTON_HOME is {}, which has no images/base/build.sh", home.display()))
                .hint("point FUTON_HOME at futon's source folder"))
        };
    }
    if let Some(installed) = installed_root() {
        return Ok(installed);
    }
    let starts = [std::env::current_dir().ok(), std::env::current_exe().ok()];
    let above = starts.iter().flatten().flat_map(|start| start.ancestors());
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    above.chain(built).find(|folder| has_recipes(folder)).map(Path::to_owned).ok_or_else(|| {
        Error::usage("futon's recipes (images/base/build.sh) cannot be found")
            .hint("run futon inside its source folder, or set FUTON_HOME to it")
    })
}

/// A base image with what it takes to boot it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundBase {
    /// Base image.
    pub image: PathBuf,
    /// Kernel.
    pub kernel: PathBuf,
    /// Initrd.
    pub initrd: Option<PathBuf>,
    /// Kernel command line without `root=`.
    pub cmdline: String,
}

/// Kernel command line for a base image that brings none: the console that is watched, a panic that ends the machine, and the time
/// stamps by which the kernel's own messages are recognised.
const PLAIN_CMDLINE: &str = "console=ttyS0 panic=-1 printk.time=1";

/// The base image in a resources folder, checked against the manifest by size and time stamp. Parts that the user
/// names take the place of those in the folder.
///
/// # Errors
/// When a part is missing or has changed since it was made.
pub fn find_base(
    resources: &Path,
    image: Option<&Path>,
    kernel: Option<&Path>,
    initrd: Option<&Path>,
    cmdline: Option<&str>,
) -> Result<FoundBase> {
    let manifest = Manifest::read(resources)?;
    let part = |given: Option<&Path>, name: &str, flag: &str| -> Result<PathBuf> {
        if let Some(path) = given {
            return if path.is_file() {
                Ok(path.to_owned())
            } else {
                Err(Error::usage(format!("no such {name}: {}", path.display()))
                    .hint(format!("{flag} takes a file path")))
            };
        }
        let path = resources.join(name);
        let hint = format!("`futon resources build` makes it, or give yours with {flag}");
        match manifest.check(resources, name) {
            Some(problem) => Err(Error::infra(format!("{}: {problem}", path.display()))
                .hint(format!("{hint}; `futon resources verify` checks all hashes"))),
            None if !path.is_file() => Err(Error::infra(format!("{} missing", path.display())).hint(hint)),
            None => Ok(path),
        }
    };
    let own_kernel = kernel.is_none();
    let kernel = part(kernel, KERNEL, "--kernel")?;
    // A kernel of the user's does not fit futon's initrd, whose modules are another kernel's.
    let initrd = match initrd {
        Some(_) => Some(part(initrd, INITRD, "--initrd")?),
        None if own_kernel && resources.join(INITRD).is_file() => Some(part(None, INITRD, "--initrd")?),
        None => None,
    };
    let cmdline = match cmdline {
        Some(line) => line.to_owned(),
        None if own_kernel => std::fs::read_to_string(resources.join(CMDLINE)).unwrap_or_else(|_| PLAIN_CMDLINE.into()),
        None => PLAIN_CMDLINE.into(),
    };
    Ok(FoundBase {
        image: part(image, BASE_IMAGE, "--base-image")?,
        kernel,
        initrd,
        cmdline: cmdline.trim().to_owned(),
    })
}
