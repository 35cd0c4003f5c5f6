//! `config.json` of a container, as a Docker Engine would write it. Pure.
//!
//! Sources: the runtime specification, and what Docker Engine 26.1 hands to its runtime, seen in the docker base's guest
//! (`tests/starts`).

use compose_model::assignment;
use futon_model::{LeanAttachment, LeanBundle};
use serde_json::{Map, Value, json};

use super::capabilities::capabilities;
use super::image::ImageSettings;
use super::mounts::{Mounted, mounts};
use super::seccomp::seccomp_of_profile;
use super::settings::{Limits, Seccomp, ServiceSettings};
use super::users::User;

const MASKED: [&str; 11] = [
    "/proc/asound",
    "/proc/acpi",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
];

const READ_ONLY: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

const DEFAULT_PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Limits that containers of the docker base inherit from containerd, whose unit has `LimitNOFILE=infinity` (which systemd makes
/// `fs.nr_open`), `LimitNPROC=infinity` and `LimitCORE=infinity`.
const INHERITED: [(&str, u64); 3] = [("nofile", 1_073_741_816), ("nproc", u64::MAX), ("core", u64::MAX)];

/// Microseconds of a period where a share of processors is limited.
const CPU_PERIOD: i64 = 100_000;
/// Least memory that the engine takes for a limit, bytes.
const LEAST_MEMORY: u64 = 6 << 20;

/// Where a container runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerPlace {
    /// Name of the container, and of its control group.
    pub name: String,
    /// Host name where the service sets none.
    pub hostname: String,
    /// Processors where the service sets none.
    pub cpus: Option<String>,
    /// Where its network comes from.
    pub network: LeanAttachment,
}

/// All that makes one `config.json`.
#[derive(Debug, Clone)]
pub(super) struct ContainerConfig<'a> {
    /// The image's settings.
    pub(super) image: &'a ImageSettings,
    /// The service's settings.
    pub(super) service: &'a ServiceSettings,
    /// Where it runs.
    pub(super) place: &'a ContainerPlace,
    /// Who it is.
    pub(super) user: &'a User,
    /// Docker's seccomp profile.
    pub(super) profile: &'a str,
    /// What the service and the image have mounted.
    pub(super) mounts: &'a [Mounted],
}

/// The whole `config.json`.
///
/// # Errors
/// In the engine's words, why it would not make or start such a container.
pub(super) fn oci_config(c: &ContainerConfig<'_>) -> Result<Value, String> {
    let (service, limits, security) = (c.service, &c.service.limits, &c.service.security);
    let args = arguments(c.image, service)?;
    let hostname = c.hostname();
    let held = capabilities(&security.cap_add, &security.cap_drop)?;
    let mut resources = resources(limits, c.place.cpus.as_deref())?;
    resources.insert("devices".into(), devices().into());
    let mut linux = json!({
        "cgroupsPath": format!("/futon/{}", c.place.name),
        "namespaces": namespaces(c.place),
        "maskedPaths": if security.open_paths { &[][..] } else { &MASKED },
        "readonlyPaths": if security.open_paths { &[][..] } else { &READ_ONLY },
        "resources": resources,
        "sysctl": sysctls(service, c.place),
    });
    let profile = match &security.seccomp {
        Seccomp::Default => Some(c.profile),
        Seccomp::Profile(own) => Some(own.as_str()),
        Seccomp::Unconfined => None,
    };
    if let Some(profile) = profile {
        linux["seccomp"] =
            seccomp_of_profile(profile, &held).map_err(|e| format!("decoding seccomp profile failed: {e}"))?;
    }
    Ok(json!({
        "ociVersion": "1.0.2",
        "process": {
            "terminal": false,
            "user": {"uid": c.user.uid, "gid": c.user.gid, "additionalGids": c.user.additional},
            "args": args,
            "env": environment(c.image, service, &hostname),
            "cwd": working_dir(c.image, service),
            "capabilities": {"bounding": held, "effective": held, "permitted": held},
            "rlimits": process_limits(&limits.ulimits)?,
            "noNewPrivileges": security.no_new_privileges,
            "oomScoreAdj": limits.oom_score_adj,
        },
        "root": {"path": "rootfs", "readonly": security.read_only},
        "hostname": hostname,
        "mounts": mounts(c.mounts, service.shm, security.read_only),
        "linux": linux,
    }))
}

impl ContainerConfig<'_> {
    /// The host name.
    pub(super) fn hostname(&self) -> String {
        self.service.hostname.clone().unwrap_or_else(|| self.place.hostname.clone())
    }

    /// The process of a healthcheck: the container's own with other arguments.
    pub(super) fn check_process(config: &Value, command: &[String]) -> Value {
        let mut process = config["process"].clone();
        process["args"] = json!(command);
        process
    }
}

/// The working directory.
pub(super) fn working_dir(image: &ImageSettings, service: &ServiceSettings) -> String {
    let written = service.working_dir.as_ref().filter(|dir| !dir.is_empty()).unwrap_or(&image.working_dir);
    if written.is_empty() { "/".to_owned() } else { written.clone() }
}

/// What runs: a service's entry point takes the image's command away (moby, `daemon/commit.go`, `merge`).
fn arguments(image: &ImageSettings, service: &ServiceSettings) -> Result<Vec<String>, String> {
    let mut command = service.command.clone().unwrap_or_default();
    let mut entrypoint = service.entrypoint.clone();
    if entrypoint.as_ref().is_none_or(Vec::is_empty) {
        if command.is_empty() {
            command.clone_from(&image.cmd);
        }
        if entrypoint.is_none() {
            entrypoint.clone_from(&image.entrypoint);
        }
    }
    let mut entrypoint = entrypoint.unwrap_or_default();
    if entrypoint == [""] {
        entrypoint.clear();
    }
    if entrypoint.is_empty() && command.is_empty() {
        return Err("no command specified".into());
    }
    Ok(entrypoint.into_iter().chain(command).collect())
}

/// The engine's own variables, then the service's, then those of the image that the service does not set. One that is the engine's own
/// takes its place; a name without `=` takes it away.
fn environment(image: &ImageSettings, service: &ServiceSettings, hostname: &str) -> Vec<String> {
    let name_of = |assignment: &str| assignment.split('=').next().unwrap_or_default().to_owned();
    let set = service.environment.iter().map(|(name, value)| assignment(name, value.as_deref()));
    let mut wanted: Vec<String> = set.collect();
    for assignment in &image.env {
        let name = name_of(assignment);
        if !service.environment.iter().any(|(set, _)| *set == name) {
            wanted.push(assignment.clone());
        }
    }
    let mut made = vec![DEFAULT_PATH.to_owned(), format!("HOSTNAME={hostname}")];
    let own = made.len();
    for assignment in wanted {
        let name = name_of(&assignment);
        let taken = made[..own].iter_mut().find(|known| name_of(known) == name);
        match (taken, assignment.contains('=')) {
            (Some(known), true) => *known = assignment,
            (Some(known), false) => known.clear(),
            (None, true) => made.push(assignment),
            (None, false) => {}
        }
    }
    made.retain(|assignment| !assignment.is_empty());
    made
}

fn namespaces(place: &ContainerPlace) -> Vec<Value> {
    let mut namespaces = ["mount", "uts", "pid", "ipc", "cgroup"].map(|kind| json!({ "type": kind })).to_vec();
    let of = |name: &str| json!({"type": "network", "path": LeanBundle::network_of(name)});
    match &place.network {
        LeanAttachment::Own(_) | LeanAttachment::None => namespaces.push(of(&place.name)),
        LeanAttachment::Container(other) => namespaces.push(of(other)),
        LeanAttachment::Host => {}
    }
    namespaces
}

fn sysctls(service: &ServiceSettings, place: &ContainerPlace) -> Map<String, Value> {
    let mut made = Map::new();
    if matches!(place.network, LeanAttachment::Own(_) | LeanAttachment::None) {
        made.insert("net.ipv4.ip_unprivileged_port_start".into(), "0".into());
        made.insert("net.ipv4.ping_group_range".into(), "0 2147483647".into());
    }
    if let Some(domain) = service.domainname.as_ref().filter(|domain| !domain.is_empty()) {
        made.insert("kernel.domainname".into(), domain.as_str().into());
    }
    made.extend(service.sysctls.iter().map(|(name, value)| (name.clone(), value.as_str().into())));
    made
}

fn process_limits(ulimits: &[(String, i64, i64)]) -> Result<Vec<Value>, String> {
    let limit = |name: &str, soft: u64, hard: u64| json!({"type": format!("RLIMIT_{}", name.to_uppercase()), "hard": hard, "soft": soft});
    let inherited = INHERITED.iter().filter(|(name, _)| !ulimits.iter().any(|(own, ..)| own == name));
    let mut made: Vec<Value> = inherited.map(|(name, most)| limit(name, *most, *most)).collect();
    for (name, soft, hard) in ulimits {
        if *soft > *hard && *hard != -1 {
            return Err(format!("ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}"));
        }
        // -1 is no limit, as in the kernel.
        made.push(limit(name, soft.cast_unsigned(), hard.cast_unsigned()));
    }
    Ok(made)
}

fn resources(limits: &Limits, cpus: Option<&str>) -> Result<Map<String, Value>, String> {
    let mut made = Map::new();
    let mut cpu = Map::new();
    if let Some(cpus) = limits.cpuset.as_deref().filter(|cpus| !cpus.is_empty()).or(cpus) {
        cpu.insert("cpus".into(), cpus.into());
    }
    let (period, quota) = match limits.nano_cpus {
        Some(_) if limits.cpu_period.is_some() => {
            return Err("Conflicting options: Nano CPUs and CPU Period cannot both be set".into());
        }
        Some(_) if limits.cpu_quota.is_some() => {
            return Err("Conflicting options: Nano CPUs and CPU Quota cannot both be set".into());
        }
        Some(nano) => (Some(CPU_PERIOD), Some(nano.saturating_mul(CPU_PERIOD) / 1_000_000_000)),
        None => (limits.cpu_period, limits.cpu_quota),
    };
    if limits.cpu_shares.is_some_and(|shares| shares < 0) {
        return Err("shares: invalid argument".into());
    }
    if period.is_some_and(|period| !(1_000..=1_000_000).contains(&period)) {
        return Err("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)".into());
    }
    if quota.is_some_and(|quota| quota > 0 && quota < 1_000) && limits.nano_cpus.is_none() {
        return Err("CPU cfs quota can not be less than 1ms (i.e. 1000)".into());
    }
    for (name, value) in [("shares", limits.cpu_shares.filter(|n| *n > 0)), ("period", period), ("quota", quota)] {
        if let Some(value) = value {
            cpu.insert(name.into(), value.into());
        }
    }
    let mut memory = Map::new();
    if let Some(bytes) = limits.memory_bytes {
        if bytes < LEAST_MEMORY {
            return Err("Minimum memory limit allowed is 6MB".into());
        }
        // Docker's engine allows as much swap again; the lean guest has none.
        memory.insert("limit".into(), bytes.into());
    }
    if let Some(bytes) = limits.memory_reservation {
        if bytes < LEAST_MEMORY {
            return Err("Minimum memory reservation allowed is 6MB".into());
        }
        if limits.memory_bytes.is_some_and(|limit| limit < bytes) {
            return Err("Minimum memory limit can not be less than memory reservation limit, see usage".into());
        }
        memory.insert("reservation".into(), bytes.into());
    }
    for (name, map) in [("cpu", cpu), ("memory", memory)] {
        if !map.is_empty() {
            made.insert(name.into(), map.into());
        }
    }
    if let Some(pids) = limits.pids.filter(|pids| *pids > 0) {
        made.insert("pids".into(), json!({ "limit": pids }));
    }
    Ok(made)
}

/// Nothing but the harmless character devices (major and minor numbers of the kernel's `devices.txt`): zero, null, urandom, random,
/// tty, console. A runtime adds pseudo terminals and the making of device files.
fn devices() -> Vec<Value> {
    let rule = |allow: bool, major: u32, minor: u32| json!({"allow": allow, "type": "c", "major": major, "minor": minor, "access": "rwm"});
    let mut rules = vec![json!({"allow": false, "access": "rwm"})];
    rules.extend([(1, 5), (1, 3), (1, 9), (1, 8), (5, 0), (5, 1)].map(|(major, minor)| rule(true, major, minor)));
    // fuse
    rules.push(rule(false, 10, 229));
    rules
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROFILE: &str = r#"{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": []}"#;

    fn image() -> ImageSettings {
        ImageSettings::read(
            br#"{"config": {"Env": ["PATH=/usr/bin", "LANG=C", "A=1", "A=2", "HOSTNAME"], "Entrypoint": ["/server"], "Cmd": ["-a"],
                "WorkingDir": "/app", "ExposedPorts": {"50051/tcp": {}}, "Labels": null}}"#,
        )
        .unwrap()
    }

    fn place() -> ContainerPlace {
        let network = LeanAttachment::Own(Vec::new());
        ContainerPlace { name: "function".into(), hostname: "abc".into(), cpus: Some("1".into()), network }
    }

    fn tried(image: &ImageSettings, service: &ServiceSettings, user: &User) -> Result<Value, String> {
        let place = place();
        oci_config(&ContainerConfig { image, service, place: &place, user, profile: PROFILE, mounts: &[] })
    }

    fn config(service: &ServiceSettings) -> Value {
        tried(&image(), service, &User::default()).unwrap()
    }

    #[test]
    fn the_images_settings() {
        let made = config(&ServiceSettings::default());
        let process = &made["process"];
        assert_eq!(process["args"], json!(["/server", "-a"]));
        // What is set twice stays twice, a name alone takes the engine's own variable away.
        assert_eq!(process["env"], json!(["PATH=/usr/bin", "LANG=C", "A=1", "A=2"]));
        assert_eq!((&process["cwd"], &made["hostname"]), (&json!("/app"), &json!("abc")));
        assert_eq!(process["capabilities"]["effective"].as_array().unwrap().len(), 14);
        assert_eq!(
            process["rlimits"][0],
            json!({"type": "RLIMIT_NOFILE", "soft": 1_073_741_816, "hard": 1_073_741_816})
        );
        assert_eq!(made["linux"]["resources"]["cpu"]["cpus"], "1");
        assert_eq!(made["linux"]["cgroupsPath"], "/futon/function");
        // Its network is there before it.
        let network = json!({"type": "network", "path": "/run/futon-net/function"});
        assert!(made["linux"]["namespaces"].as_array().unwrap().contains(&network));
    }

    #[test]
    fn the_services_settings_over_them() {
        let service = ServiceSettings {
            entrypoint: Some(vec!["python".into(), "x.py".into()]),
            environment: vec![
                ("LANG".into(), Some("de".into())),
                ("LEFT".into(), None),
                ("NEW".into(), Some("=".into())),
            ],
            working_dir: Some("/w".into()),
            hostname: Some("me".into()),
            domainname: Some("example.org".into()),
            limits: Limits {
                cpuset: Some("0".into()),
                memory_bytes: Some(8 << 20),
                nano_cpus: Some(500_000_000),
                pids: Some(7),
                ulimits: vec![("core".into(), -1, -1), ("nofile".into(), 1, 2)],
                ..Limits::default()
            },
            ..ServiceSettings::default()
        };
        let user = User { uid: 33, gid: 44, additional: vec![44, 5] };
        let made = tried(&image(), &service, &user).unwrap();
        // The entry point takes the image's command away.
        assert_eq!(made["process"]["args"], json!(["python", "x.py"]));
        assert_eq!(made["process"]["env"], json!(["PATH=/usr/bin", "LANG=de", "NEW==", "A=1", "A=2"]));
        assert_eq!(made["process"]["user"], json!({"uid": 33, "gid": 44, "additionalGids": [44, 5]}));
        // For another user than root, too: the kernel takes them away when the program starts.
        assert_eq!(made["process"]["capabilities"]["effective"].as_array().unwrap().len(), 14);
        let resources = &made["linux"]["resources"];
        assert_eq!(resources["cpu"], json!({"cpus": "0", "period": 100_000, "quota": 50_000}));
        assert_eq!((&resources["memory"], &resources["pids"]), (&json!({"limit": 8 << 20}), &json!({"limit": 7})));
        assert_eq!(made["linux"]["sysctl"]["kernel.domainname"], "example.org");
        assert_eq!(
            made["process"]["rlimits"],
            json!([
                {"type": "RLIMIT_NPROC", "soft": u64::MAX, "hard": u64::MAX},
                {"type": "RLIMIT_CORE", "soft": u64::MAX, "hard": u64::MAX},
                {"type": "RLIMIT_NOFILE", "soft": 1, "hard": 2},
            ])
        );
        let command = ServiceSettings { command: Some(vec!["-b".into()]), ..ServiceSettings::default() };
        assert_eq!(config(&command)["process"]["args"], json!(["/server", "-b"]));
    }

    #[test]
    fn what_runs_where_lists_are_empty() {
        let words = |list: &[&str]| Some(list.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>());
        let of = |entrypoint: Option<Vec<String>>, command: Option<Vec<String>>| {
            let service = ServiceSettings { entrypoint, command, ..ServiceSettings::default() };
            arguments(&image(), &service).map(|args| args.join(" "))
        };
        assert_eq!(of(None, words(&[])).unwrap(), "/server -a");
        assert_eq!(of(words(&[]), None).unwrap(), "-a");
        assert_eq!(of(words(&[]), words(&["/x"])).unwrap(), "/x");
        assert_eq!(of(words(&[""]), words(&["/x"])).unwrap(), "/x");
        assert_eq!(of(words(&[""]), None).unwrap_err(), "no command specified");
        let nothing = ImageSettings::default();
        assert_eq!(arguments(&nothing, &ServiceSettings::default()).unwrap_err(), "no command specified");
    }

    #[test]
    fn security_settings() {
        let made = config(&ServiceSettings {
            security: super::super::settings::Security {
                no_new_privileges: true,
                seccomp: Seccomp::Unconfined,
                open_paths: true,
                read_only: true,
                ..Default::default()
            },
            ..ServiceSettings::default()
        });
        assert_eq!(made["process"]["noNewPrivileges"], true);
        assert_eq!((&made["linux"]["maskedPaths"], &made["root"]["readonly"]), (&json!([]), &json!(true)));
        assert!(made["linux"].get("seccomp").is_none());
    }

    #[test]
    fn limits_that_the_engine_refuses() {
        let why = |limits: Limits| {
            tried(&image(), &ServiceSettings { limits, ..ServiceSettings::default() }, &User::default()).unwrap_err()
        };
        assert!(why(Limits { memory_bytes: Some(1 << 20), ..Limits::default() }).contains("6MB"));
        assert!(why(Limits { cpu_period: Some(1), ..Limits::default() }).contains("cfs period"));
        assert!(why(Limits { ulimits: vec![("nofile".into(), 3, 2)], ..Limits::default() }).contains("3 > 2"));
    }

    #[test]
    fn a_network_of_another_kind() {
        let of = |network: LeanAttachment| {
            let place = ContainerPlace { network, ..place() };
            let kinds = namespaces(&place);
            let path = kinds.iter().find(|n| n["type"] == "network").map(|n| n["path"].as_str().unwrap().to_owned());
            (path, sysctls(&ServiceSettings::default(), &place).len())
        };
        assert_eq!(of(LeanAttachment::Host), (None, 0));
        assert_eq!(of(LeanAttachment::Container("db".into())), (Some("/run/futon-net/db".into()), 0));
        assert_eq!(of(LeanAttachment::None), (Some("/run/futon-net/function".into()), 2));
    }
}
