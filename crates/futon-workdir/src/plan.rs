//! From a selected function, the project's settings and the image store to a plan.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use calls::Sheet;
use compose_model::Condition;
use futon_common::{Context, Error, Result};
use futon_functions::{Selection, Way, client_name, tcp_port};
use futon_model::{
    Base, ClientPlan, Companion, FindPort, ImageReference, LoadPlan, MachineKind, MachinePlan, MachineReport, Plan,
    PlannedImage, PlannedStep, Probe, ScriptKind, TurnPlan, steps,
};
use image_store::{ImageConfig, ImageStore};
use serde::Deserialize;

use crate::config::Config;
use crate::declared;

/// The inputs of a plan.
#[derive(Debug)]
pub struct PlanRequest<'a> {
    /// Settings: the project's, overridden by the command line.
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
    /// The declared calls, if any.
    pub sheet: Option<&'a Sheet>,
    /// How a load sends calls.
    pub load: Option<&'a LoadPlan>,
    /// Whether the run only finds out what the function offers, and calls nothing.
    pub describes: bool,
}

impl<'a> PlanRequest<'a> {
    /// A request with what a machine and a kind of script imply, and nothing more.
    #[must_use]
    pub fn new(config: &'a Config, machine: MachineReport, base: Base, script: ScriptKind) -> Self {
        Self {
            config,
            machine: machine.kind,
            base,
            base_image: machine.base_image,
            kernel: machine.kernel,
            client: None,
            seed: None,
            store: None,
            script,
            sheet: None,
            load: None,
            describes: false,
        }
    }
}

/// The address in the guest for ports that are published on all addresses.
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
        Way::Container if !selection.turns.is_empty() => {
            (LOOPBACK.to_owned(), container_port, Some(FindPort::Container(container_port)))
        }
        Way::Container => {
            remarks.push(format!(
                "service {} publishes no TCP port: futon calls its container's own address, port {container_port}",
                selection.service_name
            ));
            (LOOPBACK.to_owned(), container_port, Some(FindPort::Container(container_port)))
        }
    };
    // The function may listen on any port: the container's own address reaches them all. And on a simulator the engine's proxy, through
    // which a published port is reached, would be in the way.
    let on_simulator = request.machine == MachineKind::Gem5 && request.base == Base::Docker;
    if on_simulator && find.is_none() && !request.describes {
        remarks.push("the client calls the container's own address, not its published port: the engine's proxy would be in the way".to_owned());
    }
    // Servers that know their name by the published port are called by it on every machine.
    let authority = (find.is_none() && selection.turns.is_empty()).then(|| format!("{address}:{port}"));
    let (address, find) = match find {
        None if (request.describes || on_simulator) && !in_network_of_machine(selection) => {
            (LOOPBACK.to_owned(), Some(FindPort::Container(container_port)))
        }
        Some(_) if request.describes => (address, Some(FindPort::Container(container_port))),
        find => (address, find),
    };
    let client = ClientPlan {
        function_name: match request.sheet {
            _ if request.describes => String::new(),
            Some(_) => String::new(),
            None => client_name(selection, request.client)?,
        },
        method: hints.method.clone().unwrap_or_else(|| settings.method.clone()),
        input: hints.input.clone().unwrap_or_else(|| settings.input.clone()),
        gen_type: settings.gen_type,
        invocations: request.sheet.map_or(settings.invocations, |sheet| sheet.planned().0),
        warmup: request.sheet.map_or(settings.warmup, |sheet| sheet.planned().1),
        seed: request.sheet.map(Sheet::seed).or(request.seed),
        address,
        port,
        authority,
        find,
        container: selection.service.container.clone(),
        service: selection.service_name.clone(),
        declared: request.sheet.map(Sheet::title),
        load: request.load.cloned(),
        no_greeting: settings.no_greeting && request.sheet.is_none(),
        describes: request.describes,
        probe: if request.describes { Probe::Listens } else { declared::probe(hints, request.sheet) },
        turns: selection.turns.iter().map(|member| turn(selection, member, request.store)).collect::<Result<_>>()?,
    };
    // The function's first, then what it needs, each image once.
    let mut names: Vec<&ImageReference> = Vec::new();
    for service in std::iter::once(&selection.service).chain(selection.beside.iter().rev()) {
        if !names.contains(&&service.image) {
            names.push(&service.image);
        }
    }
    let images =
        names.into_iter().map(|reference| planned_image(reference, request.store)).collect::<Result<Vec<_>>>()?;
    if request.base == Base::Docker {
        images.iter().try_for_each(require_a_way_to_the_engine)?;
    }
    let mut plan = foreign_plan(&selection.name, request);
    plan.images = images;
    plan.client = Some(client);
    plan.remarks = remarks;
    if !request.describes {
        plan.checks = declared::checks(hints);
        plan.expect_failure = declared::expected_failure(hints)?;
    }
    plan.limits.stop = stop_limit(plan.limits.stop, selection);
    let for_health = health_wait(selection, request.store)?;
    plan.limits.start = plan.limits.start.saturating_add(for_health);
    plan.limits.run = plan.limits.run.saturating_add(for_health);
    if let Some(load) = request.load {
        // Its duration, then the calls that are still due, then those in flight.
        let limits = &mut plan.limits;
        let needed = load.whole().saturating_add(limits.call.saturating_mul(2)).saturating_add(LOAD_SLACK);
        limits.run = limits.run.saturating_add(needed.saturating_sub(limits.invoke));
        limits.invoke = limits.invoke.max(needed);
    }
    plan.powers.clone_from(&selection.powers);
    plan.published.clone_from(&selection.published);
    plan.companions = selection
        .beside
        .iter()
        .map(|service| Companion {
            service: service.name.clone(),
            container: service.container.clone(),
            must_not_fail: selection.whole && service.spec.replicas() > 0,
        })
        .collect();
    if !plan.powers.is_empty() {
        plan.remarks.push(format!(
            "a container could forge the guest's reports ({}): the verdict also relies on its honesty",
            plan.powers.join(", ")
        ));
    }
    if request.script == ScriptKind::Own {
        plan.steps = steps::GUEST.iter().map(|name| PlannedStep { name: (*name).to_owned() }).collect();
    }
    Ok(plan)
}

/// One of the functions that are called in turn, as it runs beside the others.
fn turn(whole: &Selection, member: &Selection, store: Option<&ImageStore>) -> Result<TurnPlan> {
    let runs = whole.services().find(|service| service.name == member.service_name);
    let runs = runs.ok_or_else(|| Error::infra(format!("{}: it does not run beside the others", member.name)))?;
    Ok(TurnPlan {
        service: member.service_name.clone(),
        container: runs.container.clone(),
        image: runs.image.clone(),
        address: None,
        port: container_port(member, store)?,
    })
}

/// The time that a load takes besides its calls.
const LOAD_SLACK: Duration = Duration::from_secs(30);

/// Whether the function's container has the machine's network, and no address of its own.
fn in_network_of_machine(selection: &Selection) -> bool {
    selection.service.spec.network_mode.as_deref() == Some("host")
}

/// The time that a stop takes besides the container's grace period.
const STOP_SLACK: Duration = Duration::from_secs(20);

/// The limit of the step `stop`: long enough for the grace period that the service declares.
fn stop_limit(limit: Duration, selection: &Selection) -> Duration {
    let service = selection.project.services.get(&selection.service_name);
    let grace = service.and_then(|service| service.stop_grace_period.as_ref()).map(|grace| grace.0);
    grace.map_or(limit, |grace| limit.max(grace + STOP_SLACK))
}

/// How long dependencies may take to become healthy before an engine gives up: the sum of what their healthchecks declare.
fn health_wait(selection: &Selection, store: Option<&ImageStore>) -> Result<Duration> {
    let runs = || selection.services();
    let mut waited: Vec<&str> = Vec::new();
    for service in runs().filter_map(|service| selection.project.services.get(&service.name)) {
        let healthy = service.depends_on.iter().filter(|(_, on)| on.condition == Condition::ServiceHealthy);
        waited.extend(healthy.map(|(name, _)| name.as_str()));
    }
    let mut whole = Duration::ZERO;
    for needed in selection.services().filter(|needed| waited.contains(&needed.name.as_str())) {
        let declared = selection.project.services.get(&needed.name).and_then(|service| service.healthcheck.as_ref());
        let of_image = image_check(&needed.image, store)?;
        whole = whole.saturating_add(longest_wait(declared, of_image.as_ref()));
    }
    Ok(whole)
}

/// An image's own healthcheck.
fn image_check(reference: &ImageReference, store: Option<&ImageStore>) -> Result<Option<image_store::Healthcheck>> {
    let Some(text) = image_config(reference, store)? else { return Ok(None) };
    Ok(ImageConfig::parse(&reference.to_string(), &text)?.config.healthcheck)
}

/// The text of an image's configuration, where the store has the image.
fn image_config(reference: &ImageReference, store: Option<&ImageStore>) -> Result<Option<Vec<u8>>> {
    let Some(store) = store else { return Ok(None) };
    let Some(image) = store.resolve(reference)? else { return Ok(None) };
    let text = std::fs::read(store.blob_path(&image.config.digest));
    text.map(Some).context(|| format!("cannot read the configuration of {reference}"))
}

/// The time from a container's start until its healthcheck has failed often enough: each value from the service, else
/// from the image, else the engine's default.
fn longest_wait(service: Option<&compose_model::Healthcheck>, image: Option<&image_store::Healthcheck>) -> Duration {
    const DEFAULT: Duration = Duration::from_secs(30);
    if service.is_some_and(compose_model::Healthcheck::is_off) || service.is_none() && image.is_none() {
        return Duration::ZERO;
    }
    let own =
        |value: Option<&compose_model::GoDuration>| value.map(|length| length.0).filter(|length| !length.is_zero());
    let theirs = |value: i64| u64::try_from(value).ok().filter(|value| *value > 0).map(Duration::from_nanos);
    let of = |own: Option<Duration>, of_image: fn(&image_store::Healthcheck) -> i64, default| {
        own.or_else(|| image.and_then(|image| theirs(of_image(image)))).unwrap_or(default)
    };
    let interval = of(own(service.and_then(|s| s.interval.as_ref())), |image| image.interval, DEFAULT);
    let timeout = of(own(service.and_then(|s| s.timeout.as_ref())), |image| image.timeout, DEFAULT);
    let begin = of(own(service.and_then(|s| s.start_period.as_ref())), |image| image.start_period, Duration::ZERO);
    let declared = service.and_then(|service| service.retries).filter(|retries| *retries > 0);
    let of_image = image.and_then(|image| u64::try_from(image.retries).ok()).filter(|retries| *retries > 0);
    let retries = u32::try_from(declared.or(of_image).unwrap_or(3)).unwrap_or(u32::MAX);
    begin.saturating_add(interval.saturating_add(timeout).saturating_mul(retries))
}

/// Plans an arbitrary workflow: a user's script about which nothing is known.
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
        checks: Vec::new(),
        expect_failure: None,
        remarks: Vec::new(),
    }
}

/// Pins an image to what the store has now. A missing image is planned without digests: the pull will fail
/// in the guest, as it would in the field, and the verdict says so.
fn planned_image(reference: &ImageReference, store: Option<&ImageStore>) -> Result<PlannedImage> {
    let absent = |near| PlannedImage { reference: reference.clone(), index: None, manifest: None, config: None, near };
    let Some(store) = store else { return Ok(absent(Vec::new())) };
    Ok(match store.resolve(reference)? {
        Some(image) => image.planned(reference),
        None => absent(store.near(reference)?),
    })
}

/// An engine knows digests only of images that it pulled, and a registry named by an address cannot be redirected to the exchange.
fn require_a_way_to_the_engine(image: &PlannedImage) -> Result<()> {
    let reference = &image.reference;
    let host =
        reference.registry().parse::<IpAddr>().or_else(|_| reference.registry().parse::<SocketAddr>().map(|a| a.ip()));
    let host = host.or_else(|_| reference.registry().trim_matches(['[', ']']).parse());
    match host {
        Ok(address) if !address.is_loopback() && reference.digest().is_some() && image.manifest.is_some() => {
            Err(Error::usage(format!(
                "{reference}: an engine cannot use the exchange for a registry at the address {address}"
            ))
            .hint(
                "name the image by its tag only, or use a host name for the registry; --base lean accepts it as it is",
            ))
        }
        _ => Ok(()),
    }
}

/// The function's port in its container: the one in the file, else one that the image exposes, else 50051.
///
/// # Errors
/// When the image's configuration cannot be read.
pub fn container_port(selection: &Selection, store: Option<&ImageStore>) -> Result<u16> {
    let default = selection.target.container_port;
    if selection.target.named {
        return Ok(default);
    }
    Ok(image_config(&selection.service.image, store)?.map_or(default, |text| exposed_port(&text, default)))
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
    fn a_digest_of_a_registry_that_is_an_address_is_refused_where_an_engine_would_pull_it() {
        let digest: futon_model::Digest = format!("sha256:{}", "a".repeat(64)).parse().unwrap();
        let checked = |name: String, stored: bool| {
            let manifest = stored.then(|| digest.clone());
            let reference = name.parse().unwrap();
            require_a_way_to_the_engine(&PlannedImage {
                reference,
                index: None,
                manifest,
                config: None,
                near: Vec::new(),
            })
        };
        for registry in ["192.0.2.1", "192.0.2.1:5000", "[2001:db8::1]", "[2001:db8::1]:5000"] {
            let name = format!("{registry}/me/fn:v1@{digest}");
            let error = checked(name.clone(), true).unwrap_err();
            assert_eq!(error.exit_code(), futon_model::ExitCode::Usage);
            assert!(error.to_string().contains(registry) && error.hint_text().unwrap().contains("tag"), "{error}");
            // A missing image fails in its pull, as everywhere.
            assert!(
                checked(name, false).is_ok() && checked(format!("{registry}/me/fn:v1"), true).is_ok(),
                "{registry}"
            );
        }
        for registry in ["127.0.0.1:5000/", "[::1]:5000/", "registry.example:5000/", "docker.io/", ""] {
            assert!(checked(format!("{registry}me/fn@{digest}"), true).is_ok(), "{registry}");
        }
    }

    #[test]
    fn a_healthcheck_says_how_long_it_may_take() {
        let seconds = |service: serde_json::Value, image: Option<&str>| {
            let service: Option<compose_model::Healthcheck> = serde_json::from_value(service).unwrap();
            let image = image.map(|text| serde_json::from_str::<image_store::Healthcheck>(text).unwrap());
            longest_wait(service.as_ref(), image.as_ref()).as_secs()
        };
        let none = serde_json::Value::Null;
        assert_eq!(seconds(none.clone(), None), 0);
        assert_eq!(seconds(serde_json::json!({"test": ["CMD", "x"]}), None), 3 * 60, "the engine's defaults");
        let all = serde_json::json!({"test": ["CMD", "x"], "interval": "2s", "timeout": "1s", "retries": 5, "start_period": "1m30s"});
        assert_eq!(seconds(all, None), 90 + 5 * 3);
        assert_eq!(seconds(serde_json::json!({"test": ["NONE"]}), Some("{}")), 0);
        let image = r#"{"Test":["CMD","x"],"Interval":10000000000,"Retries":2}"#;
        assert_eq!(seconds(none, Some(image)), 2 * 40);
        assert_eq!(seconds(serde_json::json!({"timeout": "5s"}), Some(image)), 2 * 15);
        let huge = serde_json::json!({"test": ["CMD", "x"], "interval": "2540400h", "retries": u64::MAX});
        assert!(seconds(huge, None) > 1 << 30);
    }

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
