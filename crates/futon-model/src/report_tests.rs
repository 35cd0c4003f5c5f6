//! The form of `report.json`: the published schema, and files that stay as they are.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::{EVENT_SCHEMA, REPORT_SCHEMA, Report, RunEvent};

/// With this variable set, the published schema is rewritten.
const WRITE: &str = "FUTON_WRITE_SCHEMA";

fn schema_file(schema: &str) -> PathBuf {
    let name = schema.replace("futon.", "").replace('/', "-");
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../docs/schema/{name}.json"))
}

fn golden(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(name);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Forbids what is not described: a field that the schema lacks must not pass.
fn strict(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            map.values_mut().for_each(strict);
            if map.contains_key("properties") {
                map.insert("additionalProperties".into(), false.into());
            }
        }
        Value::Array(list) => list.iter_mut().for_each(strict),
        _ => {}
    }
}

/// What is wrong with a report by the published schema.
fn problems(report: &Value) -> Vec<String> {
    let mut schema: Value = serde_json::from_slice(&std::fs::read(schema_file(REPORT_SCHEMA)).unwrap()).unwrap();
    strict(&mut schema);
    let validator = jsonschema::validator_for(&schema).unwrap();
    validator.iter_errors(report).map(|e| format!("{}: {e}", e.instance_path())).collect()
}

#[test]
fn the_published_schemas_are_those_of_the_types() {
    for (name, schema) in
        [(REPORT_SCHEMA, schemars::schema_for!(Report)), (EVENT_SCHEMA, schemars::schema_for!(RunEvent))]
    {
        let mut schema = serde_json::to_value(schema).unwrap();
        schema["title"] = name.into();
        schema["properties"]["schema"]["const"] = name.into();
        if std::env::var_os(WRITE).is_some() {
            let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
            std::fs::write(schema_file(name), text).unwrap();
        }
        let published: Value = serde_json::from_slice(&std::fs::read(schema_file(name)).unwrap()).unwrap();
        assert!(
            published == schema,
            "the form of {name} has changed: {WRITE}=1 writes docs/schema/ anew; a field that is gone or means something else needs a new number"
        );
    }
}

/// Reports of today are read and written as they are, byte for byte.
#[test]
fn golden_reports_keep_their_form() {
    for name in ["passed.json", "failed.json", "simulated.json"] {
        let report = golden(name);
        assert_eq!(problems(&report), [""; 0], "{name}");
        let read: Report = serde_json::from_value(report.clone()).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), report, "{name}");
    }
}

/// Fields are only added: what the first futon wrote can be read still, and what it wrote means the same.
#[test]
fn the_oldest_report_can_be_read() {
    let oldest = golden("oldest.json");
    let read: Report = serde_json::from_value(oldest.clone()).unwrap();
    let written = serde_json::to_value(&read).unwrap();
    assert!(holds(&written, &oldest), "{written}");
    assert_eq!(
        (read.summary.flaky, read.functions[0].attempts, read.functions[0].machine.fork.is_none()),
        (0, 1, true)
    );
}

/// Whether `new` has all of `old`.
fn holds(new: &Value, old: &Value) -> bool {
    match (new, old) {
        (Value::Object(new), Value::Object(old)) => {
            old.iter().all(|(name, old)| new.get(name).is_some_and(|new| holds(new, old)))
        }
        (Value::Array(new), Value::Array(old)) => {
            new.len() == old.len() && new.iter().zip(old).all(|(new, old)| holds(new, old))
        }
        (new, old) => new == old,
    }
}

/// The example of the documentation is a report.
#[test]
fn the_documented_report_is_one() {
    let page = include_str!("../../../docs/report.md");
    let (_, rest) = page.split_once("```json\n").unwrap();
    let example = rest.split_once("```").unwrap().0.replace("sha256:…", &format!("sha256:{}", "0".repeat(64)));
    let example: Value = serde_json::from_str(&example).unwrap();
    assert_eq!(problems(&example), [""; 0]);
    serde_json::from_value::<Report>(example).unwrap();
}

#[test]
fn the_schema_refuses_what_is_no_report() {
    let good = golden("passed.json");
    for (change, place) in [
        (Box::new(|r: &mut Value| r["summary"]["passed"] = "one".into()) as Box<dyn Fn(&mut Value)>, "/summary/passed"),
        (Box::new(|r| r["functions"][0]["verdict"]["code"] = "no_such_code".into()), "/functions/0/verdict/code"),
        (Box::new(|r| r["functions"][0]["surprise"] = 1.into()), "/functions/0"),
        (Box::new(|r| r["schema"] = "futon.report/2".into()), "/schema"),
        (Box::new(|r| drop(r["functions"][0].as_object_mut().unwrap().remove("verdict"))), "/functions/0"),
    ] {
        let mut bad = good.clone();
        change(&mut bad);
        let found = problems(&bad);
        assert!(found.iter().any(|problem| problem.starts_with(place)), "{place}: {found:?}");
    }
}
