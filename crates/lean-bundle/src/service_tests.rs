//! What becomes of a service's keys.

use futon_model::LeanRestart;

use super::*;
use crate::MountSource;

fn project(service: &str) -> Project {
    let text = format!(
        r#"{{"name": "p", "services": {{"fn": {service}, "db": {{"image": "d"}}}},
            "networks": {{"back": {{"name": "p_back", "internal": true, "ipam": {{"config": [{{"subnet": "172.30.0.0/16"}}]}}}},
                          "ext": {{"name": "ext", "external": true}}}},
            "volumes": {{"v": {{"name": "p_v"}}, "x": {{"name": "x", "external": true}}, "nfs": {{"driver_opts": {{"type": "nfs"}}}}}},
            "configs": {{"c": {{"content": "text"}}}}, "secrets": {{"s": {{"environment": "FUTON_NO_SUCH_VARIABLE"}}}}}}"#
    );
    Project::from_json(text.as_bytes()).unwrap()
}

fn settings(service: &str) -> Result<ServiceSettings, RefusedKey> {
    lean_settings(&project(service), "fn", &Handover::default())
}

#[test]
fn keys_are_done() {
    let made = settings(
        r#"{"image": "i", "user": "5", "group_add": ["6"], "cap_add": ["NET_ADMIN"], "security_opt": ["no-new-privileges:true",
            "seccomp=unconfined", "label=disable"], "read_only": true, "tmpfs": ["/t:size=1m"], "init": false,
            "ulimits": {"nofile": {"soft": 1, "hard": 2}, "core": -1}, "shm_size": "1048576", "pids_limit": 9,
            "deploy": {"resources": {"limits": {"cpus": 0.5, "memory": "8388608"}}}, "restart": "on-failure:3",
            "stop_grace_period": "1m30s", "dns": ["1.2.3.4"], "network_mode": "service:db",
            "depends_on": {"db": {"condition": "service_healthy", "required": true}}}"#,
    )
    .unwrap();
    assert!(made.security.no_new_privileges && made.security.read_only);
    assert_eq!(made.security.seccomp, Seccomp::Unconfined);
    assert_eq!(made.mounts[0].source, MountSource::Tmpfs("size=1m".into()));
    assert_eq!(made.limits.ulimits, [("core".to_owned(), -1, -1), ("nofile".to_owned(), 1, 2)]);
    assert_eq!(
        (made.limits.nano_cpus, made.limits.memory_bytes, made.limits.pids),
        (Some(500_000_000), Some(8 << 20), Some(9))
    );
    assert_eq!((made.shm, made.restart), (Shm::Bytes(1 << 20), LeanRestart::OnFailure(Some(3))));
    assert_eq!((made.stop_grace_ms, made.network), (Some(90_000), ServiceNet::Service("db".into())));
    assert_eq!(made.waits, [("db".to_owned(), StartCondition::Healthy, true)]);
    // Said, not done.
    assert_eq!(made.unknown, ["dns"]);
}

#[test]
fn mounts_of_all_kinds() {
    let made = settings(
        r#"{"image": "i", "volumes": [{"type": "volume", "source": "v", "target": "/a", "volume": {"nocopy": true}},
            {"type": "volume", "target": "/b"}, {"type": "tmpfs", "target": "/c", "tmpfs": {"size": "1048576", "mode": 1016}}],
            "configs": [{"source": "c"}]}"#,
    )
    .unwrap();
    let sources: Vec<_> = made.mounts.iter().map(|mount| (mount.target.as_str(), mount.source.clone())).collect();
    assert_eq!(
        sources,
        [
            ("/a", MountSource::Volume { name: "v".into(), copy: false }),
            ("/b", MountSource::Anonymous),
            ("/c", MountSource::Tmpfs("mode=1770,size=1m".into())),
            ("/c", MountSource::Text { content: b"text".to_vec(), mode: 0o444, uid: 0, gid: 0 }),
        ]
    );
}

#[test]
fn what_the_lean_guest_cannot_have_is_refused_by_name() {
    for (keys, key) in [
        (r#""privileged": true"#, "privileged"),
        (r#""devices": ["/dev/kvm:/dev/kvm:rwm"]"#, "devices"),
        (r#""init": true"#, "init"),
        (r#""pid": "host""#, "pid"),
        (r#""ipc": "host""#, "ipc"),
        (r#""network_mode": "container:x""#, "network_mode"),
        (r#""networks": {"none": null}"#, "networks"),
        (r#""volumes": [{"type": "volume", "source": "x", "target": "/x"}]"#, "volumes"),
        (r#""volumes": [{"type": "volume", "source": "nfs", "target": "/x"}]"#, "volumes"),
        (r#""volumes": [{"type": "bind", "source": "/no/such/file", "target": "/x"}]"#, "volumes"),
        (r#""volumes": [{"type": "bind", "source": "/dev/null", "target": "/x"}]"#, "volumes"),
        (r#""secrets": [{"source": "s"}]"#, "secrets"),
        (r#""configs": [{"source": "gone"}]"#, "configs"),
        (r#""volumes_from": ["db"]"#, "volumes_from"),
        (r#""runtime": "kata""#, "runtime"),
        (r#""scale": 2"#, "scale"),
        (r#""deploy": {"replicas": 2}"#, "deploy"),
        (r#""key_of_tomorrow": 1"#, "key_of_tomorrow"),
    ] {
        let refused = settings(&format!(r#"{{"image": "i", {keys}}}"#)).unwrap_err();
        assert_eq!(refused.key, key, "{refused:?}");
    }
}

#[test]
fn what_the_engine_refuses_is_refused_in_its_words() {
    for (keys, why) in [
        (r#""security_opt": ["what=ever"]"#, Some(r#"invalid --security-opt 2: "what=ever""#)),
        (
            r#""security_opt": ["no-new-privileges:perhaps"]"#,
            Some(r#"invalid --security-opt 2: "no-new-privileges:perhaps""#),
        ),
        (
            r#""restart": "sometimes""#,
            Some(
                "invalid restart policy: unknown policy 'sometimes'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'",
            ),
        ),
        (
            r#""restart": "always:3""#,
            Some("invalid restart policy: maximum retry count can only be used with 'on-failure'"),
        ),
        (r#""restart": "on-failure:-1""#, Some("invalid restart policy: maximum retry count cannot be negative")),
        (r#""security_opt": ["disable"]"#, Some(r#"Invalid security-opt: "disable""#)),
        (
            r#""security_opt": ["systempaths:unconfined"]"#,
            Some(r#"invalid --security-opt 2: "systempaths:unconfined""#),
        ),
        (
            r#""network_mode": "service:db", "hostname": "me""#,
            Some("conflicting options: hostname and the network mode"),
        ),
        (r#""restart": "on-failure:often""#, None),
        (r#""restart": "no""#, None),
        (
            r#""volumes": [{"type": "volume", "target": "data"}]"#,
            Some("invalid mount config for type \"volume\": invalid mount path: 'data' mount path must be absolute"),
        ),
    ] {
        let made = settings(&format!(r#"{{"image": "i", {keys}}}"#)).unwrap();
        assert_eq!(made.refused.as_deref(), why, "{keys}");
    }
}

#[test]
fn networks_and_their_places() {
    let made = settings(
        r#"{"image": "i", "networks": {"back": {"ipv4_address": "172.30.0.9", "aliases": ["store"]}, "default": {"priority": 5}}}"#,
    )
    .unwrap();
    let ServiceNet::Networks(places) = made.network else { panic!("{made:?}") };
    assert_eq!(places.iter().map(|place| place.network.as_str()).collect::<Vec<_>>(), ["default", "back"]);
    assert_eq!(places[1].address, Some(Ipv4Addr::new(172, 30, 0, 9)));
    assert_eq!(places[1].aliases, ["store"]);
    let mut project = project(r#"{"image": "i"}"#);
    assert!(lean_networks(&project).unwrap_err().why.contains("ext"));
    project.networks.remove("ext");
    let networks = lean_networks(&project).unwrap();
    assert_eq!(networks["back"].subnet, Some((Ipv4Addr::new(172, 30, 0, 0), 16)));
    assert!(networks["back"].internal);
}

#[test]
fn every_key_of_the_model_has_a_place() {
    // A service with all keys, as the model writes them.
    let all = serde_json::to_value(Service::default()).unwrap();
    let refused = [
        "cgroup",
        "credential_spec",
        "device_cgroup_rules",
        "devices",
        "external_links",
        "isolation",
        "pid",
        "runtime",
        "storage_opt",
        "uts",
        "volumes_from",
    ];
    for key in all.as_object().unwrap().keys() {
        let lists = [&DONE[..], &NOTHING_TO_DO, &WITHOUT_EFFECT, &refused];
        let places = lists.iter().filter(|list| list.contains(&key.as_str())).count();
        assert_eq!(places, 1, "{key}");
    }
}
