//! Descriptions of functions, kept by the digest of their image.

use std::fs;
use std::io::Write;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use calls::Schema;
use futon_common::{Context, Error, Result, sha256_bytes};
use futon_functions::{Selection, Service};
use futon_model::{Digest, Listener, Offers, Seen};
use futon_resources::own_folder;
use image_store::ImageStore;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::places::descriptions;

/// Name and version of the form.
const FORM: &str = "futon.described/1";

/// The description of a function, and which function it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Described {
    form: String,
    /// The image as the compose file names it.
    pub image: String,
    /// Its configuration.
    pub digest: Digest,
    /// When it was seen, RFC 3339.
    pub made: String,
    /// The observations.
    pub seen: Seen,
    /// Which function of that image: a hash of its start settings.
    key: String,
}

/// Which function: its image, and its start settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    digest: Digest,
    settings: String,
}

impl Key {
    /// The key of a function; nothing if its image, or one beside it, is not in the store.
    pub fn of(selection: &Selection, store: &ImageStore) -> Result<Option<Self>> {
        let Some(image) = store.resolve(&selection.service.image)? else { return Ok(None) };
        let mut beside = Map::new();
        for service in &selection.beside {
            let Some(other) = store.resolve(&service.image)? else { return Ok(None) };
            beside.insert(service.name.clone(), json!([other.config.digest, started_with(service)]));
        }
        // What is mounted may be what the server says of itself.
        let files = selection.handover.digest()?;
        let settings = json!([started_with(&selection.service), beside, files]).to_string();
        Ok(Some(Self { digest: image.config.digest, settings: sha256_bytes(settings) }))
    }

    fn file(&self) -> String {
        let digest = self.digest.as_str();
        let hex = digest.rsplit(':').next().unwrap_or(digest);
        format!("{}-{}.json", &hex[..hex.len().min(32)], &self.settings[..16])
    }
}

/// The keys of a service that change what runs in its container; those for calling and publishing do not.
fn started_with(service: &Service) -> Value {
    const OUTSIDE: [&str; 5] = ["image", "container_name", "ports", "networks", "expose"];
    let inside = service.spec.raw.iter().filter(|(key, _)| !OUTSIDE.contains(&key.as_str()) && !key.starts_with("x-"));
    // A printed service has `null` for a key that comes from the image.
    let said = inside.filter(|(_, value)| !value.is_null());
    Value::Object(said.map(|(key, value)| (key.clone(), value.clone())).collect())
}

impl Described {
    /// What was seen of the function that `selection` is.
    pub fn new(key: &Key, selection: &Selection, seen: Seen) -> Self {
        Self {
            form: FORM.to_owned(),
            image: selection.service.image.to_string(),
            digest: key.digest.clone(),
            made: humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string(),
            seen,
            key: key.settings.clone(),
        }
    }

    /// The port that a function of gRPC or HTTP is called on.
    pub fn listener(&self) -> Option<&Listener> {
        use futon_model::Speaks;
        let rank = |listener: &&Listener| match (&listener.speaks, &listener.grpc) {
            (Speaks::Http2 | Speaks::Tls, Some(offers)) if offers.services.iter().any(|s| !s.starts_with("grpc.")) => {
                Some(0)
            }
            (Speaks::Http2 | Speaks::Tls, Some(Offers { is_grpc: true, .. })) => Some(1),
            (Speaks::Http1 { .. }, _) => Some(2),
            (Speaks::Http2, _) => Some(3),
            _ => None,
        };
        let ranked = self.seen.listeners.iter().filter_map(|listener| Some((rank(&listener)?, listener)));
        ranked.min_by_key(|(rank, _)| *rank).map(|(_, listener)| listener)
    }

    /// The schema that its server gave, or why there is none.
    pub fn schema(&self, name: &str) -> Result<Schema> {
        let none = |why: &str| {
            Error::usage(format!("{name}: its calls need a schema, and {why}"))
                .hint("give one with --proto FILE or --protoset FILE, or in x-futon with `schema: {proto: [FILE]}`")
        };
        let Some(offers) = self.listener().and_then(|listener| listener.grpc.as_ref()) else {
            return Err(none("no gRPC server was found in it"));
        };
        if offers.reflection.is_none() {
            return Err(none(&format!("the server has no reflection ({})", offers.remarks.join("; "))));
        }
        Ok(schema_of(offers).0)
    }
}

/// A schema from a server's files, and what is wrong with them.
pub fn schema_of(offers: &Offers) -> (Schema, Vec<String>) {
    let files: Vec<Vec<u8>> = offers.files.iter().filter_map(|text| STANDARD.decode(text).ok()).collect();
    Schema::from_files(&files)
}

/// The stored description of a function.
pub fn kept(selection: &Selection, store: &ImageStore, resources: &Path) -> Result<Option<Described>> {
    Ok(Key::of(selection, store)?.and_then(|key| find(&key, resources)))
}

/// The description with a key: the user's own first, then the shared one. An unreadable one counts as missing.
pub fn find(key: &Key, resources: &Path) -> Option<Described> {
    let (own, shared) = descriptions(resources);
    let read = |folder: &Path| {
        let text = fs::read(folder.join(key.file())).ok()?;
        let described: Described = serde_json::from_slice(&text).ok()?;
        (described.form == FORM && described.digest == key.digest && described.key == key.settings).then_some(described)
    };
    read(&own).or_else(|| read(&shared?))
}

/// Stores a description.
pub fn keep(described: &Described, key: &Key, resources: &Path) -> Result<()> {
    own_folder(resources)?;
    let (own, _) = descriptions(resources);
    let failed = || format!("cannot save a description in {}", own.display());
    fs::create_dir_all(&own).context(failed)?;
    let mut file = tempfile::NamedTempFile::new_in(&own).context(failed)?;
    let text = serde_json::to_vec(described).context(failed)?;
    file.write_all(&text).context(failed)?;
    futon_common::readable(file.path()).context(failed)?;
    file.persist(own.join(key.file())).context(failed)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use futon_model::Speaks;

    use super::*;

    fn listener(port: u16, speaks: Speaks, offers: Option<Offers>) -> Listener {
        Listener { address: [0, 0, 0, 0].into(), port, reached_at: None, speaks, grpc: offers }
    }

    fn described(listeners: Vec<Listener>) -> Described {
        Described {
            form: FORM.into(),
            image: "me/f".into(),
            digest: format!("sha256:{}", "a".repeat(64)).parse().unwrap(),
            made: "2026-01-01T00:00:00Z".into(),
            seen: Seen { listeners },
            key: "0".repeat(64),
        }
    }

    #[test]
    fn a_description_is_found_by_image_and_settings_alone() {
        let folder = tempfile::tempdir().unwrap();
        let one = described(Vec::new());
        let key = Key { digest: one.digest.clone(), settings: one.key.clone() };
        assert_eq!(find(&key, folder.path()), None);
        keep(&one, &key, folder.path()).unwrap();
        assert_eq!(find(&key, folder.path()), Some(one.clone()));
        let other = Key { settings: "1".repeat(64), ..key.clone() };
        assert_eq!(find(&other, folder.path()), None);
        // A name alone proves nothing.
        fs::rename(
            folder.path().join("described").join(key.file()),
            folder.path().join("described").join(other.file()),
        )
        .unwrap();
        assert_eq!((find(&other, folder.path()), find(&key, folder.path())), (None, None));
    }

    #[test]
    fn the_port_with_methods_is_called_and_the_lack_of_a_schema_is_explained() {
        let with = |services: &[&str], reflection: Option<&str>| Offers {
            is_grpc: true,
            reflection: reflection.map(str::to_owned),
            services: services.iter().map(|s| (*s).to_owned()).collect(),
            remarks: vec!["it has no reflection v1".into()],
            ..Offers::default()
        };
        let web = || listener(80, Speaks::Http1 { line: "HTTP/1.1 200 OK".into() }, None);
        let all = described(vec![
            web(),
            listener(81, Speaks::Http2, Some(with(&["grpc.health.v1.Health"], Some("v1")))),
            listener(82, Speaks::Http2, Some(with(&["a.B"], Some("v1alpha")))),
        ]);
        assert_eq!(all.listener().map(|l| l.port), Some(82));
        assert!(all.schema("f").is_ok());
        assert_eq!(described(vec![listener(9, Speaks::Silence, None), web()]).listener().map(|l| l.port), Some(80));
        let none = described(vec![listener(82, Speaks::Http2, Some(with(&[], None)))]).schema("f").unwrap_err();
        assert!(none.to_string().contains("no reflection (it has no reflection v1)"), "{none}");
        assert!(none.hint_text().unwrap().contains("--proto"));
        let http = described(vec![web()]).schema("f").unwrap_err();
        assert!(http.to_string().contains("no gRPC server was found in it"), "{http}");
    }
}
