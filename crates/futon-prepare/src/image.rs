//! What an image's configuration says: this needs no machine.

use futon_common::{Context, Error, Result};
use futon_functions::Selection;
use futon_model::{ImageReference, PlannedImage};
use image_store::{ImageConfig, ImageStore, StoredImage};
use serde::Serialize;
use serde_json::Value;

/// An image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Image {
    /// Its name, whole.
    pub name: String,
    /// Digest of its manifest.
    pub manifest: String,
    /// Digest of its configuration.
    pub config: String,
    /// `linux/amd64`, as its configuration says.
    pub platform: String,
    /// Bytes of all that is pulled.
    pub size: u64,
    /// How many layers it has.
    pub layers: usize,
    /// Entry point.
    pub entrypoint: Vec<String>,
    /// Command.
    pub command: Vec<String>,
    /// User; empty: root.
    pub user: String,
    /// Working directory; empty: `/`.
    pub folder: String,
    /// Ports that it exposes.
    pub ports: Vec<String>,
}

impl Image {
    /// The image of a function, overridden by its service's keys.
    ///
    /// # Errors
    /// When it is not in the store, or its configuration cannot be read.
    pub fn of(selection: &Selection, store: &ImageStore) -> Result<Self> {
        let service = &selection.service;
        let image = stored(store, &service.image)?;
        let name = image.reference.canonical();
        let bytes = std::fs::read(store.blob_path(&image.config.digest))
            .context(|| format!("cannot read the configuration of {name}"))?;
        let run = ImageConfig::parse(&name, &bytes)?.config;
        let document: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let word = |key: &str| document.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let platform = [word("os"), word("architecture"), word("variant")];
        let spec = &service.spec;
        // An entry point of the service's puts the image's command out of use.
        let command = match (&spec.command, &spec.entrypoint) {
            (Some(command), _) => Some(command.clone()),
            (None, Some(_)) => None,
            (None, None) => run.cmd,
        };
        Ok(Self {
            name,
            manifest: image.manifest.digest.to_string(),
            config: image.config.digest.to_string(),
            platform: platform.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join("/"),
            size: image.size(),
            layers: image.layers.len(),
            entrypoint: spec.entrypoint.clone().or(run.entrypoint).unwrap_or_default(),
            command: command.unwrap_or_default(),
            user: spec.user.clone().unwrap_or(run.user),
            folder: spec.working_dir.clone().unwrap_or(run.working_dir),
            ports: run.exposed_ports.into_keys().collect(),
        })
    }
}

/// The error for an image that is not in the store.
fn not_there(image: &PlannedImage) -> Error {
    let hint = match &image.near[..] {
        [] => "`futon images add` adds it, `futon images build` makes the samples".to_owned(),
        near => format!("the store has {}", near.join(", ")),
    };
    Error::usage(format!("no image {} in the store", image.reference)).hint(hint)
}

/// The image of a name in the store.
fn stored(store: &ImageStore, reference: &ImageReference) -> Result<StoredImage> {
    if let Some(image) = store.resolve(reference)? {
        return Ok(image);
    }
    let near = store.near(reference)?;
    Err(not_there(&PlannedImage { reference: reference.clone(), index: None, manifest: None, config: None, near }))
}
