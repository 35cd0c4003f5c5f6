//! A store over another one that is only read, as a lab shares it.
#![allow(clippy::unwrap_used, dead_code, reason = "tests")]

mod craft;

use std::path::Path;

use craft::*;
use futon_model::ImageReference;
use image_store::{ImageStore, StoredImage};
use serde_json::json;

fn add(store: &ImageStore, folder: &Path, name: &str, text: &str) -> StoredImage {
    let plain = layer(text);
    let archive = saved(&config(&amd64(), &[sha(&plain)]), &[plain], &json!([name]));
    std::fs::write(folder.join("archive"), archive).unwrap();
    store.add_docker_archive(&folder.join("archive"), None).unwrap()[0].image.clone()
}

/// Every file below a folder, with its content.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        if entry.path().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push((entry.path().display().to_string(), std::fs::read(entry.path()).unwrap()));
        }
    }
    found.sort();
    found
}

#[test]
fn ones_own_images_come_first_and_the_shared_ones_are_only_read() {
    let folder = tempfile::tempdir().unwrap();
    let (own, shared) = (folder.path().join("own"), folder.path().join("shared"));
    let lab = ImageStore::open(&shared).unwrap();
    let (theirs, both) = (add(&lab, folder.path(), "lab/fn:1", "lab"), add(&lab, folder.path(), "me/fn:1", "old"));
    let before = files(&shared);

    let store = ImageStore::open_over(&own, &shared).unwrap();
    let name = |text: &str| text.parse::<ImageReference>().unwrap();
    let found = |text: &str| store.resolve(&name(text)).unwrap().map(|image| image.manifest.digest);
    assert_eq!(found("lab/fn:1"), Some(theirs.manifest.digest.clone()));
    assert_eq!(found("me/fn:1"), Some(both.manifest.digest.clone()));
    assert!(store.blob_path(&theirs.manifest.digest).starts_with(&shared));
    let mine = add(&store, folder.path(), "me/fn:1", "new");
    assert_ne!(mine.manifest.digest, both.manifest.digest);
    assert_eq!(found("me/fn:1"), Some(mine.manifest.digest.clone()), "one's own comes first");
    assert!(store.blob_path(&mine.manifest.digest).starts_with(&own));
    let names = |store: &ImageStore| -> Vec<String> {
        store.list().unwrap().iter().map(|image| image.reference.written().to_owned()).collect()
    };
    assert_eq!(names(&store), ["lab/fn:1", "me/fn:1"]);
    assert!(!store.near(&name("lab/fm:1")).unwrap().is_empty(), "near names of the lab's images");
    assert!(store.verify().unwrap().problems.is_empty());

    // What is removed is one's own.
    assert!(store.remove(&name("me/fn:1")).unwrap().found);
    assert_eq!(found("me/fn:1"), Some(both.manifest.digest));
    assert!(!store.remove(&name("lab/fn:1")).unwrap().found);
    store.prune().unwrap();
    assert_eq!(names(&store), ["lab/fn:1", "me/fn:1"]);
    assert_eq!(files(&shared), before, "nothing of the lab's was written");
}

#[test]
fn a_shared_folder_without_images_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let store = ImageStore::open_over(folder.path().join("own"), folder.path().join("none")).unwrap();
    assert!(store.list().unwrap().is_empty());
    assert!(!folder.path().join("none").exists());
}
