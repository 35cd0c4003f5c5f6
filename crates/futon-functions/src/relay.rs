//! vSwarm's relay: a server in front of a function, which calls the function with its own input and answers with the function's text. The
//! relay's arguments determine the correct answer, so its compose files can be tested unchanged.

use calls::{Call, Declaration};
use serde_json::json;

use super::compose::{Service, is_relay};

/// Calls of a test.
const CALLS: u64 = 20;
/// Largest upper bound for which all inputs are tried.
const MOST: u64 = 1000;

/// The calls to a relay and their expected answers, and a remark if needed. Nothing for other services.
pub(super) fn declaration(service: &Service) -> Option<(Declaration, Option<String>)> {
    if !is_relay(&service.image) {
        return None;
    }
    let lists = [&service.spec.entrypoint, &service.spec.command];
    let words: Vec<&str> = lists.into_iter().flatten().flatten().map(String::as_str).collect();
    let function = flag(&words, "function-name")?;
    let (expect, remark) = match inputs(function, &words) {
        Some(inputs) => (json!({"oracle": function, "oracle_inputs": inputs}), None),
        None => (
            json!({"status": "OK", "matches": {".text": "[^\\s]"}}),
            Some(format!(
                "service {}: futon does not know {function}'s answer to the relay, so any text passes; declare the correct one with `x-futon: {{calls: …}}` or --calls",
                service.name
            )),
        ),
    };
    let call = json!({
        "call": "helloworld.Greeter/SayHello", "data": {"text": "futon {{n}}"}, "times": CALLS, "expect": expect,
    });
    let call: Call = serde_json::from_value(call).ok()?;
    Some((Declaration { calls: vec![call], ..service.hints.clone() }, remark))
}

/// The inputs that the relay may send to a function that futon's oracles know.
fn inputs(function: &str, words: &[&str]) -> Option<Vec<String>> {
    let family = calls::oracle::find(function).ok()?.service;
    let generator = flag(words, "generator").unwrap_or("unique");
    let bound = |name, default| flag(words, name).map_or(Some(default), |text| text.parse::<u64>().ok());
    // How vSwarm-proto's generators make them (grpcclient/*_client.go).
    match (family, generator) {
        (calls::oracle::Service::Fibonacci, "linear") => {
            let (lower, upper) = (bound("lowerBound", 1)?, bound("upperBound", 10)?);
            // Its count begins with 0, whatever the lower bound is.
            (lower <= upper && upper <= MOST).then(|| (1..=upper).map(|n| n.to_string()).collect())
        }
        (calls::oracle::Service::Fibonacci, "random") => {
            let (lower, upper) = (bound("lowerBound", 1)?, bound("upperBound", 10)?);
            (lower <= upper && upper <= MOST).then(|| (lower..=upper).map(|n| n.to_string()).collect())
        }
        (calls::oracle::Service::Fibonacci, "unique") => {
            Some(vec![flag(words, "value").unwrap_or("helloWorld").to_owned()])
        }
        (calls::oracle::Service::Auth, "random") => {
            Some(["allow", "deny", "unauthorized", "bla bla"].map(str::to_owned).into())
        }
        (calls::oracle::Service::Aes | calls::oracle::Service::Auth, "unique") => {
            Some(vec!["A unique message".to_owned()])
        }
        (calls::oracle::Service::Aes | calls::oracle::Service::Auth, "linear") => {
            Some(vec!["A linear message".to_owned()])
        }
        _ => None,
    }
}

/// A flag's value, as Go's package `flag` reads it; the last if there are several.
fn flag<'a>(words: &[&'a str], name: &str) -> Option<&'a str> {
    let mut found = None;
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        let Some(given) = word.strip_prefix("--").or_else(|| word.strip_prefix('-')) else { continue };
        match given.split_once('=') {
            Some((key, value)) if key == name => found = Some(value),
            None if given == name => found = rest.next().copied(),
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::compose::tests::model;
    use super::*;

    fn expect(image: &str, words: &[&str]) -> Option<(Value, bool)> {
        let compose = model(&json!({"name": "p", "services": {"relay": {"image": image, "entrypoint": words}}}));
        let (declared, remark) = declaration(&compose.service("relay").unwrap())?;
        assert_eq!(declared.calls[0].call.as_deref(), Some("helloworld.Greeter/SayHello"));
        let expect = serde_json::to_value(declared.calls[0].expect.clone().unwrap()).unwrap();
        // It can be resolved as it is.
        let options = calls::Options {
            schema: Some(calls::built_in_schema(calls::oracle::Service::HelloWorld).unwrap()),
            ..calls::Options::default()
        };
        assert_eq!(calls::Sheet::resolve(declared, std::path::Path::new("."), &options).unwrap().planned(), (CALLS, 0));
        Some((expect, remark.is_some()))
    }

    #[test]
    fn a_relay_answers_with_the_text_of_the_function_behind_it() {
        let image = "vhiveease/relay:latest";
        let (said, remark) = expect(image, &["/app/server", "--addr=0.0.0.0:50000", "--function-name=aes-go"]).unwrap();
        assert_eq!(
            (&said["oracle"], &said["oracle_inputs"], remark),
            (&json!("aes-go"), &json!(["A unique message"]), false)
        );
        let words = [
            "/app/server",
            "-function-name",
            "fibonacci-python",
            "--value=10",
            "--generator=linear",
            "--upperBound",
            "3",
        ];
        let (said, _) = expect(image, &words).unwrap();
        assert_eq!((&said["oracle"], &said["oracle_inputs"]), (&json!("fibonacci-python"), &json!(["1", "2", "3"])));
        let (said, _) = expect(image, &["x", "--function-name=fibonacci-go", "--value=7"]).unwrap();
        assert_eq!(said["oracle_inputs"], json!(["7"]));
    }

    #[test]
    fn what_is_not_known_is_said() {
        for words in [
            &["x", "--function-name=geo"][..],
            &["x", "--function-name=aes-go", "--generator=random"],
            &["x", "--function-name=fibonacci-go", "--generator=linear", "--upperBound=100000"],
        ] {
            let (said, remark) = expect("me/relay", words).unwrap();
            assert!(remark && said.get("oracle").is_none() && said["matches"].is_object(), "{words:?} {said}");
        }
        assert!(expect("me/relay", &["x"]).is_none());
        assert!(expect("me/other", &["x", "--function-name=aes-go"]).is_none());
    }
}
