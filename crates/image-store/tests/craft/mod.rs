//! Images by hand: layers, configurations, manifests and archives, right and wrong ones.

use std::fs;
use std::io::Write;
use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

pub fn sha(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

/// A layer with one file.
pub fn layer(text: &str) -> Vec<u8> {
    tar_of(&[("file", text.as_bytes())])
}

pub fn tar_of(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, content) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, *content).unwrap();
    }
    tar.into_inner().unwrap()
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

pub fn descriptor(bytes: &[u8], media_type: &str) -> Value {
    json!({"mediaType": media_type, "digest": sha(bytes), "size": bytes.len()})
}

pub fn config(platform: &Value, diff_ids: &[String]) -> Vec<u8> {
    let mut config = json!({"config": {"Entrypoint": ["/x"]}, "rootfs": {"type": "layers", "diff_ids": diff_ids}});
    for (key, value) in platform.as_object().unwrap() {
        config[key] = value.clone();
    }
    config.to_string().into_bytes()
}

pub fn amd64() -> Value {
    json!({"os": "linux", "architecture": "amd64"})
}

/// Blobs of an OCI image, and its manifest's descriptor.
pub struct Made {
    pub blobs: Vec<Vec<u8>>,
    pub manifest: Value,
    pub config: String,
}

/// An image of these layers as they are stored, with this configuration.
pub fn image_of(config: Vec<u8>, layers: &[Vec<u8>], more: &Value) -> Made {
    let layer_descriptors: Vec<Value> = layers.iter().map(|l| descriptor(l, LAYER)).collect();
    let mut manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": descriptor(&config, CONFIG), "layers": layer_descriptors});
    for (key, value) in more.as_object().unwrap() {
        manifest[key] = value.clone();
    }
    let manifest = manifest.to_string().into_bytes();
    let (described, id) = (descriptor(&manifest, MANIFEST), sha(&config));
    let mut blobs = vec![config];
    blobs.extend(layers.iter().cloned());
    blobs.push(manifest);
    Made { blobs, manifest: described, config: id }
}

pub fn image(platform: &Value, text: &str) -> Made {
    let layer = layer(text);
    image_of(config(platform, &[sha(&layer)]), &[layer], &json!({}))
}

/// A layout in a tar: all blobs, an index of these entries, and more files.
pub fn layout_tar(blobs: &[Vec<u8>], index: &Value, more: &[(&str, &[u8])]) -> Vec<u8> {
    let names: Vec<String> = blobs.iter().map(|b| format!("blobs/sha256/{}", &sha(b)[7..])).collect();
    let index = index.to_string();
    let mut files: Vec<(&str, &[u8])> =
        vec![("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#), ("index.json", index.as_bytes())];
    files.extend(names.iter().map(String::as_str).zip(blobs.iter().map(Vec::as_slice)));
    files.extend(more);
    tar_of(&files)
}

pub fn layout(folder: &Path, blobs: &[Vec<u8>], entries: &[Value]) {
    let place = folder.join("blobs/sha256");
    fs::create_dir_all(&place).unwrap();
    for blob in blobs {
        fs::write(place.join(&sha(blob)[7..]), blob).unwrap();
    }
    let index = json!({"schemaVersion": 2, "manifests": entries});
    fs::write(folder.join("index.json"), index.to_string()).unwrap();
}

/// A `docker save` archive of old, with these values of its `manifest.json`.
pub fn saved(config: &[u8], layers: &[Vec<u8>], tags: &Value) -> Vec<u8> {
    let names: Vec<String> = (0..layers.len()).map(|n| format!("{n}/layer.tar")).collect();
    saved_with(config, layers, json!({"RepoTags": tags, "Layers": names}))
}

pub fn saved_with(config: &[u8], layers: &[Vec<u8>], mut manifest: Value) -> Vec<u8> {
    let names: Vec<String> = (0..layers.len()).map(|n| format!("{n}/layer.tar")).collect();
    let config_name = format!("{}.json", &sha(config)[7..]);
    manifest["Config"] = json!(config_name);
    let manifest = json!([manifest]).to_string();
    let mut files: Vec<(&str, &[u8])> =
        names.iter().map(String::as_str).zip(layers.iter().map(Vec::as_slice)).collect();
    files.extend([(config_name.as_str(), config), ("manifest.json", manifest.as_bytes())]);
    tar_of(&files)
}
