//! The image store: adding from every form, interrupted and concurrent adds, checks, removal.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod layout;

/// Limit for anything that a test waits for.
const LIMIT: std::time::Duration = std::time::Duration::from_secs(20);

use std::fs::File;
use std::path::Path;
use std::process::Command;

use futon_model::ImageReference;
use image_store::{ImageStore, StoreError};
use layout::{config, gzip, image, layer, put_blob, put_image, put_index, sha256, tree};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

fn name(text: &str) -> ImageReference {
    text.parse().unwrap()
}

fn tar_of(path: &Path, members: &[(&str, &[u8])]) {
    let mut tar = tar::Builder::new(File::create(path).unwrap());
    for (name, content) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, *content).unwrap();
    }
    tar.finish().unwrap();
}

#[test]
fn an_added_image_is_found_by_all_its_names() {
    let scratch = tempfile::tempdir().unwrap();
    let store = ImageStore::open(scratch.path().join("images")).unwrap();
    let made = image(&scratch.path().join("layout"), "go");
    let added = store.add_oci_layout(&made.layout, &name("vhiveease/fibonacci-go")).unwrap();
    assert_eq!(added.image.manifest.digest.as_str(), made.manifest);
    assert_eq!(added.image.layers.len(), 3);
    assert_eq!(added.new_bytes, added.image.size());
    assert_eq!(added.replaced, None);
    let by_digest = format!("vhiveease/fibonacci-go@{}", made.manifest);
    for text in ["vhiveease/fibonacci-go:latest", "docker.io/vhiveease/fibonacci-go", &by_digest] {
        let found = store.resolve(&name(text)).unwrap().expect(text);
        let planned = found.planned(&name(text));
        assert!(planned.is(&made.config) && planned.is(&made.manifest) && planned.index.is_none());
        assert_eq!(planned.reference.written(), text);
    }
    for text in [
        "fibonacci-go",
        "vhiveease/fibonacci-go:2",
        "ghcr.io/vhiveease/fibonacci-go",
        &format!("x/y@{}", made.manifest),
    ] {
        assert!(store.resolve(&name(text)).unwrap().is_none(), "{text}");
    }
    let again = store.add_oci_layout(&made.layout, &name("vhiveease/fibonacci-go:latest")).unwrap();
    assert_eq!((again.new_bytes, store.list().unwrap().len()), (0, 1));
    // Another process sees it, and its changes are seen here.
    let other = ImageStore::open(scratch.path().join("images")).unwrap();
    let changed = image(&scratch.path().join("changed"), "changed");
    let added = other.add_oci_layout(&changed.layout, &name("vhiveease/fibonacci-go")).unwrap();
    assert_eq!(added.replaced.unwrap().as_str(), made.manifest);
    assert_eq!(
        store.resolve(&name("vhiveease/fibonacci-go")).unwrap().unwrap().manifest.digest.as_str(),
        changed.manifest
    );
}

#[test]
fn a_layouts_own_names_are_used_and_wanted() {
    let scratch = tempfile::tempdir().unwrap();
    let store = ImageStore::open(scratch.path().join("images")).unwrap();
    let made = image(&scratch.path().join("layout"), "go");
    let error = store.add_named_oci_layout(&made.layout).unwrap_err().to_string();
    assert!(error.contains("its image has no name") && error.contains("--name"), "{error}");
    let index = made.layout.join("index.json");
    let mut value: serde_json::Value = serde_json::from_slice(&std::fs::read(&index).unwrap()).unwrap();
    value["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"] = "me/named:1".into();
    std::fs::write(&index, value.to_string()).unwrap();
    let added = store.add_named_oci_layout(&made.layout).unwrap();
    assert_eq!(added.len(), 1);
    assert_eq!(added[0].image.manifest.digest.as_str(), made.manifest);
    assert!(store.resolve(&name("me/named:1")).unwrap().is_some());
}

#[test]
fn the_old_docker_archive_keeps_its_image_id() {
    let scratch = tempfile::tempdir().unwrap();
    let at = |name: &str| scratch.path().join(name);
    let store = ImageStore::open(at("images")).unwrap();
    let (one, two) = (layer("a", "one"), layer("b", "two"));
    let configuration = config("amd64", &[sha256(&one), sha256(&two)]);
    let id = sha256(&configuration);
    let config_name = format!("{}.json", &id[7..]);
    let manifest = |tags: &str| {
        format!(r#"[{{"Config":"{config_name}","RepoTags":{tags},"Layers":["1/layer.tar","2/layer.tar"]}}]"#)
    };
    let packed = gzip(&two);
    let write = |manifest: &str, second: &[u8]| {
        tar_of(
            &at("saved.tar"),
            &[
                ("1/layer.tar", &one),
                ("2/layer.tar", second),
                (&config_name, &configuration),
                ("manifest.json", manifest.as_bytes()),
            ],
        );
    };
    write(&manifest(r#"["x/y:1","x/y:2"]"#), &packed);
    let added = store.add_docker_archive(&at("saved.tar"), None).unwrap();
    let names: Vec<_> = added.iter().map(|a| a.image.reference.written()).collect();
    assert_eq!(names, ["x/y:1", "x/y:2"]);
    assert!(added.iter().all(|a| a.image.config.digest.as_str() == id));
    assert!(
        added[0].image.layers[0].media_type.ends_with(".tar") && added[0].image.layers[1].media_type.ends_with("+gzip")
    );
    std::fs::write(at("saved.tar.gz"), gzip(&std::fs::read(at("saved.tar")).unwrap())).unwrap();
    let zipped = store.add_docker_archive(&at("saved.tar.gz"), Some(&name("z"))).unwrap();
    assert_eq!(zipped[0].image.manifest, added[0].image.manifest);
    assert!(store.verify().unwrap().problems.is_empty());
    write(&manifest("null"), &two);
    let error = store.add_docker_archive(&at("saved.tar"), None).unwrap_err().to_string();
    assert!(error.contains("its image has no name") && error.contains("hint:"), "{error}");
    write(&manifest("null"), &layer("b", "not two"));
    let error = store.add_docker_archive(&at("saved.tar"), Some(&name("w"))).unwrap_err().to_string();
    assert!(error.contains("invalid diffID for layer 1: expected"), "{error}");
    let damaged = std::fs::read(at("saved.tar")).unwrap();
    std::fs::write(at("saved.tar"), &damaged[..1200]).unwrap();
    assert!(store.add_docker_archive(&at("saved.tar"), Some(&name("w"))).is_err());
    assert!(store.resolve(&name("w")).unwrap().is_none());
}

#[test]
fn oci_archives_with_and_without_docker_names() {
    let scratch = tempfile::tempdir().unwrap();
    let at = |name: &str| scratch.path().join(name);
    let store = ImageStore::open(at("images")).unwrap();
    let made = image(&at("layout"), "x");
    let files = tree(&at("layout"));
    let mut members: Vec<(&str, &[u8])> = files.iter().map(|(n, c)| (n.as_str(), &c[..])).collect();
    tar_of(&at("oci.tar"), &members);
    assert!(store.add_docker_archive(&at("oci.tar"), None).is_err(), "it carries no name");
    let added = store.add_docker_archive(&at("oci.tar"), Some(&name("x/y"))).unwrap();
    assert_eq!(added[0].image.manifest.digest.as_str(), made.manifest);
    // What docker save of today writes: both forms in one; the manifest is kept.
    let blob = |digest: &str| format!("blobs/sha256/{}", &digest[7..]);
    let layers: Vec<String> = made.layers.iter().map(|l| blob(l)).collect();
    let manifest =
        serde_json::json!([{"Config": blob(&made.config), "RepoTags": ["a/b:1"], "Layers": layers}]).to_string();
    members.push(("manifest.json", manifest.as_bytes()));
    tar_of(&at("new.tar"), &members);
    let added = store.add_docker_archive(&at("new.tar"), None).unwrap();
    assert_eq!(
        (added[0].image.reference.written(), added[0].image.manifest.digest.as_str()),
        ("a/b:1", &made.manifest[..])
    );
}

#[test]
fn of_two_images_with_one_tag_the_one_of_the_name_is_taken() {
    let scratch = tempfile::tempdir().unwrap();
    let at = |name: &str| scratch.path().join(name);
    let store = ImageStore::open(at("images")).unwrap();
    let named = |full: &str, text: &str| {
        let (mut entry, _) = put_image(&at("two"), "amd64", text);
        entry["annotations"] =
            serde_json::json!({"io.containerd.image.name": full, "org.opencontainers.image.ref.name": "latest"});
        entry
    };
    let entries = [named("docker.io/me/a:latest", "a"), named("docker.io/me/b:latest", "b")];
    put_index(&at("two"), &entries);
    for (wanted, entry) in ["me/a:latest", "me/b"].into_iter().zip(&entries) {
        let added = store.add_oci_layout(&at("two"), &name(wanted)).unwrap();
        assert_eq!(added.image.manifest.digest.as_str(), entry["digest"], "{wanted}");
    }
    // A third one's tag is no reason to take one of these.
    assert!(store.add_oci_layout(&at("two"), &name("me/c:latest")).is_err());
}

#[test]
fn what_cannot_run_or_is_damaged_is_refused_and_leaves_nothing() {
    let scratch = tempfile::tempdir().unwrap();
    let at = |name: &str| scratch.path().join(name);
    let store = ImageStore::open(at("images")).unwrap();
    let before = tree(&at("images"));
    let refused = |folder: &str| {
        let error = store.add_oci_layout(&at(folder), &name("x")).unwrap_err();
        assert!(store.resolve(&name("x")).unwrap().is_none());
        assert!(error.to_string().contains("hint:"), "{error}");
        error
    };
    refused("nothing");
    let (arm64, _) = put_image(&at("arm"), "arm64", "x");
    put_index(&at("arm"), &[arm64]);
    assert!(matches!(refused("arm"), StoreError::Platform { .. }));
    // An index that has an image is an image; one that has an index is what the engine does not pull.
    let index = |entry: &serde_json::Value| {
        let text = serde_json::json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}).to_string();
        let digest = put_blob(&at("nested"), text.as_bytes());
        serde_json::json!({"mediaType": INDEX, "digest": digest, "size": text.len()})
    };
    let (one, _) = put_image(&at("nested"), "amd64", "x");
    put_index(&at("nested"), &[index(&index(&one))]);
    assert!(refused("nested").to_string().contains("an index within an index"));
    let flipped = image(&at("flipped"), "x");
    let path = at("flipped").join("blobs/sha256").join(&flipped.layers[1][7..]);
    let mut bytes = std::fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&path, bytes).unwrap();
    assert!(matches!(refused("flipped"), StoreError::Digest { .. }));
    let short = image(&at("short"), "y");
    std::fs::remove_file(at("short").join("blobs/sha256").join(&short.layers[1][7..])).unwrap();
    assert!(refused("short").to_string().contains("missing"));
    let after: Vec<_> = tree(&at("images")).into_iter().filter(|(n, _)| n != ".lock").collect();
    assert_eq!(after, before, "not even blobs are left");
}

#[test]
fn a_removal_frees_only_what_nobody_needs() {
    let scratch = tempfile::tempdir().unwrap();
    let at = |name: &str| scratch.path().join(name);
    let store = ImageStore::open(at("images")).unwrap();
    let (a, b) = (image(&at("a"), "a"), image(&at("b"), "b"));
    store.add_oci_layout(&a.layout, &name("a")).unwrap();
    store.add_oci_layout(&b.layout, &name("b")).unwrap();
    store.add_oci_layout(&b.layout, &name("b:2")).unwrap();
    assert_eq!(a.layers[0], b.layers[0], "they share a layer");
    assert!(!store.remove(&name("c")).unwrap().found);
    let removed = store.remove(&name("b")).unwrap();
    assert!(removed.found && removed.blobs == 0, "another name still needs it");
    let removed = store.remove(&name("b:2")).unwrap();
    assert_eq!(removed.blobs, 3, "manifest, configuration, the layer of its own");
    assert!(store.verify().unwrap().problems.is_empty());
    assert_eq!(store.verify().unwrap().blobs, 4);
    store.remove(&name("a")).unwrap();
    assert!(tree(&at("images/blobs")).is_empty());
}

#[test]
fn a_check_finds_what_changed() {
    let scratch = tempfile::tempdir().unwrap();
    let store = ImageStore::open(scratch.path().join("images")).unwrap();
    let made = image(&scratch.path().join("layout"), "x");
    store.add_oci_layout(&made.layout, &name("x")).unwrap();
    let path = store.blob_path(&made.layers[1].parse().unwrap());
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[20] ^= 1;
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, &bytes).unwrap();
    std::fs::remove_file(store.blob_path(&made.config.parse().unwrap())).unwrap();
    let problems = store.verify().unwrap().problems;
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems.iter().all(|p| p.images == ["x"]));
    let mended = store.add_oci_layout(&made.layout, &name("x")).unwrap();
    assert!(mended.new_bytes > 0, "a blob that is gone is added again");
}

/// The body of the processes that the next test starts.
#[test]
#[ignore = "a part of another test"]
fn helper_process() {
    let folder = std::env::var("FUTON_TEST_STORE").unwrap();
    let folder = Path::new(&folder);
    let store = ImageStore::open(folder.join("images")).unwrap();
    let mine = std::process::id().to_string();
    let made = image(&folder.join(&mine), &mine);
    for i in 0..20 {
        store.add_oci_layout(&made.layout, &name(&format!("p{mine}:{i}"))).unwrap();
        if i % 3 == 0 {
            store.remove(&name(&format!("p{mine}:{i}"))).unwrap();
        }
    }
}

#[test]
fn processes_share_a_store_and_a_killed_one_leaves_no_harm() {
    let scratch = tempfile::tempdir().unwrap();
    let me = std::env::current_exe().unwrap();
    let start = || {
        let mut command = Command::new(&me);
        command.args(["--ignored", "--exact", "helper_process", "--nocapture"]).env("FUTON_TEST_STORE", scratch.path());
        command.stdout(std::process::Stdio::null()).spawn().unwrap()
    };
    let mut running = [start(), start(), start()];
    let mut killed = start();
    // It is killed in the middle of its work: as soon as its first name is there.
    let names = scratch.path().join("images/names.json");
    let mine = format!("p{}:", killed.id());
    let end = std::time::Instant::now() + LIMIT;
    while !std::fs::read_to_string(&names).is_ok_and(|t| t.contains(&mine)) && std::time::Instant::now() < end {
        std::thread::yield_now();
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    for child in &mut running {
        assert!(child.wait().unwrap().success());
    }
    let store = ImageStore::open(scratch.path().join("images")).unwrap();
    let list = store.list().unwrap();
    for child in &running {
        let mine = format!("p{}:", child.id());
        assert_eq!(list.iter().filter(|i| i.reference.written().starts_with(&mine)).count(), 13);
    }
    let checked = store.verify().unwrap();
    assert!(checked.problems.is_empty(), "{:?}", checked.problems);
    store.add_oci_layout(&image(&scratch.path().join("last"), "last").layout, &name("last")).unwrap();
    assert_eq!(std::fs::read_dir(scratch.path().join("images/tmp")).unwrap().count(), 0);
}
