//! What the engine refuses of a service, whatever its image: in its words, and in the order in which Docker Engine 26.1 looks
//! (moby: `runconfig/hostconfig.go`, `daemon/container.go`, `daemon/daemon_unix.go`, `volume/mounts`). The limits of processors and
//! memory are looked at in `config` and `part`, which know more.

use std::net::IpAddr;
use std::time::Duration;

use compose_model::{Mount, Project, Service};

use super::logging::logging;
use super::mounts::clean;
use super::names::HOST_GATEWAY;
use super::refused_key::RefusedKey;

/// The shortest time of a healthcheck.
const SHORTEST: Duration = Duration::from_millis(1);

/// What is known of a service from elsewhere: what the engine says of its restart policy and of its security options.
pub(super) struct Known {
    pub(super) restart: Option<String>,
    pub(super) security: Option<String>,
}

/// The first thing that the engine refuses of a service.
///
/// # Errors
/// What the lean guest cannot have, and the engine has.
pub(super) fn refused(project: &Project, service: &Service, known: Known) -> Result<Option<String>, RefusedKey> {
    let (no_logging, no_log) = logging(service)?;
    Ok(network_conflict(service)
        .or_else(|| real_time(service))
        .or_else(|| environment(service))
        .or_else(|| healthcheck(service))
        .or_else(|| service.volumes.iter().filter(|mount| !is_bind(mount)).find_map(mount))
        .or_else(|| extra_host(service))
        .or(known.restart)
        .or_else(|| annotations(service))
        .or_else(|| limits(service))
        .or_else(|| service.tmpfs.iter().find_map(|written| place(target_of(written))))
        .or_else(|| hardware_address(project, service))
        .or(no_logging)
        .or(known.security)
        .or_else(|| service.volumes.iter().filter(|mount| is_bind(mount)).find_map(|mount| bind(service, mount)))
        .or_else(|| name_server(service))
        .or(no_log))
}

/// Keys that a container cannot have in another's network, or in the machine's.
fn network_conflict(service: &Service) -> Option<String> {
    let mode = service.network_mode.as_deref().unwrap_or_default();
    let undefined = "can't be used with links. This would result in undefined behavior";
    let conflicts: Vec<(bool, String)> = if mode.starts_with("service:") || mode.starts_with("container:") {
        vec![
            (service.hostname.as_ref().is_some_and(|name| !name.is_empty()), "hostname and the network mode".into()),
            (!service.links.is_empty(), format!("container type network {undefined}")),
            (!service.dns.is_empty(), "dns and the network mode".into()),
            (!service.extra_hosts.is_empty(), "custom host-to-IP mapping and the network mode".into()),
            (!service.ports.is_empty(), "port publishing and the container type network mode".into()),
            (!service.expose.is_empty(), "port exposing and the container type network mode".into()),
        ]
    } else {
        vec![(mode == "host" && !service.links.is_empty(), format!("host type networking {undefined}"))]
    };
    conflicts.into_iter().find(|(is, _)| *is).map(|(_, what)| format!("conflicting options: {what}"))
}

/// No kernel with control groups of version 2 divides real time.
fn real_time(service: &Service) -> Option<String> {
    let asked = [service.cpu_rt_period, service.cpu_rt_runtime].iter().any(|time| time.is_some_and(|time| time != 0));
    asked.then(|| "Your kernel does not support CPU real-time scheduler".into())
}

fn environment(service: &Service) -> Option<String> {
    let value = service.environment.get("")?;
    let written = value.as_ref().map(|value| format!("={value}")).unwrap_or_default();
    Some(format!("invalid environment variable: {written}"))
}

fn healthcheck(service: &Service) -> Option<String> {
    let check = service.healthcheck.as_ref()?;
    let times = [
        ("Interval", check.interval),
        ("Timeout", check.timeout),
        ("StartPeriod", check.start_period),
        ("StartInterval", check.start_interval),
    ];
    let short = times.into_iter().find(|(_, time)| time.is_some_and(|time| !time.0.is_zero() && time.0 < SHORTEST));
    short.map(|(name, _)| format!("{name} in Healthcheck cannot be less than 1ms"))
}

/// A place in a container that nothing can be mounted at.
fn place(target: &str) -> Option<String> {
    let target_clean = clean(target);
    if target.starts_with('/') && target_clean == "/" {
        return Some("invalid specification: destination can't be '/'".into());
    }
    (!target.starts_with('/')).then(|| format!("invalid mount path: '{target}' mount path must be absolute"))
}

fn mount(mount: &Mount) -> Option<String> {
    let Mount { kind, source, target, read_only, volume, .. } = mount;
    let subpath = volume.as_ref().and_then(|volume| volume.subpath.as_deref()).unwrap_or_default();
    let anonymous = kind == "volume" && source.is_empty();
    let why = if let Some(why) = place(target) {
        why
    } else if anonymous && !subpath.is_empty() {
        "must not set Subpath when using anonymous volumes".into()
    } else if anonymous && *read_only {
        "must not set ReadOnly mode when using anonymous volumes".into()
    } else if kind == "tmpfs" && !source.is_empty() {
        "field Source must not be specified".into()
    } else {
        return None;
    };
    Some(format!("invalid mount config for type \"{kind}\": {why}"))
}

/// Whether Compose writes a mount as the engine's older texts.
fn is_bind(mount: &Mount) -> bool {
    mount.kind == "bind" && mount.bind.as_ref().is_some_and(|bind| bind.create_host_path)
}

fn bind(service: &Service, written: &Mount) -> Option<String> {
    let of_volume = written.volume.as_ref().is_some_and(|volume| volume.nocopy);
    let extra = "invalid mount config for type \"bind\": field VolumeOptions must not be specified";
    if let Some(why) = mount(written).or_else(|| of_volume.then(|| extra.into())) {
        return Some(format!("invalid volume specification: '{}': {why}", bind_text(written)));
    }
    let target = clean(&written.target);
    let twice = service.tmpfs.iter().any(|tmpfs| target_of(tmpfs) == target);
    twice.then(|| format!("Duplicate mount point: {target}"))
}

/// A bind as Compose writes it for the engine. Of the options of volumes it has `nocopy`; a bind that it does not write as a text has
/// none of them.
fn bind_text(mount: &Mount) -> String {
    let bind = mount.bind.as_ref();
    let mut options = vec![if mount.read_only { "ro" } else { "rw" }];
    options.extend(bind.and_then(|bind| bind.selinux.as_deref()));
    options.extend(bind.and_then(|bind| bind.propagation.as_deref()));
    options.extend(mount.volume.as_ref().filter(|volume| volume.nocopy).map(|_| "nocopy"));
    format!("{}:{}:{}", mount.source, mount.target, options.join(","))
}

/// The path of a short `tmpfs`.
fn target_of(written: &str) -> &str {
    written.split_once(':').map_or(written, |(target, _)| target)
}

fn extra_host(service: &Service) -> Option<String> {
    service.extra_hosts.iter().find_map(|line| {
        let (name, address) = line.split_once('=').unwrap_or((line, ""));
        if name.is_empty() {
            return Some(format!("bad format for add-host: {:?}", format!("{name}:{address}")));
        }
        let known = address == HOST_GATEWAY || is_address(address.trim());
        (!known).then(|| format!("invalid IP address in add-host: {address:?}"))
    })
}

/// An address as Go's `net.ParseIP` takes it.
fn is_address(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok()
}

fn annotations(service: &Service) -> Option<String> {
    service
        .annotations
        .contains_key("")
        .then(|| "invalid Annotations: the empty string is not permitted as an annotation key".into())
}

/// Limits that have no effect in the lean guest or are the kernel's to know.
fn limits(service: &Service) -> Option<String> {
    let most = service.deploy.as_ref().and_then(|deploy| deploy.resources.limits.as_ref());
    let memory = most.and_then(|most| most.memory).filter(|bytes| *bytes != 0).or(service.mem_limit).unwrap_or(0);
    let swap = service.memswap_limit.unwrap_or(0);
    if memory > 0 && swap > 0 && swap < memory {
        return Some("Minimum memoryswap limit should be larger than memory limit, see usage".into());
    }
    if memory == 0 && swap > 0 {
        return Some("You should always set the Memory limit when using Memoryswap limit, see usage".into());
    }
    let weight = service.blkio_config.as_ref().and_then(|config| config.get("weight")?.as_u64()).unwrap_or(0);
    if weight != 0 && !(10..=1000).contains(&weight) {
        return Some("Range of blkio weight is from 10 to 1000".into());
    }
    if service.shm_size.is_some_and(|bytes| bytes < 0) {
        return Some("SHM size can not be less than 0".into());
    }
    let adjust = service.oom_score_adj.unwrap_or(0);
    (!(-1000..=1000).contains(&adjust))
        .then(|| format!("Invalid value {adjust}, range for oom score adj is [-1000, 1000]"))
}

/// A service's own address counts for its first network.
fn hardware_address(project: &Project, service: &Service) -> Option<String> {
    if service.network_mode.is_some() {
        return None;
    }
    let mut places: Vec<_> =
        service.networks.iter().map(|(name, place)| (name, place.clone().unwrap_or_default())).collect();
    places.sort_by_key(|(_, place)| std::cmp::Reverse(place.priority));
    places.iter().enumerate().find_map(|(number, (name, place))| {
        let general = service.mac_address.as_ref().filter(|_| number == 0);
        let own = place.mac_address.as_ref().filter(|own| !own.is_empty());
        if let (Some(own), Some(general)) = (own, general)
            && own != general
        {
            return Some(format!("the service-level mac_address should have the same value as network {name}"));
        }
        let written = own.or(general).filter(|written| !written.is_empty() && !is_hardware_address(written))?;
        let network = project.networks.get(*name).map(|network| network.name.clone());
        let network = network.unwrap_or_else(|| format!("{}_{name}", project.name));
        Some(format!("invalid config for network {network}: invalid MAC address {written}"))
    })
}

/// An address as Go's `net.ParseMAC` takes it: 6, 8 or 20 bytes in pairs of digits, or in fours with dots.
fn is_hardware_address(text: &str) -> bool {
    [(':', 2), ('-', 2), ('.', 4)].into_iter().any(|(between, digits)| {
        let groups: Vec<&str> = text.split(between).collect();
        let well = |group: &&str| group.len() == digits && group.bytes().all(|byte| byte.is_ascii_hexdigit());
        matches!(groups.len() * digits, 12 | 16 | 40) && groups.iter().all(well)
    })
}

/// A name server's address is looked at when the container starts.
fn name_server(service: &Service) -> Option<String> {
    if matches!(service.network_mode.as_deref(), Some("host")) {
        return None;
    }
    let bad = service.dns.iter().find(|written| !is_address(written.split('%').next().unwrap_or_default()))?;
    Some(format!("bad nameserver address {bad}: ParseAddr({bad:?}): unable to parse IP"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(keys: &str) -> Option<String> {
        let text = format!(
            r#"{{"name": "p", "services": {{"fn": {{"image": "i", {keys}}}, "db": {{"image": "d"}}}}, "networks": {{"default": {{"name": "p_default"}}}}}}"#
        );
        let project = Project::from_json(text.as_bytes()).unwrap();
        refused(&project, &project.services["fn"], Known { restart: None, security: None }).unwrap()
    }

    #[test]
    fn what_a_container_cannot_have_in_anothers_network() {
        for (keys, why) in [
            (r#""hostname": "me""#, "hostname and the network mode"),
            (
                r#""links": ["db"]"#,
                "container type network can't be used with links. This would result in undefined behavior",
            ),
            (r#""dns": ["1.2.3.4"]"#, "dns and the network mode"),
            (r#""extra_hosts": ["a=1.2.3.4"]"#, "custom host-to-IP mapping and the network mode"),
            (
                r#""ports": [{"mode": "ingress", "target": 8080, "published": "50000", "protocol": "tcp"}], "expose": ["9"]"#,
                "port publishing and the container type network mode",
            ),
            (r#""expose": ["9999"]"#, "port exposing and the container type network mode"),
        ] {
            let got = tried(&format!(r#""network_mode": "service:db", {keys}"#));
            assert_eq!(got, Some(format!("conflicting options: {why}")), "{keys}");
            assert_eq!(tried(keys), None, "{keys}");
        }
        for keys in [r#""mac_address": "02:42:ac:11:00:07""#, r#""sysctls": {"net.core.somaxconn": "5"}"#] {
            assert_eq!(tried(&format!(r#""network_mode": "service:db", {keys}"#)), None, "{keys}");
        }
        assert_eq!(
            tried(r#""network_mode": "host", "links": ["db"]"#).unwrap(),
            "conflicting options: host type networking can't be used with links. This would result in undefined behavior"
        );
        assert_eq!(tried(r#""network_mode": "host", "hostname": "x", "expose": ["9"], "dns": ["x"]"#), None);
    }

    #[test]
    fn values_that_the_engine_refuses() {
        for (keys, why) in [
            (r#""extra_hosts": ["a=notanip"]"#, r#"invalid IP address in add-host: "notanip""#),
            (r#""extra_hosts": ["a=[::1]"]"#, r#"invalid IP address in add-host: "[::1]""#),
            (r#""extra_hosts": ["=1.2.3.4"]"#, r#"bad format for add-host: ":1.2.3.4""#),
            (r#""healthcheck": {"interval": "1us"}"#, "Interval in Healthcheck cannot be less than 1ms"),
            (r#""healthcheck": {"timeout": "999us"}"#, "Timeout in Healthcheck cannot be less than 1ms"),
            (r#""healthcheck": {"start_period": "1ns"}"#, "StartPeriod in Healthcheck cannot be less than 1ms"),
            (r#""healthcheck": {"start_interval": "1us"}"#, "StartInterval in Healthcheck cannot be less than 1ms"),
            (r#""environment": {"": "x"}"#, "invalid environment variable: =x"),
            (
                r#""annotations": {"": "x"}"#,
                "invalid Annotations: the empty string is not permitted as an annotation key",
            ),
            (r#""cpu_rt_runtime": 1000"#, "Your kernel does not support CPU real-time scheduler"),
            (
                r#""mem_limit": "64000000", "memswap_limit": "32000000""#,
                "Minimum memoryswap limit should be larger than memory limit, see usage",
            ),
            (
                r#""memswap_limit": "32000000""#,
                "You should always set the Memory limit when using Memoryswap limit, see usage",
            ),
            (r#""blkio_config": {"weight": 5}"#, "Range of blkio weight is from 10 to 1000"),
            (r#""shm_size": "-1""#, "SHM size can not be less than 0"),
            (r#""oom_score_adj": 1001"#, "Invalid value 1001, range for oom score adj is [-1000, 1000]"),
            (
                r#""networks": {"default": null}, "mac_address": "zz""#,
                "invalid config for network p_default: invalid MAC address zz",
            ),
            (
                r#""networks": {"default": {"mac_address": "02:42"}}"#,
                "invalid config for network p_default: invalid MAC address 02:42",
            ),
            (
                r#""networks": {"default": {"mac_address": "02:42:ac:11:00:07"}}, "mac_address": "02:42:ac:11:00:08""#,
                "the service-level mac_address should have the same value as network default",
            ),
            (r#""dns": ["notanip"]"#, r#"bad nameserver address notanip: ParseAddr("notanip"): unable to parse IP"#),
            (r#""logging": {"options": {"nosuch": "1"}}"#, "unknown log opt 'nosuch' for json-file log driver"),
        ] {
            assert_eq!(tried(keys).as_deref(), Some(why), "{keys}");
        }
    }

    #[test]
    fn mounts_that_the_engine_refuses() {
        let of = |kind: &str| format!("invalid mount config for type \"{kind}\": ");
        let absolute = "invalid mount path: 'd' mount path must be absolute";
        let root = "invalid specification: destination can't be '/'";
        for (keys, why) in [
            (
                r#""volumes": [{"type": "volume", "target": "/x", "read_only": true}]"#,
                format!("{}must not set ReadOnly mode when using anonymous volumes", of("volume")),
            ),
            (
                r#""volumes": [{"type": "volume", "target": "/x", "volume": {"subpath": "a"}}]"#,
                format!("{}must not set Subpath when using anonymous volumes", of("volume")),
            ),
            (
                r#""volumes": [{"type": "tmpfs", "source": "a", "target": "/x"}]"#,
                format!("{}field Source must not be specified", of("tmpfs")),
            ),
            (r#""volumes": [{"type": "volume", "source": "v", "target": "/"}]"#, format!("{}{root}", of("volume"))),
            (r#""volumes": [{"type": "tmpfs", "target": "//."}]"#, format!("{}{root}", of("tmpfs"))),
            (r#""volumes": [{"type": "volume", "target": "d"}]"#, format!("{}{absolute}", of("volume"))),
            (
                r#""volumes": [{"type": "bind", "source": "/s", "target": "d", "bind": {"create_host_path": true}}]"#,
                format!("invalid volume specification: '/s:d:rw': {}{absolute}", of("bind")),
            ),
            (
                r#""volumes": [{"type": "bind", "source": "/s", "target": "/d", "read_only": true, "bind": {"create_host_path": true, "selinux": "z"}, "volume": {"nocopy": true}}]"#,
                format!(
                    "invalid volume specification: '/s:/d:ro,z,nocopy': {}field VolumeOptions must not be specified",
                    of("bind")
                ),
            ),
            (
                r#""volumes": [{"type": "bind", "source": "/s", "target": "/d", "bind": {"create_host_path": true}}], "tmpfs": ["/d:size=1m"]"#,
                "Duplicate mount point: /d".into(),
            ),
            (r#""tmpfs": ["d:size=1m"]"#, absolute.into()),
            (r#""tmpfs": ["/"]"#, root.into()),
        ] {
            assert_eq!(tried(keys), Some(why), "{keys}");
        }
        let well = r#""volumes": [{"type": "volume", "source": "v", "target": "/d", "read_only": true}, {"type": "volume", "target": "/x"}], "tmpfs": ["/d"]"#;
        assert_eq!(tried(well), None);
        // Compose leaves options of volumes away where it does not write the bind as a text.
        for options in [r#""volume": {"nocopy": true}"#, r#""bind": {"create_host_path": true}, "volume": {}"#] {
            let keys = format!(r#""volumes": [{{"type": "bind", "source": "/s", "target": "/d", {options}}}]"#);
            assert_eq!(tried(&keys), None, "{options}");
        }
    }

    #[test]
    fn what_the_engine_has() {
        for keys in [
            r#""extra_hosts": ["a=1.2.3.4", "b=::1", "c=host-gateway"], "dns": ["1.1.1.1", "fe80::1%eth0"]"#,
            r#""healthcheck": {"interval": "1ms", "timeout": "0s"}, "cpu_rt_period": 0"#,
            r#""mem_limit": "32000000", "memswap_limit": "-1""#,
            r#""mem_limit": "32000000", "memswap_limit": "32000000", "oom_score_adj": -1000"#,
            r#""networks": {"default": null}, "mac_address": "02:42:AC:11:00:07""#,
        ] {
            assert_eq!(tried(keys), None, "{keys}");
        }
        assert!(is_hardware_address("0242.ac11.0007") && !is_hardware_address("02:42-ac:11:00:07"));
    }
}
