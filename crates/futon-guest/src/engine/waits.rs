//! What a service waits for before it starts: the conditions of `depends_on`, with the words of `docker compose` where one does not come true.

use std::{thread, time::Duration};

use futon_model::{StartAfter, StartCondition};
use guest_net::{Error, Result};

use super::Engine;

/// Between two looks at a container.
const PAUSE: Duration = Duration::from_millis(200);

/// Waits until every condition is met; the step's limit is what ends a wait without end.
pub(crate) fn wait(engine: &Engine, after: &[StartAfter]) -> Result<()> {
    for one in after {
        match wait_for(engine, one) {
            Err(error) if !one.required => println!("the optional dependency {} is left out: {error}", one.service),
            result => result?,
        }
    }
    Ok(())
}

fn wait_for(engine: &Engine, after: &StartAfter) -> Result<()> {
    let StartAfter { service, container: name, condition, .. } = after;
    if *condition == StartCondition::Started {
        return Ok(());
    }
    println!("{}", waiting(service, *condition == StartCondition::Healthy));
    loop {
        let container = engine.container(name)?;
        let Some(state) = container.map(|c| c.state) else {
            return Err(Error::new(format!("its dependency {service} is gone: there is no container {name}")));
        };
        let over = state.is_over();
        match condition {
            StartCondition::Healthy => {
                let health = state.health.as_ref().map(|health| health.status.as_str());
                match health {
                    _ if over => {
                        return Err(Error::new(format!(
                            "its dependency {service} exited with status {} and cannot become healthy (container {name})",
                            state.exit_code
                        )));
                    }
                    Some("healthy") => return Ok(()),
                    Some("unhealthy") => {
                        return Err(Error::new(format!("its dependency {service} is unhealthy (container {name})")));
                    }
                    None | Some("none") => {
                        return Err(Error::new(format!(
                            "its dependency {service} has no healthcheck and cannot become healthy (container {name})"
                        )));
                    }
                    Some(_) => {}
                }
            }
            _ if over && state.exit_code == 0 => return Ok(()),
            _ if over => {
                return Err(Error::new(format!(
                    "its dependency {service} didn't complete successfully: exit {} (container {name})",
                    state.exit_code
                )));
            }
            _ => {}
        }
        thread::sleep(PAUSE);
    }
}

/// What a wait without end leaves as the step's last line: the verdict names the dependency by it.
pub(crate) fn waiting(service: &str, healthy: bool) -> String {
    format!("waiting until {service} {}", if healthy { "is healthy" } else { "has completed" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::api::tests::engine_of;

    fn answer(state: &str) -> &'static str {
        let body = format!(r#"{{"Image":"sha256:1","Config":{{"Image":"x"}},"State":{state}}}"#);
        Box::leak(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_boxed_str())
    }

    fn outcome(condition: &str, required: bool, states: &[&str]) -> std::result::Result<(), String> {
        let answers: Vec<&str> = states.iter().map(|state| answer(state)).collect();
        let (engine, server) = engine_of(&answers);
        let after = serde_json::from_value(
            serde_json::json!({"service": "db", "container": "p-db-1", "condition": condition, "required": required}),
        );
        let result = wait(&engine, &[after.unwrap()]).map_err(|e| e.to_string());
        server.join().unwrap();
        result
    }

    const STARTING: &str = r#"{"Status":"running","Health":{"Status":"starting"}}"#;
    const HEALTHY: &str = r#"{"Status":"running","Health":{"Status":"healthy"}}"#;
    const UNHEALTHY: &str = r#"{"Status":"running","Health":{"Status":"unhealthy"}}"#;
    const RUNNING: &str = r#"{"Status":"running"}"#;
    const DONE: &str = r#"{"Status":"exited","ExitCode":0}"#;
    const FAILED: &str = r#"{"Status":"exited","ExitCode":7}"#;

    #[test]
    fn conditions_mean_what_they_say() {
        assert_eq!(outcome("service_started", true, &[]), Ok(()));
        assert_eq!(outcome("service_healthy", true, &[STARTING, STARTING, HEALTHY]), Ok(()));
        assert_eq!(outcome("service_completed_successfully", true, &[RUNNING, DONE]), Ok(()));
    }

    #[test]
    fn what_failed_is_named() {
        for (condition, state, words) in [
            ("service_healthy", UNHEALTHY, "db is unhealthy (container p-db-1)"),
            ("service_healthy", FAILED, "db exited with status 7"),
            ("service_healthy", RUNNING, "db has no healthcheck"),
            ("service_completed_successfully", FAILED, "db didn't complete successfully: exit 7"),
        ] {
            let error = outcome(condition, true, &[state]).unwrap_err();
            assert!(error.contains(words), "{error}");
            assert_eq!(outcome(condition, false, &[state]), Ok(()), "an optional one");
        }
    }
}
