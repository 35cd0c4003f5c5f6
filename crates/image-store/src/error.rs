//! Errors of the image store, with hints.

use std::path::{Path, PathBuf};

use futon_model::Digest;

/// Why the image store failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A file or folder could not be used.
    #[error("cannot {action} {}: {cause}", path.display())]
    Io {
        /// What was tried, as a verb (`read`, `create` …).
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        cause: std::io::Error,
    },
    /// Another process keeps the store locked.
    #[error(
        "the image store {} has been locked by another futon for {seconds} s (hint: wait for it, or end it if it hangs)",
        path.display()
    )]
    Locked {
        /// The store's folder.
        path: PathBuf,
        /// How long the process waited.
        seconds: u64,
    },
    /// The input is not an image that the store can keep.
    #[error("{what}: {why}")]
    NotAnImage {
        /// File, folder or image name.
        what: String,
        /// What is wrong with it, with a hint.
        why: String,
    },
    /// Content does not have the digest it claims.
    #[error(
        "{what}: the content is not {expected}: it hashes to {found} (hint: the copy is damaged; make or fetch it again)"
    )]
    Digest {
        /// Where the content came from.
        what: String,
        /// Digest that was promised.
        expected: Digest,
        /// Digest of the actual content.
        found: Digest,
    },
    /// The image is not made for the machine futon emulates.
    #[error(
        "{what}: no image for linux/amd64, only for {offered} (hint: build or pull it with --platform linux/amd64)"
    )]
    Platform {
        /// File, folder or image name.
        what: String,
        /// Platforms that are offered.
        offered: String,
    },
    /// The image is not made for the processor of this machine.
    #[error(
        "{what}: no image for linux/amd64 with {level}, only for {offered} (hint: build or pull one for linux/amd64)"
    )]
    Processor {
        /// Image name.
        what: String,
        /// What the machine's processor is.
        level: futon_model::Amd64Level,
        /// Platforms that are offered.
        offered: String,
    },
    /// A part of an image is missing.
    #[error("{what}: {blob} is missing (hint: {again})")]
    Missing {
        /// File or folder.
        what: String,
        /// The part.
        blob: String,
        /// How to get it.
        again: &'static str,
    },
    /// Another process kept removing blobs that an add relied on.
    #[error(
        "blobs vanished from {} while images were added (hint: another process is removing images; try again when it is done)",
        path.display()
    )]
    Changed {
        /// The store's folder.
        path: PathBuf,
    },
    /// The registry could not be used.
    #[error("cannot fetch {reference}: {why}")]
    Registry {
        /// The image name.
        reference: String,
        /// What happened, with a hint.
        why: String,
    },
    /// The names file is not what futon writes.
    #[error("{}: {why} (hint: remove the file and add the images again; the blobs beside it are kept)", path.display())]
    Names {
        /// The names file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

impl StoreError {
    /// True when the input is at fault, not the host: another copy or another name would work.
    #[must_use]
    pub fn is_of_the_image(&self) -> bool {
        matches!(
            self,
            Self::NotAnImage { .. }
                | Self::Digest { .. }
                | Self::Missing { .. }
                | Self::Platform { .. }
                | Self::Processor { .. }
        )
    }

    /// Wraps a system error: use as `.map_err(StoreError::io("read", path))`.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |cause| Self::Io { action, path, cause }
    }

    /// `what` is not a usable image, and why.
    pub(super) fn not_an_image(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::NotAnImage { what: what.into(), why: why.into() }
    }
}
