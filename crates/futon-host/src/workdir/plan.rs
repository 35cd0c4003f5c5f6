//! From a selected function, the project's settings and the image store to a plan.

use futon_model::{
    Base, ClientPlan, ImageReference, MachineKind, MachinePlan, Plan, PlannedImage, PlannedStep, ScriptKind, steps,
};

use crate::Result;
use crate::config::Config;
use crate::functions::{ClientDefaults, Selection, client_name};
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

/// Compose keys with which a container reaches the guest's own network, files, processes or devices.
const POWERS: [&str; 14] = [
    "cap_add",
    "cgroup",
    "cgroup_parent",
    "credential_spec",
    "device_cgroup_rules",
    "devices",
    "ipc",
    "network_mode",
    "pid",
    "privileged",
    "security_opt",
    "userns_mode",
    "volumes",
    "volumes_from",
];

/// The powers of the services that a function needs, and its own. The lean guest gives none.
fn powers(selection: &Selection) -> Vec<String> {
    let services = std::iter::once((&selection.service_name, &selection.service));
    services
        .chain(selection.needed.iter().map(|(name, service)| (name, service)))
        .flat_map(|(name, service)| {
            let keys = service.settings.unknown.iter().filter(|key| POWERS.contains(&key.as_str()));
            keys.map(move |key| format!("service {name}: {key}"))
        })
        .collect()
}

/// Plans a function test.
///
/// # Errors
/// When no client fits the function, or the store cannot be read.
pub fn function_plan(selection: &Selection, request: &PlanRequest<'_>) -> Result<Plan> {
    let hints = &selection.service.hints;
    let settings = &request.config.client;
    let client = ClientPlan {
        function_name: client_name(selection, request.client)?,
        method: hints.method.clone().unwrap_or_else(|| settings.method.clone()),
        input: hints.input.clone().unwrap_or_else(|| settings.input.clone()),
        gen_type: settings.gen_type.clone(),
        invocations: settings.invocations,
        warmup: settings.warmup,
        seed: request.seed,
        address: "127.0.0.1".into(),
        port: selection.service.host_port.unwrap_or(ClientDefaults::HOST_PORT),
        container: selection.service.container.clone(),
        service: selection.service_name.clone(),
    };
    let images = std::iter::once(&selection.service.image)
        .chain(&selection.dependencies)
        .map(|reference| planned_image(reference, request.store))
        .collect::<Result<Vec<_>>>()?;
    let mut plan = foreign_plan(&selection.name, request);
    plan.images = images;
    plan.client = Some(client);
    plan.remarks.clone_from(&selection.remarks);
    if request.base == Base::Docker {
        plan.powers = powers(selection);
    }
    if !plan.powers.is_empty() {
        plan.remarks.push(format!(
            "the container could speak for the guest ({}): the verdict rests on its honesty, too",
            plan.powers.join(", ")
        ));
    }
    if request.script == ScriptKind::Own {
        plan.steps = steps::GUEST.iter().map(|name| PlannedStep { name: (*name).to_owned() }).collect();
    }
    Ok(plan)
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
