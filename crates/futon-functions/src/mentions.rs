//! Services that a function seems to call but that nothing starts: `docker compose up fn` leaves them out silently, and the function
//! fails to resolve their names.

use std::collections::BTreeSet;

use compose_model::Service;

use super::Compose;

/// A remark for each service of the file that is not started although a running one names it in its arguments or environment.
pub(super) fn not_started(compose: &Compose, order: &[&str]) -> Vec<String> {
    let mut remarks = Vec::new();
    for &name in order {
        let Some(service) = compose.project.services.get(name) else { continue };
        let words = words(service);
        for other in compose.names().filter(|other| !order.contains(other)) {
            if words.contains(other) {
                remarks.push(format!(
                    "service {name} mentions {other}, a service of this file that is not started: start it with `depends_on` or --whole"
                ));
            }
        }
    }
    remarks
}

/// Possible host names: the arguments and values of a service, split at characters that names do not have.
fn words(service: &Service) -> BTreeSet<&str> {
    let lists = [service.entrypoint.as_ref(), service.command.as_ref()];
    // The first word is the program.
    let arguments = lists.into_iter().flatten().flat_map(|list| list.iter().skip(1)).map(String::as_str);
    let values = service.environment.values().filter_map(|value| value.as_deref());
    arguments.chain(values).flat_map(hosts).collect()
}

fn hosts(text: &str) -> impl Iterator<Item = &str> {
    let part = |c: char| c.is_alphanumeric() || "-_./".contains(c);
    text.split(move |c| !part(c)).filter_map(|word| {
        // `//db/path` is what a URL has; `/db` and `a/db` are files.
        let host = word.strip_prefix("//").map_or(word, |rest| rest.split('/').next().unwrap_or_default());
        (!host.is_empty() && !host.contains('/')).then_some(host)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::compose::tests::model;
    use super::*;

    fn remarks(function: Value, runs: &[&str]) -> usize {
        let mut function = function;
        function["image"] = "me/f".into();
        let db = json!({"image": "me/db"});
        let compose = model(&json!({"name": "p", "services": {"f": function, "db": db, "aes-go": db}}));
        let remarks = not_started(&compose, runs);
        assert!(remarks.iter().all(|remark| remark.contains("depends_on")), "{remarks:?}");
        remarks.len()
    }

    #[test]
    fn a_service_that_is_called_and_not_started_is_named() {
        let relay = json!({"entrypoint": ["/app/server", "--function-endpoint-url=aes-go", "--function-name=aes-go"]});
        assert_eq!(remarks(relay.clone(), &["f"]), 1);
        assert_eq!(remarks(relay, &["aes-go", "f"]), 0);
        for function in [
            json!({"environment": {"DB": "db:27017"}}),
            json!({"environment": {"DB": "mongodb://me:word@db:27017/name"}}),
            json!({"environment": {"DB": "http://db/path"}}),
            json!({"command": ["serve", "--db", "db"]}),
        ] {
            assert_eq!(remarks(function.clone(), &["f"]), 1, "{function}");
        }
    }

    #[test]
    fn what_is_no_host_is_not() {
        for function in [
            json!({"command": ["db", "--file=/var/db", "a/db", "./db"]}),
            json!({"environment": {"NAME": "mydb", "FILE": "/db", "db": "x"}}),
            json!({"environment": {"TEXT": "db.example.org db-1"}}),
        ] {
            assert_eq!(remarks(function.clone(), &["f"]), 0, "{function}");
        }
    }
}
