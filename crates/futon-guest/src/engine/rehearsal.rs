//! `forget`: takes away what a rehearsal left with the engine.

use super::{Engine, pull::remember};
use crate::error::{Context, Result};

/// Removes a container, its image and its network, as far as they are there, and keeps what the engine says of itself for the forks.
pub(crate) fn forget(engine: &Engine, name: &str) -> Result<()> {
    engine.wait(super::pull::ENGINE_LIMIT)?;
    if engine.container(name)?.is_some() {
        engine.stop(name)?;
        engine.remove(name)?;
    }
    engine.remove_image(name).context(format_args!("cannot remove the image {name}"))?;
    let network = format!("{name}_default");
    engine.remove_network(&network).context(format_args!("cannot remove the network {network}"))?;
    remember(engine)
}
