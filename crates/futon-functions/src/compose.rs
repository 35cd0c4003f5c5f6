//! A compose file, read by Docker Compose, and futon's own settings of its services.

use std::path::{Path, PathBuf};

use compose_model::{LoadError, Loader, Project};
use futon_model::ImageReference;

use futon_common::{Error, Result, folder_of};

/// The project name if neither the file nor its folder gives one.
const PROJECT: &str = "futon";

/// Warnings of Compose that futon's users do not need.
const NO_NEWS: &str = "the attribute `version` is obsolete";

/// Base name of the image of vSwarm's relay.
const RELAY: &str = "relay";

/// A compose file: its path, and Docker Compose's result.
#[derive(Debug, Clone)]
pub struct Compose {
    /// Path of the file, for messages.
    pub path: PathBuf,
    /// The whole project.
    pub project: Project,
    /// Reads it again, for parts that the model does not have.
    pub(crate) loader: Loader,
    /// Replaces the file's declarations.
    pub(crate) declared: Option<FunctionHints>,
    /// Whether all services of the file start, not only those that a function needs.
    pub(crate) whole: bool,
}

/// One service that is to run.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// Its name in the file.
    pub name: String,
    /// Image name.
    pub image: ImageReference,
    /// Name of its container.
    pub container: String,
    /// futon's own settings.
    pub hints: FunctionHints,
    /// All its keys.
    pub spec: compose_model::Service,
}

/// A declaration, and where it is written.
#[derive(Debug, Clone)]
pub struct Declared {
    /// The declaration.
    pub declaration: FunctionHints,
    /// For messages.
    pub source: calls::Source,
    /// Where its relative paths start.
    pub folder: PathBuf,
}

impl Declared {
    /// Reads a file of a declaration's keys.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn parse(path: &Path, text: &str) -> Result<Self> {
        let source = calls::Source::inside(path.display().to_string(), text, "");
        let declaration = FunctionHints::parse(text, &source).map_err(|e| calls_error(&e))?;
        Ok(Self { declaration, source, folder: folder_of(path).to_owned() })
    }
}

/// futon's extension of a service.
const OWN_KEY: &str = "x-futon";

/// futon's extension of a service: the key `x-futon`.
pub type FunctionHints = calls::Declaration;

impl Compose {
    /// Reads a compose file with the Docker Compose at `program`.
    ///
    /// # Errors
    /// When the file cannot be read or Compose refuses it (the user's fault), or Compose itself cannot be run (the host's fault).
    pub fn read(path: &Path, program: &Path) -> Result<Self> {
        let loader = Loader::new(program).fallback_name(PROJECT);
        let project = loader.load(path).map_err(|e| load_error(&e))?;
        Ok(Self { path: path.to_owned(), project, loader, declared: None, whole: false })
    }

    /// Names of the services.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.project.services.keys().map(String::as_str)
    }

    /// Compose's warnings.
    pub fn warnings(&self) -> impl Iterator<Item = &str> {
        self.project.warnings.iter().map(String::as_str).filter(|words| !words.contains(NO_NEWS))
    }

    /// Extensions that nobody reads and that are nearly futon's own: Compose takes any key `x-…`, in any spelling.
    pub(super) fn nearly_extensions(&self, services: &[&str]) -> Vec<String> {
        let like = |key: &str| strsim::levenshtein(&key.to_lowercase().replace('_', "-"), OWN_KEY) <= 1;
        let mut remarks = Vec::new();
        for service in services {
            let extensions = self.project.services.get(*service).map(|spec| spec.extensions.keys());
            for key in extensions.into_iter().flatten().filter(|key| *key != OWN_KEY && like(key)) {
                let place = self.project.place(service, Some(key));
                remarks.push(format!(
                    "{place}: service {service}, key `{key}`: futon reads `{OWN_KEY}`, and not this key"
                ));
            }
        }
        for key in self.project.other.keys().filter(|key| like(key)) {
            // An anchor for services' own keys.
            if key == OWN_KEY && self.project.services.values().any(|spec| spec.extensions.contains_key(OWN_KEY)) {
                continue;
            }
            remarks.push(format!("{}: key `{key}`: futon reads a service's key `{OWN_KEY}`", self.path.display()));
        }
        remarks
    }

    /// Names of the services that can be called: they declare calls or a client, or a built-in client knows them. Without services of profiles
    /// that are not active.
    ///
    /// # Errors
    /// When a declaration is malformed.
    pub fn functions(&self) -> Result<Vec<&str>> {
        let mut found = Vec::new();
        for name in self.names().filter(|name| !self.project.inactive.contains(*name)) {
            let declared = self.declaration(name)?.map(|declared| declared.declaration);
            let known = |word: &str| calls::oracle::names().any(|known| known == word);
            let by_name = || {
                let image = self.image(name).ok();
                known(name) || image.is_some_and(|image| known(image.base_name()) || is_relay(&image))
            };
            if declared.is_some_and(|d| !d.calls.is_empty() || d.client.is_some()) || by_name() {
                found.push(name);
            }
        }
        Ok(found)
    }

    /// The image that a service names.
    ///
    /// # Errors
    /// When there is no such service, it has no image, or the image's name is invalid.
    pub fn image(&self, service: &str) -> Result<ImageReference> {
        let spec = self.project.services.get(service);
        let image = spec.and_then(|spec| spec.image.as_deref()).ok_or_else(|| {
            self.at(service, "image", "it has no image")
                .hint("futon does not build images: give the service an `image`, and add it with `futon images add`")
        })?;
        image.parse().map_err(|e: futon_model::ReferenceError| {
            self.at(service, "image", &e.to_string()).hint("write the image's name as in ghcr.io/me/function:v1")
        })
    }

    /// A service that is to run.
    ///
    /// # Errors
    /// When it has no usable image, or its key `x-futon` is malformed.
    pub(super) fn service(&self, name: &str) -> Result<Service> {
        let image = self.image(name)?;
        let spec = self.project.services.get(name).cloned().unwrap_or_default();
        let hints = self.declaration(name)?.map(|declared| declared.declaration).unwrap_or_default();
        Ok(Service { name: name.to_owned(), image, container: spec.container(&self.project.name, name), hints, spec })
    }

    /// A service's declaration with the key `x-futon`: in place, or in the file that the key names.
    ///
    /// # Errors
    /// When it is malformed, or there is no such file.
    pub fn declaration(&self, service: &str) -> Result<Option<Declared>> {
        let Some(value) = self.project.services.get(service).and_then(|spec| spec.extensions.get("x-futon")) else {
            return Ok(None);
        };
        if !value.is_object() && !value.is_string() {
            return Err(self.at(service, "x-futon", "it is neither keys nor the name of a file that has them"));
        }
        let Some(file) = value.as_str() else {
            let text = std::fs::read_to_string(&self.path).unwrap_or_default();
            let prefix = format!("services.{service}.x-futon");
            let source = calls::Source::inside(self.path.display().to_string(), &text, prefix);
            let declaration = FunctionHints::from_value(value.clone(), &source).map_err(|e| calls_error(&e))?;
            return Ok(Some(Declared { declaration, source, folder: folder_of(&self.path).to_owned() }));
        };
        let path = folder_of(&self.path).join(file);
        let text = std::fs::read_to_string(&path).map_err(|error| {
            self.at(service, "x-futon", &format!("cannot read {}: {error}", path.display()))
                .hint("`x-futon` must have keys, or name a file that has them")
        })?;
        Declared::parse(&path, &text).map(Some)
    }

    /// Replaces the file's declarations by this one, for any selected function.
    pub fn declare(&mut self, declaration: FunctionHints) {
        self.declared = Some(declaration);
    }

    /// Starts all services of the file with any selected function, as `docker compose up` does.
    pub fn start_all(&mut self) {
        self.whole = true;
    }

    /// An error in a service's key.
    pub(super) fn at(&self, service: &str, key: &str, why: &str) -> Error {
        Error::usage(format!("{}: service {service}, key `{key}`: {why}", self.project.place(service, Some(key))))
    }
}

/// An invalid declaration is the user's mistake.
#[must_use]
pub fn calls_error(error: &calls::CallsError) -> Error {
    let told = Error::usage(error.to_string());
    match error.hint() {
        Some(hint) => told.hint(hint),
        None => told,
    }
}

/// A refused file is the user's fault; a program that does not start is the host's.
fn load_error(error: &LoadError) -> Error {
    let hint = match error {
        LoadError::Unreadable { .. } => "choose another file with --functions FILE",
        LoadError::Refused { words, .. } if words.contains("remote resource is disabled") => {
            "futon does not fetch parts of a compose file from a repository or registry: copy them into the folder"
        }
        LoadError::Refused { words, .. } if words.contains("is missing a value") => {
            "set the variable in the environment, or in the file .env beside the compose file"
        }
        LoadError::Unprintable { .. } => "write the declaration into a file of its own, and name that: `x-futon: FILE`",
        LoadError::Refused { .. } => "this message is from Docker Compose: `docker compose config` shows it, too",
        LoadError::Value { .. } => "Docker Compose takes it, and no engine can: change the value",
        LoadError::TooLong { .. } => "does the file have aliases that expand without end?",
        LoadError::NoProgram { .. } => {
            "`futon resources build compose` installs it; it needs x86_64 Linux with glibc 2.34 (Debian 12, Ubuntu 22.04) or newer"
        }
        _ => "`futon resources build compose --force` installs Docker Compose again",
    };
    let host = !error.is_files_fault();
    let words = error.to_string();
    if host { Error::infra(words).hint(hint) } else { Error::usage(words).hint(hint) }
}

/// Whether an image is a relay's.
pub(super) fn is_relay(image: &ImageReference) -> bool {
    image.base_name() == RELAY
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A model as in Compose's canonical document; the caller adds extensions of services.
    pub(crate) fn model(document: &serde_json::Value) -> Compose {
        let project = Project::from_json(document.to_string().as_bytes()).unwrap();
        let project = Project { file: "functions.yaml".into(), ..project };
        let loader = Loader::new("/nonexistent/docker-compose");
        Compose { path: "functions.yaml".into(), project, loader, declared: None, whole: false }
    }

    #[test]
    fn what_a_service_needs_is_named_where_it_is_missing() {
        let mut compose = model(&serde_json::json!({"name": "p", "services": {
            "none": {"build": {"context": "."}}, "bad": {"image": "A B"}, "fine": {"image": "me/f"}, "hints": {"image": "me/f"},
        }}));
        let words = |compose: &Compose, name| compose.service(name).unwrap_err().to_string();
        assert_eq!(words(&compose, "none"), "functions.yaml: service none, key `image`: it has no image");
        assert!(words(&compose, "bad").contains("key `image`"));
        let fine = compose.service("fine").unwrap();
        assert_eq!((fine.container.as_str(), fine.hints), ("p-fine-1", FunctionHints::default()));
        let hints = compose.project.services.get_mut("hints").unwrap();
        hints.extensions.insert("x-futon".into(), serde_json::json!({"klient": "aes-go"}));
        assert!(words(&compose, "hints").contains("klient"));
        // The one with a client that is known, and those that say how they are called.
        assert!(compose.functions().is_err());
        let hints = compose.project.services.get_mut("hints").unwrap();
        hints.extensions.insert("x-futon".into(), serde_json::json!({"client": "aes-go"}));
        assert_eq!(compose.functions().unwrap(), ["hints"]);
        compose.project.services.get_mut("fine").unwrap().image = Some("me/aes-go:v1".into());
        assert_eq!(compose.functions().unwrap(), ["fine", "hints"]);
        compose.project.inactive.insert("fine".into());
        assert_eq!(compose.functions().unwrap(), ["hints"]);
        // A file in its place.
        let folder = tempfile::tempdir().unwrap();
        compose.path = folder.path().join("functions.yaml");
        let set = |compose: &mut Compose, value: &str| {
            compose.project.services.get_mut("hints").unwrap().extensions.insert("x-futon".into(), value.into());
        };
        set(&mut compose, "fn.calls.yaml");
        assert!(words(&compose, "hints").contains("cannot read"), "{}", words(&compose, "hints"));
        std::fs::write(folder.path().join("fn.calls.yaml"), "port: 7\nklient: x\n").unwrap();
        assert!(words(&compose, "hints").contains("fn.calls.yaml:2:1"), "{}", words(&compose, "hints"));
        std::fs::write(folder.path().join("fn.calls.yaml"), "port: 7\n").unwrap();
        assert_eq!(compose.service("hints").unwrap().hints.port, Some(7));
    }

    #[test]
    fn an_extension_that_is_nearly_futons_own_is_named() {
        let said = |extension: &str, at_the_top: &str| {
            let mut compose =
                model(&serde_json::json!({"name": "p", "services": {"f": {"image": "me/f"}}, (at_the_top): {}}));
            let service = compose.project.services.get_mut("f").unwrap();
            service.extensions.insert(extension.into(), serde_json::json!({"client": "aes-go"}));
            compose.nearly_extensions(&["f"])
        };
        for nearly in ["x-Futon", "X-FUTON", "x-futn", "x_futon", "x-futons"] {
            let words = format!("functions.yaml: service f, key `{nearly}`: futon reads `x-futon`, and not this key");
            assert_eq!(said(nearly, "x-other"), [words]);
        }
        assert_eq!(
            said("x-other", "x-futon"),
            ["functions.yaml: key `x-futon`: futon reads a service's key `x-futon`"]
        );
        // One that services take theirs from.
        assert_eq!(said("x-futon", "x-futon"), [""; 0]);
    }

    #[test]
    fn whose_fault_it_is() {
        let error = Compose::read(Path::new("Cargo.toml"), Path::new("/nonexistent/docker-compose")).unwrap_err();
        assert_eq!(error.exit_code(), futon_model::ExitCode::Infra, "{error}");
        let error = Compose::read(Path::new("/no/file"), Path::new("/nonexistent/docker-compose")).unwrap_err();
        assert_eq!(error.exit_code(), futon_model::ExitCode::Usage, "{error}");
        assert!(error.hint_text().is_some());
    }
}
