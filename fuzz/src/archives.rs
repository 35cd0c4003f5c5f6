//! Images that come in: archives of every maker, and OCI layouts.

use std::fs;
use std::io::Write;
use std::path::Path;

use futon_model::{Digest, ImageReference};
use image_store::{ImageStore, StoredImage};
use sha2::{Digest as _, Sha256};

use crate::scratch;

/// Whatever is in an archive, the store is sound afterwards, and has the images that it says it has.
pub fn archive(data: &[u8]) {
    let folder = scratch::folder();
    let store = ImageStore::open(folder.path().join("store")).expect("a store");
    let file = folder.path().join("image.tar");
    fs::write(&file, data).expect("a file");
    let name: ImageReference = "some/image:1".parse().expect("a name");
    for name in [None, Some(&name)] {
        let added = store.add_docker_archive(&file, name);
        if let (Some(name), Ok(added)) = (name, &added) {
            assert!(added.iter().any(|a| a.image.reference == *name), "added under another name than was asked for");
        }
        check(&store, folder.path(), added.map(|all| all.into_iter().map(|a| a.image).collect()).unwrap_or_default());
    }
}

/// Whatever is in a layout, the store is sound afterwards.
///
/// Input: documents, one after the other, each with a line `== PATH` before it. `@PATH` in a document becomes the digest of that
/// document, `#PATH` its size: mutations make other layouts, and not only wrong digests. Documents refer to earlier ones.
pub fn layout(data: &[u8]) {
    let folder = scratch::folder();
    let root = folder.path().join("layout");
    fs::create_dir_all(root.join("blobs/sha256")).expect("a folder");
    let store = ImageStore::open(folder.path().join("store")).expect("a store");
    write_layout(&root, data);
    let name: ImageReference = "some/image:1".parse().expect("a name");
    let added = store.add_oci_layout(&root, &name);
    check(&store, folder.path(), added.map(|a| vec![a.image]).unwrap_or_default());

    let file = folder.path().join("layout.tar");
    let mut tar = tar::Builder::new(fs::File::create(&file).expect("a file"));
    tar.append_dir_all(".", &root).and_then(|()| tar.finish()).expect("an archive");
    drop(tar);
    let folded = store.add_docker_archive(&file, Some(&name));
    check(&store, folder.path(), folded.map(|all| all.into_iter().map(|a| a.image).collect()).unwrap_or_default());
}

fn write_layout(root: &Path, data: &[u8]) {
    let mut written: Vec<(Vec<u8>, String, usize)> = Vec::new();
    for part in split(data, b"== ") {
        let end = part.iter().position(|b| *b == b'\n').unwrap_or(part.len());
        let (path, content) = (&part[..end], part.get(end + 1..).unwrap_or_default());
        let mut content = content.strip_suffix(b"\n").unwrap_or(content).to_vec();
        for (known, digest, size) in &written {
            content = replace(&content, &[b"@", known.as_slice()].concat(), format!("sha256:{digest}").as_bytes());
            content = replace(&content, &[b"#", known.as_slice()].concat(), size.to_string().as_bytes());
        }
        let digest = hex::encode(Sha256::digest(&content));
        fs::write(root.join("blobs/sha256").join(&digest), &content).expect("a file");
        if matches!(path, b"index.json" | b"oci-layout" | b"manifest.json") {
            fs::write(root.join(std::str::from_utf8(path).expect("plain")), &content).expect("a file");
        }
        written.push((path.to_vec(), digest, content.len()));
        // The longest names first: `a` is the beginning of `ab`.
        written.sort_by_key(|(path, ..)| std::cmp::Reverse(path.len()));
    }
}

fn split<'a>(data: &'a [u8], mark: &[u8]) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    let mut from = None;
    for at in 0..data.len() {
        if data[at..].starts_with(mark)
            && (at == 0 || data[at - 1] == b'\n')
            && let Some(from) = from.replace(at + mark.len())
        {
            parts.push(&data[from..at]);
        }
    }
    parts.extend(from.map(|from| &data[from..]));
    parts
}

fn replace(text: &[u8], what: &[u8], with: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with(what) && what.len() > 1 {
            out.extend_from_slice(with);
            at += what.len();
        } else {
            out.push(text[at]);
            at += 1;
        }
    }
    out
}

/// The store verifies, knows what was added by its name, and the folder around it holds nothing else.
fn check(store: &ImageStore, around: &Path, added: Vec<StoredImage>) {
    let found = store.verify().expect("a store that was opened");
    assert!(found.problems.is_empty(), "{:?}", found.problems);
    let listed = store.list().expect("a store that was opened");
    for image in added {
        assert!(
            listed.iter().any(|i| same_name(&i.reference, &image.reference)),
            "{} was added and is not there",
            image.reference
        );
        // Another variant of the same index may be the one for this processor, or none is.
        if let Ok(named) = store.resolve(&image.reference) {
            let named = named.expect("an image that is listed");
            assert!(same_name(&named.reference, &image.reference), "{} leads to {}", image.reference, named.reference);
        }
    }
    let wanted: std::collections::BTreeSet<&Digest> =
        listed.iter().flat_map(StoredImage::descriptors).map(|d| &d.digest).collect();
    // A store makes its folders when something is kept: an archive that is refused at once leaves none.
    let kept: Vec<_> = match fs::read_dir(store.folder().join("blobs/sha256")) {
        Ok(entries) => entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect(),
        Err(_) => Vec::new(),
    };
    assert!(kept.len() >= wanted.len(), "{} blobs, {} wanted", kept.len(), wanted.len());
    assert!(kept.iter().all(|name| name.len() == 64), "{kept:?}");
    for entry in fs::read_dir(around).expect("the folder around").flatten() {
        let name = entry.file_name();
        assert!(
            ["store", "image.tar", "layout", "layout.tar"].iter().any(|known| name == *known),
            "{} was not there",
            entry.path().display()
        );
    }
    let staged = fs::read_dir(store.folder().join("tmp")).map_or(0, |entries| entries.flatten().count());
    assert_eq!(staged, 0, "an add leaves things behind");
}

/// The same repository and tag: beside a tag a digest names nothing.
fn same_name(one: &ImageReference, other: &ImageReference) -> bool {
    (one.registry(), one.repository(), one.tag()) == (other.registry(), other.repository(), other.tag())
}

/// An archive as `docker save` of before OCI writes it, of these layers: for the other targets, and as a seed.
pub fn docker_archive(name: &str, layers: &[Vec<u8>]) -> Vec<u8> {
    let digests: Vec<String> = layers.iter().map(|l| format!("sha256:{}", hex::encode(Sha256::digest(l)))).collect();
    let config = serde_json::json!({
        "architecture": "amd64", "os": "linux", "config": {"Cmd": ["/server"]},
        "rootfs": {"type": "layers", "diff_ids": digests},
    })
    .to_string();
    let config_name = format!("{}.json", hex::encode(Sha256::digest(&config)));
    let layer_names: Vec<String> = (0..layers.len()).map(|n| format!("{n}/layer.tar")).collect();
    let manifest = serde_json::json!([{"Config": config_name, "RepoTags": [name], "Layers": layer_names}]).to_string();
    let mut tar = tar::Builder::new(Vec::new());
    let mut add = |name: &str, content: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, content).expect("memory");
    };
    for (name, layer) in layer_names.iter().zip(layers) {
        add(name, layer);
    }
    add(&config_name, config.as_bytes());
    add("manifest.json", manifest.as_bytes());
    tar.into_inner().expect("memory")
}

/// The same archive, compressed with gzip.
pub fn gzip(data: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(data).expect("memory");
    out.finish().expect("memory")
}
