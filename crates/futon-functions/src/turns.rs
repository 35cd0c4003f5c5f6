//! Functions that are called in turn: one project with all of them, each in a container of its own.

use std::collections::BTreeSet;

use compose_model::Project;
use futon_common::{Error, Result};
use serde_json::{Map, Value, json};

use super::select::select;
use super::{Compose, Selection};

/// What separates the names of functions in the name of all.
const AND: &str = "+";

/// The name of several functions that are called in turn.
#[must_use]
pub fn name_in_turn(names: &[String]) -> String {
    names.join(AND)
}

/// Selects several services to be called in turn. They run side by side: each container has its service's name and publishes no port, and
/// uses the processors `cpus` unless its service names others. The first one is the function of the selection.
///
/// # Errors
/// When one of them is not a service of the file or cannot be selected alone, or they cannot run side by side.
pub fn select_in_turn(compose: &Compose, names: &[String], cpus: Option<&str>) -> Result<Selection> {
    let members = names.iter().map(|name| member(compose, name)).collect::<Result<Vec<_>>>()?;
    let [first, _, ..] = members.as_slice() else {
        return Err(Error::usage("--interleave: one function alone cannot take turns").hint("--interleave A,B"));
    };
    for (place, member) in members.iter().enumerate() {
        if members[..place].iter().any(|other| other.service_name == member.service_name) {
            return Err(Error::usage(format!("--interleave: {} is named twice", member.name))
                .hint("give the second one a service of its own in the compose file"));
        }
    }
    let needed: BTreeSet<&str> = members.iter().flat_map(Selection::services).map(|s| s.name.as_str()).collect();
    let mut document = compose.project.raw.clone();
    if let Some(Value::Object(services)) = document.get_mut("services") {
        services.retain(|name, _| needed.contains(name.as_str()));
        for (name, service) in services.iter_mut() {
            let Value::Object(keys) = service else { continue };
            // Whoever is needed is started.
            keys.remove("profiles");
            if let Some(member) = members.iter().find(|member| member.service_name == *name) {
                set_apart(keys, member, cpus);
            }
        }
    }
    let text = compose_model::escape(Value::Object(document)).to_string();
    let mut project = Project::from_json(text.as_bytes())
        .map_err(|e| Error::infra(format!("the project of functions that take turns is malformed: {e}")))?;
    for (name, service) in &mut project.services {
        // Compose does not print them, so they are not in the document.
        service.extensions = compose.project.services.get(name).map(|s| s.extensions.clone()).unwrap_or_default();
    }
    let project = Project {
        file: compose.project.file.clone(),
        places: compose.project.places.clone(),
        warnings: compose.project.warnings.clone(),
        ..project
    };
    let beside = Compose { project, declared: None, whole: true, ..compose.clone() };
    let mut whole = select(&beside, &first.service_name)?;
    whole.name = name_in_turn(names);
    for member in &members {
        let hints = &member.service.hints;
        for (given, what) in [(hints.ready.is_some(), "`ready`"), (!hints.checks.is_empty(), "`checks`")] {
            if given && member.service_name != whole.service_name {
                whole.remarks.push(format!(
                    "service {}: its {what} has no effect here: the client waits until it can connect, and only the calls are judged",
                    member.service_name
                ));
            }
        }
    }
    whole.turns = members;
    Ok(whole)
}

/// A function as it is selected alone.
fn member(compose: &Compose, name: &str) -> Result<Selection> {
    let member = select(compose, name)?;
    let service = &member.service_name;
    if !compose.project.services.contains_key(service) {
        return Err(Error::usage(format!("--interleave: {name} is no service of {}", compose.path.display()))
            .hint("give the image a service of its own in the compose file"));
    }
    let spec = &member.service.spec;
    if let Some(mode) = &spec.network_mode {
        return Err(compose
            .at(
                service,
                "network_mode",
                &format!("it is {mode}, and functions that take turns have their own addresses"),
            )
            .hint("leave it out"));
    }
    if spec.replicas() != 1 {
        return Err(compose
            .at(service, spec.replicas_key(), "a function that takes turns has one container")
            .hint("write another service for each further container"));
    }
    if member.service.hints.expect_failure.is_some() {
        return Err(compose
            .at(service, "x-futon", "it has `expect_failure`, and what fails cannot be measured")
            .hint("leave it out"));
    }
    Ok(member)
}

/// What a member has as one of several: its own name, no published port, the processors of measured functions.
fn set_apart(keys: &mut Map<String, Value>, member: &Selection, cpus: Option<&str>) {
    keys.remove("ports");
    keys.insert("container_name".into(), member.service_name.clone().into());
    if let Some(cpus) = cpus
        && !keys.contains_key("cpuset")
    {
        keys.insert("cpuset".into(), cpus.into());
    }
    if member.target.named {
        // The first one is the one that is called.
        let port = member.target.container_port.to_string();
        let mut exposed = vec![json!(port)];
        exposed.extend(member.service.spec.expose.iter().filter(|other| **other != port).map(|other| json!(other)));
        keys.insert("expose".into(), exposed.into());
    }
}

#[cfg(test)]
mod tests {
    use super::super::Way;
    use super::super::compose::tests::model;
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn project() -> Compose {
        let port = json!([{"mode": "ingress", "target": 50051, "published": "50000", "protocol": "tcp"}]);
        let function = |image: &str| json!({"image": image, "container_name": "function", "ports": port, "networks": {"default": null}});
        let mut with_cache = function("me/cached:1");
        with_cache["depends_on"] = json!({"cache": {"condition": "service_started", "required": true}});
        with_cache["environment"] = json!({"PRICE": "$$5"});
        let mut pinned = function("me/pinned:1");
        pinned["cpuset"] = "0".into();
        let mut project = model(&json!({
            "name": "p",
            "networks": {"default": {"name": "p_default", "ipam": {}}},
            "services": {
                "aes-go": function("me/aes-go:1"), "cached": with_cache, "pinned": pinned,
                "cache": {"image": "me/cache:1", "networks": {"default": null}},
                "other": {"image": "me/other:1"},
                "host": {"image": "me/host:1", "network_mode": "host"},
                "twice": {"image": "me/twice:1", "scale": 2},
                "broken": {"image": "me/broken:1"},
            },
        }));
        let mut extend = |service: &str, value: Value| {
            let service = project.project.services.get_mut(service).unwrap();
            service.extensions.insert("x-futon".into(), value);
        };
        extend("broken", json!({"expect_failure": {"code": "wrong_reply", "why": "known"}}));
        extend("aes-go", json!({"client": "aes-go"}));
        project
    }

    #[test]
    fn each_has_a_container_of_its_own_and_what_it_needs() {
        let found = select_in_turn(&project(), &names(&["aes-go", "cached", "pinned"]), Some("1")).unwrap();
        assert_eq!((found.name.as_str(), found.service_name.as_str()), ("aes-go+cached+pinned", "aes-go"));
        let services: BTreeSet<(&str, &str)> =
            found.services().map(|s| (s.name.as_str(), s.container.as_str())).collect();
        let wanted = [("aes-go", "aes-go"), ("cache", "p-cache-1"), ("cached", "cached"), ("pinned", "pinned")];
        assert_eq!(services, wanted.into_iter().collect());
        assert_eq!((&found.target.way, found.target.container_port), (&Way::Container, 50051));
        assert!(found.published.is_empty() && found.whole);
        assert_eq!(found.service.hints.client.as_deref(), Some("aes-go"));
        let cpus = |name: &str| found.project.services[name].cpuset.clone();
        assert_eq!((cpus("aes-go"), cpus("pinned"), cpus("cache")), (Some("1".into()), Some("0".into()), None));
        assert_eq!(found.project.services["cached"].environment["PRICE"].as_deref(), Some("$5"));
        assert_eq!(found.turns.iter().map(|member| member.target.container_port).collect::<Vec<_>>(), [50051; 3]);
        // The engine gets the same.
        assert!(found.compose.contains("\"cpuset\": \"1\"") && !found.compose.contains("\"published\""));
        assert!(found.powers.is_empty(), "{:?}", found.powers);
    }

    #[test]
    fn what_cannot_take_turns_is_refused_by_name() {
        let words = |list: &[&str]| {
            let error = select_in_turn(&project(), &names(list), None).unwrap_err();
            assert_eq!(error.exit_code(), futon_model::ExitCode::Usage, "{error}");
            error.to_string()
        };
        for (list, part) in [
            (&["aes-go"][..], "one function alone"),
            (&["aes-go", "cached", "aes-go"], "aes-go is named twice"),
            (&["aes-go", "me/unknown:1"], "me/unknown:1 is no service"),
            (&["aes-go", "nothing"], "unknown function"),
            (&["aes-go", "host"], "service host, key `network_mode`"),
            (&["aes-go", "twice"], "service twice, key `scale`"),
            (&["aes-go", "broken"], "`expect_failure`"),
        ] {
            assert!(words(list).contains(part), "{list:?}: {}", words(list));
        }
        // By its image, too, a service is that service.
        assert!(words(&["aes-go", "me/aes-go:1"]).contains("named twice"));
    }
}
