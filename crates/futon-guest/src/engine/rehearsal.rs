//! `forget`: takes away what a rehearsal left with the engine.

use guest_net::{Context, Result};

use super::{Engine, pull::remember};

/// Removes a container, its image and its network, as far as they are there, and keeps what the engine says of itself for the forks.
///
/// # Errors
/// When something of it may still be there.
pub(crate) fn forget(engine: &Engine, name: &str) -> Result<()> {
    engine.wait(super::pull::ENGINE_LIMIT)?;
    engine.discard(name).context(format_args!("cannot remove the container {name}"))?;
    engine.remove_image(name).context(format_args!("cannot remove the image {name}"))?;
    let network = format!("{name}_default");
    engine.remove_network(&network).context(format_args!("cannot remove the network {network}"))?;
    // Without it each fork asks again.
    if let Err(error) = remember(engine) {
        println!("futon: {error}");
    }
    Ok(())
}
