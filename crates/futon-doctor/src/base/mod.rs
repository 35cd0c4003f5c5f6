//! What a base image has of what a guest of futon's needs (`docs/base-images.md`), read from its file system: nothing is booted.

mod boots;
mod disk;
mod engine;
mod kernel;
mod network;
mod tree;
mod units;

use std::path::Path;

use futon_common::{Error, Result};
use futon_resources::KERNEL;
use futon_terminal::Ui;

use crate::{Finding, missing, note, ok};
use disk::Root;
use kernel::Kernel;
use tree::Tree;

/// A base image, and what it is to run with.
#[derive(Debug, Clone, Copy)]
pub struct BaseImage<'a> {
    /// The disk, raw or of any format that qemu-img reads.
    pub image: &'a Path,
    /// Its own kernel; without one, that of the resources.
    pub kernel: Option<&'a Path>,
    /// An initrd for that kernel.
    pub initrd: Option<&'a Path>,
    /// Root device in the guest.
    pub root: Option<&'a str>,
    /// Folder of the resources.
    pub resources: &'a Path,
    /// Whether it is to run on gem5.
    pub gem5: bool,
}

/// What the image has, and what it lacks.
///
/// # Errors
/// When the image cannot be read at all.
pub async fn base_image(given: &BaseImage<'_>, ui: &mut Ui) -> Result<Vec<Finding>> {
    const HINT: &str = "--base-image takes the path of a disk image";
    let shown = given.image.display();
    let about = std::fs::metadata(given.image)
        .map_err(|e| Error::usage(format!("cannot read {shown}")).caused_by(e).hint(HINT))?;
    if !about.is_file() || about.len() == 0 {
        return Err(Error::usage(format!("{shown} is not a disk image: a folder, or empty")).hint(HINT));
    }
    ui.start("reading the image");
    let disk = disk::open(given.image, given.resources).await;
    ui.stop();
    let disk = disk?;
    let (tree, root) = match disk.root(given.root).await? {
        Root::Found { tree, place } => (tree, root_finding(given, &place)),
        Root::NotRead(finding) => return Ok(vec![finding]),
    };
    let service = boots::Service::of(&tree);
    let mut findings = vec![root, boots::system(&tree), boots::processor(&tree)];
    findings.extend(service.findings(&tree, given.gem5));
    if !given.gem5 {
        findings.push(network::dhcp(&tree));
        findings.push(network::gateway(&tree, &service));
    }
    findings.extend(engine::findings(&tree, given.gem5));
    findings.extend(boots::delays(&tree));
    findings.extend(kernel_findings(given, &tree));
    if let Some(problem) = tree.problem() {
        findings.push(missing("file system", format!("damaged: {problem}; `e2fsck -f` mends a raw image")));
    }
    Ok(findings)
}

fn root_finding(given: &BaseImage<'_>, place: &disk::Place) -> Finding {
    const NAME: &str = "root";
    if given.gem5 && place.partition.is_some() {
        let why = format!("{place}; gem5 needs it on the whole disk, without a partition table");
        return missing(NAME, why);
    }
    let fits = match given.root {
        None => place.partition.is_none(),
        Some(root) if root.starts_with("/dev/") => place.is_meant_by(root),
        // By name: the initrd finds it.
        Some(_) => true,
    };
    if fits { ok(NAME, place.to_string()) } else { missing(NAME, format!("{place}; give --root {}", place.device())) }
}

fn kernel_findings(given: &BaseImage<'_>, tree: &Tree) -> Vec<Finding> {
    const NAME: &str = "kernel";
    let own = given.resources.join(KERNEL);
    let path = given.kernel.unwrap_or(&own);
    match Kernel::read(path) {
        Ok(kernel) => kernel.findings(tree, given),
        Err(why) if given.kernel.is_some() => vec![missing(NAME, format!("{}: {why}", path.display()))],
        Err(_) => vec![note(NAME, "not looked at; give the image's own with --kernel and --initrd")],
    }
}

#[cfg(test)]
mod tests;
