use super::*;

fn requests(document: &Value, order: &[&str]) -> Result<Value, String> {
    engine_requests(&Project::from_json(document.to_string().as_bytes()).unwrap(), order)
        .map(|requests| serde_json::to_value(requests).unwrap())
}

#[test]
fn a_rich_service_with_its_dependency() {
    let document = json!({
        "name": "vswarmu",
        "networks": {"default": {"name": "vswarmu_default", "ipam": {}}, "back": {"name": "vswarmu_back", "internal": true}},
        "volumes": {"data": {"name": "vswarmu_data"}},
        "services": {
            "db": {"image": "a/db", "container_name": "database", "command": ["x"], "networks": {"default": null}},
            "rich": {
                "image": "a/rich:latest", "container_name": "rich", "entrypoint": ["/app/server", "-addr=0.0.0.0:50051"],
                "command": null, "user": "65534:65534", "working_dir": "/tmp", "cpuset": "1", "read_only": true, "cpus": 0.5,
                "environment": {"B": "two $$words", "A": "1", "GONE": null}, "init": true, "mem_limit": "67108864",
                "depends_on": {"db": {"condition": "service_healthy", "required": false}},
                "ports": [{"mode": "ingress", "host_ip": "127.0.0.1", "target": 50051, "published": "50003", "protocol": "tcp"}],
                "stop_grace_period": "3s", "restart": "on-failure:3", "tmpfs": ["/t:size=1m", "/u"], "labels": {"a": "b"},
                "volumes": [{"type": "volume", "source": "data", "target": "/d", "volume": {}},
                            {"type": "bind", "source": "/run/futon/files/0/f", "target": "/f", "bind": {"create_host_path": true}}],
                "ulimits": {"nofile": 5, "nproc": {"soft": 1, "hard": 2}}, "extra_hosts": ["gw=host-gateway"],
                "healthcheck": {"test": ["CMD", "x"], "interval": "1m30s", "retries": 3},
                "networks": {"back": {"priority": 10, "aliases": ["r"]}, "default": null},
            },
        },
    });
    let requests = requests(&document, &["db", "rich"]).unwrap();
    assert_eq!(requests["networks"][0]["Name"], "vswarmu_back");
    assert_eq!(requests["networks"][0]["Internal"], true);
    assert_eq!(requests["volumes"][0]["Name"], "vswarmu_data");
    assert_eq!(requests["containers"][0]["create"]["Cmd"], json!(["x"]));
    let rich = &requests["containers"][1];
    assert_eq!(
        rich["after"],
        json!([{"service": "db", "container": "database", "condition": "service_healthy", "required": false}])
    );
    let create = &rich["create"];
    assert_eq!(create["Entrypoint"], json!(["/app/server", "-addr=0.0.0.0:50051"]));
    assert_eq!(create["Env"], json!(["A=1", "B=two $words", "GONE"]));
    assert_eq!((&create["StopTimeout"], create.get("Cmd")), (&json!(3), None));
    assert_eq!(create["Healthcheck"], json!({"Test": ["CMD", "x"], "Interval": 90_000_000_000_u64, "Retries": 3}));
    assert_eq!(create["Labels"]["com.docker.compose.depends_on"], "db:service_healthy:false");
    let host = &create["HostConfig"];
    assert_eq!(host["PortBindings"], json!({"50051/tcp": [{"HostIp": "127.0.0.1", "HostPort": "50003"}]}));
    assert_eq!((&host["NanoCpus"], &host["Memory"]), (&json!(500_000_000), &json!(67_108_864)));
    assert_eq!(host["RestartPolicy"], json!({"Name": "on-failure", "MaximumRetryCount": 3}));
    assert_eq!(host["Tmpfs"], json!({"/t": "size=1m", "/u": ""}));
    assert_eq!(host["Binds"], json!(["/run/futon/files/0/f:/f:rw"]));
    assert_eq!(
        host["Mounts"],
        json!([{"Type": "volume", "Source": "vswarmu_data", "Target": "/d", "VolumeOptions": {}}])
    );
    assert_eq!(host["ExtraHosts"], json!(["gw:host-gateway"]));
    assert_eq!(host["NetworkMode"], "vswarmu_back");
    assert_eq!(create["NetworkingConfig"]["EndpointsConfig"]["vswarmu_back"]["Aliases"], json!(["rich", "rich", "r"]));
}

#[test]
fn what_is_not_understood_is_named() {
    let of = |key: &str, value: Value| {
        let document = json!({"name": "p", "networks": {"default": {"name": "p_default"}},
            "services": {"a": {"image": "x", "networks": {"default": null}, key: value}}});
        requests(&document, &["a"]).unwrap_err()
    };
    assert_eq!(of("privileged", json!(true)), "service a: key privileged");
    assert_eq!(of("devices", json!(["/dev/kvm"])), "service a: key devices");
    assert_eq!(of("security_opt", json!(["seccomp=unconfined"])), "service a: key security_opt");
    assert_eq!(of("platform", json!("linux/amd64")), "service a: key platform");
    assert_eq!(of("deploy", json!({"replicas": 2})), "service a: key deploy");
    assert_eq!(of("scale", json!(2)), "service a: key scale");
    assert_eq!(of("a_key_of_tomorrow", json!(1)), "service a: key a_key_of_tomorrow");
    let ipam = json!({"name": "p", "networks": {"default": {"name": "n", "ipam": {"config": [{"subnet": "10.9.0.0/16"}]}}},
        "services": {"a": {"image": "x", "networks": {"default": null}}}});
    assert!(requests(&ipam, &["a"]).unwrap_err().contains("network default"));
}

/// The engine judges what Compose hands on: a policy by Compose's words, a bind with an option of volumes.
#[test]
fn policies_and_options_are_handed_on_as_compose_does() {
    let of = |keys: Value| {
        let mut service = json!({"image": "a", "networks": {"default": null}});
        service.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
        let document = json!({"name": "p", "networks": {"default": {"name": "p_default"}}, "services": {"a": service}});
        requests(&document, &["a"]).unwrap()["containers"][0]["create"]["HostConfig"].clone()
    };
    for (restart, policy) in [
        ("any", json!({"Name": "always"})),
        ("none", json!({"Name": "no"})),
        ("on-failure:-1", json!({"Name": "on-failure", "MaximumRetryCount": -1})),
        ("on-failure:3:4", json!({"Name": "on-failure", "MaximumRetryCount": 3})),
        ("sometimes", json!({"Name": "sometimes"})),
    ] {
        assert_eq!(of(json!({"restart": restart}))["RestartPolicy"], policy, "{restart}");
    }
    let bind = json!({"type": "bind", "source": "/s", "target": "/t", "bind": {"create_host_path": true}, "volume": {"nocopy": true}});
    assert_eq!(of(json!({"volumes": [bind]}))["Binds"], json!(["/s:/t:rw,nocopy"]));
}
