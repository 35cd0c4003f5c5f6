//! When a service is started again, and what the engine says of a policy that is none.

use compose_model::Service;
use futon_model::LeanRestart;

/// When a service is started again, and what the engine says of a policy that is none (moby, `ValidateRestartPolicy`).
pub(super) fn restart(service: &Service) -> (LeanRestart, Option<String>) {
    let Some((name, times)) = service.restart_policy() else { return (LeanRestart::Never, None) };
    let invalid = |why: &str| Some(format!("invalid restart policy: {why}"));
    let refused = match (name, times) {
        ("on-failure", ..=-1) => invalid("maximum retry count cannot be negative"),
        ("no" | "always" | "unless-stopped", 1..) => invalid("maximum retry count can only be used with 'on-failure'"),
        ("no" | "always" | "unless-stopped", ..=-1) => {
            invalid("maximum retry count can only be used with 'on-failure' and cannot be negative")
        }
        ("no" | "always" | "unless-stopped" | "on-failure", _) => None,
        _ => invalid(&format!("unknown policy '{name}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'")),
    };
    let most = u32::try_from(times).ok().filter(|most| *most > 0);
    let restart = match name {
        "always" | "unless-stopped" => LeanRestart::Always,
        "on-failure" => LeanRestart::OnFailure(if times > i64::from(u32::MAX) { Some(u32::MAX) } else { most }),
        _ => LeanRestart::Never,
    };
    (restart, refused)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_policy_of_two_keys() {
        let unknown = |name: &str| {
            format!("unknown policy '{name}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'")
        };
        let only = "maximum retry count can only be used with 'on-failure'".to_owned();
        for (written, then, why) in [
            (json!({}), LeanRestart::Never, None),
            (json!({"restart": "always"}), LeanRestart::Always, None),
            (json!({"restart": "none"}), LeanRestart::Never, None),
            (json!({"restart": "on-failure:3"}), LeanRestart::OnFailure(Some(3)), None),
            (json!({"restart": "on-failure:often"}), LeanRestart::OnFailure(None), None),
            (json!({"deploy": {"restart_policy": {"condition": "any"}}}), LeanRestart::Always, None),
            (json!({"deploy": {"restart_policy": {"condition": "unless-stopped"}}}), LeanRestart::Always, None),
            // Compose hands on what is there: no name is the engine's "no".
            (json!({"deploy": {"restart_policy": {"delay": "5s"}}}), LeanRestart::Never, None),
            (
                json!({"restart": "always", "deploy": {"restart_policy": {"condition": "none"}}}),
                LeanRestart::Never,
                None,
            ),
            (
                json!({"deploy": {"restart_policy": {"condition": "sometimes"}}}),
                LeanRestart::Never,
                Some(unknown("sometimes")),
            ),
            (
                json!({"deploy": {"restart_policy": {"condition": "any", "max_attempts": 3}}}),
                LeanRestart::Always,
                Some(only.clone()),
            ),
            (json!({"deploy": {"restart_policy": {"max_attempts": 3}}}), LeanRestart::Never, Some(only)),
        ] {
            let got = restart(&serde_json::from_value(written.clone()).unwrap());
            assert_eq!(got, (then, why.map(|why| format!("invalid restart policy: {why}"))), "{written}");
        }
    }
}
