//! Images through the exchange: the registry and the archive, read back by skopeo.

use std::sync::Arc;

use exchange::ExchangeConfig;
use futon_model::{EventKind, ImageReference};
use image_store::{ImageStore, RegistryOptions, StoreError};

use crate::support::{Image, Server, curl, image, put_blob, put_image, put_index, sha256, skopeo};

const NAME: &str = "vhiveease/fibonacci-go:latest";

fn name(text: &str) -> ImageReference {
    text.parse().unwrap()
}

/// An exchange with one plain image, one of another registry, and one that is reached through an index.
fn with_images() -> (Server, Image, Arc<ImageStore>) {
    let (mut first, mut kept) = (None, None);
    let server = Server::start(|scratch, events| {
        let store = Arc::new(ImageStore::open(scratch.join("images")).unwrap());
        let go = image(&scratch.join("go"), "go");
        store.add_oci_layout(&go.layout, &name(NAME)).unwrap();
        let other = image(&scratch.join("other"), "other");
        store.add_oci_layout(&other.layout, &name("ghcr.io/x/other:1.2")).unwrap();
        multi(&scratch.join("multi"));
        store.add_oci_layout(&scratch.join("multi"), &name("memcached")).unwrap();
        let mut config = ExchangeConfig::run([].into(), scratch.join("uploads"), events);
        config.store = Some(Arc::clone(&store));
        (first, kept) = (Some(go), Some(store));
        config
    });
    (server, first.unwrap(), kept.unwrap())
}

/// A layout whose one entry is an index of images for two platforms, one of them not there.
fn multi(layout: &std::path::Path) {
    let (amd64, _) = put_image(layout, "amd64", "memcached");
    let arm64 = serde_json::json!({"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": sha256(b"arm"), "size": 3,
        "platform": {"os": "linux", "architecture": "arm64"}});
    let media_type = "application/vnd.oci.image.index.v1+json";
    let index =
        serde_json::json!({"schemaVersion": 2, "mediaType": media_type, "manifests": [arm64, amd64]}).to_string();
    let digest = put_blob(layout, index.as_bytes());
    put_index(layout, &[serde_json::json!({"mediaType": media_type, "digest": digest, "size": index.len()})]);
}

#[test]
fn the_registry_answers_as_the_protocol_says() {
    let (mut server, go, _) = with_images();
    let get = |path: &str, more: &[&str]| curl(&[&[server.url(path).as_str()], more].concat());
    let base = get("/v2/", &[]);
    assert_eq!(base.status, 200);
    assert!(base.headers.contains("docker-distribution-api-version: registry/2.0"), "{}", base.headers);
    let manifest = get("/v2/vhiveease/fibonacci-go/manifests/latest", &[]);
    assert_eq!((manifest.status, sha256(&manifest.body)), (200, go.manifest.clone()));
    assert!(
        manifest.headers.contains("content-type: application/vnd.oci.image.manifest.v1+json"),
        "{}",
        manifest.headers
    );
    assert!(manifest.headers.contains(&format!("docker-content-digest: {}", go.manifest)), "{}", manifest.headers);
    let head = get(&format!("/v2/vhiveease/fibonacci-go/manifests/{}", go.manifest), &["-I"]);
    assert_eq!(head.status, 200);
    assert!(head.headers.contains(&format!("content-length: {}", manifest.body.len())), "{}", head.headers);
    let blob = get(&format!("/v2/vhiveease/fibonacci-go/blobs/{}", go.layers[1]), &[]);
    assert_eq!((blob.status, sha256(&blob.body)), (200, go.layers[1].clone()));
    let part = get(&format!("/v2/vhiveease/fibonacci-go/blobs/{}", go.layers[1]), &["-r", "3-6"]);
    assert_eq!((part.status, &part.body[..]), (206, &blob.body[3..7]));
    assert_eq!(
        get("/v2/vhiveease/fibonacci-go/tags/list", &[]).text(),
        r#"{"name":"vhiveease/fibonacci-go","tags":["latest"]}"#
    );
    assert!(get("/v2/_catalog", &[]).text().contains("ghcr.io/x/other"));
    let told = server.events();
    assert_eq!(told.len(), 2, "{told:?}");
    let event = EventKind::ImageRequested {
        reference: NAME.to_owned(),
        digest: Some(go.manifest.parse().unwrap()),
        status: 200,
    };
    assert_eq!(told[0], event);
}

#[test]
fn names_mean_what_docker_means() {
    let (server, go, store) = with_images();
    let other = store.resolve(&name("ghcr.io/x/other:1.2")).unwrap().unwrap().manifest.digest;
    for (path, status) in [
        ("/v2/vhiveease/fibonacci-go/manifests/latest?ns=docker.io", 200),
        ("/v2/vhiveease/fibonacci-go/manifests/latest?ns=ghcr.io", 404),
        ("/v2/docker.io/vhiveease/fibonacci-go/manifests/latest", 200),
        ("/v2/library/memcached/manifests/latest?ns=docker.io", 200),
        ("/v2/library/memcached/manifests/latest", 200),
        ("/v2/memcached/manifests/latest", 200),
        ("/v2/ghcr.io/x/other/manifests/1.2", 200),
        (&format!("/v2/ghcr.io/x/other/manifests/{other}"), 200),
        ("/v2/x/other/manifests/1.2?ns=ghcr.io", 200),
        ("/v2/x/other/manifests/1.2", 404),
        ("/v2/vhiveease/fibonacci-go/manifests/v9", 404),
        ("/v2/vhiveease/nothing/manifests/latest", 404),
        (&format!("/v2/vhiveease/fibonacci-go/manifests/{other}"), 404),
        (&format!("/v2/vhiveease/fibonacci-go/blobs/{}", sha256(b"nothing")), 404),
        (&format!("/v2/vhiveease/fibonacci-go/blobs/{other}"), 404),
        ("/v2/vhiveease/fibonacci-go/blobs/sha256:../../../../etc/passwd", 400),
        ("/v2/UPPER/manifests/latest", 400),
        ("/v2/x/UPPER/manifests/latest", 400),
        ("/v2/../images/names.json", 404),
        ("/v2/x", 404),
    ] {
        let got = curl(&[&server.url(path)]);
        assert_eq!(got.status, status, "{path}: {}", got.text());
        assert!(status == 200 || got.text().starts_with("{\"errors\":[{\"code\":\""), "{path}: {}", got.text());
    }
    let missing = curl(&[&server.url("/v2/vhiveease/fibonacci-go/manifests/v9")]).text();
    assert!(missing.contains("MANIFEST_UNKNOWN") && missing.contains("hint"), "{missing}");
    assert_eq!(
        curl(&["-X", "DELETE", &server.url(&format!("/v2/vhiveease/fibonacci-go/manifests/{}", go.manifest))]).status,
        405
    );
    // An index goes to clients that can read one, the manifest to those that cannot.
    let image = store.resolve(&name("memcached")).unwrap().unwrap();
    let ask = |accept: &str| {
        curl(&["-H", &format!("Accept: {accept}"), &server.url("/v2/library/memcached/manifests/latest")])
    };
    assert_eq!(sha256(&ask("application/vnd.oci.image.index.v1+json").body), image.index.unwrap().digest.as_str());
    assert_eq!(sha256(&ask("application/vnd.oci.image.manifest.v1+json").body), image.manifest.digest.as_str());
}

#[test]
fn a_client_that_was_led_here_by_another_name_gets_that_registrys_images() {
    let (server, go, store) = with_images();
    let digest = store.resolve(&name("ghcr.io/x/other:1.2")).unwrap().unwrap().manifest.digest;
    let get = |host: &str, path: &str| curl(&["-H", &format!("Host: {host}"), &server.url(path)]);
    let path = format!("/v2/x/other/manifests/{digest}");
    let led = get("ghcr.io", &path);
    assert_eq!((led.status, sha256(&led.body)), (200, digest.to_string()));
    assert_eq!(get("quay.io", &path).status, 404);
    assert_eq!(get("ghcr.io", "/v2/").status, 200);
    let own = format!("/v2/vhiveease/fibonacci-go/manifests/{}", go.manifest);
    for host in ["10.0.2.2:3003", "ghcr.io", "any.example", "[::1]:80", "not a host"] {
        assert_eq!(get(host, &own).status, 200, "{host}: what it has under that name alone is meant");
    }
}

/// A layout whose one entry is an index with an image for each level.
fn variants(layout: &std::path::Path) -> Vec<Image> {
    let entry = |variant: &str| {
        let (mut entry, made) = put_image(layout, "amd64", variant);
        entry["platform"]["variant"] = serde_json::json!(variant);
        (entry, made)
    };
    let (entries, made): (Vec<_>, Vec<_>) = ["v2", "v4", "v1", "v3"].into_iter().map(entry).unzip();
    let media_type = "application/vnd.oci.image.index.v1+json";
    let index = serde_json::json!({"schemaVersion": 2, "mediaType": media_type, "manifests": entries}).to_string();
    let digest = put_blob(layout, index.as_bytes());
    put_index(layout, &[serde_json::json!({"mediaType": media_type, "digest": digest, "size": index.len()})]);
    made
}

#[test]
fn of_several_variants_the_one_of_the_machines_processor_is_served() {
    use futon_model::Amd64Level::{V1, V2, V3, V4};
    for (level, number) in [(V1, 2), (V2, 0), (V3, 3), (V4, 1)] {
        let (mut made, mut kept) = (Vec::new(), None);
        let server = Server::start(|scratch, events| {
            let store = Arc::new(ImageStore::open(scratch.join("images")).unwrap().for_processor(level));
            made = variants(&scratch.join("v"));
            store.add_oci_layout(&scratch.join("v"), &name("me/fn:1")).unwrap();
            kept = Some(Arc::clone(&store));
            let mut config = ExchangeConfig::run([].into(), scratch.join("uploads"), events);
            config.store = Some(store);
            config
        });
        let planned = kept.unwrap().resolve(&name("me/fn:1")).unwrap().unwrap().planned(&name("me/fn:1"));
        let get = |path: &str| curl(&["-H", "Accept: application/vnd.oci.image.index.v1+json", &server.url(path)]);
        let tag = get("/v2/me/fn/manifests/1");
        assert_eq!((tag.status, sha256(&tag.body)), (200, made[number].manifest.clone()), "{level}");
        assert_eq!(planned.manifest.unwrap().as_str(), made[number].manifest);
        // By digest an engine gets the index, and whatever it chooses of it.
        assert_eq!(get(&format!("/v2/me/fn/manifests/{}", planned.index.unwrap())).status, 200);
        for image in &made {
            assert_eq!(get(&format!("/v2/me/fn/manifests/{}", image.manifest)).status, 200);
            assert_eq!(get(&format!("/v2/me/fn/blobs/{}", image.config)).status, 200);
        }
        let archive = get("/_futon/image.tar?ref=me/fn:1");
        let config = format!("{}.json", &made[number].config[7..]);
        assert!(String::from_utf8_lossy(&archive.body).contains(&config), "{level}");
    }
}

#[test]
fn a_missing_blob_is_an_error_of_the_host() {
    let (server, go, store) = with_images();
    std::fs::remove_file(store.blob_path(&go.layers[1].parse().unwrap())).unwrap();
    let got = curl(&[&server.url(&format!("/v2/vhiveease/fibonacci-go/blobs/{}", go.layers[1]))]);
    assert_eq!(got.status, 500);
    assert!(got.text().contains("hint"), "{}", got.text());
    assert_eq!(curl(&[&server.url(&format!("/_futon/image.tar?ref={NAME}"))]).status, 500);
}

#[test]
#[ignore = "needs skopeo: make test runs it"]
fn skopeo_pulls_what_was_added() {
    let (server, go, store) = with_images();
    let out = tempfile::tempdir().unwrap();
    for (which, image) in [
        (NAME, name(NAME)),
        ("ghcr.io/x/other:1.2", name("ghcr.io/x/other:1.2")),
        ("library/memcached", name("memcached")),
    ] {
        let expected = store.resolve(&image).unwrap().unwrap();
        let layout = out.path().join(image.base_name());
        let from = format!("docker://{}/{which}", server.address);
        skopeo(&[
            "copy",
            "-q",
            "--src-tls-verify=false",
            "--override-os=linux",
            "--override-arch=amd64",
            &from,
            &format!("oci:{}:x", layout.display()),
        ]);
        let copied = ImageStore::open(out.path().join("store")).unwrap().add_oci_layout(&layout, &image).unwrap();
        assert_eq!(copied.image.manifest.digest, expected.manifest.digest, "{which}");
        assert_eq!(copied.image.config.digest, expected.config.digest);
    }
    let by_digest = format!("docker://{}/vhiveease/fibonacci-go@{}", server.address, go.manifest);
    skopeo(&["inspect", "--tls-verify=false", &by_digest]);
}

#[test]
fn the_archive_is_what_docker_load_reads() {
    let (mut server, go, _) = with_images();
    let url = server.url(&format!("/_futon/image.tar?ref={NAME}"));
    let got = curl(&[&url]);
    assert_eq!(got.status, 200);
    assert!(got.headers.contains(&format!("content-length: {}", got.body.len())), "{}", got.headers);
    let head = curl(&["-I", &url]);
    assert!(head.headers.contains(&format!("content-length: {}", got.body.len())), "{}", head.headers);
    let mut tar = tar::Archive::new(&got.body[..]);
    let names: Vec<String> = tar.entries().unwrap().map(|e| e.unwrap().path().unwrap().display().to_string()).collect();
    let unique = [
        format!("{}.tar", &go.layers[0][7..]),
        format!("{}.tar", &go.layers[1][7..]),
        format!("{}.json", &go.config[7..]),
    ];
    assert_eq!(names[..3], unique);
    assert_eq!(names[3..], ["manifest.json"]);
    let again = tempfile::tempdir().unwrap();
    let path = again.path().join("image.tar");
    std::fs::write(&path, &got.body).unwrap();
    let store = ImageStore::open(again.path().join("images")).unwrap();
    let added = store.add_docker_archive(&path, None).unwrap();
    assert_eq!(added.len(), 1);
    assert_eq!(added[0].image.config.digest.as_str(), go.config, "the image id survives");
    assert_eq!(added[0].image.reference.written(), NAME);
    for (query, status) in [("?ref=no/such", 404), ("?ref=", 400), ("", 400), ("?ref=UPPER", 400)] {
        assert_eq!(curl(&[&server.url(&format!("/_futon/image.tar{query}"))]).status, status, "{query}");
    }
    let told = server.events();
    assert_eq!(told.iter().filter(|e| matches!(e, EventKind::ImageRequested { .. })).count(), 6, "{told:?}");
}

#[test]
#[ignore = "needs skopeo: make test runs it"]
fn skopeo_reads_the_archive() {
    let (server, go, _) = with_images();
    let folder = tempfile::tempdir().unwrap();
    let (path, copied) = (folder.path().join("image.tar"), folder.path().join("copied"));
    std::fs::write(&path, curl(&[&server.url(&format!("/_futon/image.tar?ref={NAME}"))]).body).unwrap();
    // Into a folder and not an OCI layout, for which skopeo writes another configuration.
    skopeo(&["copy", "-q", &format!("docker-archive:{}", path.display()), &format!("dir:{}", copied.display())]);
    let manifest = std::fs::read_to_string(copied.join("manifest.json")).unwrap();
    assert!(manifest.contains(&go.config), "{manifest}");
}

#[test]
#[ignore = "needs skopeo: make test runs it"]
fn skopeo_adds_from_an_exchange() {
    let (server, _, source) = with_images();
    let scratch = tempfile::tempdir().unwrap();
    let store = ImageStore::open(scratch.path()).unwrap();
    let options = RegistryOptions { tls_verify: false, ..Default::default() };
    let mut said = Vec::new();
    for (path, original) in [("vhiveease/fibonacci-go", NAME), ("library/memcached:latest", "memcached")] {
        let reference = name(&format!("{}/{path}", server.address));
        let added = store.add_registry(&reference, None, &options, &mut |line| said.push(line.to_owned())).unwrap();
        let original = source.resolve(&name(original)).unwrap().unwrap();
        assert_eq!(
            added.image.planned(&reference),
            original.planned(&reference),
            "index, manifest and config byte for byte"
        );
        assert!(added.new_bytes > 0);
    }
    assert!(!said.is_empty());
    assert!(store.verify().unwrap().problems.is_empty());
    let missing = name(&format!("{}/no/such", server.address));
    let error = store.add_registry(&missing, None, &options, &mut |_| {}).unwrap_err();
    assert!(matches!(error, StoreError::Registry { .. }), "{error}");
    assert!(error.to_string().contains("hint: the registry has no such image"), "{error}");
    drop(server);
    let error = store.add_registry(&missing, None, &options, &mut |_| {}).unwrap_err().to_string();
    assert!(error.contains("no way to the registry"), "{error}");
    assert_eq!(std::fs::read_dir(scratch.path().join("tmp")).unwrap().count(), 0, "failed adds leave nothing");
}
