//! The files for a warm base's rehearsal: an image whose function answers calls, and the requests that start it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use futon_common::{Context, Error, Result, sha256_bytes};
use futon_model::{ContainerRequest, EngineRequests, PlannedImage};
use image_store::ImageStore;
use serde_json::json;

/// Names of the image, its container and its Compose service.
const NAME: &str = "futon-rehearsal";

/// The program in the image.
const PROGRAM: &str = "test-client";

/// Uploads of the guest after a successful and after a failed rehearsal.
const REPORT: &str = "client.json";
const LOG: &str = "rehearsal.log";
/// Longest reason that is stored, characters.
const WHY: usize = 300;

/// A rehearsal's files.
#[derive(Debug, Clone)]
pub(super) struct Rehearsal {
    /// What the guest fetches as `rehearsal.json`.
    pub(super) requests: PathBuf,
    /// Has the image, and those that the guest pulls before it.
    pub(super) store: Arc<ImageStore>,
}

impl Rehearsal {
    /// Makes the files in `folder`. `images` are taken from their store.
    pub(super) fn make(
        folder: &Path,
        test_client: &Path,
        images: &[PlannedImage],
        from: Option<&ImageStore>,
    ) -> Result<Self> {
        let failed = || format!("cannot prepare the rehearsal in {}", folder.display());
        std::fs::create_dir_all(folder).context(failed)?;
        let requests = folder.join("rehearsal.json");
        std::fs::write(&requests, serde_json::to_vec(&self::requests()).context(failed)?).context(failed)?;
        let archive = folder.join("image.tar");
        std::fs::write(&archive, image(test_client).context(failed)?).context(failed)?;
        let mut store = ImageStore::open(folder.join("images"))?;
        if let Some(from) = from {
            store = store.for_processor(from.level());
        }
        store.add_docker_archive(&archive, None)?;
        for image in images {
            let from = from.ok_or_else(|| Error::infra("there is no image store"))?;
            store.adopt(from, &image.reference)?;
        }
        Ok(Self { requests, store: Arc::new(store) })
    }
}

/// All inputs of a rehearsal, besides the program in its image.
pub(super) fn text(program: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut text = image_of(program)?;
    text.extend(serde_json::to_vec(&requests())?);
    Ok(text)
}

/// Why a rehearsal failed, according to the guest's uploads.
pub(super) fn failure(uploads: &Path) -> Option<String> {
    if let Ok(log) = std::fs::read(uploads.join(LOG)) {
        let log = String::from_utf8_lossy(&log).into_owned();
        let last = log.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("its log is empty");
        return Some(last.chars().take(WHY).collect());
    }
    (!uploads.join(REPORT).is_file()).then(|| "the guest did not report the rehearsal".to_owned())
}

/// An image with one layer, which has one file, as a `docker save` archive.
fn image(test_client: &Path) -> std::io::Result<Vec<u8>> {
    image_of(&std::fs::read(test_client)?)
}

fn image_of(program: &[u8]) -> std::io::Result<Vec<u8>> {
    let layer = tar_of(&[(PROGRAM, program)])?;
    let config = json!({
        "os": "linux",
        "architecture": "amd64",
        "config": { "Entrypoint": [format!("/{PROGRAM}"), "-serve"] },
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{}", sha256_bytes(&layer))] },
    });
    let manifest =
        json!([{ "Config": "config.json", "RepoTags": [format!("{NAME}:latest")], "Layers": ["layer.tar"] }]);
    let (config, manifest) = (config.to_string(), manifest.to_string());
    tar_of(&[("manifest.json", manifest.as_bytes()), ("config.json", config.as_bytes()), ("layer.tar", &layer)])
}

fn tar_of(files: &[(&str, &[u8])]) -> std::io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o755);
        archive.append_data(&mut header, name, *content)?;
    }
    archive.into_inner()
}

/// A service on its own network with a published port, like those of functions.
fn requests() -> EngineRequests {
    let network = format!("{NAME}_default");
    let create = json!({
        "Image": NAME,
        // As the first process of its container the program gets no other stop signal.
        "StopSignal": "SIGKILL",
        "ExposedPorts": { "50051/tcp": {} },
        "HostConfig": {
            "NetworkMode": network,
            "PortBindings": { "50051/tcp": [{ "HostIp": "", "HostPort": "50000" }] },
        },
        "NetworkingConfig": { "EndpointsConfig": { (network.as_str()): { "Aliases": [NAME] } } },
    });
    EngineRequests {
        networks: vec![json!({ "Name": network })],
        volumes: Vec::new(),
        containers: vec![ContainerRequest { service: NAME.into(), name: NAME.into(), create, after: Vec::new() }],
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn the_image_can_be_pulled_like_any_other() {
        let folder = tempfile::tempdir().unwrap();
        let client = folder.path().join("client");
        std::fs::write(&client, "a program").unwrap();
        let rehearsal = Rehearsal::make(&folder.path().join("r"), &client, &[], None).unwrap();
        let park = super::super::script::PARK_SCRIPT;
        let image = rehearsal.store.resolve(&NAME.parse().unwrap()).unwrap().unwrap();
        assert!(park.contains(&format!("REHEARSAL={NAME}\n")), "{image:?}");
        let requests: Value = serde_json::from_slice(&std::fs::read(&rehearsal.requests).unwrap()).unwrap();
        assert_eq!(requests["containers"][0]["create"]["Image"], NAME);
        // The format that the guest reads; without it the rehearsal fails and each fork is slower.
        assert_eq!(requests["networks"][0]["Name"], format!("{NAME}_default"));
    }

    #[test]
    fn what_the_guest_uploaded_says_how_it_went() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        assert!(failure(folder.path()).unwrap().contains("did not report the rehearsal"));
        put(REPORT, "{}");
        assert_eq!(failure(folder.path()), None);
        // It has called the function, and then could not stop it.
        put(LOG, "--- step invoke: ok\n--- step stop: failed\n\n");
        assert_eq!(failure(folder.path()).unwrap(), "--- step stop: failed");
        put(LOG, &"x".repeat(10_000));
        assert_eq!(failure(folder.path()).unwrap().len(), WHY);
        let park = super::super::script::PARK_SCRIPT;
        assert!(park.contains(&format!("put {LOG}")) && park.contains(&format!("--put {REPORT}")));
    }

    #[test]
    fn images_that_are_pulled_before_come_from_their_store() {
        let folder = tempfile::tempdir().unwrap();
        let client = folder.path().join("client");
        std::fs::write(&client, "a program").unwrap();
        let (archive, name) = (folder.path().join("image.tar"), "vhiveease/x:latest".parse().unwrap());
        std::fs::write(&archive, image(&client).unwrap()).unwrap();
        let other = ImageStore::open(folder.path().join("other")).unwrap();
        let planned = other.add_docker_archive(&archive, Some(&name)).unwrap()[0].image.planned(&name);
        let make = |from| Rehearsal::make(&folder.path().join("r"), &client, std::slice::from_ref(&planned), from);
        assert!(make(None).is_err());
        let store = make(Some(&other)).unwrap().store;
        for name in [&name, &NAME.parse().unwrap()] {
            assert_eq!(store.resolve(name).unwrap().unwrap().manifest.digest, *planned.manifest.as_ref().unwrap());
        }
        assert!(store.verify().unwrap().problems.is_empty());
    }
}
