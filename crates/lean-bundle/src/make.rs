//! A run's bundle: every container's settings and root, and what the guest must know of them, in one tar archive.
//!
//! Layout: `lean.json` ([`LeanBundle`]) first; volumes below `.volumes`; then for each container `NAME/config.json`, `hosts`,
//! `hostname`, `resolv.conf`, `mounts/…`, `rootfs/…`. The paths in `config.json` are relative to the folder of the container.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;

use futon_common::{Context, Result};
use futon_model::{ImageReference, LeanAttachment, LeanBundle, LeanRefusal};
use image_store::ImageStore;
use serde::{Deserialize, Serialize};
use tar::Builder;

use super::addresses::{BundleNetwork, Given, Wanted, addresses};
use super::part::{BundleContainer, Making, Part};
use super::volumes::{Source, Volumes};
use super::write::{append_folder, append_text, append_tree};

/// What a bundle is made from.
#[derive(Debug, Clone)]
pub struct Bundle {
    /// Containers in the order in which they are started.
    pub containers: Vec<BundleContainer>,
    /// Which of them is the function's.
    pub function: usize,
    /// What the file says of its networks.
    pub networks: BTreeMap<String, BundleNetwork>,
    /// The images.
    pub store: Arc<ImageStore>,
    /// Docker's seccomp profile.
    pub profile: PathBuf,
    /// Processors of the function's container where its service sets none.
    pub function_cpus: Option<String>,
    /// How many processors the guest has, where that is known.
    pub processors: Option<u32>,
}

/// What a bundle is made from, but for what this host has: with the same images it makes the same bundle on another one.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BundleRecipe {
    containers: Vec<BundleContainer>,
    function: usize,
    networks: BTreeMap<String, BundleNetwork>,
    function_cpus: Option<String>,
    processors: Option<u32>,
}

impl BundleRecipe {
    /// The bundle with a store's images and a host's copy of Docker's seccomp profile.
    #[must_use]
    pub fn bundle(self, store: Arc<ImageStore>, profile: PathBuf) -> Bundle {
        let Self { containers, function, networks, function_cpus, processors } = self;
        Bundle { containers, function, networks, store, profile, function_cpus, processors }
    }
}

impl Bundle {
    /// What is left without this host's files.
    #[must_use]
    pub fn recipe(&self) -> BundleRecipe {
        BundleRecipe {
            containers: self.containers.clone(),
            function: self.function,
            networks: self.networks.clone(),
            function_cpus: self.function_cpus.clone(),
            processors: self.processors,
        }
    }

    fn given(&self) -> Given {
        let wanted =
            self.containers.iter().map(|c| Wanted { service: &c.service, name: &c.name, settings: &c.settings });
        addresses(&self.networks, &wanted.collect::<Vec<_>>())
    }

    /// The function's address and port, for the client.
    #[must_use]
    pub fn function_address(&self, default_port: u16) -> (Ipv4Addr, u16) {
        let port = self.containers.get(self.function).and_then(|c| c.settings.container_port).unwrap_or(default_port);
        (self.address_of(self.function), port)
    }

    /// The address of a container; none where no container has that name.
    #[must_use]
    pub fn address(&self, container: &str) -> Option<Ipv4Addr> {
        Some(self.address_of(self.containers.iter().position(|known| known.name == container)?))
    }

    fn address_of(&self, container: usize) -> Ipv4Addr {
        let attachments = self.given().attachments;
        let of = |name: &str| self.containers.iter().position(|container| container.name == name);
        let mut index = Some(container);
        let mut address = Ipv4Addr::LOCALHOST;
        // Who joins another's network is found there.
        for _ in 0..self.containers.len() {
            match index.and_then(|index| attachments.get(index)) {
                Some(Ok(LeanAttachment::Container(other))) => index = of(other),
                Some(Ok(LeanAttachment::Own(own))) => {
                    address = own.first().map_or(address, |first| first.address);
                    break;
                }
                _ => break,
            }
        }
        address
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

    /// Writes the archive. A container that an engine would not have is in it by name, with the engine's reason, for the guest to say.
    ///
    /// # Errors
    /// When an image is missing or damaged, or `out` takes no more.
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
        let given = self.given();
        let (mut parts, mut volumes) = (Vec::new(), Volumes::default());
        for index in 0..self.containers.len() {
            let making = Making {
                store: &self.store,
                containers: &self.containers,
                attachments: &given.attachments,
                networks: given.names(),
                profile: &profile,
                processors: self.processors,
                cpus: self.function_cpus.clone().filter(|_| index == self.function),
            };
            match making.part(index, &mut volumes)? {
                Ok(part) => parts.push(part),
                Err(refused) => return append_refusal(archive, prefix, refused),
            }
        }
        let about = LeanBundle {
            schema: LeanBundle::SCHEMA.into(),
            networks: given.networks.into_iter().map(|(network, _)| network).collect(),
            containers: parts.iter().map(|part| part.about.clone()).collect(),
            refused: None,
        };
        let about = serde_json::to_vec_pretty(&about).context(|| "lean.json".into())?;
        let mut written = || -> io::Result<()> {
            append_text(archive, &format!("{prefix}{}", LeanBundle::FILE), 0o644, &about)?;
            parts.iter().try_for_each(|part| append_part(archive, prefix, part, &parts))
        };
        written().context(|| "cannot write the bundle".into())
    }
}

/// A bundle that only says why there is none: the pull fails in the guest, as it does with an engine.
fn append_refusal(archive: &mut Builder<impl Write>, prefix: &str, refused: LeanRefusal) -> Result<()> {
    let schema = LeanBundle::SCHEMA.into();
    let about = LeanBundle { schema, networks: Vec::new(), containers: Vec::new(), refused: Some(refused) };
    let about = serde_json::to_vec_pretty(&about).context(|| "lean.json".into())?;
    append_text(archive, &format!("{prefix}{}", LeanBundle::FILE), 0o644, &about)
        .context(|| "cannot write the bundle".into())
}

fn append_part(archive: &mut Builder<impl Write>, prefix: &str, part: &Part, all: &[Part]) -> io::Result<()> {
    let Some(body) = &part.body else { return Ok(()) };
    let folder = format!("{prefix}{}", part.about.name);
    append_folder(archive, &folder, 0o755)?;
    for (file, text) in &body.files {
        append_text(archive, &format!("{folder}/{file}"), 0o644, text)?;
    }
    if !body.sources.is_empty() {
        append_folder(archive, &format!("{folder}/mounts"), 0o755)?;
        append_folder(archive, &format!("{prefix}{}", super::volumes::VOLUMES), 0o755)?;
    }
    for source in &body.sources {
        let rootfs = match source {
            Source::Tree { container, .. } => {
                all.get(*container).and_then(|part| part.body.as_ref()).map(|b| &b.rootfs)
            }
            _ => None,
        };
        source.append(archive, prefix, rootfs)?;
    }
    append_tree(archive, &format!("{folder}/rootfs"), &body.tree, &body.rootfs)
}
