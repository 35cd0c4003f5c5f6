//! Turns names on the command line into functions: a compose service, or an image that no service uses.

use compose_model::OrderError;
use futon_common::{Error, Result};
use futon_model::ImageReference;
use serde_json::json;

use super::engine::engine_requests;
use super::guest_file::{GuestFile, guest_file, text};
use super::handover::Handover;
use super::mentions::not_started;
use super::proof::beyond;
use super::target::{ClientDefaults, Target, target};
use super::{Compose, Service};

/// One function to test, with everything that its compose file means for it.
#[derive(Debug, Clone)]
pub struct Selection {
    /// Name in reports, and of the folder of results.
    pub name: String,
    /// Compose service to start.
    pub service_name: String,
    /// The service, as the guest gets it.
    pub service: Service,
    /// The other services that run: those that it depends on, or all of the file. In the order in which they start.
    pub beside: Vec<Service>,
    /// How many of them start before it.
    pub place: usize,
    /// Whether all services of the file run, so that none of them may fail.
    pub whole: bool,
    /// The guest's compose file as a model: these services alone, paths of the host replaced by those of copies in the guest.
    pub project: compose_model::Project,
    /// Host files that are copied to the guest.
    pub handover: Handover,
    /// Where the function is called.
    pub target: Target,
    /// Ports of the guest that are published.
    pub published: Vec<u16>,
    /// Compose file for the guest.
    pub compose: String,
    /// The same services as requests to the engine, or why `docker compose` must start them.
    pub engine: Result<futon_model::EngineRequests, String>,
    /// What lets a container forge the guest's reports, by service and key.
    pub powers: Vec<String>,
    /// Whether it is vSwarm's relay, whose calls follow from its arguments.
    pub relay: bool,
    /// Defaults used and other remarks, for the report.
    pub remarks: Vec<String>,
    /// The functions that are called in turn, each as it is selected alone, this one first; empty where it is the only one.
    pub turns: Vec<Selection>,
}

impl Selection {
    /// The function and what runs beside it, in the order in which they start.
    pub fn services(&self) -> impl Iterator<Item = &Service> {
        let (before, after) = self.beside.split_at(self.place.min(self.beside.len()));
        before.iter().chain([&self.service]).chain(after)
    }
}

/// Finds the function that `wanted` names: a service of the compose file, else an image.
///
/// # Errors
/// When it is neither, or futon cannot provide what the service needs; with the place in the file.
pub fn select(compose: &Compose, wanted: &str) -> Result<Selection> {
    if let Some((name, _)) = compose.project.services.get_key_value(wanted) {
        return of_service(compose, name);
    }
    // A bare word is far more often a mistyped service than an image of Docker's own library.
    let image = match wanted.parse::<ImageReference>() {
        Ok(image) if wanted.contains(['/', ':', '@']) => image,
        // With a slash it was meant as an image: the reason why it is not one helps more than the names of functions.
        Err(error) if wanted.contains(['/', ':', '@']) => return Err(error.into()),
        _ => return Err(unknown(compose, wanted)),
    };
    let same = |name: &&str| compose.image(name).is_ok_and(|known| known.canonical() == image.canonical());
    if let Some(name) = compose.names().find(same) {
        return of_service(compose, name);
    }
    of_image(compose, &image)
}

fn of_service(compose: &Compose, name: &str) -> Result<Selection> {
    check_name(compose, name)?;
    let project = &compose.project;
    let order = if compose.whole { project.start_order_of_all(name) } else { project.start_order(name) };
    let order = order.map_err(|e| order_error(compose, name, &e))?;
    if let Some(conflict) = project.conflict(&order) {
        let (service, key) = conflict.place();
        return Err(Error::usage(format!("{}: key `{key}`: {conflict}", project.place(service, Some(key))))
            .hint("give each container a different name and port"));
    }
    let mut remarks: Vec<String> = compose.warnings().map(str::to_owned).collect();
    remarks.extend(compose.nearly_extensions(&order));
    let original = order.iter().map(|name| compose.service(name)).collect::<Result<Vec<_>>>()?;
    let GuestFile { project: guests, handover, remarks: more } = guest_file(compose, &order)?;
    remarks.extend(more);
    remarks.extend(not_started(compose, &order));
    let mut services: Vec<Service> = original
        .into_iter()
        .map(|service| Service { spec: guests.services.get(&service.name).cloned().unwrap_or_default(), ..service })
        .collect();
    let mut powers = Vec::new();
    for service in &services {
        let is_copy = |mount: &compose_model::Mount| handover.origin(&mount.source).is_some();
        let found = beyond(&guests, &service.spec, is_copy);
        powers.extend(found.into_iter().map(|key| format!("service {}: {key}", service.name)));
    }
    let published = published(&services);
    let place = services.iter().position(|service| service.name == name).ok_or_else(|| unknown(compose, name))?;
    let mut service = services.remove(place);
    if let Some(declared) = &compose.declared {
        service.hints = declared.clone();
    }
    let mut relay = false;
    if service.hints.calls.is_empty()
        && service.hints.client.is_none()
        && let Some((declared, remark)) = super::relay::declaration(&service)
    {
        service.hints = declared;
        relay = true;
        remarks.extend(remark);
    }
    if let (None, Some(port)) = (service.hints.port, preset_port(&service)) {
        let ports = &service.spec.ports;
        if ports.is_empty() || ports.iter().any(|known| known.target == u32::from(port)) {
            service.hints.port = Some(port);
        }
    }
    let target = target(compose, &service, &mut remarks)?;
    Ok(Selection {
        name: name.to_owned(),
        service_name: name.to_owned(),
        service,
        beside: services,
        place,
        whole: compose.whole,
        target,
        published,
        compose: text(&guests, &handover),
        engine: engine_requests(&guests, &order),
        project: guests.clone(),
        handover,
        powers,
        relay,
        remarks,
        turns: Vec::new(),
    })
}

/// The port of the service's preset.
fn preset_port(service: &Service) -> Option<u16> {
    let environment = |name: &str| service.spec.raw.get("environment")?.get(name)?.as_str().map(str::to_owned);
    service.hints.preset.map(|preset| preset.port(environment))
}

/// An image that no service uses runs as a service that futon defines.
fn of_image(compose: &Compose, image: &ImageReference) -> Result<Selection> {
    let name = image.base_name().to_owned();
    let declared = compose.declared.as_ref();
    let preset = declared.and_then(|declared| declared.preset).map(|preset| preset.port(|_| None));
    let port = declared.and_then(|declared| declared.port).or(preset).unwrap_or(ClientDefaults::CONTAINER_PORT);
    let document = json!({
        "name": "futon",
        "networks": {"default": {"name": "futon_default", "ipam": {}}},
        "services": {name.as_str(): {
            "image": image.to_string(),
            "container_name": ClientDefaults::CONTAINER,
            "networks": {"default": null},
            "ports": [{"mode": "ingress", "target": port,
                       "published": ClientDefaults::HOST_PORT.to_string(), "protocol": "tcp"}],
        }},
    });
    let project = compose_model::Project::from_json(document.to_string().as_bytes())
        .map_err(|e| Error::infra(format!("the defaults for {image} are malformed: {e}")))?;
    let project = compose_model::Project { file: compose.path.clone(), ..project };
    let made = Compose { project, whole: false, ..compose.clone() };
    let remark = format!(
        "no service uses the image {image}: using defaults (container port {port}, host port {})",
        ClientDefaults::HOST_PORT,
    );
    let selection = of_service(&made, &name)?;
    Ok(Selection { remarks: std::iter::once(remark).chain(selection.remarks).collect(), ..selection })
}

/// A function's results folder has its name and is beside the reports.
fn check_name(compose: &Compose, name: &str) -> Result<()> {
    let reports = ["report.json", "report.html"];
    let why = if name.starts_with('.') || name.starts_with('-') {
        "its results cannot be stored under that name"
    } else if name.len() > 128 {
        "the name is too long (at most 128 bytes)"
    } else if reports.contains(&name) {
        "that name is reserved for a run's report"
    } else {
        return Ok(());
    };
    Err(Error::usage(format!("{}: service {name}: {why}", compose.project.place(name, None)))
        .hint("rename the service"))
}

fn order_error(compose: &Compose, name: &str, error: &OrderError) -> Error {
    let service = match error {
        OrderError::Missing { service, .. } | OrderError::Inactive { service, .. } => service.as_str(),
        OrderError::Cycle(names) => names.first().map_or(name, String::as_str),
        _ => name,
    };
    let place = compose.project.place(service, Some("depends_on"));
    let hint = match error {
        OrderError::Inactive { .. } => "set COMPOSE_PROFILES, or give both services a common profile",
        _ => "correct the key `depends_on`",
    };
    Error::usage(format!("{place}: {error}")).hint(hint)
}

/// All TCP ports of the guest that the containers will use.
fn published(services: &[Service]) -> Vec<u16> {
    let ports = services.iter().flat_map(|service| &service.spec.ports);
    let mut list: Vec<u16> = ports
        .filter(|port| port.protocol == compose_model::Protocol::Tcp)
        .filter_map(|port| port.published_range().filter(|(first, last)| first == last).map(|(first, _)| first))
        .collect();
    list.sort_unstable();
    list.dedup();
    list
}

fn unknown(compose: &Compose, wanted: &str) -> Error {
    let nearest = compose.names().map(|n| (strsim::levenshtein(n, wanted), n)).filter(|(d, _)| *d <= 3).min();
    let names: Vec<&str> = compose.names().collect();
    let hint = match nearest {
        Some((_, name)) => format!("did you mean {name}?"),
        None if names.is_empty() => format!("{} has no service", compose.path.display()),
        None => format!(
            "{} has: {}; write an image's name with its repository, as in me/function:latest",
            compose.path.display(),
            names.join(", ")
        ),
    };
    let unknown = format!("unknown function {wanted:?}");
    match &compose.project.without_profiles {
        // The function may have a profile, and not be to blame.
        Some(words) => Error::usage(format!(
            "{unknown}: services with profiles that are not active are left out, since Docker Compose refuses the file with them: {words}"
        ))
        .hint(format!("mend that service, or make the function's profile active: COMPOSE_PROFILES=…; {hint}")),
        None => Error::usage(unknown).hint(hint),
    }
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
    candidates
        .iter()
        .find(|name| calls::oracle::names().any(|known| known == **name))
        .map(|name| (*name).to_owned())
        .ok_or_else(|| {
            Error::usage(format!("{}: the test client does not know the function {:?}", selection.name, candidates[0]))
                .hint(format!(
                    "choose one with --client NAME or the service's key `x-futon: {{client: NAME}}`; known: {}",
                    calls::oracle::names().collect::<Vec<_>>().join(", ")
                ))
        })
}

#[cfg(test)]
#[path = "select_tests.rs"]
mod tests;
