//! A compose service as requests to the engine's API: the same as from `docker compose up`, without the seconds that its program takes
//! under emulation. Services with keys that are unknown here are left to `docker compose`.
//!
//! Field names: Docker Engine API 1.45, `POST /containers/create`, `/networks/create` and `/volumes/create`; how Compose 2.26 fills them, as
//! seen with `docker inspect`.

use compose_model::{Condition, Mount, Network, Project, Service, assignment};
use futon_model::{ContainerRequest, EngineRequests, StartAfter, StartCondition};
use serde_json::{Map, Value, json};

/// Where the guest keeps the compose file; for the labels by which `docker compose ps` finds its containers.
const FOLDER: &str = "/run/futon";

/// Version of Compose that the labels name.
const COMPOSE_VERSION: &str = "2.26.1-4";

/// The requests that start the services of the guest's file, for `futon-guest up`: networks, volumes, then the containers in the order in
/// which they start.
///
/// # Errors
/// Names the first key that is not understood.
pub(super) fn engine_requests(project: &Project, order: &[&str]) -> Result<EngineRequests, String> {
    let label = |kind: &str, name: &str| {
        json!({
            format!("com.docker.compose.{kind}"): name,
            "com.docker.compose.project": project.name,
            "com.docker.compose.version": COMPOSE_VERSION,
        })
    };
    let mut networks = Vec::new();
    for (key, network) in &project.networks {
        networks.push(network_request(network, label("network", key)).map_err(|why| format!("network {key}: {why}"))?);
    }
    let mut volumes = Vec::new();
    for (key, volume) in &project.volumes {
        if volume.external || !volume.driver_opts.is_empty() || !volume.labels.is_empty() || volume.driver.is_some() {
            return Err(format!("volume {key}"));
        }
        volumes.push(json!({ "Name": volume.name, "Labels": label("volume", key) }));
    }
    let mut containers = Vec::new();
    for &name in order {
        let service = project.services.get(name).ok_or_else(|| format!("no service {name}"))?;
        containers.push(container(project, name, service).map_err(|key| format!("service {name}: {key}"))?);
    }
    Ok(EngineRequests { networks, volumes, containers })
}

fn network_request(network: &Network, mut labels: Value) -> Result<Value, String> {
    let ipam = &network.ipam;
    if network.external || !network.other.is_empty() || ipam.driver.is_some() || !ipam.config.is_empty() {
        return Err("not a plain one".into());
    }
    for (name, value) in &network.labels {
        labels[name] = value.as_str().into();
    }
    let mut request = json!({ "Name": network.name, "CheckDuplicate": true, "Labels": labels });
    if let Some(driver) = &network.driver {
        request["Driver"] = driver.as_str().into();
    }
    if !network.driver_opts.is_empty() {
        request["Options"] = json!(network.driver_opts);
    }
    for (key, set) in
        [("Internal", network.internal), ("Attachable", network.attachable), ("EnableIPv6", network.enable_ipv6)]
    {
        if set {
            request[key] = true.into();
        }
    }
    Ok(request)
}

/// One container: its name, the body of the request that creates it, and the conditions to wait for before it starts.
fn container(project: &Project, name: &str, service: &Service) -> Result<ContainerRequest, String> {
    let mut body = Map::new();
    let mut host = Map::new();
    for key in service.keys() {
        key_of(key, service, project, &mut body, &mut host)?;
    }
    if service.replicas() != 1 {
        return Err("key scale".into());
    }
    let container = service.container(&project.name, name);
    let depends: Vec<String> =
        service.depends_on.iter().map(|(on, how)| format!("{on}:{}:{}", how.condition.word(), how.restart)).collect();
    let mut labels = json!({
        "com.docker.compose.container-number": "1",
        "com.docker.compose.depends_on": depends.join(","),
        "com.docker.compose.oneoff": "False",
        "com.docker.compose.project": project.name,
        "com.docker.compose.project.config_files": format!("{FOLDER}/functions.yaml"),
        "com.docker.compose.project.working_dir": FOLDER,
        "com.docker.compose.service": name,
    });
    for (key, value) in &service.labels {
        labels[key] = value.as_str().into();
    }
    body.insert("Image".into(), service.image.as_deref().unwrap_or_default().into());
    body.insert("AttachStdout".into(), true.into());
    body.insert("AttachStderr".into(), true.into());
    body.insert("Labels".into(), labels);
    host.entry("PortBindings").or_insert_with(|| json!({}));
    host.entry("RestartPolicy").or_insert_with(|| json!({ "Name": "no" }));
    host.entry("ExtraHosts").or_insert_with(|| json!([]));
    networks(project, name, &container, service, &mut body, &mut host)?;
    body.insert("HostConfig".into(), host.into());
    let after = service
        .depends_on
        .iter()
        .filter_map(|(on, how)| {
            let container = project.services.get(on)?.container(&project.name, on);
            let condition = match how.condition {
                Condition::ServiceStarted => StartCondition::Started,
                Condition::ServiceHealthy => StartCondition::Healthy,
                Condition::ServiceCompletedSuccessfully => StartCondition::Completed,
            };
            Some(StartAfter { service: on.clone(), container, condition, required: how.required })
        })
        .collect();
    Ok(ContainerRequest { service: name.to_owned(), name: container, create: body.into(), after })
}

/// Puts one key of a service into the request.
fn key_of(
    key: &str,
    service: &Service,
    project: &Project,
    body: &mut Map<String, Value>,
    host: &mut Map<String, Value>,
) -> Result<(), String> {
    let mut of_body = |name: &str, value: Value| _ = body.insert(name.into(), value);
    let mut of_host = |name: &str, value: Value| _ = host.insert(name.into(), value);
    match key {
        "command" => of_body("Cmd", json!(service.command)),
        "entrypoint" => of_body("Entrypoint", json!(service.entrypoint)),
        "environment" => {
            let set = service.environment.iter().map(|(name, value)| assignment(name, value.as_deref()));
            of_body("Env", set.collect());
        }
        "user" => of_body("User", json!(service.user)),
        "working_dir" => of_body("WorkingDir", json!(service.working_dir)),
        "hostname" => of_body("Hostname", json!(service.hostname)),
        "domainname" => of_body("Domainname", json!(service.domainname)),
        "stop_signal" => of_body("StopSignal", json!(service.stop_signal)),
        "stop_grace_period" => {
            of_body("StopTimeout", service.stop_grace_period.unwrap_or_default().0.as_secs().into());
        }
        "tty" => of_body("Tty", service.tty.into()),
        "stdin_open" => of_body("OpenStdin", service.stdin_open.into()),
        "healthcheck" => of_body("Healthcheck", healthcheck(service)?),
        "ports" | "expose" => {
            let (exposed, bindings) = ports(service);
            of_body("ExposedPorts", exposed);
            of_host("PortBindings", bindings);
        }
        "volumes" => mounts(project, service, host)?,
        "tmpfs" => {
            let entries = service.tmpfs.iter().map(|entry| {
                let (path, options) = entry.split_once(':').unwrap_or((entry, ""));
                (path.to_owned(), Value::from(options))
            });
            of_host("Tmpfs", entries.collect::<Map<_, _>>().into());
        }
        "restart" => of_host("RestartPolicy", restart(service)),
        "init" => of_host("Init", json!(service.init)),
        "read_only" => of_host("ReadonlyRootfs", service.read_only.into()),
        "cap_add" => of_host("CapAdd", json!(service.cap_add)),
        "cap_drop" => of_host("CapDrop", json!(service.cap_drop)),
        "security_opt" if service.security_opt.iter().all(|opt| opt.starts_with("no-new-privileges")) => {
            of_host("SecurityOpt", json!(service.security_opt));
        }
        "ulimits" => {
            let limits = service.ulimits.iter();
            of_host("Ulimits", limits.map(|(name, u)| json!({"Name": name, "Soft": u.soft, "Hard": u.hard})).collect());
        }
        "group_add" => of_host("GroupAdd", json!(service.group_add)),
        "extra_hosts" => {
            // The file's form is NAME=ADDRESS, the engine's NAME:ADDRESS.
            of_host("ExtraHosts", service.extra_hosts.iter().map(|entry| entry.replacen('=', ":", 1)).collect());
        }
        "dns" => of_host("Dns", json!(service.dns)),
        "dns_search" => of_host("DnsSearch", json!(service.dns_search)),
        "dns_opt" => of_host("DnsOptions", json!(service.dns_opt)),
        "sysctls" => of_host("Sysctls", json!(service.sysctls)),
        "shm_size" => of_host("ShmSize", json!(service.shm_size)),
        "cpuset" => of_host("CpusetCpus", json!(service.cpuset)),
        "cpus" => of_host("NanoCpus", nano(service.cpus)),
        "cpu_shares" => of_host("CpuShares", json!(service.cpu_shares)),
        "cpu_period" => of_host("CpuPeriod", json!(service.cpu_period)),
        "cpu_quota" => of_host("CpuQuota", json!(service.cpu_quota)),
        "mem_limit" => of_host("Memory", json!(service.mem_limit)),
        "mem_reservation" => of_host("MemoryReservation", json!(service.mem_reservation)),
        "memswap_limit" => of_host("MemorySwap", json!(service.memswap_limit)),
        "pids_limit" => of_host("PidsLimit", json!(service.pids_limit)),
        "oom_score_adj" => of_host("OomScoreAdj", json!(service.oom_score_adj)),
        // Keys that are read elsewhere, and keys without effect.
        "image" | "container_name" | "labels" | "networks" | "depends_on" | "scale" | "pull_policy" => {}
        other => return Err(format!("key {other}")),
    }
    Ok(())
}

/// Processors in billionths. Compose computes with single precision.
fn nano(cpus: Option<f64>) -> Value {
    #[allow(clippy::cast_possible_truncation, reason = "Compose's own precision")]
    let single = cpus.unwrap_or_default() as f32 * 1e9;
    #[allow(clippy::cast_possible_truncation, reason = "so does Compose")]
    let whole = single as i64;
    whole.into()
}

fn healthcheck(service: &Service) -> Result<Value, String> {
    let Some(check) = &service.healthcheck else { return Ok(Value::Null) };
    if !check.other.is_empty() {
        return Err("key healthcheck".into());
    }
    let test = if check.is_off() { json!(["NONE"]) } else { json!(check.test) };
    let mut made = json!({ "Test": test });
    for (name, length) in [
        ("Interval", check.interval),
        ("Timeout", check.timeout),
        ("StartPeriod", check.start_period),
        ("StartInterval", check.start_interval),
    ] {
        if let Some(length) = length {
            made[name] = u64::try_from(length.0.as_nanos()).map_err(|_| "key healthcheck")?.into();
        }
    }
    if let Some(retries) = check.retries {
        made["Retries"] = retries.into();
    }
    Ok(made)
}

/// The engine judges it.
fn restart(service: &Service) -> Value {
    match service.restart_policy() {
        None => json!({ "Name": "no" }),
        Some((name, 0)) => json!({ "Name": name }),
        Some((name, times)) => json!({ "Name": name, "MaximumRetryCount": times }),
    }
}

/// `ExposedPorts` and `PortBindings`.
fn ports(service: &Service) -> (Value, Value) {
    let (mut exposed, mut bindings) = (Map::new(), Map::new());
    for port in &service.expose {
        // As written, as Compose does: the engine reads `50051` as `50051/tcp`.
        exposed.insert(port.clone(), json!({}));
    }
    for entry in &service.ports {
        let port = format!("{}/{}", entry.target, entry.protocol.word());
        let binding = json!({ "HostIp": entry.host_ip, "HostPort": entry.published });
        exposed.insert(port.clone(), json!({}));
        if let Value::Array(list) = bindings.entry(port).or_insert_with(|| json!([])) {
            list.push(binding);
        }
    }
    (exposed.into(), bindings.into())
}

fn mounts(project: &Project, service: &Service, host: &mut Map<String, Value>) -> Result<(), String> {
    let (mut binds, mut mounts) = (Vec::new(), Vec::new());
    for mount in &service.volumes {
        let plain = mount.other.is_empty()
            && mount.consistency.is_none()
            && mount.volume.as_ref().is_none_or(|v| v.subpath.is_none());
        if !plain {
            return Err(format!("key volumes: {}", mount.target));
        }
        match mount.kind.as_str() {
            "bind" if mount.bind.as_ref().is_some_and(|bind| bind.create_host_path) => binds.push(bind_text(mount)),
            "bind" | "volume" | "tmpfs" => mounts.push(mount_request(project, mount)),
            other => return Err(format!("key volumes: {other}")),
        }
    }
    if !binds.is_empty() {
        host.insert("Binds".into(), json!(binds));
    }
    if !mounts.is_empty() {
        host.insert("Mounts".into(), mounts.into());
    }
    Ok(())
}

/// The short form, which creates a missing folder.
fn bind_text(mount: &Mount) -> String {
    let bind = mount.bind.as_ref();
    let mut options = vec![if mount.read_only { "ro" } else { "rw" }];
    options.extend(bind.and_then(|b| b.selinux.as_deref()));
    options.extend(bind.and_then(|b| b.propagation.as_deref()));
    // The engine refuses it for a bind; so it must hear of it.
    options.extend(mount.volume.as_ref().filter(|v| v.nocopy).map(|_| "nocopy"));
    format!("{}:{}:{}", mount.source, mount.target, options.join(","))
}

fn mount_request(project: &Project, mount: &Mount) -> Value {
    let named = project.volumes.get(&mount.source).filter(|_| mount.kind == "volume");
    let mut made = json!({ "Type": mount.kind, "Target": mount.target });
    let source = named.map_or(mount.source.as_str(), |volume| volume.name.as_str());
    if !source.is_empty() {
        made["Source"] = source.into();
    }
    if mount.read_only {
        made["ReadOnly"] = true.into();
    }
    // Compose warns of options of another kind, and leaves them out.
    let kind = mount.kind.as_str();
    if let Some(propagation) = mount.bind.as_ref().and_then(|b| b.propagation.as_deref()).filter(|_| kind == "bind") {
        made["BindOptions"] = json!({ "Propagation": propagation });
    }
    if let Some(volume) = mount.volume.as_ref().filter(|_| kind == "volume") {
        made["VolumeOptions"] = if volume.nocopy { json!({ "NoCopy": true }) } else { json!({}) };
    }
    if let Some(tmpfs) = mount.tmpfs.as_ref().filter(|_| kind == "tmpfs") {
        let mut options = json!({});
        if let Some(size) = tmpfs.size {
            options["SizeBytes"] = size.into();
        }
        if let Some(mode) = tmpfs.mode {
            options["Mode"] = mode.into();
        }
        made["TmpfsOptions"] = options;
    }
    made
}

/// Networks of a container: the one of the highest priority first, then by name.
fn networks(
    project: &Project,
    name: &str,
    container: &str,
    service: &Service,
    body: &mut Map<String, Value>,
    host: &mut Map<String, Value>,
) -> Result<(), String> {
    let mut list: Vec<_> = service.networks.iter().collect();
    list.sort_by_key(|(_, settings)| std::cmp::Reverse(settings.as_ref().map_or(0, |s| s.priority)));
    let mut endpoints = Map::new();
    for (key, settings) in list {
        let network = project.networks.get(key).ok_or_else(|| format!("network {key}"))?;
        let mut aliases = vec![container, name];
        let mut endpoint = json!({});
        if let Some(settings) = settings {
            if !settings.other.is_empty() || !settings.link_local_ips.is_empty() {
                return Err(format!("network {key}"));
            }
            aliases.extend(settings.aliases.iter().map(String::as_str));
            let mut ipam = json!({});
            for (word, address) in [("IPv4Address", &settings.ipv4_address), ("IPv6Address", &settings.ipv6_address)] {
                if let Some(address) = address {
                    ipam[word] = address.as_str().into();
                }
            }
            endpoint["IPAMConfig"] = ipam;
            if let Some(mac) = &settings.mac_address {
                endpoint["MacAddress"] = mac.as_str().into();
            }
        }
        endpoint["Aliases"] = json!(aliases);
        host.entry("NetworkMode").or_insert_with(|| network.name.as_str().into());
        endpoints.insert(network.name.clone(), endpoint);
    }
    if endpoints.is_empty() {
        return Err("no network".into());
    }
    body.insert("NetworkingConfig".into(), json!({ "EndpointsConfig": endpoints }));
    Ok(())
}

#[cfg(test)]
#[path = "engine_tests.rs"]
mod tests;
