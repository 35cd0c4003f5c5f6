//! From a selection to what the lean guest's bundle is made of.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use futon_common::{Error, Result};
use futon_functions::{Compose, Selection};
use image_store::ImageStore;
use lean_bundle::{Bundle, BundleContainer, BundleNetwork, RefusedKey, lean_networks, lean_settings};

/// The function's container and those it depends on, which start first.
pub fn bundle(
    compose: &Compose,
    selection: &Selection,
    store: &Arc<ImageStore>,
    profile: &Path,
    (function_cpus, processors): (Option<String>, u32),
) -> Result<Bundle> {
    let (containers, networks) = lean_parts(compose, selection)?;
    Ok(Bundle {
        containers,
        function: selection.place,
        networks,
        store: Arc::clone(store),
        profile: profile.to_owned(),
        function_cpus,
        processors: Some(processors),
    })
}

/// The lean guest's containers and networks, from the compose file.
pub fn lean_parts(
    compose: &Compose,
    selection: &Selection,
) -> Result<(Vec<BundleContainer>, BTreeMap<String, BundleNetwork>)> {
    let refused = |service: Option<&str>, refused: RefusedKey| {
        let RefusedKey { key, why } = refused;
        let place =
            service.map_or_else(|| compose.path.display().to_string(), |s| compose.project.place(s, Some(&key)));
        let of = service.map(|service| format!("service {service}: ")).unwrap_or_default();
        Error::usage(format!("{place}: {of}key `{key}`: {why}")).hint(
            "use the docker base (--base docker), which has an engine; docs/lean.md lists what the lean guest supports",
        )
    };
    let mut containers = Vec::new();
    for service in selection.services() {
        let settings = lean_settings(&selection.project, &service.name, &selection.handover)
            .map_err(|key| refused(Some(&service.name), key))?;
        containers.push(BundleContainer {
            service: service.name.clone(),
            name: service.container.clone(),
            image: service.image.clone(),
            settings,
            checked: selection.whole,
        });
    }
    let networks = lean_networks(&selection.project).map_err(|key| refused(None, key))?;
    Ok((containers, networks))
}
