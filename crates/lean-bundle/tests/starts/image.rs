//! The image that the services run.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use image_store::ImageStore;
use serde_json::json;
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

const NAME: &str = "t/plain:latest";
const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\napp:x:1234:1235:app:/:/bin/sh\nodd:x:77:78::/:\n";
const GROUP: &str = "root:x:0:\napp:x:1235:\nextra:x:77:app,odd\nmore:x:78:app\n";

fn hash(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn put(archive: &mut Builder<Vec<u8>>, kind: EntryType, name: &str, mode: u32, content: &[u8]) {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(1_700_000_000);
    header.set_size(content.len() as u64);
    archive.append_data(&mut header, name, content).unwrap();
}

/// The image as an archive of `docker save`.
pub fn archive() -> Vec<u8> {
    let mut layer = Builder::new(Vec::new());
    put(&mut layer, EntryType::Directory, "etc", 0o755, b"");
    put(&mut layer, EntryType::Regular, "etc/passwd", 0o644, PASSWD.as_bytes());
    put(&mut layer, EntryType::Regular, "etc/group", 0o644, GROUP.as_bytes());
    put(&mut layer, EntryType::Regular, "server", 0o755, b"\x7fELFx");
    let layer = layer.into_inner().unwrap();
    let config = json!({"architecture": "amd64", "os": "linux", "config": {"Entrypoint": ["/server"]},
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", hash(&layer))]}, "history": []})
    .to_string();
    let (config_file, layer_file) =
        (format!("{}.json", hash(config.as_bytes())), format!("{}/layer.tar", hash(&layer)));
    let manifest = json!([{"Config": config_file, "RepoTags": [NAME], "Layers": [layer_file]}]).to_string();
    let mut archive = Builder::new(Vec::new());
    put(&mut archive, EntryType::Regular, &config_file, 0o644, config.as_bytes());
    put(&mut archive, EntryType::Regular, &layer_file, 0o644, &layer);
    put(&mut archive, EntryType::Regular, "manifest.json", 0o644, manifest.as_bytes());
    archive.into_inner().unwrap()
}

/// A store with the image.
pub fn store(folder: &Path) -> Arc<ImageStore> {
    let path = folder.join("image.tar");
    fs::write(&path, archive()).unwrap();
    let store = ImageStore::open(folder.join("images")).unwrap();
    store.add_docker_archive(&path, None).unwrap();
    Arc::new(store)
}
