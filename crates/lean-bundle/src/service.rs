//! From a compose service to what its container gets in the lean guest. Each key is done as the engine would do it, known to change
//! nothing for one short run, noted as without effect, or refused by name; none is passed over in silence.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use compose_model::{Condition, GoDuration, Project, Service, ServiceNetwork};
use futon_functions::Handover;
use futon_model::StartCondition;

use super::addresses::{BRIDGE, BundleNetwork};
use super::image::ImageHealthcheck;
use super::refusals::{Known, refused};
use super::refused_key::{RefusedKey, refuse};
use super::restart::restart;
use super::service_mounts::mounts;
use super::settings::{Limits, Names, NetworkPlace, Seccomp, Security, ServiceNet, ServiceSettings, Shm};

/// Keys that are done here.
const DONE: [&str; 45] = [
    "cap_add",
    "cap_drop",
    "command",
    "configs",
    "container_name",
    "cpu_period",
    "cpu_quota",
    "cpu_shares",
    "cpus",
    "cpuset",
    "depends_on",
    "deploy",
    "dns_opt",
    "dns_search",
    "domainname",
    "entrypoint",
    "environment",
    "extra_hosts",
    "group_add",
    "healthcheck",
    "hostname",
    "image",
    "ipc",
    "links",
    "logging",
    "mem_limit",
    "mem_reservation",
    "network_mode",
    "networks",
    "oom_score_adj",
    "pids_limit",
    "platform",
    "ports",
    "read_only",
    "restart",
    "secrets",
    "security_opt",
    "shm_size",
    "stop_grace_period",
    "stop_signal",
    "sysctls",
    "tmpfs",
    "ulimits",
    "user",
    "volumes",
];

/// Keys that change nothing for one short run in a machine of its own: they are for builds, for people, for other machines, or the
/// engine of the docker base has no use for them either.
const NOTHING_TO_DO: [&str; 18] = [
    "annotations",
    "attach",
    "build",
    "cpu_count",
    "cpu_percent",
    "develop",
    "expose",
    "labels",
    "mem_swappiness",
    "memswap_limit",
    "oom_kill_disable",
    "profiles",
    "pull_policy",
    "scale",
    "userns_mode",
    "working_dir",
    "init",
    "privileged",
];

/// Keys that have no effect in the lean guest, which is said.
const WITHOUT_EFFECT: [&str; 8] =
    ["blkio_config", "cgroup_parent", "cpu_rt_period", "cpu_rt_runtime", "dns", "mac_address", "stdin_open", "tty"];

/// Reads what the lean guest needs of a service of the guest's project, whose bind mounts name the copies in `handover`.
///
/// # Errors
/// The first key that it cannot have.
pub fn lean_settings(project: &Project, name: &str, handover: &Handover) -> Result<ServiceSettings, RefusedKey> {
    let service =
        project.services.get(name).ok_or_else(|| refuse("services", format!("there is no service {name}")))?;
    refuse_by_name(service)?;
    // In the order in which the engine looks at them.
    let (security, unsafe_option) = security(project, service)?;
    let (restart, no_policy) = restart(service);
    let mut settings = ServiceSettings {
        entrypoint: service.entrypoint.clone(),
        command: service.command.clone(),
        environment: service.environment.clone().into_iter().collect(),
        user: service.user.clone(),
        groups: service.group_add.clone(),
        working_dir: service.working_dir.clone(),
        hostname: service.hostname.clone(),
        domainname: service.domainname.clone(),
        security,
        limits: limits(service)?,
        sysctls: service.sysctls.clone(),
        mounts: mounts(project, service, handover)?,
        shm: shm(service)?,
        network: network(project, service)?,
        names: names(service),
        stop_signal: service.stop_signal.clone(),
        stop_grace_ms: service.stop_grace_period.map(|grace| grace.0.as_secs().saturating_mul(1000)),
        healthcheck: healthcheck(service),
        restart,
        waits: waits(service),
        container_port: None,
        platform: service.platform.clone(),
        refused: refused(project, service, Known { restart: no_policy, security: unsafe_option })?,
        unknown: Vec::new(),
    };
    settings.unknown = service.keys().filter(|key| WITHOUT_EFFECT.contains(key)).map(str::to_owned).collect();
    Ok(settings)
}

/// The networks of a file.
///
/// # Errors
/// The first that the lean guest cannot have, by its name in the file.
pub fn lean_networks(project: &Project) -> Result<BTreeMap<String, BundleNetwork>, RefusedKey> {
    let mut made = BTreeMap::new();
    for (name, network) in &project.networks {
        let bad = |why: String| refuse("networks", format!("network {name}: {why}"));
        if network.external {
            return Err(bad("it is external, and nothing creates it in the guest".into()));
        }
        if network.driver.as_deref().is_some_and(|driver| !matches!(driver, "" | "bridge" | "default")) {
            return Err(bad(format!("the driver {}", network.driver.as_deref().unwrap_or_default())));
        }
        if network.enable_ipv6 {
            return Err(bad("IPv6".into()));
        }
        let mut known =
            BundleNetwork { name: network.name.clone(), internal: network.internal, ..BundleNetwork::default() };
        if let Some(pool) = network.ipam.config.first() {
            let address =
                |text: &str| text.parse::<Ipv4Addr>().map_err(|_| bad(format!("{text} is not an IPv4 address")));
            if let Some(subnet) = &pool.subnet {
                let parts = subnet.split_once('/').and_then(|(base, prefix)| Some((base, prefix.parse::<u8>().ok()?)));
                let (base, prefix) = parts
                    .filter(|(_, n)| (8..=30).contains(n))
                    .ok_or_else(|| bad(format!("{subnet} is not an address range")))?;
                known.subnet = Some((address(base)?, prefix));
            }
            known.gateway = pool.gateway.as_deref().map(address).transpose()?;
        }
        made.insert(name.clone(), known);
    }
    let (range, gateway) = (Some((Ipv4Addr::new(172, 17, 0, 0), 16)), Some(Ipv4Addr::new(172, 17, 0, 1)));
    made.insert(BRIDGE.to_owned(), BundleNetwork { subnet: range, gateway, ..BundleNetwork::default() });
    Ok(made)
}

/// Keys and values that the lean guest has no way to do.
fn refuse_by_name(service: &Service) -> Result<(), RefusedKey> {
    let set = |key: &str, is: bool, why: &str| if is { Err(refuse(key, why)) } else { Ok(()) };
    set("privileged", service.privileged, "the lean guest does not support privileged containers")?;
    set("init", service.init == Some(true), "the lean guest does not support an init in containers")?;
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    set(
        "userns_mode",
        !matches!(text(&service.userns_mode).as_str(), "" | "host"),
        "the lean guest does not support user namespaces",
    )?;
    set(service.replicas_key(), service.replicas() != 1, "the lean guest starts only one container per service")?;
    for key in service.keys() {
        let known = [&DONE[..], &NOTHING_TO_DO, &WITHOUT_EFFECT].iter().any(|list| list.contains(&key));
        if !known {
            return Err(refuse(key, "the lean guest does not support it"));
        }
    }
    if let Some(reserved) = service.deploy.as_ref().and_then(|deploy| deploy.resources.reservations.as_ref())
        && !reserved.devices.is_empty()
    {
        return Err(refuse("deploy", "the lean guest has no devices to reserve"));
    }
    Ok(())
}

/// What a service may do, and what the engine says of an option that it does not know.
fn security(project: &Project, service: &Service) -> Result<(Security, Option<String>), RefusedKey> {
    let mut refused = None;
    let mut made = Security {
        cap_add: service.cap_add.clone(),
        cap_drop: service.cap_drop.clone(),
        read_only: service.read_only,
        ..Security::default()
    };
    for option in &service.security_opt {
        let (name, value) = option.split_once(['=', ':']).unwrap_or((option, ""));
        match (name, value) {
            // Compose hands on no word alone but this.
            (word, _) if !option.contains(['=', ':']) && word != "no-new-privileges" => {
                refused.get_or_insert_with(|| format!("Invalid security-opt: {option:?}"));
            }
            ("no-new-privileges", "") if !option.contains(['=', ':']) => made.no_new_privileges = true,
            ("no-new-privileges", "true" | "1" | "t" | "T" | "TRUE" | "True") => made.no_new_privileges = true,
            ("no-new-privileges", "false" | "0" | "f" | "F" | "FALSE" | "False") => made.no_new_privileges = false,
            // Compose's own, which it knows only in this spelling.
            ("systempaths", "unconfined") if option.contains('=') => made.open_paths = true,
            ("seccomp", "unconfined") => made.seccomp = Seccomp::Unconfined,
            ("seccomp", file) if !file.is_empty() => {
                let folder = project.file.parent().unwrap_or_else(|| Path::new("."));
                let path = folder.join(file);
                let text = std::fs::read_to_string(&path)
                    .map_err(|e| refuse("security_opt", format!("cannot read {}: {e}", path.display())))?;
                made.seccomp = Seccomp::Profile(text);
            }
            // The guest of neither base has AppArmor or SELinux.
            ("apparmor" | "label", _) => {}
            _ => drop(refused.get_or_insert_with(|| format!("invalid --security-opt 2: {option:?}"))),
        }
    }
    Ok((made, refused))
}

fn limits(service: &Service) -> Result<Limits, RefusedKey> {
    let bytes = |key: &str, value: Option<i64>| match value {
        None | Some(0) => Ok(None),
        Some(value) => u64::try_from(value).map(Some).map_err(|_| refuse(key, format!("{value} is not a size"))),
    };
    #[allow(clippy::cast_possible_truncation)]
    let nano = |cpus: Option<f64>| cpus.filter(|cpus| *cpus != 0.0).map(|cpus| (cpus * 1e9).round() as i64);
    let resources = service.deploy.as_ref().map(|deploy| &deploy.resources);
    let most = resources.and_then(|resources| resources.limits.as_ref());
    let least = resources.and_then(|resources| resources.reservations.as_ref());
    Ok(Limits {
        cpuset: service.cpuset.clone(),
        nano_cpus: nano(most.and_then(|most| most.cpus)).or_else(|| nano(service.cpus)),
        cpu_period: service.cpu_period.filter(|n| *n != 0),
        cpu_quota: service.cpu_quota.filter(|n| *n != 0),
        cpu_shares: service.cpu_shares,
        memory_bytes: bytes("deploy", most.and_then(|most| most.memory))?.or(bytes("mem_limit", service.mem_limit)?),
        memory_reservation: bytes("deploy", least.and_then(|least| least.memory))?
            .or(bytes("mem_reservation", service.mem_reservation)?),
        pids: most.and_then(|most| most.pids).or(service.pids_limit),
        ulimits: service.ulimits.iter().map(|(name, limit)| (name.clone(), limit.soft, limit.hard)).collect(),
        oom_score_adj: service.oom_score_adj.unwrap_or(0),
    })
}

fn shm(service: &Service) -> Result<Shm, RefusedKey> {
    match service.ipc.as_deref() {
        None | Some("" | "private" | "shareable") => {}
        Some("none") => return Ok(Shm::None),
        Some(other) => {
            return Err(refuse(
                "ipc",
                format!("{other:?}: in the lean guest containers share only networks and volumes"),
            ));
        }
    }
    Ok(match service.shm_size.and_then(|bytes| u64::try_from(bytes).ok()) {
        None | Some(0) => Shm::Default,
        Some(bytes) => Shm::Bytes(bytes),
    })
}

fn network(project: &Project, service: &Service) -> Result<ServiceNet, RefusedKey> {
    match service.network_mode.as_deref() {
        Some("none") => return Ok(ServiceNet::None),
        Some("host") => return Ok(ServiceNet::Host),
        Some(mode) if mode.starts_with("service:") => {
            return Ok(ServiceNet::Service(mode["service:".len()..].to_owned()));
        }
        Some("bridge" | "default") if service.links.is_empty() => {
            let place = NetworkPlace { network: BRIDGE.to_owned(), ..NetworkPlace::default() };
            return Ok(ServiceNet::Networks(vec![place]));
        }
        Some("bridge" | "default") => {
            return Err(refuse(
                "links",
                "the lean guest does not support links in the engine's own network (network_mode: bridge)",
            ));
        }
        None | Some("") => {}
        Some(other) => return Err(refuse("network_mode", format!("the lean guest does not support {other:?}"))),
    }
    if service.networks.is_empty() {
        return Ok(ServiceNet::default());
    }
    let mut places: Vec<(&String, ServiceNetwork)> =
        service.networks.iter().map(|(name, place)| (name, place.clone().unwrap_or_default())).collect();
    // The order of their cards: the most important one first, then by name.
    places.sort_by_key(|(_, place)| std::cmp::Reverse(place.priority));
    let made = places.into_iter().map(|(name, place)| {
        let bad = |what: &str| refuse("networks", format!("{name}: {what}"));
        if name != "default" && !project.networks.contains_key(name) {
            return Err(bad("there is no such network in the file"));
        }
        if place.ipv6_address.is_some_and(|address| !address.is_empty()) || !place.link_local_ips.is_empty() {
            return Err(bad("addresses other than IPv4"));
        }
        let address = place.ipv4_address.filter(|address| !address.is_empty());
        let address =
            address.map(|text| text.parse().map_err(|_| bad(&format!("{text} is not an IPv4 address")))).transpose()?;
        Ok(NetworkPlace { network: name.clone(), aliases: place.aliases, address })
    });
    Ok(ServiceNet::Networks(made.collect::<Result<_, _>>()?))
}

fn names(service: &Service) -> Names {
    let hosts = service.extra_hosts.iter().filter_map(|line| line.split_once('='));
    let links = service.links.iter().map(|link| link.split_once(':').unwrap_or((link, link)));
    let owned = |(a, b): (&str, &str)| (a.to_owned(), b.to_owned());
    Names {
        extra_hosts: hosts.map(owned).collect(),
        links: links.map(owned).collect(),
        dns_search: service.dns_search.clone(),
        dns_options: service.dns_opt.clone(),
    }
}

fn healthcheck(service: &Service) -> Option<ImageHealthcheck> {
    let check = service.healthcheck.as_ref()?;
    let nanoseconds = |time: Option<GoDuration>| {
        i64::try_from(time.map_or(Duration::ZERO, |time| time.0).as_nanos()).unwrap_or(i64::MAX)
    };
    Some(ImageHealthcheck {
        test: if check.is_off() { vec!["NONE".into()] } else { check.test.clone() },
        interval: nanoseconds(check.interval),
        timeout: nanoseconds(check.timeout),
        start_period: nanoseconds(check.start_period),
        start_interval: nanoseconds(check.start_interval),
        retries: check.retries.and_then(|n| i64::try_from(n).ok()).unwrap_or(0),
    })
}

fn waits(service: &Service) -> Vec<(String, StartCondition, bool)> {
    let dependencies = service.depends_on.iter().map(|(name, dependency)| {
        let until = match dependency.condition {
            Condition::ServiceStarted => StartCondition::Started,
            Condition::ServiceHealthy => StartCondition::Healthy,
            Condition::ServiceCompletedSuccessfully => StartCondition::Completed,
        };
        (name.clone(), until, dependency.required)
    });
    dependencies.collect()
}

#[cfg(test)]
#[path = "service_tests.rs"]
mod tests;
