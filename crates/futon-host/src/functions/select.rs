//! From names on the command line to functions: a compose service, or an image that no service names.

use futon_model::{ImageReference, KNOWN_FUNCTIONS};

use super::{Compose, Service, engine_requests};
use crate::{Error, Result};

/// What is taken for an image that no service names.
#[derive(Debug, Clone, Copy)]
pub struct ClientDefaults;

impl ClientDefaults {
    /// Port on which the container listens.
    pub const CONTAINER_PORT: u16 = 50051;
    /// Port on the guest.
    pub const HOST_PORT: u16 = 50000;
    /// Container name.
    pub const CONTAINER: &str = "function";
}

/// One function to test.
#[derive(Debug, Clone)]
pub struct Selection {
    /// Name in reports.
    pub name: String,
    /// Compose service to start.
    pub service_name: String,
    /// The service.
    pub service: Service,
    /// Images of the services that it depends on.
    pub dependencies: Vec<ImageReference>,
    /// The same services by name, nearest first.
    pub needed: Vec<(String, Service)>,
    /// Compose file for the guest.
    pub compose: String,
    /// The same service as requests to the engine, or why it must be left to `docker compose`.
    pub engine: Result<serde_json::Value, String>,
    /// Defaults taken; for the report.
    pub remarks: Vec<String>,
}

/// Finds the function that `wanted` names: a service of the compose file, else an image.
///
/// # Errors
/// When it is neither.
pub fn select(compose: &Compose, wanted: &str) -> Result<Selection> {
    if let Some(service) = compose.services.get(wanted) {
        let names = compose.closure_names(wanted);
        let needed: Vec<(String, Service)> =
            names.iter().skip(1).filter_map(|n| Some((n.clone(), compose.services.get(n)?.clone()))).collect();
        let dependencies = needed.iter().map(|(_, service)| service.image.clone()).collect();
        return Ok(Selection {
            name: wanted.to_owned(),
            service_name: wanted.to_owned(),
            service: service.clone(),
            dependencies,
            needed,
            compose: compose.text.clone(),
            engine: engine_requests(compose, wanted),
            remarks: Vec::new(),
        });
    }
    // A bare word is far more often a mistyped service than an image of Docker's own library.
    let image = match wanted.parse::<ImageReference>() {
        Ok(image) if wanted.contains(['/', ':', '@']) => image,
        _ => return Err(unknown(compose, wanted)),
    };
    if let Some((name, _)) = compose.services.iter().find(|(_, s)| s.image.canonical() == image.canonical()) {
        return select(compose, &name.clone());
    }
    let name = image.base_name().to_owned();
    let text = format!(
        "name: futon\nservices:\n  {name}:\n    image: {image}\n    container_name: {}\n    ports:\n      - \"{}:{}\"\n",
        ClientDefaults::CONTAINER,
        ClientDefaults::HOST_PORT,
        ClientDefaults::CONTAINER_PORT,
    );
    let remark = format!(
        "no service names the image {image}: defaults taken (container port {}, host port {}, client {})",
        ClientDefaults::CONTAINER_PORT,
        ClientDefaults::HOST_PORT,
        name,
    );
    let made = Compose::parse(&compose.path, text)?;
    Ok(Selection { remarks: vec![remark], name: name.clone(), ..select(&made, &name)? })
}

fn unknown(compose: &Compose, wanted: &str) -> Error {
    let names: Vec<&str> = compose.services.keys().map(String::as_str).collect();
    let nearest = names.iter().map(|n| (strsim::levenshtein(n, wanted), *n)).filter(|(d, _)| *d <= 3).min();
    let hint = match nearest {
        Some((_, name)) => format!("did you mean {name}?"),
        None => format!(
            "{} has: {}; an image is named with its repository, as in me/function:latest",
            compose.path.display(),
            names.join(", ")
        ),
    };
    Error::usage(format!("unknown function {wanted:?}")).hint(hint)
}

/// Name under which the test client knows a function.
///
/// # Errors
/// When neither `forced`, the service's `x-futon` key, the service's name nor the image's base name is one.
pub fn client_name(selection: &Selection, forced: Option<&str>) -> Result<String> {
    let explicit = forced.or(selection.service.hints.client.as_deref());
    let guesses = [selection.service_name.as_str(), selection.service.image.base_name()];
    let candidates: &[&str] = match &explicit {
        Some(name) => std::slice::from_ref(name),
        None => &guesses,
    };
    candidates.iter().find(|name| KNOWN_FUNCTIONS.contains(name)).map(|name| (*name).to_owned()).ok_or_else(|| {
        Error::usage(format!("{}: the test client knows no function {:?}", selection.name, candidates[0])).hint(
            format!(
                "choose one with --client NAME or the service's key `x-futon: {{client: NAME}}`; known: {}",
                KNOWN_FUNCTIONS.join(", ")
            ),
        )
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn compose() -> Compose {
        let text = "services:\n  fibonacci-go:\n    image: vhiveease/fibonacci-go:latest\n    container_name: function\n    \
                    ports: [\"50000:50051\"]\n  odd:\n    image: me/odd\n    x-futon: {client: aes-go}\n";
        Compose::parse(Path::new("f.yaml"), text.to_owned()).unwrap()
    }

    #[test]
    fn a_service_by_its_name_or_its_image() {
        for name in ["fibonacci-go", "vhiveease/fibonacci-go", "docker.io/vhiveease/fibonacci-go:latest"] {
            let selection = select(&compose(), name).unwrap();
            assert_eq!(selection.service_name, "fibonacci-go", "{name}");
            assert!(selection.remarks.is_empty());
        }
    }

    #[test]
    fn an_image_without_a_service_gets_defaults_and_says_so() {
        let selection = select(&compose(), "someone/aes-python:v1").unwrap();
        assert_eq!(selection.service.host_port, Some(50000));
        assert!(selection.compose.contains("50000:50051"));
        assert!(selection.remarks[0].contains("defaults taken"));
        assert_eq!(client_name(&selection, None).unwrap(), "aes-python");
    }

    #[test]
    fn a_mistyped_name_is_an_error_with_a_guess() {
        let error = select(&compose(), "fibonaci-go").unwrap_err();
        assert_eq!(error.hint_text(), Some("did you mean fibonacci-go?"));
        assert_eq!(error.exit_code(), futon_model::ExitCode::Usage);
    }

    #[test]
    fn the_client_is_never_guessed_beyond_what_is_known() {
        let odd = select(&compose(), "odd").unwrap();
        assert_eq!(client_name(&odd, None).unwrap(), "aes-go");
        assert_eq!(client_name(&odd, Some("auth-go")).unwrap(), "auth-go");
        assert!(client_name(&odd, Some("nonsense")).is_err());
        let unknown = select(&compose(), "me/mystery").unwrap();
        assert!(client_name(&unknown, None).is_err());
    }
}
