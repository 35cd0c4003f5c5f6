//! The published schema of `futon.toml`, made from the types.

use std::collections::BTreeMap;
use std::path::Path;

use futon_model::{GenType, Limits};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde_json::{Value, json};

use super::{AccelWanted, ClientConfig, Config, Gem5Config, MachineConfig, OnMachine, TestConfig, Thaw};
use crate::settings::SCHEMA;

/// With this variable set, the published schema is rewritten.
const WRITE: &str = "FUTON_WRITE_SCHEMA";

fn words(words: &[impl Serialize], default: Option<&Value>) -> Schema {
    let mut schema = json_schema!({ "type": "string", "enum": serde_json::to_value(words).unwrap() });
    if let Some(default) = default {
        schema.insert("default".into(), default.clone());
    }
    schema
}

pub(super) fn on(_: &mut SchemaGenerator) -> Schema {
    words(&[OnMachine::Qemu, OnMachine::Gem5], None)
}

pub(super) fn base(_: &mut SchemaGenerator) -> Schema {
    words(&[futon_model::Base::Docker, futon_model::Base::Lean], None)
}

pub(super) fn accel(_: &mut SchemaGenerator) -> Schema {
    words(&[AccelWanted::Auto, AccelWanted::Kvm, AccelWanted::Tcg], None)
}

pub(super) fn network(_: &mut SchemaGenerator) -> Schema {
    words(&[futon_model::Network::Isolated, futon_model::Network::Host], Some(&json!("isolated")))
}

pub(super) fn thaw(_: &mut SchemaGenerator) -> Schema {
    words(&[Thaw::Off, Thaw::Auto], Some(&json!("off")))
}

pub(super) fn gen_type(_: &mut SchemaGenerator) -> Schema {
    words(&GenType::ALL, Some(&json!("unique")))
}

pub(super) fn limits(_: &mut SchemaGenerator) -> Schema {
    let defaults = serde_json::to_value(Limits::default()).unwrap();
    let limit = |name: &str| json!({ "type": "string", "default": defaults[name] });
    let properties: serde_json::Map<String, Value> =
        Limits::NAMES.iter().map(|name| ((*name).to_owned(), limit(name))).collect();
    json_schema!({ "type": "object", "properties": properties, "additionalProperties": false })
}

/// Settings of a project (docs/config.md).
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[allow(dead_code, reason = "only its schema is used")]
struct File {
    /// The machine.
    #[schemars(default)]
    machine: MachineConfig,
    /// How tests are run.
    #[schemars(default)]
    test: TestConfig,
    /// The test client.
    #[schemars(default)]
    client: ClientConfig,
    /// Limits of all waits: durations as in 90s or 5m.
    #[schemars(default, schema_with = "limits")]
    limits: Limits,
    /// The simulated machine; no effect on others.
    #[schemars(default)]
    gem5: Gem5Config,
    /// Sets of settings that --profile NAME or `FUTON_PROFILE` puts over the others.
    #[schemars(default)]
    profile: BTreeMap<String, Profile>,
    /// Settings of one function, by its name; they win over profiles.
    #[schemars(default)]
    function: BTreeMap<String, Function>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[allow(dead_code, reason = "only its schema is used")]
struct Profile {
    /// The profile that this one is put over.
    inherits: Option<String>,
    /// The machine.
    #[schemars(default)]
    machine: MachineConfig,
    /// How tests are run.
    #[schemars(default)]
    test: TestConfig,
    /// The test client.
    #[schemars(default)]
    client: ClientConfig,
    /// Limits of all waits.
    #[schemars(default, schema_with = "limits")]
    limits: Limits,
    /// The simulated machine.
    #[schemars(default)]
    gem5: Gem5Config,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[allow(dead_code, reason = "only its schema is used")]
struct Function {
    /// The test client.
    #[schemars(default)]
    client: ClientConfig,
    /// Limits of all waits.
    #[schemars(default, schema_with = "limits")]
    limits: Limits,
}

#[test]
fn the_published_schema_is_that_of_the_types() {
    let generator = SchemaSettings::default().with(|settings| settings.inline_subschemas = true).into_generator();
    let mut schema = serde_json::to_value(generator.into_root_schema_for::<File>()).unwrap();
    schema["title"] = "futon.toml".into();
    // What is absent is the default: a part of a file is a whole one.
    without_table_defaults(&mut schema);
    if std::env::var_os(WRITE).is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/schema/config-1.json");
        std::fs::write(path, serde_json::to_string_pretty(&schema).unwrap() + "\n").unwrap();
        return;
    }
    let published: Value = serde_json::from_str(SCHEMA).unwrap();
    assert!(published == schema, "the settings have changed: {WRITE}=1 writes docs/schema/config-1.json anew");
}

fn without_table_defaults(schema: &mut Value) {
    let Value::Object(map) = schema else { return };
    if map.contains_key("properties") || map.contains_key("additionalProperties") {
        map.remove("default");
    }
    for part in ["properties", "additionalProperties"] {
        match map.get_mut(part) {
            Some(Value::Object(parts)) if part == "properties" => parts.values_mut().for_each(without_table_defaults),
            Some(other) => without_table_defaults(other),
            None => {}
        }
    }
}

/// Every setting is in the schema, and nothing else is.
#[test]
fn the_schema_has_the_keys_that_are_read() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let config = serde_json::to_value(Config::default()).unwrap();
    for (section, keys) in config.as_object().unwrap() {
        let described = schema["properties"][section]["properties"].as_object().unwrap();
        let keys: Vec<&String> = keys.as_object().unwrap().keys().collect();
        let mut described: Vec<&String> = described.keys().collect();
        described.sort();
        assert_eq!(described, keys, "{section}");
    }
}
