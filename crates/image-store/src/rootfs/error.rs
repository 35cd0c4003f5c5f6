//! Errors of an image's layers.

use std::io;

/// Why there is no file tree of an image.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RootfsError {
    /// A Docker Engine refuses the layer, too.
    #[error("failed to register layer: {why}")]
    Refused {
        /// Digest of the layer, as the manifest has it.
        layer: String,
        /// The engine's reason.
        why: String,
    },
    /// An engine may accept the image; futon does not.
    #[error("layer {layer}: {why}")]
    Unsupported {
        /// Digest of the layer, as the manifest has it.
        layer: String,
        /// What futon does not support, or limits.
        why: String,
    },
    /// A layer cannot be read from the store.
    #[error("cannot read layer {layer}: {cause}")]
    Read {
        /// Digest of the layer, as the manifest has it.
        layer: String,
        /// The system's reason.
        cause: io::Error,
    },
}
