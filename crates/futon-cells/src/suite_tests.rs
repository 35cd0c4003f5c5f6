//! The form of `suite.json` and of files of durations.

use std::path::{Path, PathBuf};

use futon_model::Cell;
use serde_json::{Value, json};

use crate::suite::{SuiteFile, result_digest};
use crate::{SUITE_FILE, SUITE_SCHEMA, Shard, Suite, TIMINGS_SCHEMA, Timings, Unit, Weights};

fn cell(function: &str, kernel: &str) -> Cell {
    let inputs = [("function", function), ("kernel", kernel), ("machine", "qemu")];
    Cell::of(inputs.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
}

fn suite() -> Suite {
    let weights = Weights { unit: Unit::Bytes, each: vec![10, 30, 20] };
    let functions = vec![
        ("a".to_owned(), Ok(cell("a", "sha256:1"))),
        ("b".to_owned(), Ok(cell("b", "sha256:1"))),
        ("c".to_owned(), Err("its schema is not known yet".to_owned())),
    ];
    Suite::new("0.2.0", "qemu/docker", Shard::new(2, 2).unwrap(), &weights, functions)
}

#[test]
fn a_suite_is_read_as_it_was_written_and_common_inputs_are_written_once() {
    let folder = tempfile::tempdir().unwrap();
    let suite = suite();
    suite.write(folder.path()).unwrap();
    let read = Suite::read(folder.path()).unwrap();
    assert_eq!(read.shard, suite.shard);
    assert_eq!(format!("{read:?}"), format!("{suite:?}"));
    assert!(read.functions.iter().filter_map(|member| member.cell.as_ref().ok()).all(Cell::is_whole));
    let text: Value = serde_json::from_slice(&std::fs::read(folder.path().join(SUITE_FILE)).unwrap()).unwrap();
    assert_eq!(text["common"], json!({"kernel": "sha256:1", "machine": "qemu"}));
    assert_eq!(text["functions"][1]["inputs"], json!({"function": "b"}));
    assert_eq!((&text["shard"], &text["functions"][1]["shard"]), (&json!("2/2"), &json!(1)));
    assert_eq!(text["functions"][2]["no_cell"], "its schema is not known yet");
    assert_eq!(problems(SUITE_SCHEMA, &text), [""; 0]);
}

#[test]
fn a_result_is_the_same_whatever_the_order_of_its_fields() {
    let one: Value = serde_json::from_str(r#"{"name": "a", "duration_ms": 7, "load": {"p": 1.10, "a": 7.0}}"#).unwrap();
    let other: Value = serde_json::from_str(r#"{"load":{"a":7.0,"p":1.1},"duration_ms":7,"name":"a"}"#).unwrap();
    assert_eq!(result_digest(&one).unwrap(), result_digest(&other).unwrap());
    let altered: Value = serde_json::from_str(r#"{"load":{"a":7.0,"p":1.1},"duration_ms":8,"name":"a"}"#).unwrap();
    assert_ne!(result_digest(&one).unwrap(), result_digest(&altered).unwrap());
}

fn schema_file(schema: &str) -> PathBuf {
    let name = schema.replace("futon.", "").replace('/', "-");
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../docs/schema/{name}.json"))
}

fn problems(schema: &str, value: &Value) -> Vec<String> {
    let schema: Value = serde_json::from_slice(&std::fs::read(schema_file(schema)).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    validator.iter_errors(value).map(|e| format!("{}: {e}", e.instance_path())).collect()
}

#[test]
fn the_published_schemas_are_those_of_the_types() {
    // The same variable as for report.json.
    let write = std::env::var_os("FUTON_WRITE_SCHEMA").is_some();
    for (name, schema) in
        [(SUITE_SCHEMA, schemars::schema_for!(SuiteFile)), (TIMINGS_SCHEMA, schemars::schema_for!(Timings))]
    {
        let mut schema = serde_json::to_value(schema).unwrap();
        schema["title"] = name.into();
        schema["properties"]["schema"]["const"] = name.into();
        if write {
            std::fs::write(schema_file(name), serde_json::to_string_pretty(&schema).unwrap() + "\n").unwrap();
        }
        let published: Value = serde_json::from_slice(&std::fs::read(schema_file(name)).unwrap()).unwrap();
        assert!(published == schema, "{name} has changed: FUTON_WRITE_SCHEMA=1 writes docs/schema/ anew");
    }
    let timings = json!({"schema": TIMINGS_SCHEMA, "machines": {"qemu/docker": {"a": 1.5}}});
    assert_eq!(problems(TIMINGS_SCHEMA, &timings), [""; 0]);
    serde_json::from_value::<Timings>(timings).unwrap();
}

#[test]
fn a_file_that_is_no_suite_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    for text in [
        "{}",
        "[1",
        r#"{"schema": "futon.suite/9", "futon": "", "machine": "", "shard": "1/1", "weighed_by": "bytes", "common": {}, "functions": []}"#,
        r#"{"schema": "futon.suite/1", "futon": "", "machine": "", "shard": "3/2", "weighed_by": "bytes", "common": {}, "functions": []}"#,
    ] {
        std::fs::write(folder.path().join(SUITE_FILE), text).unwrap();
        let error = Suite::read(folder.path()).unwrap_err().to_string();
        assert!(error.contains(SUITE_FILE), "{error}");
    }
}
