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
        write!(f, "not a sha256 digest: {:?} (hint: write sha256: and 64 lower-case hexadecimal digits)", self.0)
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
    why: String,
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

/// The registry of names without one.
const DEFAULT_REGISTRY: &str = "docker.io";

impl ImageReference {
    /// The name as the user wrote it.
    #[must_use]
    pub fn written(&self) -> &str {
        &self.written
    }

    /// Registry host; default `docker.io`.
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

    /// True where neither tag nor digest is written.
    #[must_use]
    pub fn is_bare(&self) -> bool {
        self.tag.is_none() && self.digest.is_none()
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

/// Longest registry and repository together, bytes.
const MAX_NAME: usize = 255;

/// `host[:port]`, an IPv6 address in brackets.
fn is_host(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (text, None),
    };
    let label = |label: &str| {
        label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && label.starts_with(|c: char| c.is_ascii_alphanumeric())
            && label.ends_with(|c: char| c.is_ascii_alphanumeric())
    };
    let host_ok = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        // Docker's grammar knows no address with an IPv4 one at its end.
        Some(address) => !address.contains('.') && address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => host.split('.').all(label),
    };
    host_ok && port.is_none_or(|port| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()))
}

/// Lower-case letters and digits, with one dot, one or two underscores or any number of hyphens between them.
fn is_path_part(part: &str) -> bool {
    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let mut separators = part.split(word).filter(|s| !s.is_empty());
    part.starts_with(word)
        && part.ends_with(word)
        && separators.all(|s| [".", "_", "__"].contains(&s) || s.bytes().all(|b| b == b'-'))
}

impl FromStr for ImageReference {
    type Err = ReferenceError;

    /// Reads a name by the rules of Docker's reference grammar: the first part is a registry when it holds a dot, a colon or an
    /// upper-case letter, or is `localhost`.
    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let bad = |why: String| ReferenceError { text: text.to_owned(), why };
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => {
                (rest, Some(digest.parse().map_err(|_| bad("the digest is not a sha256 digest".into()))?))
            }
            None => (text, None),
        };
        let is_registry = |first: &str| {
            first.contains(['.', ':']) || first == "localhost" || first.contains(|c: char| c.is_ascii_uppercase())
        };
        let (registry, path) = match rest.split_once('/') {
            Some((first, path)) if is_registry(first) => (first, path),
            _ => (DEFAULT_REGISTRY, rest),
        };
        let (path, tag) = match path.rsplit_once(':') {
            Some((path, tag)) => (path, Some(tag)),
            None => (path, None),
        };
        if !is_host(registry) {
            return Err(bad(format!("the registry {registry:?} is not a host name")));
        }
        if !path.split('/').all(is_path_part) {
            let lower = path.to_ascii_lowercase();
            return Err(bad(match lower != path && lower.split('/').all(is_path_part) {
                true => format!("repository name ({path}) must be lowercase"),
                false => "the repository may have lower-case letters, digits, and . _ __ - / between them".into(),
            }));
        }
        if rest.len() == 64 && rest.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
            return Err(bad("64 hexadecimal digits are an image id, not a name".into()));
        }
        if let Some(tag) = tag {
            let ok = !tag.is_empty()
                && tag.len() <= 128
                && !tag.starts_with(['.', '-'])
                && tag.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
            if !ok {
                return Err(bad("the tag may have at most 128 letters, digits and . _ -".into()));
            }
        }
        let registry = if registry == "index.docker.io" { DEFAULT_REGISTRY } else { registry };
        let repository = if registry == DEFAULT_REGISTRY && !path.contains('/') {
            format!("library/{path}")
        } else {
            path.to_owned()
        };
        if registry.len() + 1 + repository.len() > MAX_NAME {
            return Err(bad(format!("{registry}/{repository} is longer than {MAX_NAME} characters")));
        }
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
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PlannedImage {
    /// Name as the compose file or the user writes it.
    #[cfg_attr(test, schemars(with = "String"))]
    pub reference: ImageReference,
    /// Digest of the image index, if the name has one.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub index: Option<Digest>,
    /// Digest of the manifest; absent when the image is not in the store.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub manifest: Option<Digest>,
    /// Digest of the image's configuration: the classic Docker image id.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub config: Option<Digest>,
    /// If the store has no such image: similar names in it, the likeliest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub near: Vec<String>,
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
        for text in [
            "",
            "UPPER",
            "a//b",
            "a..b/c",
            "a___b",
            "a_-b",
            "my host.example/x",
            "example:port/x",
            "-x.example/y",
            "../etc/passwd",
            "a b",
            "x/y:",
            "x/y@sha256:12",
            "-x",
            "x/y:.hidden",
            "a;b",
        ] {
            assert!(text.parse::<ImageReference>().is_err(), "{text:?}");
        }
        assert!("a".repeat(64).parse::<ImageReference>().is_err());
        assert!(format!("x/{}", "a".repeat(250)).parse::<ImageReference>().is_err());
        // The name in full counts, with what Docker puts before it.
        assert!("a".repeat(237).parse::<ImageReference>().is_ok());
        assert!("a".repeat(238).parse::<ImageReference>().is_err());
        assert!("[::ffff:1.2.3.4]/x".parse::<ImageReference>().is_err());
    }

    #[test]
    fn every_form_that_docker_takes_is_taken() {
        let digest = format!("sha256:{}", "a".repeat(64));
        for text in [
            format!("ghcr.io/me/fn@{digest}"),
            format!("registry.example:5000/team/fn:v1.2@{digest}"),
            "localhost/x".into(),
            "LOCAL/x".into(),
            "[::1]:5000/x:v1".into(),
            "a__b/c--d.e_f:Tag_1.2-3".into(),
            "b".repeat(63),
        ] {
            let reference: ImageReference = text.parse().unwrap();
            assert_eq!(reference.written(), text);
            assert_eq!(reference.canonical().parse::<ImageReference>().unwrap().canonical(), reference.canonical());
        }
    }

    #[test]
    fn an_upper_case_name_is_told_why() {
        let why = |text: &str| text.parse::<ImageReference>().unwrap_err().to_string();
        assert!(why("Case/Upper").contains("repository name (Upper) must be lowercase"), "{}", why("Case/Upper"));
        assert!(why("ghcr.io/Me/fn").contains("repository name (Me/fn) must be lowercase"));
        assert!(!why("a b").contains("lowercase"));
    }
}
