use serde_json::{Value, json};

use super::super::compose::tests::model;
use super::super::target::Way;
use super::*;

fn compose() -> Compose {
    let port = json!([{"target": 50051, "published": "50000", "protocol": "tcp", "mode": "ingress"}]);
    let mut compose = model(&json!({"name": "p", "networks": {"default": {"name": "p_default"}}, "services": {
        "fibonacci-go": {"image": "vhiveease/fibonacci-go:latest", "container_name": "function", "ports": port, "networks": {"default": null}},
        "odd": {"image": "me/odd", "networks": {"default": null}},
    }}));
    let odd = compose.project.services.get_mut("odd").unwrap();
    odd.extensions.insert("x-futon".into(), json!({"client": "aes-go"}));
    compose
}

#[allow(clippy::needless_pass_by_value, reason = "callers make the value for this call")]
fn refused(services: Value, name: &str) -> String {
    let error = select(&model(&json!({"name": "p", "services": services})), name).unwrap_err();
    assert_eq!(error.exit_code(), futon_model::ExitCode::Usage);
    assert!(error.hint_text().is_some());
    error.to_string()
}

#[test]
fn a_service_by_its_name_or_its_image() {
    for name in ["fibonacci-go", "vhiveease/fibonacci-go", "docker.io/vhiveease/fibonacci-go:latest"] {
        let selection = select(&compose(), name).unwrap();
        assert_eq!(selection.service_name, "fibonacci-go", "{name}");
        assert!(selection.remarks.is_empty() && selection.powers.is_empty());
        assert!(selection.engine.is_ok());
        assert_eq!(selection.published, [50000]);
    }
}

#[test]
fn an_image_without_a_service_gets_defaults_and_says_so() {
    let selection = select(&compose(), "someone/aes-python:v1").unwrap();
    assert_eq!(selection.target.way, Way::Published { address: "127.0.0.1".into(), port: 50000 });
    assert!(selection.compose.contains("someone/aes-python:v1"));
    assert!(selection.remarks[0].contains("using defaults"));
    assert_eq!(client_name(&selection, None).unwrap(), "aes-python");
}

#[test]
fn a_mistyped_name_is_an_error_with_a_guess() {
    let error = select(&compose(), "fibonaci-go").unwrap_err();
    assert_eq!(error.hint_text(), Some("did you mean fibonacci-go?"));
    assert_eq!(error.exit_code(), futon_model::ExitCode::Usage);
    let none = select(&model(&json!({"name": "p", "services": {}})), "x").unwrap_err();
    assert_eq!(none.hint_text(), Some("functions.yaml has no service"));
}

#[test]
fn an_image_that_is_none_is_told_why() {
    let error = select(&compose(), "Case/Upper").unwrap_err();
    assert!(error.to_string().contains("repository name (Upper) must be lowercase"), "{error}");
    assert!(error.hint_text().unwrap().contains("[REGISTRY/]NAME"));
    assert!(select(&compose(), "ghcr.io/me/fn@sha256:12").unwrap_err().to_string().contains("digest"));
}

#[test]
fn the_client_is_never_guessed_beyond_what_is_known() {
    let odd = select(&compose(), "odd").unwrap();
    assert_eq!(client_name(&odd, None).unwrap(), "aes-go");
    assert_eq!(client_name(&odd, Some("auth-go")).unwrap(), "auth-go");
    assert!(client_name(&odd, Some("nonsense")).is_err());
    let unknown = select(&compose(), "me/mystery").unwrap();
    assert!(client_name(&unknown, None).is_err());
}

#[test]
fn names_that_would_leave_or_clash_with_the_results_are_refused() {
    for name in ["..", ".hidden", "-x", "report.json", "report.html", &"a".repeat(129)] {
        assert!(refused(json!({name: {"image": "x"}}), name).contains("service"), "{name}");
    }
}

#[test]
fn what_cannot_run_together_is_refused_before_anything_starts() {
    let on = |name: &str| json!({name: {"condition": "service_started", "required": true}});
    let same = refused(
        json!({"front": {"image": "x", "container_name": "function", "depends_on": on("back")},
               "back": {"image": "x", "container_name": "function"}}),
        "front",
    );
    assert!(same.contains("back and front both have the container name function"), "{same}");
    let port = json!([{"target": 1, "published": "50000", "protocol": "tcp"}]);
    let ports = json!({"front": {"image": "x", "ports": port, "depends_on": on("back")}, "back": {"image": "x", "ports": port}});
    assert!(refused(ports.clone(), "front").contains("both publish the port 50000/tcp"));
    // A neighbour's port is the neighbour's.
    assert!(select(&model(&json!({"name": "p", "services": ports})), "back").is_ok());
    assert!(
        refused(json!({"a": {"image": "x", "depends_on": on("b")}, "b": {"image": "x", "depends_on": on("a")}}), "a")
            .contains("a -> b -> a")
    );
    assert!(
        refused(json!({"a": {"image": "x", "depends_on": on("b")}, "b": {"build": "."}}), "a").contains("no image")
    );
    assert!(refused(json!({"a": {"image": "x", "ports": [{"target": 70000}]}}), "a").contains("is not a port"));
    for (key, value) in [("scale", json!(0)), ("deploy", json!({"replicas": 0}))] {
        let said = refused(json!({"a": {"image": "x", key: value}}), "a");
        assert!(said.contains(&format!("key `{key}`: the service has no containers")), "{said}");
    }
}

#[test]
fn what_a_dependency_may_do_counts_for_the_function() {
    let services = json!({
        "fn": {"image": "x", "depends_on": {"db": {"condition": "service_started", "required": true}}},
        "db": {"image": "x", "privileged": true}, "neighbour": {"image": "x", "network_mode": "host"},
    });
    let selection = select(&model(&json!({"name": "p", "services": services})), "fn").unwrap();
    assert_eq!(selection.powers, ["service db: privileged"]);
}
