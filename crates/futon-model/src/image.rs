//! Names and digests of container images.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A `sha256:<64 hex digits>` content digest.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

/// A text that is no sha256 digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DigestError(String);

impl fmt::Display for DigestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "not a sha256 digest: {:?} (hint: it looks like sha256: and 64 lower-case hexadecimal digits)",
            self.0
        )
    }
}

impl std::error::Error for DigestError {}

impl Digest {
    /// The 64 hexadecimal digits.
    #[must_use]
    pub fn hex(&self) -> &str {
        &self.0["sha256:".len()..]
    }

    /// The whole text, `sha256:…`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first twelve hexadecimal digits, for people.
    #[must_use]
    pub fn short(&self) -> &str {
        &self.hex()[..12]
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let ok = text.strip_prefix("sha256:").is_some_and(|hex| {
            hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        });
        if ok { Ok(Self(text.to_owned())) } else { Err(DigestError(text.to_owned())) }
    }
}

impl TryFrom<String> for Digest {
    type Error = DigestError;

    fn try_from(text: String) -> Result<Self, DigestError> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An image name as Docker reads it: registry, repository, tag or digest.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageReference {
    written: String,
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// A text that is no image name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferenceError {
    text: String,
    why: &'static str,
}

impl fmt::Display for ReferenceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "not an image name: {:?}: {} (hint: write it as [REGISTRY/]NAME[:TAG][@sha256:DIGEST])",
            self.text, self.why
        )
    }
}

impl std::error::Error for ReferenceError {}

/// The registry of names that carry none.
const DEFAULT_REGISTRY: &str = "docker.io";

impl ImageReference {
    /// The name as the user wrote it.
    #[must_use]
    pub fn written(&self) -> &str {
        &self.written
    }

    /// Registry host, `docker.io` where none is written.
    #[must_use]
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// Repository below the registry, with Docker's `library/` put before a bare name.
    #[must_use]
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag, `latest` where neither tag nor digest is written.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref().or_else(|| self.digest.is_none().then_some("latest"))
    }

    /// The digest, where one is written.
    #[must_use]
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// True where Docker would ask its default registry, and so its mirrors.
    #[must_use]
    pub fn is_default_registry(&self) -> bool {
        self.registry == DEFAULT_REGISTRY
    }

    /// One spelling for all ways to write the same name: `registry/repository:tag` or `…@digest`.
    #[must_use]
    pub fn canonical(&self) -> String {
        let mut name = format!("{}/{}", self.registry, self.repository);
        if let Some(tag) = self.tag() {
            name.push(':');
            name.push_str(tag);
        }
        if let Some(digest) = &self.digest {
            name.push('@');
            name.push_str(digest.as_str());
        }
        name
    }

    /// Last part of the repository: the name by which the test client knows the function.
    #[must_use]
    pub fn base_name(&self) -> &str {
        self.repository.rsplit('/').next().unwrap_or(&self.repository)
    }
}

impl FromStr for ImageReference {
    type Err = ReferenceError;

    /// Reads a name by the rules of Docker's reference grammar: the first part is a registry
    /// when it holds a dot or a colon or is `localhost`.
    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let bad = |why| ReferenceError { text: text.to_owned(), why };
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.parse().map_err(|_| bad("the digest is not sha256"))?)),
            None => (text, None),
        };
        let (registry, path) = match rest.split_once('/') {
            Some((first, path)) if first.contains(['.', ':']) || first == "localhost" => (first, path),
            _ => (DEFAULT_REGISTRY, rest),
        };
        let (path, tag) = match path.rsplit_once(':') {
            Some((path, tag)) => (path, Some(tag)),
            None => (path, None),
        };
        let edge = |c: char| c.is_ascii_alphanumeric() || c == '[' || c == ']';
        let inside = |b: u8| b.is_ascii_alphanumeric() || b".-:[]".contains(&b);
        if !registry.bytes().all(inside) || !registry.starts_with(edge) || !registry.ends_with(edge) {
            return Err(bad("the registry is no host name"));
        }
        let part_ok = |part: &str| {
            part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b))
                && part.starts_with(|c: char| c.is_ascii_alphanumeric())
                && part.ends_with(|c: char| c.is_ascii_alphanumeric())
        };
        if !path.split('/').all(part_ok) {
            return Err(bad("the repository may hold lower-case letters, digits, and . _ - / between them"));
        }
        if let Some(tag) = tag {
            let ok = !tag.is_empty()
                && tag.len() <= 128
                && !tag.starts_with(['.', '-'])
                && tag.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
            if !ok {
                return Err(bad("the tag may hold letters, digits and . _ -"));
            }
        }
        let registry = if registry == "index.docker.io" { DEFAULT_REGISTRY } else { registry };
        let repository = if registry == DEFAULT_REGISTRY && !path.contains('/') {
            format!("library/{path}")
        } else {
            path.to_owned()
        };
        Ok(Self {
            written: text.to_owned(),
            registry: registry.to_owned(),
            repository,
            tag: tag.map(str::to_owned),
            digest,
        })
    }
}

impl TryFrom<String> for ImageReference {
    type Error = ReferenceError;

    fn try_from(text: String) -> Result<Self, ReferenceError> {
        text.parse()
    }
}

impl From<ImageReference> for String {
    fn from(reference: ImageReference) -> Self {
        reference.written
    }
}

impl fmt::Display for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

/// An image of the plan, pinned by digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedImage {
    /// Name as the compose file or the user writes it.
    pub reference: ImageReference,
    /// Digest of the image index, where the name leads to one.
    pub index: Option<Digest>,
    /// Digest of the manifest; absent when the image is not in the store.
    pub manifest: Option<Digest>,
    /// Digest of the image's configuration: the classic Docker image id.
    pub config: Option<Digest>,
}

impl PlannedImage {
    /// True when `id` is one of the planned digests.
    #[must_use]
    pub fn is(&self, id: &str) -> bool {
        [&self.index, &self.manifest, &self.config].into_iter().flatten().any(|d| d.as_str() == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> ImageReference {
        text.parse().unwrap()
    }

    #[test]
    fn names_as_docker_reads_them() {
        for (text, canonical, base) in [
            ("vhiveease/fibonacci-go:latest", "docker.io/vhiveease/fibonacci-go:latest", "fibonacci-go"),
            ("vhiveease/fibonacci-go", "docker.io/vhiveease/fibonacci-go:latest", "fibonacci-go"),
            ("memcached", "docker.io/library/memcached:latest", "memcached"),
            ("docker.io/memcached", "docker.io/library/memcached:latest", "memcached"),
            ("localhost:5000/a/b:1", "localhost:5000/a/b:1", "b"),
            ("ghcr.io/x/y", "ghcr.io/x/y:latest", "y"),
        ] {
            assert_eq!(parse(text).canonical(), canonical, "{text}");
            assert_eq!(parse(text).base_name(), base);
            assert_eq!(parse(text).written(), text);
        }
    }

    #[test]
    fn digests_stand_for_tags() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let reference = parse(&format!("x/y@{digest}"));
        assert_eq!(reference.tag(), None);
        assert_eq!(reference.canonical(), format!("docker.io/x/y@{digest}"));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in
            ["", "UPPER/case", "a//b", "../etc/passwd", "a b", "x/y:", "x/y@sha256:12", "-x", "x/y:.hidden", "a;b"]
        {
            assert!(text.parse::<ImageReference>().is_err(), "{text:?}");
        }
    }
}
