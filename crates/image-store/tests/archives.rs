//! Archives and layouts of every maker: taken as an engine takes them, refused as it refuses them, and called by their name when
//! they are cut or damaged.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
#![allow(clippy::cloned_ref_to_slice_refs, clippy::needless_pass_by_value, reason = "images are made in one line")]

mod craft;

use std::path::PathBuf;

use craft::*;
use futon_model::Amd64Level;
use image_store::{Added, ImageStore, StoreError};
use serde_json::json;

struct Bench {
    folder: tempfile::TempDir,
    store: ImageStore,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = ImageStore::open(folder.path().join("images")).unwrap();
        Self { folder, store }
    }

    fn file(&self, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join("archive");
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn add(&self, bytes: &[u8], name: Option<&str>) -> Result<Vec<Added>, StoreError> {
        let name = name.map(|name| name.parse().unwrap());
        self.store.add_docker_archive(&self.file(bytes), name.as_ref())
    }

    /// A refusal, in words: it is the file's fault, and nothing is left of it.
    fn refusal(&self, bytes: &[u8], name: Option<&str>) -> String {
        let error = self.add(bytes, name).unwrap_err();
        assert!(error.is_of_the_image(), "{error}");
        assert!(self.store.list().unwrap().is_empty());
        error.to_string()
    }

    fn layout(&self, blobs: &[Vec<u8>], entries: &[serde_json::Value]) -> Result<Added, StoreError> {
        let folder = tempfile::tempdir().unwrap();
        layout(folder.path(), blobs, entries);
        self.store.add_oci_layout(folder.path(), &"x/y".parse().unwrap())
    }
}

fn tags(added: &[Added]) -> Vec<&str> {
    added.iter().map(|a| a.image.reference.written()).collect()
}

#[test]
fn a_digest_in_a_name_is_the_images_own() {
    let bench = Bench::new();
    let plain = layer("x");
    let config = config(&amd64(), &[sha(&plain)]);
    let wrong = format!("a/b@sha256:{}", "a".repeat(64));
    for (tag, name) in [(wrong.as_str(), None), ("a/b:1", Some(wrong.as_str()))] {
        let said = bench.refusal(&saved(&config, &[plain.clone()], &json!([tag])), name);
        assert!(said.starts_with(&wrong) && said.contains("hint: leave the digest out"), "{said}");
    }
    let archive = saved(&config, &[plain], &json!(["a/b:1"]));
    let digest = bench.add(&archive, None).unwrap()[0].image.manifest.digest.to_string();
    assert_eq!(bench.add(&archive, Some(&format!("a/b:2@{digest}"))).unwrap().len(), 1);
}

#[test]
fn archives_and_layers_in_every_compression() {
    let bench = Bench::new();
    let plain = layer("x");
    let config = config(&amd64(), &[sha(&plain)]);
    for (media_type, packed) in
        [("tar", plain.clone()), ("tar+gzip", gzip(&plain)), ("tar+bzip2", bzip2(&plain)), ("tar+zstd", zstd(&plain))]
    {
        let archive = saved(&config, &[packed.clone()], &json!(["a/b:1", "c/d:2"]));
        for archive in [archive.clone(), gzip(&archive), bzip2(&archive), zstd(&archive)] {
            let added = bench.add(&archive, None).unwrap();
            assert_eq!(tags(&added), ["a/b:1", "c/d:2"]);
            let stored = &added[0].image.layers[0];
            assert!(stored.media_type.ends_with(media_type), "{}", stored.media_type);
            assert_eq!(stored.digest.as_str(), sha(&packed));
        }
    }
}

/// As the Docker Engine 26 loads them, which never sees what is behind the last byte of a layer's content.
#[test]
fn a_fault_behind_a_layers_content_is_passed_over_and_one_within_it_is_refused() {
    let plain = layer(&"text ".repeat(2000));
    let config = config(&amd64(), &[sha(&plain)]);
    let packed = gzip(&plain);
    let end = packed.len();
    let changed = |at: usize| {
        let mut bytes = packed.clone();
        bytes[at] ^= 1;
        bytes
    };
    let faults = [changed(end - 8), changed(end - 1), packed[..end - 8].to_vec(), packed[..end - 3].to_vec()];
    for faulty in faults {
        let bench = Bench::new();
        let one = bench.add(&saved(&config, &[faulty], &json!(["x/y:1"])), None).unwrap();
        // What is kept is the content, so that a guest gets nothing that its own engine might refuse.
        let stored = &one[0].image.layers[0];
        assert_eq!((stored.digest.as_str(), stored.media_type.as_str()), (sha(&plain).as_str(), LAYER));
        assert!(bench.store.verify().unwrap().problems.is_empty());
        let kept = std::fs::read_dir(bench.folder.path().join("images/blobs/sha256")).unwrap().count();
        assert_eq!(kept, 3, "configuration, manifest and layer");
    }
    let half = plain.len() / 2;
    let mut within = [gzip(&plain[..half]), gzip(&plain[half..])].concat();
    let at = gzip(&plain[..half]).len() - 8;
    within[at] ^= 1;
    for (faulty, words) in [(within, "cannot be unpacked"), (packed[..end - 20].to_vec(), "cut short")] {
        let error = Bench::new().refusal(&saved(&config, &[faulty], &json!(["x/y:1"])), None);
        assert!(error.contains(words), "{error}");
    }
    // In a layout a layer is what its digest says: nothing else can be kept in its place.
    let made = image_of(config, &[changed(end - 8)], &json!({}));
    assert!(Bench::new().layout(&made.blobs, &[made.manifest]).unwrap_err().to_string().contains("cannot be unpacked"));
}

#[test]
fn a_name_without_a_tag_is_refused_in_the_engines_words() {
    let one = layer("x");
    let config = config(&amd64(), &[sha(&one)]);
    let bench = Bench::new();
    for (tags, invalid) in [
        (json!(["case/none"]), "case/none"),
        (json!(["reg.example:5000/x"]), "reg.example:5000/x"),
        (json!(["case/second:1", "case/none"]), "case/none"),
    ] {
        let error = bench.refusal(&saved(&config, &[one.clone()], &tags), None);
        assert!(error.contains(&format!("invalid tag \"{invalid}\"")) && error.contains("--name"), "{error}");
    }
    let named = bench.add(&saved(&config, &[one], &json!(["case/none"])), Some("me/x:1")).unwrap();
    assert_eq!(tags(&named), ["me/x:1"]);
}

#[test]
fn layers_that_are_not_those_of_the_configuration_are_refused_in_the_engines_words() {
    let (one, two) = (layer("one"), layer("two"));
    let (a, b) = (sha(&one), sha(&two));
    for (diff_ids, wanted) in [
        (vec![a.clone(), a.clone()], format!("invalid diffID for layer 1: expected \"{a}\", got \"{b}\"")),
        (vec![b.clone(), a.clone()], format!("invalid diffID for layer 0: expected \"{b}\", got \"{a}\"")),
        (vec![a.clone()], "layers from manifest don't match image configuration: 2 layers, 1 diff_ids".into()),
        (vec![], "layers from manifest don't match image configuration: 2 layers, 0 diff_ids".into()),
    ] {
        let layers = [gzip(&one), two.clone()];
        let made = image_of(config(&amd64(), &diff_ids), &layers, &json!({}));
        let error = Bench::new().layout(&made.blobs, &[made.manifest.clone()]).unwrap_err();
        assert!(error.is_of_the_image() && error.to_string().contains(&wanted), "{error}");
        let index = json!({"schemaVersion": 2, "manifests": [made.manifest]});
        let error = Bench::new().refusal(&layout_tar(&made.blobs, &index, &[]), Some("x/y"));
        assert!(error.contains(&wanted), "{error}");
        let error = Bench::new().refusal(&saved(&made.blobs[0], &layers, &json!(["x/y:1"])), None);
        let of_save = wanted.replace(
            "layers from manifest don't match image configuration",
            "invalid manifest, layers length mismatch",
        );
        assert!(error.contains(&of_save), "{error}");
    }
    // A layer that is in the store already is compared all the same.
    let bench = Bench::new();
    let good = image_of(config(&amd64(), &[a.clone()]), &[one.clone()], &json!({}));
    bench.layout(&good.blobs, &[good.manifest.clone()]).unwrap();
    let bad = image_of(config(&amd64(), &[b.clone()]), &[one.clone()], &json!({}));
    assert!(bench.layout(&bad.blobs, &[bad.manifest.clone()]).unwrap_err().to_string().contains("invalid diffID"));
}

#[test]
fn null_and_absent_are_empty_and_a_text_for_a_list_is_refused() {
    let one = layer("x");
    let whole = config(&amd64(), &[sha(&one)]);
    let bench = Bench::new();
    // Docker 25.0's `docker save NAME@DIGEST`.
    let blobs = [whole.clone(), one.clone()];
    let names = |digest: &str| format!("blobs/sha256/{}", &digest[7..]);
    let manifest_json =
        json!([{"Config": names(&sha(&whole)), "RepoTags": ["case/null:latest"], "Layers": [names(&sha(&one))]}])
            .to_string();
    let archive = layout_tar(
        &blobs,
        &json!({"schemaVersion": 2, "manifests": null}),
        &[("manifest.json", manifest_json.as_bytes())],
    );
    assert_eq!(tags(&bench.add(&archive, None).unwrap()), ["case/null:latest"]);
    let empty = config(&amd64(), &[]);
    let added =
        bench.add(&saved_with(&empty, &[], json!({"RepoTags": ["no/layers:1"], "Layers": null})), None).unwrap();
    assert!(added[0].image.layers.is_empty());
    let nulls =
        json!({"config": null, "rootfs": {"type": "layers", "diff_ids": [sha(&one)]}, "os": null, "history": null});
    bench
        .add(&saved(nulls.to_string().as_bytes(), std::slice::from_ref(&one), &json!(["null/config:1"])), None)
        .unwrap();

    let bench = Bench::new();
    let error =
        bench.refusal(&saved_with(&whole, std::slice::from_ref(&one), json!({"Layers": "0/layer.tar"})), Some("x"));
    assert!(error.contains("cannot read its manifest.json"), "{error}");
    let error = bench.refusal(&saved(br#"{"os":"linux"}"#, std::slice::from_ref(&one), &json!(["x:1"])), None);
    assert!(error.contains("no RootFS key"), "{error}");
    let error = bench.refusal(&saved(&whole, std::slice::from_ref(&one), &json!(null)), None);
    assert!(error.contains("its image has no name") && error.contains("--name"), "{error}");
    let error = bench.refusal(&saved(&whole, &[one], &json!(["Case/Upper:latest"])), None);
    assert!(error.contains("repository name (Upper) must be lowercase"), "{error}");
    assert!(bench.refusal(&tar_of(&[("manifest.json", b"null")]), None).contains("contains no image"));
}

#[test]
fn a_cut_archive_is_called_that_wherever_it_is_cut() {
    let one = layer(&"text ".repeat(2000));
    let archive = saved(&config(&amd64(), &[sha(&one)]), &[one], &json!(["x/y:1"]));
    let bench = Bench::new();
    // Up to the padding of the last member, without which all is there.
    for end in (1..archive.len() - 1024 - 512).step_by(501) {
        let error = bench.refusal(&archive[..end], None);
        assert!(error.contains("cut short") && error.contains("hint:"), "{end}: {error}");
    }
    for packed in [gzip(&archive), bzip2(&archive), zstd(&archive)] {
        for end in (10..packed.len() / 2).step_by(37) {
            let error = bench.refusal(&packed[..end], None);
            assert!(error.contains("cut short"), "{end}: {error}");
        }
    }
    let mut padded = archive.clone();
    padded.resize(archive.len() + 10_000, 0);
    padded.extend(b"and something of somebody else");
    bench.add(&padded, None).unwrap();
    // Some writers leave the end mark away.
    Bench::new().add(&archive[..archive.len() - 1024], None).unwrap();
}

#[test]
fn an_index_may_promise_more_than_the_archive_holds() {
    let amd = image(&amd64(), "amd");
    let mut entry = amd.manifest.clone();
    entry["platform"] = amd64();
    let other = |platform: serde_json::Value| {
        let mut entry = descriptor(platform.to_string().as_bytes(), MANIFEST);
        entry["platform"] = platform;
        entry
    };
    let arm = other(json!({"os": "linux", "architecture": "arm64"}));
    let proof = other(json!({"os": "unknown", "architecture": "unknown"}));
    let index =
        json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [arm, entry, proof]}).to_string().into_bytes();
    let mut named = descriptor(&index, INDEX);
    named["annotations"] = json!({"io.containerd.image.name": "docker.io/case/multi:latest"});
    let outer = json!({"schemaVersion": 2, "manifests": [named]});
    let all: Vec<Vec<u8>> = amd.blobs.iter().cloned().chain([index.clone()]).collect();
    let bench = Bench::new();
    let added = bench.add(&layout_tar(&all, &outer, &[]), None).unwrap();
    assert_eq!(added[0].image.config.digest.as_str(), amd.config);
    assert_eq!(added[0].image.index.as_ref().unwrap().digest.as_str(), sha(&index));
    for lacking in 0..amd.blobs.len() {
        let mut fewer = all.clone();
        let gone = sha(&fewer.remove(lacking));
        let error = Bench::new().refusal(&layout_tar(&fewer, &outer, &[]), None);
        assert!(error.contains(&gone[7..]) && error.contains("--platform linux/amd64"), "{error}");
    }
    let only = json!({"schemaVersion": 2, "manifests": [arm]});
    let error = Bench::new().refusal(&layout_tar(&all, &only, &[]), Some("x"));
    assert!(error.contains("missing"), "{error}");
    let inner = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [arm, proof]}).to_string().into_bytes();
    let only = json!({"schemaVersion": 2, "manifests": [descriptor(&inner, INDEX)]});
    let error = Bench::new().refusal(&layout_tar(&[inner], &only, &[]), Some("x"));
    assert!(error.contains("only for linux/arm64 (hint:"), "{error}");
}

#[test]
fn each_processor_gets_the_image_that_an_engine_would_take_there() {
    use Amd64Level::{V1, V2, V3, V4};
    let variants = ["", "v2", "v3", "v4"];
    let made: Vec<Made> =
        variants.iter().map(|v| image(&json!({"os": "linux", "architecture": "amd64", "variant": v}), v)).collect();
    let entry = |number: usize| {
        let mut entry = made[number].manifest.clone();
        entry["platform"] = json!({"os": "linux", "architecture": "amd64", "variant": variants[number]});
        entry
    };
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1], [1, 3, 0, 2]] {
        let index =
            json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": order.map(entry)}).to_string().into_bytes();
        let mut blobs: Vec<Vec<u8>> = made.iter().flat_map(|m| m.blobs.clone()).collect();
        blobs.push(index.clone());
        let bench = Bench::new();
        let added = bench.layout(&blobs, &[descriptor(&index, INDEX)]).unwrap();
        assert_eq!(added.image.variants.len(), 4);
        assert!(bench.store.verify().unwrap().problems.is_empty());
        for (level, number) in [(V1, 0), (V2, 1), (V3, 2), (V4, 3)] {
            let store = ImageStore::open(bench.folder.path().join("images")).unwrap().for_processor(level);
            for name in ["x/y".to_owned(), format!("x/y@{}", sha(&index))] {
                let found = store.resolve(&name.parse().unwrap()).unwrap().unwrap();
                assert_eq!(found.config.digest.as_str(), made[number].config, "{order:?} {level} {name}");
                assert_eq!(found.layers[0].digest.as_str(), sha(&made[number].blobs[1]));
            }
            // A digest that names one of them means that one, on every processor.
            let exact = format!("x/y@{}", made[3].manifest["digest"].as_str().unwrap());
            let found = store.resolve(&exact.parse().unwrap()).unwrap().unwrap();
            assert_eq!(found.config.digest.as_str(), made[3].config);
        }
    }
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry(3)]}).to_string().into_bytes();
    let mut blobs = made[3].blobs.clone();
    blobs.push(index.clone());
    let bench = Bench::new();
    bench.layout(&blobs, &[descriptor(&index, INDEX)]).unwrap();
    let error = bench.store.resolve(&"x/y".parse().unwrap()).unwrap_err();
    assert!(error.is_of_the_image(), "{error}");
    assert!(error.to_string().contains("x86-64-v3, only for linux/amd64/v4"), "{error}");
}

#[test]
fn platforms_in_other_words_are_taken_as_the_engine_takes_them() {
    for platform in [
        json!({"os": "", "architecture": ""}),
        json!({}),
        json!({"os": "Linux", "architecture": "AMD64"}),
        json!({"os": "linux", "architecture": "x86_64"}),
        json!({"os": "linux", "architecture": "386"}),
        json!({"os": "linux", "architecture": "amd64", "variant": "v2"}),
        json!({"architecture": "amd64"}),
    ] {
        let one = layer("x");
        let archive = saved(&config(&platform, &[sha(&one)]), &[one], &json!(["x/y:1"]));
        assert!(Bench::new().add(&archive, None).is_ok(), "{platform}");
    }
    let one = layer("x");
    let arm = config(&json!({"os": "linux", "architecture": "arm64"}), &[sha(&one)]);
    let error = Bench::new().refusal(&saved(&arm, &[one], &json!(["x/y:1"])), None);
    assert!(error.contains("only for linux/arm64"), "{error}");
}

#[test]
fn what_is_no_image_and_what_is_too_deep_is_refused() {
    let empty = b"{}".to_vec();
    let mut made = image_of(empty.clone(), &[empty], &json!({"artifactType": "application/spdx+json"}));
    let manifest = String::from_utf8(made.blobs.pop().unwrap()).unwrap();
    let manifest = manifest.replace(CONFIG, "application/vnd.oci.empty.v1+json").into_bytes();
    made.blobs.push(manifest.clone());
    let error = Bench::new().layout(&made.blobs, &[descriptor(&manifest, MANIFEST)]).unwrap_err();
    assert!(error.is_of_the_image(), "{error}");
    assert!(error.to_string().contains("not an image: artifactType application/spdx+json"), "{error}");

    let layers = |count: u32| -> (Vec<u8>, Vec<Vec<u8>>) {
        let layers: Vec<Vec<u8>> = (0..count).map(|n| layer(&n.to_string())).collect();
        let ids: Vec<String> = layers.iter().map(|l| sha(l)).collect();
        (config(&amd64(), &ids), layers)
    };
    let (whole, deep) = layers(125);
    Bench::new().add(&saved(&whole, &deep, &json!(["x/y:1"])), None).unwrap();
    let (whole, deep) = layers(126);
    let error = Bench::new().refusal(&saved(&whole, &deep, &json!(["x/y:1"])), None);
    assert!(error.contains("max depth exceeded") && error.contains("126 layers"), "{error}");
}

#[test]
fn a_prune_takes_what_nobody_needs_and_nothing_else() {
    let bench = Bench::new();
    let made = image(&amd64(), "x");
    bench.layout(&made.blobs, &[made.manifest.clone()]).unwrap();
    assert_eq!(bench.store.prune().unwrap().blobs, 0);
    let stray = bench.store.blob_path(&sha(b"stray").parse().unwrap());
    std::fs::write(&stray, b"stray").unwrap();
    let removed = bench.store.prune().unwrap();
    assert_eq!((removed.blobs, removed.bytes, stray.exists()), (1, 5, false));
    assert!(bench.store.verify().unwrap().problems.is_empty());
}

/// `docker save` of a containerd store writes the whole index and the blobs of one platform.
#[test]
fn of_an_index_what_is_there_is_taken() {
    let platform =
        |architecture: &str, variant: &str| json!({"os": "linux", "architecture": architecture, "variant": variant});
    let offered = |platforms: &[(&str, &str)]| -> Vec<(serde_json::Value, Made)> {
        let made = |(number, (architecture, variant)): (usize, &(&str, &str))| {
            let platform = platform(architecture, variant);
            let made = image(&platform, &number.to_string());
            (platform, made)
        };
        platforms.iter().enumerate().map(made).collect()
    };
    // What the index lists, and which of it is there.
    let cases: [(&[(&str, &str)], usize); 5] = [
        (&[("amd64", ""), ("amd64", "v2"), ("amd64", "v3")], 0),
        (&[("amd64", "v3"), ("amd64", "v2"), ("amd64", "")], 2),
        // Of equals the one that is there.
        (&[("amd64", ""), ("amd64", "")], 1),
        (&[("amd64", ""), ("amd64", "v1")], 1),
        (&[("amd64", ""), ("386", "")], 1),
    ];
    for (platforms, there) in cases {
        let bench = Bench::new();
        let images = offered(platforms);
        let entries: Vec<_> = images
            .iter()
            .map(|(platform, made)| {
                let mut entry = made.manifest.clone();
                entry["platform"] = platform.clone();
                entry
            })
            .collect();
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).to_string().into_bytes();
        let mut blobs = images[there].1.blobs.clone();
        blobs.push(index.clone());
        let listed = |entries: serde_json::Value| json!({"schemaVersion": 2, "manifests": entries});
        let nested = layout_tar(&blobs, &listed(json!([descriptor(&index, INDEX)])), &[]);
        for archive in [nested.clone(), layout_tar(&blobs, &listed(json!(entries)), &[])] {
            let added = bench.add(&archive, Some("x/y:1")).unwrap();
            assert_eq!(added[0].image.manifest.digest.as_str(), images[there].1.manifest["digest"], "{platforms:?}");
            for level in Amd64Level::ALL {
                let store = ImageStore::open(bench.store.folder()).unwrap().for_processor(level);
                let found = store.resolve(&"x/y:1".parse().unwrap()).unwrap().unwrap();
                assert_eq!(found.config.digest.as_str(), images[there].1.config, "{platforms:?} {level}");
            }
        }
        // By the digest of the index an engine asks for what it chooses itself.
        bench.add(&nested, Some("x/y:1")).unwrap();
        let by_index = format!("x/y@{}", sha(&index)).parse().unwrap();
        let store = ImageStore::open(bench.store.folder()).unwrap().for_processor(Amd64Level::V3);
        let error = store.resolve(&by_index).unwrap_err().to_string();
        assert!(
            error.contains("which an engine chooses for this digest") && error.contains("hint: use its tag instead"),
            "{error}"
        );
    }
}

/// A few KiB that ask for any amount of memory.
#[test]
fn archives_of_endless_names_and_members_are_refused() {
    let bench = Bench::new();
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::GNULongName);
    header.set_path("././@LongLink").unwrap();
    header.set_size((1 << 20) + 1);
    header.set_mode(0);
    header.set_cksum();
    let mut long = header.as_bytes().to_vec();
    long.resize(512 + (1 << 20) + 512, b'n');
    let mut file = tar::Header::new_gnu();
    file.set_path("x").unwrap();
    file.set_size(0);
    file.set_cksum();
    long.extend(file.as_bytes());
    long.extend([0; 1024]);
    let said = bench.refusal(&gzip(&long), Some("x/y"));
    assert!(said.contains("a name of more than 1 MiB"), "{said}");
    let many: Vec<u8> = file.as_bytes().repeat(100_001);
    let said = bench.refusal(&gzip(&many), Some("x/y"));
    assert!(said.contains("more than 100000 members"), "{said}");
}
