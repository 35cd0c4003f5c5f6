//! A run's bundle: every container's settings and root, and what the guest must know of them, in one tar archive.
//!
//! Layout: `lean.json` ([`LeanBundle`]) first; then for each container `NAME/config.json`, `hosts`, `hostname`, `resolv.conf`,
//! `rootfs/…`. The paths in `config.json` are relative to the folder of the container.

use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;

use futon_model::{ImageReference, LeanBundle, LeanContainer, LeanRefusal};
use sha2::{Digest as _, Sha256};
use tar::Builder;

use super::config::{ContainerConfig, ContainerPlace, ImageSettings, ServiceSettings, oci_config};
use super::users::find_user;
use super::write::{append_folder, append_text, append_tree};
use crate::{Context, Error, Result};
use image_store::rootfs::{Rootfs, RootfsError};
use image_store::{ImageStore, StoredImage};

/// The guest's end of the containers' network: what Docker's first compose network has.
const GATEWAY: Ipv4Addr = Ipv4Addr::new(172, 18, 0, 1);
const PREFIX: u8 = 16;

/// What containers find names with; only an open network answers.
const RESOLV_CONF: &str = "nameserver 10.0.2.3\noptions timeout:2 attempts:1\n";

/// How long Docker waits for a container to stop.
const STOP_GRACE_MS: u64 = 10_000;

/// A container of a bundle.
#[derive(Debug, Clone)]
pub struct BundleContainer {
    /// Compose service, under which the others find it.
    pub service: String,
    /// Name of the container.
    pub name: String,
    /// Name of the image.
    pub image: ImageReference,
    /// Settings of the service.
    pub settings: ServiceSettings,
}

/// What a bundle is made from.
#[derive(Debug, Clone)]
pub struct Bundle {
    /// Containers in the order in which they are started, the function's last.
    pub containers: Vec<BundleContainer>,
    /// The images.
    pub store: Arc<ImageStore>,
    /// Docker's seccomp profile.
    pub profile: PathBuf,
    /// Processors of the function's container where its service sets none.
    pub function_cpus: Option<String>,
}

impl Bundle {
    /// The address of a container, by its place in the list.
    #[must_use]
    pub fn address(&self, index: usize) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(GATEWAY).wrapping_add(u32::try_from(index).unwrap_or(0) + 1))
    }

    /// The function's address and port, for the client.
    #[must_use]
    pub fn function_address(&self, default_port: u16) -> (Ipv4Addr, u16) {
        let last = self.containers.len().saturating_sub(1);
        let port = self.containers.last().and_then(|c| c.settings.container_port).unwrap_or(default_port);
        (self.address(last), port)
    }

    /// Names of images that the store lacks: there is no bundle without them.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn missing(&self) -> Result<Vec<&ImageReference>> {
        let mut missing = Vec::new();
        for container in &self.containers {
            if self.store.resolve(&container.image)?.is_none() {
                missing.push(&container.image);
            }
        }
        Ok(missing)
    }

    /// Writes the archive.
    ///
    /// # Errors
    /// When an image is missing or damaged, a service asks for what is not there, or `out` takes no more.
    pub fn write(&self, out: impl Write) -> Result<()> {
        let mut archive = Builder::new(out);
        self.append(&mut archive, "")?;
        archive.into_inner().and_then(|mut out| out.flush()).context(|| "cannot write the bundle".into())
    }

    /// Appends all of it to an archive, each name with `prefix` before it.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn append(&self, archive: &mut Builder<impl Write>, prefix: &str) -> Result<()> {
        let profile = std::fs::read_to_string(&self.profile)
            .context(|| format!("cannot read the seccomp profile {}", self.profile.display()))?;
        let mut parts = Vec::new();
        for (index, container) in self.containers.iter().enumerate() {
            match self.part(container, index, &profile)? {
                Ok(part) => parts.push(part),
                Err(refused) => return append_refusal(archive, prefix, refused),
            }
        }
        let about = LeanBundle {
            schema: LeanBundle::SCHEMA.into(),
            gateway: GATEWAY,
            prefix: PREFIX,
            containers: parts.iter().map(|part| part.about.clone()).collect(),
            refused: None,
        };
        let about = serde_json::to_vec_pretty(&about).context(|| "lean.json".into())?;
        let mut written = || -> io::Result<()> {
            append_text(archive, &format!("{prefix}{}", LeanBundle::FILE), 0o644, &about)?;
            for part in &parts {
                let folder = format!("{prefix}{}", part.about.name);
                append_folder(archive, &folder)?;
                for (file, text) in &part.files {
                    append_text(archive, &format!("{folder}/{file}"), 0o644, text)?;
                }
                append_tree(archive, &format!("{folder}/rootfs"), &part.rootfs)?;
            }
            Ok(())
        };
        written().context(|| "cannot write the bundle".into())
    }

    /// A container's part, or why an engine would not pull its image.
    fn part(
        &self,
        container: &BundleContainer,
        index: usize,
        profile: &str,
    ) -> Result<std::result::Result<Part, LeanRefusal>> {
        let image = self.store.resolve(&container.image)?.ok_or_else(|| {
            Error::infra(format!("the image {} is not in the store", container.image))
                .hint("`futon images add` or `futon images build` adds it")
        })?;
        let settings = self.image_settings(&image)?;
        let rootfs = match Rootfs::open(&self.store, &image) {
            Err(refused @ RootfsError::Refused { .. }) => {
                return Ok(Err(LeanRefusal { image: container.image.written().to_owned(), why: refused.to_string() }));
            }
            other => other.context(|| format!("cannot make the file system of {}", image.reference))?,
        };
        let text = |path: &[u8]| rootfs.text(path).unwrap_or_default();
        let service = &container.settings;
        let bad = |why: String| {
            Error::usage(format!("service {}: {why}", container.service)).hint("the service's keys say how it is run")
        };
        let wanted = service.user.as_ref().unwrap_or(&settings.user);
        let user = find_user(wanted, &text(b"etc/passwd"), &text(b"etc/group")).map_err(bad)?;
        let function = index + 1 == self.containers.len();
        let place = ContainerPlace {
            name: container.name.clone(),
            hostname: hostname(&image, &container.name),
            cpus: self.function_cpus.clone().filter(|_| function),
        };
        let config = oci_config(&ContainerConfig { image: &settings, service, place: &place, user: &user, profile })
            .map_err(bad)?;
        let hostname = service.hostname.clone().unwrap_or(place.hostname);
        let about = LeanContainer {
            name: container.name.clone(),
            image: container.image.written().to_owned(),
            image_id: image.config.digest.as_str().to_owned(),
            repo_digests: vec![format!("{}@{}", repository(&container.image), image.manifest.digest)],
            address: self.address(index),
            stop_signal: service.stop_signal.clone().or(settings.stop_signal).unwrap_or_else(|| "SIGTERM".into()),
            stop_grace_ms: service.stop_grace_ms.unwrap_or(STOP_GRACE_MS),
        };
        let config = serde_json::to_vec(&config).context(|| "config.json".into())?;
        let files = vec![
            ("config.json", config),
            ("hosts", self.hosts(index, &hostname).into_bytes()),
            ("hostname", format!("{hostname}\n").into_bytes()),
            ("resolv.conf", RESOLV_CONF.into()),
        ];
        Ok(Ok(Part { about, files, rootfs }))
    }

    fn image_settings(&self, image: &StoredImage) -> Result<ImageSettings> {
        #[derive(serde::Deserialize)]
        struct Document {
            #[serde(default)]
            config: Option<ImageSettings>,
        }
        let path = self.store.blob_path(&image.config.digest);
        let what = || format!("configuration {} of {}", image.config.digest, image.reference);
        let text = std::fs::read(&path).context(what)?;
        let document: Document = serde_json::from_slice(&text).context(what)?;
        Ok(document.config.unwrap_or_default())
    }

    /// `/etc/hosts` of a container: Docker's own lines, and in place of its name service the services beside it.
    fn hosts(&self, index: usize, hostname: &str) -> String {
        let mut text = String::from(
            "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\nff00::\tip6-mcastprefix\n\
             ff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n",
        );
        text.push_str(&format!("{}\t{hostname}\n", self.address(index)));
        for (other, container) in self.containers.iter().enumerate() {
            text.push_str(&format!("{}\t{} {}\n", self.address(other), container.service, container.name));
        }
        text
    }
}

/// A bundle that only says why there is none: the pull fails in the guest, as it does with an engine.
fn append_refusal(archive: &mut Builder<impl Write>, prefix: &str, refused: LeanRefusal) -> Result<()> {
    let about = LeanBundle {
        schema: LeanBundle::SCHEMA.into(),
        gateway: GATEWAY,
        prefix: PREFIX,
        containers: Vec::new(),
        refused: Some(refused),
    };
    let about = serde_json::to_vec_pretty(&about).context(|| "lean.json".into())?;
    append_text(archive, &format!("{prefix}{}", LeanBundle::FILE), 0o644, &about)
        .context(|| "cannot write the bundle".into())
}

/// One container, ready to be written.
struct Part {
    about: LeanContainer,
    files: Vec<(&'static str, Vec<u8>)>,
    rootfs: Rootfs,
}

/// Docker takes the first twelve digits of a container's random id; this one is the same in every run.
fn hostname(image: &StoredImage, name: &str) -> String {
    let hash = hex::encode(Sha256::digest(format!("{} {name}", image.config.digest)));
    hash[..12].to_owned()
}

/// The name as it is written, without tag and digest.
fn repository(image: &ImageReference) -> String {
    let name = image.written().split('@').next().unwrap_or_default();
    match name.rsplit_once(':') {
        // A colon before a slash belongs to a registry's port.
        Some((name, tag)) if !tag.contains('/') => name.to_owned(),
        _ => name.to_owned(),
    }
}
