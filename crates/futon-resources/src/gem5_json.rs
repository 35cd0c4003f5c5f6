//! The resources as gem5 describes its own: a JSON file whose entries a stdlib script takes with
//! `GEM5_RESOURCE_JSON_APPEND=FILE` and `obtain_resource("futon-kernel")`. URLs are `file://`: nothing is fetched.

use std::fs::{self, File};
use std::io::{Read, Seek};
use std::path::Path;

use futon_common::{Context, Result};
use md5::{Digest, Md5};
use serde_json::{Value, json};

use super::{BASE_IMAGE, Manifest};

/// Versions of gem5 that the entries are for, by gem5's own rule: major and minor.
const GEM5_VERSIONS: [&str; 6] = ["23.0", "23.1", "24.0", "24.1", "25.0", "25.1"];

/// What can be used by gem5: file, its id, category, and what it is.
const ENTRIES: [(&str, &str, &str, &str); 3] = [
    (
        "lean-kernel",
        "futon-kernel",
        "kernel",
        "Linux with all drivers built in, for futon's lean guest and for disk images",
    ),
    (
        "lean-initrd",
        "futon-lean-initramfs",
        "file",
        "futon's lean guest: an initramfs (docs/gem5.md explains how to use it)",
    ),
    (
        BASE_IMAGE,
        "futon-docker-image",
        "disk-image",
        "Debian with a Docker Engine; the root file system is the whole disk",
    ),
];

/// The entries for what a resources folder holds. Hashing takes seconds a gigabyte.
///
/// # Errors
/// When a file cannot be read.
pub fn gem5_resources(folder: &Path) -> Result<Value> {
    let folder = fs::canonicalize(folder).context(|| format!("cannot read {}", folder.display()))?;
    let manifest = Manifest::read(&folder)?;
    let mut entries = Vec::new();
    for (name, id, category, description) in ENTRIES {
        let path = folder.join(name);
        // gem5 takes raw disks only.
        if !path.is_file() || is_qcow2(&path) {
            continue;
        }
        let failed = || format!("cannot read {}", path.display());
        let size = fs::metadata(&path).context(failed)?.len();
        let known = manifest.resources.get(name);
        let mut entry = json!({
            "category": category,
            "id": id,
            "description": description,
            "architecture": "X86",
            "resource_version": "1.0.0",
            "gem5_versions": GEM5_VERSIONS,
            "url": format!("file://{}", path.display()),
            "md5sum": md5_of(&path)?,
            "is_zipped": false,
            "size": size,
            "license": "see the packages it was made from",
            "source": known.map_or("", |r| r.made.as_str()),
            "tags": ["futon"],
            "sha256": known.map_or("", |r| r.sha256.as_str()),
        });
        if category == "disk-image" {
            // No partition table: the kernel's root= names the disk itself.
            entry["root_partition"] = json!("");
        }
        entries.push(entry);
    }
    Ok(Value::Array(entries))
}

fn is_qcow2(path: &Path) -> bool {
    let mut magic = [0; 4];
    File::open(path).and_then(|mut f| f.read_exact(&mut magic)).is_ok() && magic == *b"QFI\xfb"
}

fn md5_of(path: &Path) -> Result<String> {
    let failed = || format!("cannot read {}", path.display());
    let mut file = File::open(path).context(failed)?;
    file.rewind().context(failed)?;
    let mut hash = Md5::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut buffer).context(failed)?;
        if read == 0 {
            return Ok(hex::encode(hash.finalize()));
        }
        hash.update(&buffer[..read]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_listed_as_gem5_wants_it() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("lean-kernel"), "abc").unwrap();
        fs::write(folder.path().join(BASE_IMAGE), b"QFI\xfb and so on").unwrap();
        let list = gem5_resources(folder.path()).unwrap();
        let entries = list.as_array().unwrap();
        assert_eq!(entries.len(), 1, "a qcow2 image is of no use to gem5");
        assert_eq!(entries[0]["md5sum"], "900150983cd24fb0d6963f7d28e17f72");
        let url = entries[0]["url"].as_str().unwrap();
        assert!(url.starts_with("file:///") && url.ends_with("/lean-kernel"), "{url}");
        fs::write(folder.path().join(BASE_IMAGE), b"raw").unwrap();
        let list = gem5_resources(folder.path()).unwrap();
        assert_eq!(list[1]["root_partition"], "");
    }
}
