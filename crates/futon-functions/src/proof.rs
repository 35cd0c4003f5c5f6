//! The parts of a compose file that keep a verdict's proof full: a list of what is understood and harmless. A container with anything else
//! might be able to act like the run script and forge its reports; then the verdict also relies on the container's honesty.
//!
//! The list does not depend on the base.

use compose_model::{Project, Service};
use serde_json::Value;

/// Keys that are harmless with any value, and why.
const ANY: &[(&str, &str)] = &[
    ("annotations", "names for people"),
    ("attach", "of the caller's terminal alone"),
    ("blkio_config", "takes from the container"),
    ("build", "nothing is built"),
    ("cap_drop", "takes from the container"),
    ("command", "runs in the container"),
    ("configs", "files that only it reads"),
    ("container_name", "a name"),
    ("cpu_count", "takes from the container"),
    ("cpu_percent", "takes from the container"),
    ("cpu_period", "takes from the container"),
    ("cpu_quota", "takes from the container"),
    ("cpu_shares", "takes from the container"),
    ("cpus", "takes from the container"),
    ("cpuset", "takes from the container"),
    ("depends_on", "the others are looked at, too"),
    ("develop", "of `docker compose watch` alone"),
    ("dns", "of the container's own network"),
    ("dns_opt", "of the container's own network"),
    ("dns_search", "of the container's own network"),
    ("domainname", "a name"),
    ("entrypoint", "runs in the container"),
    ("environment", "the container's own"),
    ("expose", "the container's own network"),
    ("extra_hosts", "names in the container"),
    ("group_add", "groups in the container"),
    ("healthcheck", "runs in the container"),
    ("hostname", "a name"),
    ("image", "pinned by its digest"),
    ("init", "the engine's own small init"),
    ("labels", "names for people"),
    ("links", "names in the container"),
    ("mac_address", "of the container's own network"),
    ("mem_limit", "takes from the container"),
    ("mem_reservation", "takes from the container"),
    ("mem_swappiness", "takes from the container"),
    ("memswap_limit", "takes from the container"),
    ("networks", "bridges of the engine; their drivers are looked at, too"),
    ("pids_limit", "takes from the container"),
    ("platform", "which image"),
    ("ports", "the way in"),
    ("profiles", "whether it starts"),
    ("pull_policy", "images come from the exchange"),
    ("read_only", "takes from the container"),
    ("restart", "the engine starts it again"),
    ("scale", "how many of it"),
    ("secrets", "files that only it reads"),
    ("shm_size", "its own memory"),
    ("stdin_open", "nobody types"),
    ("stop_grace_period", "how it stops"),
    ("stop_signal", "how it stops"),
    ("sysctls", "the engine takes those of its own namespaces alone"),
    ("tmpfs", "its own memory"),
    ("tty", "a terminal of its own"),
    ("ulimits", "of its own processes"),
    ("user", "of its own namespace's files"),
    ("working_dir", "in the container"),
];

/// What Docker gives every container.
const CAPABILITIES: [&str; 14] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "NET_RAW",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// Networks of these drivers are the engine's own.
const NETWORK_DRIVERS: [&str; 3] = ["", "default", "bridge"];

/// Drivers that keep a container's log where the engine can read it.
const LOG_DRIVERS: [&str; 3] = ["", "json-file", "local"];

/// The parts of a service that are not on the list, each as `KEY` or `KEY VALUE`. `is_copy`: whether futon copies a bind mount's source.
pub(super) fn beyond(
    project: &Project,
    service: &Service,
    is_copy: impl Fn(&compose_model::Mount) -> bool,
) -> Vec<String> {
    let mut found = Vec::new();
    for (key, value) in &service.raw {
        let off = matches!(key.as_str(), "privileged" | "oom_kill_disable") && value == &Value::Bool(false);
        if off || ANY.iter().any(|(known, _)| known == key) {
            continue;
        }
        let words = match key.as_str() {
            "cap_add" => service.cap_add.iter().filter(|cap| !is_default(cap)).cloned().collect(),
            "security_opt" => service.security_opt.iter().filter(|opt| !takes_privileges(opt)).cloned().collect(),
            "volumes" => {
                service.volumes.iter().filter(|mount| !harmless(project, mount, &is_copy)).map(shown).collect()
            }
            "network_mode" => {
                unless(service.network_mode.as_deref(), |mode| matches!(mode, "bridge" | "none") || of_service(mode))
            }
            "ipc" => unless(service.ipc.as_deref(), |mode| {
                matches!(mode, "private" | "shareable" | "none") || of_service(mode)
            }),
            "pid" => unless(service.pid.as_deref(), of_service),
            "cgroup" => unless(service.cgroup.as_deref(), |mode| mode == "private"),
            "volumes_from" => {
                service.volumes_from.iter().filter(|from| from.starts_with("container:")).cloned().collect()
            }
            "oom_score_adj" => unless(value.as_i64().map(|n| n.to_string()).as_deref(), |n| !n.starts_with('-')),
            "logging" => {
                let driver = service.logging.as_ref().and_then(|l| l.driver.as_deref());
                unless(driver, |driver| LOG_DRIVERS.contains(&driver))
            }
            "deploy" => {
                let reserved = service.deploy.as_ref().and_then(|d| d.resources.reservations.as_ref());
                if reserved.is_some_and(|r| !r.devices.is_empty()) { vec!["devices".into()] } else { Vec::new() }
            }
            _ => vec![String::new()],
        };
        found.extend(words.into_iter().map(|word: String| format!("{key} {word}").trim_end().to_owned()));
    }
    for name in service.networks.keys() {
        if let Some(network) = project.networks.get(name)
            && (network.external || !NETWORK_DRIVERS.contains(&network.driver.as_deref().unwrap_or_default()))
        {
            found.push(format!("networks {name}"));
        }
    }
    found
}

fn unless(value: Option<&str>, fine: impl Fn(&str) -> bool) -> Vec<String> {
    value.filter(|value| !fine(value)).map(str::to_owned).into_iter().collect()
}

fn is_default(capability: &str) -> bool {
    let upper = capability.to_ascii_uppercase();
    CAPABILITIES.contains(&upper.strip_prefix("CAP_").unwrap_or(&upper))
}

fn takes_privileges(option: &str) -> bool {
    matches!(option, "no-new-privileges" | "no-new-privileges:true" | "no-new-privileges=true")
}

/// Another service of the file: it is checked itself.
fn of_service(mode: &str) -> bool {
    mode.starts_with("service:")
}

fn harmless(project: &Project, mount: &compose_model::Mount, is_copy: &impl Fn(&compose_model::Mount) -> bool) -> bool {
    match mount.kind.as_str() {
        "tmpfs" => true,
        "bind" => is_copy(mount),
        // A driver's options can name any path of the guest.
        "volume" if mount.source.is_empty() => true,
        "volume" => project.volumes.get(&mount.source).is_some_and(|volume| {
            !volume.external
                && volume.driver_opts.is_empty()
                && matches!(volume.driver.as_deref(), None | Some("" | "default" | "local"))
        }),
        _ => false,
    }
}

fn shown(mount: &compose_model::Mount) -> String {
    format!("{}:{}", mount.source, mount.target)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[allow(clippy::needless_pass_by_value, reason = "callers make the value for this call")]
    fn beyond_of(service: Value) -> Vec<String> {
        let document = json!({"name": "p", "services": {"f": service},
            "volumes": {"data": {"name": "p_data"}, "host": {"name": "p_host", "driver_opts": {"type": "none", "o": "bind", "device": "/"}},
                        "theirs": {"name": "x", "external": true}},
            "networks": {"default": {"name": "p_default"}, "lan": {"name": "p_lan", "driver": "macvlan"}, "out": {"name": "o", "external": true}}});
        let project = Project::from_json(document.to_string().as_bytes()).unwrap();
        beyond(&project, &project.services["f"], |mount| mount.source.starts_with("/home/"))
    }

    #[test]
    fn what_is_understood_and_harmless_costs_no_proof() {
        for service in [
            json!({"image": "x", "init": true, "read_only": true, "tmpfs": ["/tmp"], "user": "1000", "privileged": false}),
            json!({"cap_drop": ["ALL"], "cap_add": ["NET_BIND_SERVICE", "CAP_CHOWN", "net_raw"]}),
            json!({"security_opt": ["no-new-privileges:true"]}),
            json!({"volumes": [{"type": "volume", "source": "data", "target": "/d"}, {"type": "volume", "target": "/a"},
                               {"type": "tmpfs", "target": "/t"}, {"type": "bind", "source": "/home/me/app.cfg", "target": "/c"}]}),
            json!({"network_mode": "service:db", "pid": "service:db", "ipc": "shareable"}),
            json!({"networks": {"default": null}, "deploy": {"resources": {"limits": {"cpus": 0.5}}}, "logging": {"driver": "local"}}),
        ] {
            assert_eq!(beyond_of(service.clone()), [""; 0], "{service}");
        }
    }

    #[test]
    fn anything_else_is_named() {
        for (service, named) in [
            (json!({"privileged": true}), "privileged"),
            (json!({"cap_add": ["CHOWN", "SYS_ADMIN"]}), "cap_add SYS_ADMIN"),
            (json!({"cap_add": ["ALL"]}), "cap_add ALL"),
            (json!({"security_opt": ["seccomp=unconfined"]}), "security_opt seccomp=unconfined"),
            (
                json!({"volumes": [{"type": "bind", "source": "/var/run/docker.sock", "target": "/s"}]}),
                "volumes /var/run/docker.sock:/s",
            ),
            (json!({"volumes": [{"type": "volume", "source": "host", "target": "/h"}]}), "volumes host:/h"),
            (json!({"volumes": [{"type": "volume", "source": "theirs", "target": "/h"}]}), "volumes theirs:/h"),
            (json!({"network_mode": "host"}), "network_mode host"),
            (json!({"network_mode": "container:x"}), "network_mode container:x"),
            (json!({"pid": "host"}), "pid host"),
            (json!({"ipc": "host"}), "ipc host"),
            (json!({"uts": "host"}), "uts"),
            (json!({"cgroup": "host"}), "cgroup host"),
            (json!({"cgroup_parent": "/"}), "cgroup_parent"),
            (json!({"userns_mode": "host"}), "userns_mode"),
            (json!({"devices": ["/dev/kvm"]}), "devices"),
            (json!({"oom_score_adj": -900}), "oom_score_adj -900"),
            (json!({"networks": {"lan": null}}), "networks lan"),
            (json!({"networks": {"out": null}}), "networks out"),
            (json!({"logging": {"driver": "syslog"}}), "logging syslog"),
            (json!({"deploy": {"resources": {"reservations": {"devices": [{}]}}}}), "deploy devices"),
            (json!({"a_key_of_tomorrow": 1}), "a_key_of_tomorrow"),
        ] {
            assert_eq!(beyond_of(service.clone()), [named], "{service}");
        }
    }
}
