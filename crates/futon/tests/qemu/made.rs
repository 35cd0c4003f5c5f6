//! Images made from the sample function's, for tests of what the engine does with them.

use std::fs;
use std::path::Path;

use image_store::ImageStore;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::real::root;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// An OCI layout that grows.
pub struct Layout<'a> {
    folder: &'a Path,
}

impl<'a> Layout<'a> {
    pub fn new(folder: &'a Path) -> Self {
        fs::create_dir_all(folder.join("blobs/sha256")).unwrap();
        Self { folder }
    }

    fn put(&self, bytes: &[u8], media_type: &str) -> Value {
        let hex = hex::encode(Sha256::digest(bytes));
        fs::write(self.folder.join("blobs/sha256").join(&hex), bytes).unwrap();
        json!({"mediaType": media_type, "digest": format!("sha256:{hex}"), "size": bytes.len()})
    }

    /// fibonacci-go with a variable `MADE=text`, and more layers; gives its manifest's descriptor.
    pub fn image(&self, text: &str, more: &[Vec<u8>]) -> Value {
        let store = ImageStore::open(root().join("resources/images")).unwrap();
        let image = store.resolve(&"vhiveease/fibonacci-go".parse().unwrap()).unwrap().unwrap();
        let read = |digest| fs::read(store.blob_path(digest)).unwrap();
        let mut config: Value = serde_json::from_slice(&read(&image.config.digest)).unwrap();
        config["config"]["Env"].as_array_mut().unwrap().push(json!(format!("MADE={text}")));
        config.as_object_mut().unwrap().remove("history");
        let mut layers: Vec<Value> =
            image.layers.iter().map(|layer| self.put(&read(&layer.digest), &layer.media_type)).collect();
        for layer in more {
            layers.push(self.put(layer, LAYER));
            let diff_id = layers.last().unwrap()["digest"].clone();
            config["rootfs"]["diff_ids"].as_array_mut().unwrap().push(diff_id);
        }
        let config = self.put(config.to_string().as_bytes(), CONFIG);
        let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers});
        self.put(manifest.to_string().as_bytes(), MANIFEST)
    }

    /// An index of images for these variants of amd64, in this order.
    pub fn variants(&self, variants: &[&str]) -> Value {
        let entry = |variant: &&str| {
            let mut entry = self.image(variant, &[]);
            entry["platform"] = json!({"os": "linux", "architecture": "amd64", "variant": variant});
            entry
        };
        let entries: Vec<Value> = variants.iter().map(entry).collect();
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries});
        self.put(index.to_string().as_bytes(), INDEX)
    }

    /// Makes `entry` the layout's image.
    pub fn finish(&self, entry: &Value) {
        let index = json!({"schemaVersion": 2, "manifests": [entry]});
        fs::write(self.folder.join("index.json"), index.to_string()).unwrap();
        fs::write(self.folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    }
}

/// A layer with one file that has an attribute which no file system takes.
pub fn layer_that_does_not_unpack() -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    tar.append_pax_extensions([("SCHILY.xattr.nonsense.note", &b"x"[..])]).unwrap();
    let mut header = tar::Header::new_ustar();
    header.set_size(1);
    header.set_mode(0o644);
    tar.append_data(&mut header, "marked", &b"x"[..]).unwrap();
    tar.into_inner().unwrap()
}
