//! Messages in JSON, walked through by their kinds.

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Value, json};

/// Whether a message has a JSON form of its own (protobuf.dev, "ProtoJSON Format", "Representation of each type").
pub(crate) fn is_special(kind: &MessageDescriptor) -> bool {
    let Some(name) = kind.full_name().strip_prefix("google.protobuf.") else { return false };
    name.ends_with("Value") || matches!(name, "Any" | "Duration" | "Empty" | "FieldMask" | "Struct" | "Timestamp")
}

/// Whether a message's JSON can be a list.
pub(crate) fn may_be_a_list(kind: &MessageDescriptor) -> bool {
    matches!(kind.full_name(), "google.protobuf.ListValue" | "google.protobuf.Value")
}

/// The field of a message with this name, in proto3 JSON or in the `.proto`.
pub(crate) fn field_named(kind: &MessageDescriptor, name: &str) -> Option<FieldDescriptor> {
    kind.get_field_by_json_name(name).or_else(|| kind.get_field_by_name(name))
}

/// Calls `at` with each `float` of a message: in its fields, maps, extensions, wrappers, and in each `Any` of a known type.
pub(crate) fn each_float(kind: &MessageDescriptor, value: &mut Value, at: &mut impl FnMut(&mut Value)) {
    if kind.full_name() == "google.protobuf.FloatValue" {
        return at(value);
    }
    let Some(map) = value.as_object_mut() else { return };
    if kind.full_name() == "google.protobuf.Any" {
        let name = map.get("@type").and_then(Value::as_str).and_then(|url| url.rsplit('/').next());
        let Some(inner) = name.and_then(|name| kind.parent_pool().get_message_by_name(name)) else { return };
        if !is_special(&inner) {
            return each_float(&inner, value, at);
        }
        // Python's writer leaves out what an `Empty` has not.
        if inner.full_name() == "google.protobuf.Empty" {
            map.entry("value").or_insert_with(|| json!({}));
        }
        if let Some(value) = map.get_mut("value") {
            each_float(&inner, value, at);
        }
        return;
    }
    if is_special(kind) {
        return;
    }
    for (key, value) in map {
        let (of, is_map, is_list) = if key.starts_with('[') {
            let Some(extension) = kind.extensions().find(|extension| extension.json_name() == *key) else { continue };
            (extension.kind(), false, extension.is_list())
        } else {
            let Some(field) = field_named(kind, key) else { continue };
            (field.kind(), field.is_map(), field.is_list())
        };
        let of = match of {
            Kind::Message(entry) if is_map => entry.map_entry_value_field().kind(),
            of => of,
        };
        let mut one = |value: &mut Value| match &of {
            Kind::Float => at(value),
            Kind::Message(kind) => each_float(kind, value, at),
            _ => {}
        };
        match value {
            Value::Object(map) if is_map => map.values_mut().for_each(one),
            Value::Array(list) if is_list => list.iter_mut().for_each(one),
            value => one(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use prost_reflect::DescriptorPool;

    use super::*;
    use crate::path::Path;

    const OLD: &str = "syntax = \"proto2\"; package p; message M { map<string, float> map = 1; repeated M list = 2; extensions 100 to 200; } \
        extend M { optional float part = 100; repeated M more = 101; }";

    fn old() -> MessageDescriptor {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("old.proto"), OLD).unwrap();
        let set = protox::compile(["old.proto"], [folder.path()]).unwrap();
        DescriptorPool::from_file_descriptor_set(set).unwrap().get_message_by_name("p.M").unwrap()
    }

    #[test]
    fn floats_are_found_wherever_they_are() {
        let mut value = json!({"map": {"a": 1.0}, "list": [{"map": {"b": 2.0}}], "[p.part]": 3.0, "[p.more]": [{"[p.part]": 4.0}], "other": 9.0});
        let mut found = Vec::new();
        each_float(&old(), &mut value, &mut |float| found.push(float.take().as_f64().unwrap()));
        found.sort_by(f64::total_cmp);
        assert_eq!(found, [1.0, 2.0, 3.0, 4.0]);
    }

    #[test]
    fn paths_lead_to_extensions() {
        let misses = |path: &str| Path::parse(path).unwrap().misses(&old(), false);
        assert_eq!(misses(".list[0][\"[p.more]\"][*][\"[p.part]\"]"), None);
        assert_eq!(misses(".[\"[p.none]\"]").unwrap(), "p.M has no field [p.none]");
        assert!(misses(".[\"[p.part]\"].x").unwrap().contains("is one value"));
        assert!(misses(".[\"[p.more]\"].list").unwrap().contains("is a list"));
    }
}
