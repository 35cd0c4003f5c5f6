//! Small images as OCI layouts in folders, and what looks at folders.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::Digest as _;

/// Every file below a folder with its content, sorted; none where there is no such folder.
pub fn tree(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    let mut folders: Vec<PathBuf> = folder.exists().then(|| folder.to_owned()).into_iter().collect();
    while let Some(at) = folders.pop() {
        for entry in std::fs::read_dir(at).unwrap().flatten() {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else {
                let name = entry.path().strip_prefix(folder).unwrap().to_string_lossy().into_owned();
                files.push((name, std::fs::read(entry.path()).unwrap_or_default()));
            }
        }
    }
    files.sort();
    files
}

/// Runs skopeo; panics with what it said when it fails.
pub fn skopeo(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("skopeo").args(arguments).output().unwrap();
    assert!(output.status.success(), "skopeo {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

pub fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(sha2::Sha256::digest(bytes)))
}

/// A small image, as an OCI layout in a folder. Different texts give different images.
pub struct Image {
    pub layout: PathBuf,
    pub manifest: String,
    pub config: String,
    pub layers: Vec<String>,
}

pub fn layer(name: &str, text: &str) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(text.len() as u64);
    header.set_mode(0o644);
    tar.append_data(&mut header, name, text.as_bytes()).unwrap();
    tar.into_inner().unwrap()
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn put_blob(layout: &Path, bytes: &[u8]) -> String {
    let digest = sha256(bytes);
    let folder = layout.join("blobs/sha256");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(&digest[7..]), bytes).unwrap();
    digest
}

pub fn config(arch: &str, diff_ids: &[String]) -> Vec<u8> {
    serde_json::json!({"architecture": arch, "os": "linux", "config": {"Cmd": ["/server"]},
        "rootfs": {"type": "layers", "diff_ids": diff_ids}})
    .to_string()
    .into_bytes()
}

/// Writes one image's blobs; gives its manifest's descriptor.
pub fn put_image(layout: &Path, arch: &str, text: &str) -> (serde_json::Value, Image) {
    let plain = [layer("base", "the same in all"), layer("function", text), layer("base", "the same in all")];
    let packed: Vec<Vec<u8>> = plain.iter().map(|l| gzip(l)).collect();
    let diff_ids: Vec<String> = plain.iter().map(|l| sha256(l)).collect();
    let config_bytes = config(arch, &diff_ids);
    let config = put_blob(layout, &config_bytes);
    let layers: Vec<String> = packed.iter().map(|l| put_blob(layout, l)).collect();
    let descriptors: Vec<_> = packed
        .iter()
        .zip(&layers)
        .map(|(l, d)| serde_json::json!({"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": d, "size": l.len()}))
        .collect();
    let manifest_bytes = serde_json::json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": config_bytes.len()},
        "layers": descriptors})
    .to_string();
    let manifest = put_blob(layout, manifest_bytes.as_bytes());
    let descriptor = serde_json::json!({"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": manifest,
        "size": manifest_bytes.len(), "platform": {"os": "linux", "architecture": arch}});
    (descriptor, Image { layout: layout.to_owned(), manifest, config, layers })
}

pub fn put_index(layout: &Path, entries: &[serde_json::Value]) {
    std::fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    let index = serde_json::json!({"schemaVersion": 2, "manifests": entries});
    std::fs::write(layout.join("index.json"), index.to_string()).unwrap();
}

/// An image whose function layer holds `text`.
pub fn image(layout: &Path, text: &str) -> Image {
    let (descriptor, image) = put_image(layout, "amd64", text);
    put_index(layout, &[descriptor]);
    image
}
