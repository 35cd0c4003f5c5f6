//! From a selected function, the project's settings and the image store to a plan.

use std::time::Duration;

use futon_model::{
    Base, ClientPlan, Companion, FindPort, ImageReference, MachineKind, MachinePlan, Plan, PlannedImage, PlannedStep,
    ScriptKind, steps,
};
use serde::Deserialize;

use crate::config::Config;
use futon_common::{Context, Result};
use futon_functions::{Selection, Way, client_name, tcp_port};
use image_store::ImageStore;

/// What a plan is made from.
#[derive(Debug)]
pub struct PlanRequest<'a> {
    /// Settings: the project's, with the command line's over them.
    pub config: &'a Config,
    /// Kind of machine.
    pub machine: MachineKind,
    /// What the guest is.
    pub base: Base,
    /// Base image, for the report.
    pub base_image: String,
    /// Kernel, for the report.
    pub kernel: String,
    /// Client that the user demands.
    pub client: Option<&'a str>,
    /// Seed of random inputs.
    pub seed: Option<u64>,
    /// The image store.
    pub store: Option<&'a ImageStore>,
    /// Whether the run script is the user's own.
    pub script: ScriptKind,
}

/// Where the guest reaches what is published on all its addresses.
const LOOPBACK: &str = "127.0.0.1";

/// Plans a function test.
///
/// # Errors
/// When no client fits the function, or the store cannot be read.
pub fn function_plan(selection: &Selection, request: &PlanRequest<'_>) -> Result<Plan> {
    let hints = &selection.service.hints;
    let settings = &request.config.client;
    let mut remarks = selection.remarks.clone();
    let container_port = container_port(selection, request.store)?;
    let (address, port, find) = match &selection.target.way {
        Way::Published { address, port } => (address.clone(), *port, None),
        Way::Assigned => (LOOPBACK.to_owned(), container_port, Some(FindPort::Published(container_port))),
        Way::Container => {
            remarks.push(format!(
                "service {} publishes no TCP port: it is called at its container's own address, port {container_port}",
                selection.service_name
            ));
            (LOOPBACK.to_owned(), container_port, Some(FindPort::Container(container_port)))
        }
    };
    let client = ClientPlan {
        function_name: client_name(selection, request.client)?,
        method: hints.method.clone().unwrap_or_else(|| settings.method.clone()),
        input: hints.input.clone().unwrap_or_else(|| settings.input.clone()),
        gen_type: settings.gen_type.clone(),
        invocations: settings.invocations,
        warmup: settings.warmup,
        seed: request.seed,
        address,
        port,
        find,
        container: selection.service.container.clone(),
        service: selection.service_name.clone(),
    };
    // The function's first, then what it needs, each image once.
    let mut names: Vec<&ImageReference> = Vec::new();
    for service in std::iter::once(&selection.service).chain(selection.needed.iter().rev()) {
        if !names.contains(&&service.image) {
            names.push(&service.image);
        }
    }
    let images =
        names.into_iter().map(|reference| planned_image(reference, request.store)).collect::<Result<Vec<_>>>()?;
    let mut plan = foreign_plan(&selection.name, request);
    plan.images = images;
    plan.client = Some(client);
    plan.remarks = remarks;
    plan.limits.stop = stop_limit(plan.limits.stop, selection);
    plan.powers.clone_from(&selection.powers);
    plan.published.clone_from(&selection.published);
    plan.companions = selection
        .needed
        .iter()
        .map(|service| Companion { service: service.name.clone(), container: service.container.clone() })
        .collect();
    if !plan.powers.is_empty() {
        plan.remarks.push(format!(
            "what runs could speak for the guest ({}): the verdict rests on its honesty, too",
            plan.powers.join(", ")
        ));
    }
    if request.script == ScriptKind::Own {
        plan.steps = steps::GUEST.iter().map(|name| PlannedStep { name: (*name).to_owned() }).collect();
    }
    Ok(plan)
}

/// What a stop takes beside the grace that a container has to end by itself.
const STOP_SLACK: Duration = Duration::from_secs(20);

/// The limit of the step `stop`: long enough for the grace that the service declares.
fn stop_limit(limit: Duration, selection: &Selection) -> Duration {
    let service = selection.project.services.get(&selection.service_name);
    let grace = service.and_then(|service| service.stop_grace_period.as_ref()).map(|grace| grace.0);
    grace.map_or(limit, |grace| limit.max(grace + STOP_SLACK))
}

/// Plans an arbitrary workflow: a script of the user's and nothing known about it.
#[must_use]
pub fn foreign_plan(name: &str, request: &PlanRequest<'_>) -> Plan {
    Plan {
        schema: "futon.plan/1".into(),
        function: name.to_owned(),
        script: request.script,
        images: Vec::new(),
        client: None,
        machine: MachinePlan {
            kind: request.machine,
            base: request.base,
            vcpus: request.config.machine.vcpus(),
            memory_mib: request.config.machine.memory_mib,
            network: request.config.machine.network,
            base_image: request.base_image.clone(),
            kernel: request.kernel.clone(),
        },
        steps: Vec::new(),
        companions: Vec::new(),
        published: Vec::new(),
        limits: request.config.limits,
        powers: Vec::new(),
        remarks: Vec::new(),
    }
}

/// Pins an image by what the store says now. One that is not there is planned without digests: the pull will fail
/// in the guest, as it would in the field, and the verdict says so.
fn planned_image(reference: &ImageReference, store: Option<&ImageStore>) -> Result<PlannedImage> {
    let absent = |near| PlannedImage { reference: reference.clone(), index: None, manifest: None, config: None, near };
    let Some(store) = store else { return Ok(absent(Vec::new())) };
    Ok(match store.resolve(reference)? {
        Some(image) => image.planned(reference),
        None => absent(store.near(reference)?),
    })
}

/// The function's port in its container: the one that the file names, else one that the image exposes, else 50051.
fn container_port(selection: &Selection, store: Option<&ImageStore>) -> Result<u16> {
    let default = selection.target.container_port;
    if selection.target.named {
        return Ok(default);
    }
    let Some(store) = store else { return Ok(default) };
    let Some(image) = store.resolve(&selection.service.image)? else { return Ok(default) };
    let path = store.blob_path(&image.config.digest);
    let text = std::fs::read(&path).context(|| format!("configuration of {}", selection.service.image))?;
    Ok(exposed_port(&text, default))
}

/// `default` where the image exposes that or nothing, else the lowest TCP port that it does.
fn exposed_port(image_config: &[u8], default: u16) -> u16 {
    #[derive(Default, Deserialize)]
    struct Document {
        config: Option<Settings>,
    }
    #[derive(Deserialize)]
    struct Settings {
        #[serde(rename = "ExposedPorts")]
        exposed: Option<std::collections::BTreeMap<String, serde::de::IgnoredAny>>,
    }
    let document: Document = serde_json::from_slice(image_config).unwrap_or_default();
    let exposed = document.config.and_then(|config| config.exposed).unwrap_or_default();
    let ports: Vec<u16> = exposed.keys().filter_map(|text| tcp_port(text)).collect();
    if ports.contains(&default) { default } else { ports.into_iter().min().unwrap_or(default) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_that_an_image_exposes() {
        let of =
            |exposed: &str| exposed_port(format!(r#"{{"config": {{"ExposedPorts": {exposed}}}}}"#).as_bytes(), 50051);
        assert_eq!(of(r#"{"8080/tcp": {}, "53/udp": {}, "9000/tcp": {}}"#), 8080);
        assert_eq!(of(r#"{"8080/tcp": {}, "50051/tcp": {}}"#), 50051);
        assert_eq!(
            (of("null"), of("{}"), exposed_port(b"{\"config\": null}", 1), exposed_port(b"x", 1)),
            (50051, 50051, 1, 1)
        );
    }
}
