//! Bundles for the lean guest: what is in an image's layers is in the archive, exactly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "../../image-store/tests/layout/mod.rs"]
mod layout;

use std::collections::BTreeMap;
use std::io::{Read, empty};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;
use std::sync::Arc;

use futon_model::{ImageReference, LeanAddress, LeanAttachment, LeanBundle};
use image_store::ImageStore;
use layout::{gzip, put_blob, put_index, sha256};
use lean_bundle::{Bundle, BundleContainer, MountSource, ServiceMount, ServiceSettings};
use serde_json::{Value, json};
use tar::{Builder, EntryType, Header};

const PROFILE: &str =
    r#"{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ALLOW"}]}"#;
const NAME: &str = "me/odd:1";

fn header(kind: EntryType, mode: u32, owner: (u64, u64), size: usize) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(owner.0);
    header.set_gid(owner.1);
    header.set_mtime(1_234_567_890);
    header.set_size(size as u64);
    header
}

fn file(layer: &mut Builder<Vec<u8>>, name: &str, mode: u32, owner: (u64, u64), content: &[u8]) {
    layer.append_data(&mut header(EntryType::Regular, mode, owner, content.len()), name, content).unwrap();
}

/// Two layers with all that a layer can have.
fn layers() -> Vec<Vec<u8>> {
    let root = (0, 0);
    let mut lower = Builder::new(Vec::new());
    lower.append_data(&mut header(EntryType::Directory, 0o755, root, 0), "etc/", empty()).unwrap();
    file(&mut lower, "etc/passwd", 0o644, root, b"root:x:0:0::/root:/bin/sh\nweb:x:33:44::/:/bin/false\n");
    file(&mut lower, "etc/group", 0o644, root, b"www:x:44:\nmore:x:50:web\n");
    file(&mut lower, "gone", 0o644, root, b"1");
    file(&mut lower, "opaque/gone", 0o644, root, b"1");
    file(&mut lower, "kept", 0o640, (33, 44), b"lower");
    lower.append_link(&mut header(EntryType::Link, 0o640, (33, 44), 0), "twin", "kept").unwrap();
    let long = format!("deep/{}/{}", "d".repeat(90), "f".repeat(90));
    file(&mut lower, &long, 0o600, root, b"long");
    let mut upper = Builder::new(Vec::new());
    file(&mut upper, ".wh.gone", 0, root, b"");
    file(&mut upper, "opaque/.wh..wh..opq", 0, root, b"");
    file(&mut upper, "opaque/new", 0o644, root, b"2");
    upper
        .append_pax_extensions([("SCHILY.xattr.security.capability", &[&[1_u8, 0, 0, 2][..], &[0; 16]].concat()[..])])
        .unwrap();
    file(&mut upper, "bin/server", 0o4755, (1000, 1000), &[7; 5000]);
    upper.append_link(&mut header(EntryType::Symlink, 0o777, root, 0), "app", "/outside/../of").unwrap();
    let mut device = header(EntryType::Char, 0o666, (0, 5), 0);
    device.set_device_major(1).unwrap();
    device.set_device_minor(3).unwrap();
    upper.append_data(&mut device, "null", empty()).unwrap();
    vec![lower.into_inner().unwrap(), upper.into_inner().unwrap()]
}

fn store(folder: &Path) -> Arc<ImageStore> {
    store_of(folder, &layers())
}

fn store_of(folder: &Path, plain: &[Vec<u8>]) -> Arc<ImageStore> {
    let layout = folder.join("layout");
    // One compressed, one as it is.
    let stored = [gzip(&plain[0]), plain[1].clone()];
    let kinds = ["application/vnd.oci.image.layer.v1.tar+gzip", "application/vnd.oci.image.layer.v1.tar"];
    let config = json!({"architecture": "amd64", "os": "linux",
        "config": {"User": "web", "Env": ["A=1"], "Entrypoint": ["/bin/server"], "StopSignal": "SIGINT"},
        "rootfs": {"type": "layers", "diff_ids": plain.iter().map(|l| sha256(l)).collect::<Vec<_>>()}})
    .to_string();
    let layers: Vec<Value> = stored
        .iter()
        .zip(kinds)
        .map(|(l, kind)| json!({"mediaType": kind, "digest": put_blob(&layout, l), "size": l.len()}))
        .collect();
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let manifest = json!({"schemaVersion": 2, "mediaType": kind, "layers": layers,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json",
                   "digest": put_blob(&layout, config.as_bytes()), "size": config.len()}})
    .to_string();
    let entry = json!({"mediaType": kind, "digest": put_blob(&layout, manifest.as_bytes()), "size": manifest.len()});
    put_index(&layout, &[entry]);
    let store = ImageStore::open(folder.join("images")).unwrap();
    store.add_oci_layout(&layout, &NAME.parse().unwrap()).unwrap();
    Arc::new(store)
}

fn container(service: &str, image: &str, settings: ServiceSettings) -> BundleContainer {
    let image: ImageReference = image.parse().unwrap();
    BundleContainer { service: service.into(), name: format!("{service}-1"), image, settings, checked: false }
}

fn bundle(folder: &Path) -> Bundle {
    let profile = folder.join("seccomp.json");
    std::fs::write(&profile, PROFILE).unwrap();
    let settings = ServiceSettings { container_port: Some(8080), ..ServiceSettings::default() };
    let containers = vec![
        container("database", NAME, ServiceSettings { user: Some("0".into()), ..ServiceSettings::default() }),
        container("function", NAME, settings),
    ];
    Bundle {
        containers,
        function: 1,
        networks: BTreeMap::new(),
        store: store(folder),
        profile,
        function_cpus: Some("1".into()),
        processors: Some(2),
    }
}

#[derive(Debug, PartialEq)]
struct Member {
    kind: EntryType,
    mode: u32,
    owner: (u64, u64),
    mtime: u64,
    link: Option<String>,
    xattrs: Vec<(String, Vec<u8>)>,
    content: Vec<u8>,
}

fn members(archive: &[u8]) -> (Vec<String>, BTreeMap<String, Member>) {
    let mut order = Vec::new();
    let mut all = BTreeMap::new();
    for entry in tar::Archive::new(archive).entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
        let extensions = entry.pax_extensions().unwrap().into_iter().flatten().map(Result::unwrap);
        let xattrs = extensions.map(|e| (e.key().unwrap().to_owned(), e.value_bytes().to_vec())).collect();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        let header = entry.header();
        let member = Member {
            kind: header.entry_type(),
            mode: header.mode().unwrap(),
            owner: (header.uid().unwrap(), header.gid().unwrap()),
            mtime: header.mtime().unwrap(),
            link: entry.link_name_bytes().map(|l| String::from_utf8(l.into_owned()).unwrap()),
            xattrs,
            content,
        };
        order.push(name.clone());
        assert!(all.insert(name.clone(), member).is_none(), "{name} twice");
    }
    (order, all)
}

#[test]
fn all_of_the_layers_is_there_and_nothing_that_was_taken_away() {
    let folder = tempfile::tempdir().unwrap();
    let mut archive = Vec::new();
    bundle(folder.path()).write(&mut archive).unwrap();
    let (order, all) = members(&archive);
    assert_eq!(order[0], "lean.json");
    let at = |name: &str| order.iter().position(|n| n == name).unwrap_or_else(|| panic!("no {name} in {order:?}"));
    let root = "function-1/rootfs";
    let member = |name: &str| &all[&format!("{root}/{name}")];
    assert!(!order.iter().any(|n| n.ends_with("/gone") || n.contains(".wh.")), "{order:?}");
    assert_eq!(member("opaque/new").content, b"2");
    let server = member("bin/server");
    assert_eq!((server.mode, server.owner, server.mtime), (0o4755, (1000, 1000), 1_234_567_890));
    assert_eq!(server.content, [7; 5000]);
    assert_eq!(
        server.xattrs,
        [(
            "FUTON.xattr".to_owned(),
            b"73656375726974792e6361706162696c697479 01000002".iter().chain(&[b'0'; 32]).copied().collect()
        )]
    );
    assert_eq!(member("app").link.as_deref(), Some("/outside/../of"));
    assert_eq!((member("null").kind, member("null").owner), (EntryType::Char, (0, 5)));
    // A folder that no layer describes is there, before what is in it.
    assert_eq!(member("bin").mode, 0o755);
    assert!(at(&format!("{root}/bin")) < at(&format!("{root}/bin/server")));
    assert_eq!((member("kept").mode, member("kept").owner), (0o640, (33, 44)));
    let twin = member("twin");
    assert_eq!((twin.kind, twin.link.as_deref()), (EntryType::Link, Some("function-1/rootfs/kept")));
    assert!(at(&format!("{root}/kept")) < at(&format!("{root}/twin")));
    assert_eq!(member(&format!("deep/{}/{}", "d".repeat(90), "f".repeat(90))).content, b"long");
}

#[test]
fn settings_are_the_images_and_the_services() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = bundle(folder.path());
    let mut archive = Vec::new();
    bundle.write(&mut archive).unwrap();
    let (_, all) = members(&archive);
    let about: LeanBundle = serde_json::from_slice(&all["lean.json"].content).unwrap();
    let names: Vec<_> = about.containers.iter().map(|c| (c.name.as_str(), c.network.clone())).collect();
    let own = |address: &str| {
        LeanAttachment::Own(vec![LeanAddress { network: 0, address: address.parse().unwrap(), default_route: true }])
    };
    assert_eq!(names, [("database-1", own("172.18.0.2")), ("function-1", own("172.18.0.3"))]);
    assert_eq!((bundle.function_address(1).0.to_string(), bundle.function_address(1).1), ("172.18.0.3".into(), 8080));
    let function = &about.containers[1];
    assert_eq!((function.image.as_str(), function.stop_signal), (NAME, 2));
    let stored = bundle.store.resolve(&NAME.parse().unwrap()).unwrap().unwrap();
    assert_eq!(function.image_id, stored.config.digest.as_str());
    assert_eq!(function.repo_digests, [format!("me/odd@{}", stored.manifest.digest)]);
    let config =
        |name: &str| -> Value { serde_json::from_slice(&all[&format!("{name}/config.json")].content).unwrap() };
    let made = config("function-1");
    assert_eq!(made["process"]["args"], json!(["/bin/server"]));
    assert_eq!(made["process"]["user"], json!({"uid": 33, "gid": 44, "additionalGids": [44, 50]}));
    assert_eq!(made["linux"]["resources"]["cpu"], json!({"cpus": "1"}));
    // What runs beside it keeps off its processor.
    let made = config("database-1");
    assert_eq!(made["process"]["user"]["uid"], 0);
    assert!(made["linux"]["resources"]["cpu"].is_null());
    let hosts = String::from_utf8(all["function-1/hosts"].content.clone()).unwrap();
    assert!(hosts.contains("172.18.0.3\t") && !hosts.contains("database"), "{hosts}");
    let known: Vec<_> = function.hosts.iter().map(|host| (host.container.as_str(), host.address.to_string())).collect();
    assert_eq!(known, [("database-1", "172.18.0.2".to_owned()), ("function-1", "172.18.0.3".to_owned())]);
    assert_eq!(function.hosts[0].names[..2], ["database", "database-1"]);
    // The same input gives the same archive.
    let mut again = Vec::new();
    bundle.write(&mut again).unwrap();
    assert!(archive == again);
}

#[test]
fn what_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut other = bundle(folder.path());
    other.containers.push(container("absent", "me/absent", ServiceSettings::default()));
    assert_eq!(other.missing().unwrap().len(), 1);
    let error = other.write(Vec::new()).unwrap_err();
    assert!(error.to_string().contains("me/absent"), "{error}");
}

#[test]
fn what_an_engine_refuses_is_left_to_the_guest_to_say() {
    let folder = tempfile::tempdir().unwrap();
    let mut other = bundle(folder.path());
    other.containers[0].settings.user = Some("nobody".into());
    let mut archive = Vec::new();
    other.write(&mut archive).unwrap();
    let (order, all) = members(&archive);
    let about: LeanBundle = serde_json::from_slice(&all["lean.json"].content).unwrap();
    let refusal = about.containers[0].refused.clone().unwrap();
    assert_eq!(refusal, "unable to find user nobody: no matching entries in passwd file");
    assert!(about.containers[1].refused.is_none());
    assert!(!order.iter().any(|name| name.starts_with("database-1")), "{order:?}");
}

#[test]
fn files_of_users_and_groups_that_are_directories_are_told_whoever_is_looked_for() {
    for (path, user, why) in [
        ("etc/passwd/", "nobody", "unable to find user nobody: read /etc/passwd: is a directory"),
        ("etc/passwd/", "1000", "unable to find user 1000: read /etc/passwd: is a directory"),
        ("etc/group/", "web", "unable to find groups for spec web: read /etc/group: is a directory"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut upper = Builder::new(Vec::new());
        upper.append_data(&mut header(EntryType::Directory, 0o755, (0, 0), 0), path, empty()).unwrap();
        let mut other = bundle(folder.path());
        other.store = store_of(&folder.path().join("odd"), &[layers().remove(0), upper.into_inner().unwrap()]);
        other.containers[0].settings.user = Some(user.into());
        let mut archive = Vec::new();
        other.write(&mut archive).unwrap();
        let about: LeanBundle = serde_json::from_slice(&members(&archive).1["lean.json"].content).unwrap();
        assert_eq!(about.containers[0].refused.as_deref(), Some(why));
    }
}

#[test]
fn mounted_files_of_the_host_are_there_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::create_dir_all(path("d/sub")).unwrap();
    std::fs::write(path("d/sub/secret"), "text").unwrap();
    std::fs::set_permissions(path("d/sub/secret"), PermissionsExt::from_mode(0o600)).unwrap();
    for (name, target) in [("up", "/etc/hostname"), ("gone", "../gone"), ("loop", ".")] {
        symlink(target, path("d").join(name)).unwrap();
    }
    // Only root can give a file away.
    let _ = chown(path("d/sub/secret"), Some(1000), Some(1000));
    let own = std::fs::metadata(path("d/sub/secret")).unwrap();
    let mut other = bundle(folder.path());
    other.containers[1].settings.mounts = [("/d", "d"), ("/s", "d/sub/secret")]
        .map(|(target, from)| ServiceMount {
            target: target.into(),
            source: MountSource::Host(path(from)),
            read_only: false,
        })
        .into();
    let mut archive = Vec::new();
    other.write(&mut archive).unwrap();
    let (order, all) = members(&archive);
    let member =
        |name: &str| all.get(&format!("function-1/mounts/{name}")).unwrap_or_else(|| panic!("no {name} in {order:?}"));
    for (name, target) in [("0/up", "/etc/hostname"), ("0/gone", "../gone"), ("0/loop", ".")] {
        assert_eq!((member(name).kind, member(name).link.as_deref()), (EntryType::Symlink, Some(target)), "{name}");
    }
    assert_eq!(member("0").kind, EntryType::Directory);
    for name in ["0/sub/secret", "1"] {
        let made = member(name);
        assert_eq!((made.content.as_slice(), made.mode), (&b"text"[..], 0o600), "{name}");
        assert_eq!(made.owner, (own.uid().into(), own.gid().into()), "{name}");
        assert_eq!(made.mtime, u64::try_from(own.mtime()).unwrap(), "{name}");
    }
}

#[test]
fn the_engines_own_files_and_the_working_directory_are_there() {
    let folder = tempfile::tempdir().unwrap();
    let mut other = bundle(folder.path());
    other.containers[1].settings.working_dir = Some("/made/here".into());
    let mut archive = Vec::new();
    other.write(&mut archive).unwrap();
    let (_, all) = members(&archive);
    let member = |name: &str| &all[&format!("function-1/rootfs/{name}")];
    assert_eq!((member(".dockerenv").mode, member(".dockerenv").content.len()), (0o755, 0));
    assert_eq!(member("etc/mtab").link.as_deref(), Some("/proc/mounts"));
    assert_eq!((member("made/here").kind, member("made/here").owner), (EntryType::Directory, (0, 0)));
    // What the image has stays as it is.
    assert!(member("etc/passwd").content.starts_with(b"root:x:0:0:"));
}
