use std::fs;

use image_store::media_type;

use super::*;

fn digest(of: char) -> Digest {
    format!("sha256:{}", of.to_string().repeat(64)).parse().unwrap()
}

fn blob(of: char, media_type: &str) -> Descriptor {
    serde_json::from_value(serde_json::json!({"mediaType": media_type, "digest": digest(of), "size": 3})).unwrap()
}

fn image(name: &str, index: Option<char>, manifest: char) -> StoredImage {
    StoredImage {
        reference: name.parse().unwrap(),
        index: index.map(|index| blob(index, media_type::OCI_INDEX)),
        manifest: blob(manifest, media_type::OCI_MANIFEST),
        config: blob('c', "config"),
        layers: vec![blob('d', "layer"), blob('d', "layer")],
        variants: Vec::new(),
        source: String::new(),
        added: String::new(),
    }
}

#[test]
fn the_list_answers_tags_and_digests_and_each_blob_is_there_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = ImageStore::open(folder.path()).unwrap();
    let mut carried = Carried::default();
    let (reference, image) = ("me/fn:v1".parse().unwrap(), image("me/fn:v1", Some('a'), 'b'));
    carried.add(&reference, &image).unwrap();
    let (a, b) = (digest('a'), digest('b'));
    let asked = |version: &str| {
        let address = CarriedRegistry::address("me/fn", version);
        carried.registry.manifests.get(&address).map(|manifest| (manifest.digest.clone(), manifest.media_type.clone()))
    };
    assert_eq!(asked("v1"), Some((a.clone(), media_type::OCI_INDEX.to_owned())), "the index, as the exchange has it");
    assert_eq!(asked(a.as_str()).unwrap().0, a);
    assert_eq!(asked(b.as_str()), Some((b, media_type::OCI_MANIFEST.to_owned())));
    assert_eq!(asked("latest"), None);
    for of in ['a', 'b', 'c', 'd'] {
        let path = store.blob_path(&digest(of));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "abc").unwrap();
    }
    let packed = || {
        let mut bytes = Vec::new();
        carried.write(&store, &mut bytes).unwrap();
        bytes
    };
    let bytes = packed();
    assert_eq!(bytes, packed(), "the same images make the same bytes");
    let mut archive = tar::Archive::new(bytes.as_slice());
    let names: Vec<String> =
        archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string()).collect();
    let hex = |of: char| digest(of).hex().to_owned();
    assert_eq!(names, [CarriedRegistry::FILE.to_owned(), hex('a'), hex('b'), hex('c'), hex('d')]);
    fs::write(store.blob_path(&digest('d')), "ab").unwrap();
    let error = carried.write(&store, Vec::new()).unwrap_err().to_string();
    assert!(error.contains("2 bytes on disk instead of 3"), "{error}");
}

#[test]
fn two_registries_images_of_one_name_are_refused() {
    let mut carried = Carried::default();
    let mut add = |name: &str, manifest| carried.add(&name.parse().unwrap(), &image(name, None, manifest));
    add("me/fn:v1", 'a').unwrap();
    add("ghcr.io/me/fn:v1", 'a').unwrap();
    let error = add("registry.example/me/fn:v1", 'b').unwrap_err().to_string();
    assert!(error.contains("registry.example/me/fn:v1") && error.contains("same name"), "{error}");
}
