//! What a compose service sets over its image, for containers that no engine starts.

use compose_model::Service;

use super::ServiceSettings;

/// Keys that are read here or elsewhere, or that change nothing for one short run in a machine of its own.
const KNOWN: [&str; 22] = [
    "command",
    "container_name",
    "cpuset",
    "depends_on",
    "entrypoint",
    "environment",
    "expose",
    "hostname",
    "image",
    "labels",
    "logging",
    "mem_limit",
    "networks",
    "ports",
    "profiles",
    "pull_policy",
    "restart",
    "stdin_open",
    "stop_grace_period",
    "stop_signal",
    "user",
    "working_dir",
];

impl From<&Service> for ServiceSettings {
    fn from(service: &Service) -> Self {
        Self {
            entrypoint: service.entrypoint.clone(),
            command: service.command.clone(),
            environment: service.environment.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
            user: service.user.clone(),
            working_dir: service.working_dir.clone(),
            hostname: service.hostname.clone(),
            cpuset: service.cpuset.clone(),
            memory_bytes: service.mem_limit.and_then(|bytes| u64::try_from(bytes).ok()),
            stop_signal: service.stop_signal.clone(),
            stop_grace_ms: service
                .stop_grace_period
                .map(|grace| u64::try_from(grace.0.as_millis()).unwrap_or(u64::MAX)),
            container_port: None,
            unknown: service.keys().filter(|key| !KNOWN.contains(key)).map(str::to_owned).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_a_service() {
        let document = serde_json::json!({"name": "p", "services": {"f": {
            "image": "x", "entrypoint": ["/a"], "command": null, "environment": {"A": "1", "B": null}, "user": "33", "mem_limit": "67108864",
            "stop_grace_period": "1m30s", "volumes": [{"type": "volume", "target": "/v"}],
        }}});
        let project = compose_model::Project::from_json(document.to_string().as_bytes()).unwrap();
        let made = ServiceSettings::from(&project.services["f"]);
        assert_eq!((made.entrypoint, made.command), (Some(vec!["/a".to_owned()]), None));
        assert_eq!(made.environment, [("A".into(), Some("1".into())), ("B".into(), None)]);
        assert_eq!((made.memory_bytes, made.stop_grace_ms), (Some(64 << 20), Some(90_000)));
        assert_eq!(made.unknown, ["volumes"]);
    }
}
