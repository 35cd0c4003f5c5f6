//! `config.json` of a container, as a Docker Engine would write it. Pure.
//!
//! Sources: the runtime specification, and what `docker run` of Docker Engine 26 hands to its runtime with default settings
//! (capabilities, masked paths, mounts, device rules, limits).

use futon_model::LeanBundle;
use serde::Deserialize;
use serde_json::{Value, json};

use super::users::User;

/// Capabilities of a container that asks for nothing else.
const CAPABILITIES: [&str; 14] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FSETID",
    "CAP_FOWNER",
    "CAP_MKNOD",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETFCAP",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_SYS_CHROOT",
    "CAP_KILL",
    "CAP_AUDIT_WRITE",
];

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

/// Open files: what Debian's unit of the engine gives its containers.
const OPEN_FILES: u64 = 1 << 20;

/// The part of an image's configuration that makes its containers' settings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ImageSettings {
    /// User and group, by name or number.
    pub user: String,
    /// Environment, `NAME=VALUE`.
    pub env: Option<Vec<String>>,
    /// Entry point.
    pub entrypoint: Option<Vec<String>>,
    /// Arguments of the entry point.
    pub cmd: Option<Vec<String>>,
    /// Working directory.
    pub working_dir: String,
    /// Signal that stops the container.
    pub stop_signal: Option<String>,
}

/// What a compose service sets over the image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServiceSettings {
    /// Entry point; takes the image's arguments away as well.
    pub entrypoint: Option<Vec<String>>,
    /// Arguments.
    pub command: Option<Vec<String>>,
    /// Environment; without a value nothing is set.
    pub environment: Vec<(String, Option<String>)>,
    /// User.
    pub user: Option<String>,
    /// Working directory.
    pub working_dir: Option<String>,
    /// Host name.
    pub hostname: Option<String>,
    /// Processors.
    pub cpuset: Option<String>,
    /// Most memory that the container may have, bytes.
    pub memory_bytes: Option<u64>,
    /// Signal that stops the container.
    pub stop_signal: Option<String>,
    /// How long a stop may take, milliseconds.
    pub stop_grace_ms: Option<u64>,
    /// Port in the container that the first published port leads to.
    pub container_port: Option<u16>,
    /// Keys of the service that the lean guest does not know.
    pub unknown: Vec<String>,
}

/// Where a container runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerPlace {
    /// Name of the container, and of its control group.
    pub name: String,
    /// Host name where the service sets none.
    pub hostname: String,
    /// Processors where the service sets none.
    pub cpus: Option<String>,
}

/// All that makes one `config.json`.
#[derive(Debug, Clone)]
pub struct ContainerConfig<'a> {
    /// The image's settings.
    pub image: &'a ImageSettings,
    /// The service's settings.
    pub service: &'a ServiceSettings,
    /// Where it runs.
    pub place: &'a ContainerPlace,
    /// Who it is.
    pub user: &'a User,
    /// Docker's seccomp profile.
    pub profile: &'a str,
}

/// The whole `config.json`.
///
/// # Errors
/// When there is nothing to run, or the profile is malformed.
pub fn oci_config(c: &ContainerConfig<'_>) -> Result<Value, String> {
    let args = arguments(c.image, c.service);
    if args.is_empty() {
        return Err("neither the image nor the service says what to run".into());
    }
    let hostname = c.service.hostname.as_ref().unwrap_or(&c.place.hostname);
    let cwd = c.service.working_dir.as_ref().unwrap_or(&c.image.working_dir);
    // Another user than root gets a set to be bounded by, and nothing at once.
    let held: &[&str] = if c.user.uid == 0 { &CAPABILITIES } else { &[] };
    let seccomp = super::seccomp::seccomp_of_profile(c.profile, &CAPABILITIES)
        .map_err(|e| format!("malformed seccomp profile: {e}"))?;
    let mut resources = json!({ "devices": devices() });
    if let Some(cpus) = c.service.cpuset.as_ref().or(c.place.cpus.as_ref()) {
        resources["cpu"] = json!({ "cpus": cpus });
    }
    if let Some(bytes) = c.service.memory_bytes {
        // Docker's engine allows as much swap again; the lean guest has none.
        resources["memory"] = json!({ "limit": bytes });
    }
    let mut namespaces = ["mount", "uts", "pid", "ipc", "cgroup"].map(|kind| json!({ "type": kind })).to_vec();
    namespaces.push(json!({"type": "network", "path": LeanBundle::network_of(&c.place.name)}));
    Ok(json!({
        "ociVersion": "1.0.2",
        "process": {
            "terminal": false,
            "user": {"uid": c.user.uid, "gid": c.user.gid, "additionalGids": c.user.additional},
            "args": args,
            "env": environment(c.image, c.service, hostname),
            "cwd": if cwd.is_empty() { "/" } else { cwd },
            "capabilities": {"bounding": CAPABILITIES, "effective": held, "permitted": held},
            "rlimits": [{"type": "RLIMIT_NOFILE", "hard": OPEN_FILES, "soft": OPEN_FILES}],
            "noNewPrivileges": false,
            "oomScoreAdj": 0,
        },
        "root": {"path": "rootfs", "readonly": false},
        "hostname": hostname,
        "mounts": mounts(),
        "linux": {
            "cgroupsPath": format!("/futon/{}", c.place.name),
            "namespaces": namespaces,
            "maskedPaths": MASKED,
            "readonlyPaths": READ_ONLY,
            "resources": resources,
            "sysctl": {"net.ipv4.ip_unprivileged_port_start": "0", "net.ipv4.ping_group_range": "0 2147483647"},
            "seccomp": seccomp,
        },
    }))
}

/// What runs: a service's entry point takes the image's command away, as compose has it.
fn arguments(image: &ImageSettings, service: &ServiceSettings) -> Vec<String> {
    let (entrypoint, default_command) = match &service.entrypoint {
        Some(entrypoint) => (entrypoint.clone(), Vec::new()),
        None => (image.entrypoint.clone().unwrap_or_default(), image.cmd.clone().unwrap_or_default()),
    };
    let command = service.command.clone().unwrap_or(default_command);
    entrypoint.into_iter().chain(command).collect()
}

fn environment(image: &ImageSettings, service: &ServiceSettings, hostname: &str) -> Vec<String> {
    let mut made = vec![DEFAULT_PATH.to_owned(), format!("HOSTNAME={hostname}")];
    let mut set = |assignment: String| {
        let name = assignment.split('=').next().unwrap_or_default().to_owned() + "=";
        match made.iter_mut().find(|known| known.starts_with(&name)) {
            Some(known) => *known = assignment,
            None => made.push(assignment),
        }
    };
    image.env.iter().flatten().cloned().for_each(&mut set);
    for (name, value) in &service.environment {
        if let Some(value) = value {
            set(format!("{name}={value}"));
        }
    }
    made
}

fn mounts() -> Vec<Value> {
    let mount = |to: &str, kind: &str, options: &[&str]| {
        let source = if to == "/dev/shm" { "shm" } else { kind };
        json!({"destination": to, "type": kind, "source": source, "options": options})
    };
    // In the bundle's own folder, beside the root.
    let file = |to: &str, from: &str| json!({"destination": to, "type": "bind", "source": from, "options": ["rbind", "rprivate"]});
    vec![
        mount("/proc", "proc", &["nosuid", "noexec", "nodev"]),
        mount("/dev", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
        mount("/dev/pts", "devpts", &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
        mount("/sys", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
        mount("/sys/fs/cgroup", "cgroup", &["ro", "nosuid", "noexec", "nodev"]),
        mount("/dev/mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
        mount("/dev/shm", "tmpfs", &["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
        file("/etc/resolv.conf", "resolv.conf"),
        file("/etc/hostname", "hostname"),
        file("/etc/hosts", "hosts"),
    ]
}

/// Nothing but the harmless character devices (major and minor numbers of the kernel's `devices.txt`).
fn devices() -> Vec<Value> {
    let allow = |kind: &str, major: Option<u32>, minor: Option<u32>, access: &str| {
        let mut rule = json!({"allow": true, "type": kind, "access": access});
        if let Some(major) = major {
            rule["major"] = major.into();
        }
        if let Some(minor) = minor {
            rule["minor"] = minor.into();
        }
        rule
    };
    let mut rules = vec![json!({"allow": false, "access": "rwm"})];
    // zero, null, urandom, random, tty, console
    for (major, minor) in [(1, 5), (1, 3), (1, 9), (1, 8), (5, 0), (5, 1)] {
        rules.push(allow("c", Some(major), Some(minor), "rwm"));
    }
    rules.push(json!({"allow": false, "type": "c", "major": 10, "minor": 229, "access": "rwm"}));
    // Device files may be made, for none of use; pseudo terminals are.
    rules.push(allow("c", None, None, "m"));
    rules.push(allow("b", None, None, "m"));
    rules.push(allow("c", Some(136), None, "rwm"));
    rules.push(allow("c", Some(5), Some(2), "rwm"));
    rules
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROFILE: &str = r#"{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": []}"#;

    fn image() -> ImageSettings {
        serde_json::from_str(
            r#"{"Env": ["PATH=/usr/bin", "LANG=C"], "Entrypoint": ["/server"], "Cmd": ["-a"], "WorkingDir": "/app",
                "ExposedPorts": {"50051/tcp": {}}, "Labels": null}"#,
        )
        .unwrap()
    }

    fn config(image: &ImageSettings, service: &ServiceSettings, user: &User) -> Value {
        let place = ContainerPlace { name: "function".into(), hostname: "abc".into(), cpus: Some("1".into()) };
        oci_config(&ContainerConfig { image, service, place: &place, user, profile: PROFILE }).unwrap()
    }

    #[test]
    fn the_images_settings() {
        let made = config(&image(), &ServiceSettings::default(), &User::default());
        let process = &made["process"];
        assert_eq!(process["args"], json!(["/server", "-a"]));
        assert_eq!(process["env"], json!(["PATH=/usr/bin", "HOSTNAME=abc", "LANG=C"]));
        assert_eq!((&process["cwd"], &made["hostname"]), (&json!("/app"), &json!("abc")));
        assert_eq!(process["capabilities"]["effective"], json!(CAPABILITIES));
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
            cpuset: Some("0".into()),
            memory_bytes: Some(1 << 20),
            hostname: Some("me".into()),
            ..ServiceSettings::default()
        };
        let user = User { uid: 33, gid: 44, additional: vec![5] };
        let made = config(&image(), &service, &user);
        // The entry point takes the image's command away.
        assert_eq!(made["process"]["args"], json!(["python", "x.py"]));
        assert_eq!(made["process"]["env"], json!(["PATH=/usr/bin", "HOSTNAME=me", "LANG=de", "NEW=="]));
        assert_eq!(made["process"]["user"], json!({"uid": 33, "gid": 44, "additionalGids": [5]}));
        assert_eq!(made["process"]["capabilities"]["effective"], json!([]));
        assert_eq!(made["process"]["capabilities"]["bounding"], json!(CAPABILITIES));
        assert_eq!(made["linux"]["resources"]["cpu"]["cpus"], "0");
        assert_eq!(made["linux"]["resources"]["memory"], json!({"limit": 1 << 20}));
        let command = ServiceSettings { command: Some(vec!["-b".into()]), ..ServiceSettings::default() };
        assert_eq!(config(&image(), &command, &user)["process"]["args"], json!(["/server", "-b"]));
    }

    #[test]
    fn nothing_to_run_is_an_error() {
        let place = ContainerPlace { name: "f".into(), hostname: "h".into(), cpus: None };
        let (image, service, user) = (ImageSettings::default(), ServiceSettings::default(), User::default());
        let c = ContainerConfig { image: &image, service: &service, place: &place, user: &user, profile: PROFILE };
        assert!(oci_config(&c).is_err());
    }
}
