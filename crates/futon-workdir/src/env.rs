//! `run.env`: what the run script needs to know, as assignments that any shell can read.

use futon_common::{Context, Result};
use futon_model::{ClientPlan, EngineRequests, FindPort, LISTENING, LoadPlan, MachineKind, Plan, SEEN, TurnPlan};

use super::names::{CALLS, HANDOVER, LOAD, REPLIES};

/// The assignments for a plan; empty for a foreign script.
///
/// # Errors
/// When a value holds a NUL byte.
pub(super) fn run_env(
    plan: &Plan,
    engine: Option<&std::result::Result<EngineRequests, String>>,
    handover: bool,
) -> Result<String> {
    let Some(client) = &plan.client else { return Ok(String::new()) };
    let images: Vec<&str> = plan.images.iter().map(|i| i.reference.written()).collect();
    let limit = |step: &str| guest_limit(plan.limits.of(step));
    let mut text = String::from("# written by futon; read by run.sh\n");
    let (requests, compose_why) = match engine {
        Some(Ok(_)) => ("service.json", String::new()),
        Some(Err(why)) => ("", why.clone()),
        None => ("", String::new()),
    };
    for (name, value) in [
        ("IMAGES", images.join(" ")),
        ("SERVICE", client.service.clone()),
        ("REQUESTS", requests.to_owned()),
        ("COMPOSE_WHY", compose_why),
        ("CONTAINER", client.container.clone()),
        ("ADDRESS", client.address.clone()),
        ("PORT", client.port.to_string()),
        ("FIND", client.find.map(find_words).unwrap_or_default()),
        ("TURNS", words(turns_to_find(client))),
        ("PUBLISHED", words(plan.published.iter().map(u16::to_string))),
        ("COMPANIONS", words(plan.companions.iter().map(|c| format!("{}={}", c.service, c.container)))),
        ("HANDOVER", if handover { HANDOVER.to_owned() } else { String::new() }),
        ("CLIENT_ARGS", client_arguments(client, plan)?),
        ("REPORT", report_name(client).to_owned()),
        ("PROBE", if client.probe.is_default() { String::new() } else { client.probe.to_string() }),
        ("LIMIT_PULL", limit("pull")),
        ("LIMIT_START", limit("start")),
        ("LIMIT_READY", limit("ready")),
        ("LIMIT_INVOKE", limit("invoke")),
        ("LIMIT_LOG", limit("log")),
        ("LIMIT_STOP", limit("stop")),
    ] {
        let value = shlex::try_quote(&value).context(|| format!("the value of {name} has a NUL byte"))?;
        text.push_str(&format!("{name}={value}\n"));
    }
    Ok(text)
}

/// The file in which the client reports its calls.
fn report_name(client: &ClientPlan) -> &'static str {
    if client.describes {
        return SEEN;
    }
    match (&client.load, &client.declared) {
        (Some(_), _) => LOAD,
        (None, Some(_)) => REPLIES,
        (None, None) => "client.json",
    }
}

/// A limit as the guest reads it: whole milliseconds, at least one.
pub(super) fn guest_limit(limit: std::time::Duration) -> String {
    match limit.as_millis().max(1) {
        ms if ms % 1000 == 0 => format!("{}s", ms / 1000),
        ms => format!("{ms}ms"),
    }
}

/// The question for `futon-guest find`.
fn find_words(find: FindPort) -> String {
    match find {
        FindPort::Published(port) => format!("published {port}"),
        FindPort::Container(port) => format!("container {port}"),
    }
}

fn words(list: impl Iterator<Item = String>) -> String {
    list.collect::<Vec<_>>().join(" ")
}

/// The functions beside the client's own that are called in turn and whose addresses only the engine knows: `CONTAINER:PORT`.
fn turns_to_find(client: &ClientPlan) -> impl Iterator<Item = String> {
    let others = client.turns.iter().skip(1).filter(|other| other.address.is_none());
    others.map(|other| format!("{}:{}", other.container, other.port))
}

/// The test client's arguments, quoted for `eval set --`.
fn client_arguments(client: &ClientPlan, plan: &Plan) -> Result<String> {
    let mut words = match client.declared {
        _ if client.describes => vec!["-describe".to_owned(), LISTENING.to_owned()],
        Some(_) => vec!["-calls".to_owned(), CALLS.to_owned()],
        None => vec![
            "-function-name".to_owned(),
            client.function_name.clone(),
            "-function-method".into(),
            client.method.clone(),
            "-n".into(),
            client.invocations.to_string(),
            "-w".into(),
            client.warmup.to_string(),
            "-input".into(),
            client.input.clone(),
            "-genType".into(),
            client.gen_type.to_string(),
        ],
    };
    words.extend([
        "-url".to_owned(),
        client.address.clone(),
        "-port".into(),
        client.port.to_string(),
        "-connect-timeout".into(),
        guest_limit(plan.limits.ready),
        "-timeout".into(),
        format!("{}ms", plan.limits.call.as_millis()),
    ]);
    let known = |other: &TurnPlan| Some(format!("{}:{}", other.address.as_ref()?, other.port));
    if let Some(others) = client.turns.get(1..).filter(|others| !others.is_empty())
        && let Some(addresses) = others.iter().map(known).collect::<Option<Vec<_>>>()
    {
        words.extend(["-beside".to_owned(), addresses.join(",")]);
    }
    if let Some(load) = &client.load {
        words.extend(load_arguments(load));
    }
    if plan.machine.kind == MachineKind::Gem5 {
        words.push("-m5ops".into());
    }
    if client.no_greeting {
        words.push("-no-greeting".into());
    }
    if let Some(seed) = client.seed.filter(|_| client.declared.is_none() && !client.describes) {
        words.extend(["-seed".to_owned(), seed.to_string()]);
    }
    shlex::try_join(words.iter().map(String::as_str)).context(|| "a client argument has a NUL byte".into())
}

/// The client's arguments for a load.
fn load_arguments(load: &LoadPlan) -> Vec<String> {
    let mut words = vec!["-load".to_owned(), "-connections".into(), load.connections.to_string()];
    if let Some(concurrency) = load.concurrency {
        words.extend(["-concurrency".into(), concurrency.to_string()]);
    }
    if let Some(rate) = &load.rate {
        words.extend(["-rate".into(), rate.to_string()]);
    }
    words.extend([
        "-duration".into(),
        guest_limit(load.duration),
        "-warmup".into(),
        format!("{}ms", load.warmup.as_millis()),
    ]);
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::plan;

    /// All guest limits are passed on, under their names.
    #[test]
    fn every_limit_reaches_the_guest() {
        let mut plan = plan();
        let ms = std::time::Duration::from_millis;
        let limits = &mut plan.limits;
        (limits.pull, limits.start, limits.ready, limits.invoke) = (ms(1001), ms(1002), ms(1003), ms(1004));
        (limits.log, limits.stop, limits.call) = (ms(1005), ms(1006), ms(1007));
        let env = run_env(&plan, None, false).unwrap();
        for (n, name) in (1..).zip(["PULL", "START", "READY", "INVOKE", "LOG", "STOP"]) {
            assert!(env.contains(&format!("LIMIT_{name}=100{n}ms\n")), "{env}");
        }
        assert!(env.contains("-connect-timeout 1003ms -timeout 1007ms"), "{env}");
    }

    #[test]
    fn a_run_that_looks_calls_nothing() {
        let mut plan = plan();
        if let Some(client) = &mut plan.client {
            (client.describes, client.probe) = (true, futon_model::Probe::Listens);
        }
        let env = run_env(&plan, None, false).unwrap();
        assert!(env.contains("REPORT=seen.json\n") && env.contains("PROBE=listens\n"), "{env}");
        assert!(env.contains("-describe listening.json -url ") && !env.contains("-function-name"), "{env}");
    }

    #[test]
    fn functions_that_take_turns_are_found_by_the_guest_unless_the_host_knows_them() {
        let mut plan = plan();
        let turn = |service: &str| TurnPlan {
            service: service.into(),
            container: format!("{service}-c"),
            image: "me/f".parse().unwrap(),
            address: None,
            port: 50051,
        };
        plan.client.as_mut().unwrap().turns = ["a", "b", "c"].map(turn).to_vec();
        let env = run_env(&plan, None, false).unwrap();
        assert!(env.contains("TURNS='b-c:50051 c-c:50051'\n") && !env.contains("-beside"), "{env}");
        for (at, member) in plan.client.as_mut().unwrap().turns.iter_mut().enumerate() {
            member.address = Some(format!("172.18.0.{}", at + 2));
        }
        let env = run_env(&plan, None, false).unwrap();
        assert!(env.contains("TURNS=''\n") && env.contains(" -beside '172.18.0.3:50051,172.18.0.4:50051'"), "{env}");
    }

    #[test]
    fn a_cold_function_is_not_greeted() {
        let mut plan = plan();
        assert!(!run_env(&plan, None, false).unwrap().contains("-no-greeting"));
        plan.client.as_mut().unwrap().no_greeting = true;
        assert!(run_env(&plan, None, false).unwrap().contains(" -no-greeting"));
    }

    #[test]
    fn values_survive_the_shell() {
        let mut plan = plan();
        if let Some(client) = &mut plan.client {
            client.input = "it's $(reboot) \"now\"".into();
        }
        let env = run_env(&plan, None, false).unwrap();
        let script =
            format!("{env}\neval \"set -- $CLIENT_ARGS\"; printf '%s\\n' \"$IMAGES\" \"$LIMIT_PULL\" \"${{10}}\"");
        let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(text, "vhiveease/fibonacci-go:latest\n180s\nit's $(reboot) \"now\"\n");
    }
}
