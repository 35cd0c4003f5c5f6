//! Example data: a message in which each field has a value of its type.

use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Number, Value, json};

use crate::schema::Schema;

/// A method, for people and for writing a call of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Method {
    /// Service by full name.
    pub service: String,
    /// Name.
    pub name: String,
    /// Full name of the request.
    pub input: String,
    /// Full name of the reply.
    pub output: String,
    /// Whether the client sends a stream.
    pub client_stream: bool,
    /// Whether the server does.
    pub server_stream: bool,
    /// A request in proto3 JSON; where the client sends a stream a list of one.
    pub example: Value,
}

impl Method {
    /// `package.Service/Method`.
    #[must_use]
    pub fn call(&self) -> String {
        format!("{}/{}", self.service, self.name)
    }

    /// One of gRPC's four kinds.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match (self.client_stream, self.server_stream) {
            (false, false) => "unary",
            (true, false) => "client stream",
            (false, true) => "server stream",
            (true, true) => "stream both ways",
        }
    }
}

impl Schema {
    /// All methods, with example data.
    #[must_use]
    pub fn examples(&self) -> Vec<Method> {
        let of = |service: prost_reflect::ServiceDescriptor| {
            let methods: Vec<Method> = service
                .methods()
                .map(|method| {
                    let one = Example::default().message(&method.input());
                    Method {
                        service: service.full_name().to_owned(),
                        name: method.name().to_owned(),
                        input: method.input().full_name().to_owned(),
                        output: method.output().full_name().to_owned(),
                        client_stream: method.is_client_streaming(),
                        server_stream: method.is_server_streaming(),
                        example: if method.is_client_streaming() { json!([one]) } else { one },
                    }
                })
                .collect();
            methods
        };
        self.services().flat_map(of).collect()
    }
}

/// Messages within messages that are written out.
const DEPTH: usize = 6;
/// Fields of a whole example: some messages have more than anyone reads.
const FIELDS: usize = 200;

#[derive(Default)]
struct Example {
    /// Messages that are being written: one within itself is left out.
    within: Vec<String>,
    fields: usize,
}

impl Example {
    fn message(&mut self, kind: &MessageDescriptor) -> Value {
        if kind.full_name() == "google.protobuf.Any" {
            return self.any(kind);
        }
        if let Some(known) = well_known(kind) {
            return known;
        }
        self.within.push(kind.full_name().to_owned());
        let mut object = Map::new();
        for field in kind.fields() {
            // Of a oneof the first member; an optional field is a oneof of its own.
            let first = field.containing_oneof().is_none_or(|one| one.fields().next().is_some_and(|f| f == field));
            if !first || self.fields >= FIELDS {
                continue;
            }
            if let Some(value) = self.field(&field) {
                self.fields += 1;
                object.insert(field.json_name().to_owned(), value);
            }
        }
        self.within.pop();
        Value::Object(object)
    }

    /// A message of a type that the schema has: the one that it stands in, or any.
    fn any(&self, kind: &MessageDescriptor) -> Value {
        let pool = kind.parent_pool();
        let other = pool.all_messages().find(|message| well_known(message).is_none()).map(|m| m.full_name().to_owned());
        let name = self.within.first().cloned().or(other).unwrap_or_else(|| kind.full_name().to_owned());
        json!({"@type": format!("type.googleapis.com/{name}")})
    }

    fn field(&mut self, field: &FieldDescriptor) -> Option<Value> {
        if field.is_map() {
            let Kind::Message(entry) = field.kind() else { return None };
            let key = match entry.map_entry_key_field().kind() {
                Kind::String => "key",
                Kind::Bool => "true",
                _ => "1",
            };
            let value = self.value(&entry.map_entry_value_field().kind())?;
            return Some(json!({ key: value }));
        }
        let value = self.value(&field.kind())?;
        Some(if field.is_list() { json!([value]) } else { value })
    }

    /// Nothing for a message that would be within itself, or too deep.
    fn value(&mut self, kind: &Kind) -> Option<Value> {
        Some(match kind {
            Kind::Double | Kind::Float => Number::from_f64(1.5).map_or(Value::Null, Value::Number),
            Kind::Bool => Value::Bool(true),
            Kind::String => json!("text"),
            // The bytes of `text`.
            Kind::Bytes => json!("dGV4dA=="),
            Kind::Enum(kind) => enum_value(kind),
            Kind::Message(kind) if self.within.len() >= DEPTH || self.within.iter().any(|n| n == kind.full_name()) => {
                return None;
            }
            Kind::Message(kind) => self.message(kind),
            _ => json!(1),
        })
    }
}

/// The first value that is not the default: zero says nothing.
fn enum_value(kind: &EnumDescriptor) -> Value {
    if kind.full_name() == "google.protobuf.NullValue" {
        return Value::Null;
    }
    let named = kind.values().find(|value| value.number() != 0).or_else(|| kind.values().next());
    named.map_or_else(|| json!(0), |value| json!(value.name()))
}

/// The messages that have a JSON of their own.
fn well_known(kind: &MessageDescriptor) -> Option<Value> {
    Some(match kind.full_name().strip_prefix("google.protobuf.")? {
        "Timestamp" => json!("2026-01-01T00:00:00Z"),
        "Duration" => json!("1.5s"),
        "Empty" => json!({}),
        "FieldMask" => json!("field"),
        "Struct" => json!({"key": "text"}),
        "Value" | "StringValue" => json!("text"),
        "ListValue" => json!(["text"]),
        "BoolValue" => json!(true),
        "BytesValue" => json!("dGV4dA=="),
        "DoubleValue" | "FloatValue" => json!(1.5),
        "Int32Value" | "Int64Value" | "UInt32Value" | "UInt64Value" => json!(1),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::declare::SchemaSource;
    use crate::schema::from_json;

    const PROTO: &str = r#"
        syntax = "proto3"; package a;
        import "google/protobuf/any.proto"; import "google/protobuf/timestamp.proto"; import "google/protobuf/duration.proto";
        import "google/protobuf/struct.proto"; import "google/protobuf/wrappers.proto"; import "google/protobuf/empty.proto";
        import "google/protobuf/field_mask.proto";
        enum Color { NONE = 0; RED = 1; } enum Only { ZERO = 0; }
        message In {
          string name = 1; int64 big = 2; double d = 3; bool b = 4; bytes raw = 5; Color color = 6; Only only = 7;
          repeated Color colors = 8; map<int32, Inner> by = 9; map<string, bytes> raws = 10; map<bool, string> flags = 11;
          oneof which { uint32 left = 12; string right = 13; } optional float maybe = 14;
          Inner inner = 15; repeated Inner inners = 16; In self = 17; repeated In selves = 18;
          google.protobuf.Any any = 20; google.protobuf.Timestamp at = 21; google.protobuf.Duration took = 22;
          google.protobuf.Struct object = 23; google.protobuf.Value value = 24; google.protobuf.ListValue list = 25;
          google.protobuf.NullValue null = 26; google.protobuf.Empty empty = 27; google.protobuf.FieldMask mask = 28;
          google.protobuf.Int64Value wrapped = 29; google.protobuf.StringValue text = 30; google.protobuf.BytesValue bytes = 31;
          google.protobuf.DoubleValue number = 32; google.protobuf.BoolValue truth = 33; fixed64 f = 34; sint32 s = 35;
        }
        message Inner { string snake_case = 1; In back = 2; }
        service S { rpc One(In) returns (Inner); rpc Up(stream Inner) returns (Inner); rpc Down(Inner) returns (stream In);
                    rpc Both(stream Inner) returns (stream Inner); }
    "#;

    fn schema(text: &str) -> Schema {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.proto"), text).unwrap();
        let source = SchemaSource { proto: vec!["a.proto".into()], ..SchemaSource::default() };
        Schema::read(&source, folder.path()).unwrap()
    }

    #[test]
    fn every_field_has_a_value_that_the_schema_takes() {
        let schema = schema(PROTO);
        let methods = schema.examples();
        let kinds: Vec<_> = methods.iter().map(|m| format!("{} {}", m.call(), m.kind())).collect();
        assert_eq!(
            kinds,
            ["a.S/One unary", "a.S/Up client stream", "a.S/Down server stream", "a.S/Both stream both ways"]
        );
        let one = &methods[0].example;
        let kind = schema.method("a.S/One").unwrap().input();
        let taken = from_json(&kind, one).unwrap_or_else(|c| panic!("{one:#}: {}: {}", c.path, c.why));
        // All but the second member of the oneof, the message within itself, and what has its default.
        let absent: Vec<_> = kind.fields().filter(|f| !taken.has_field(f)).map(|f| f.name().to_owned()).collect();
        assert_eq!(absent, ["only", "right", "self", "selves", "null"], "{one:#}");
        assert_eq!((&one["color"], &one["by"]["1"]["snakeCase"]), (&json!("RED"), &json!("text")));
        assert_eq!(methods[1].example, json!([{"snakeCase": "text", "back": methods[1].example[0]["back"]}]));
    }

    #[test]
    fn a_schema_of_many_fields_ends() {
        let mut text = String::from("syntax = \"proto3\"; package a; service S { rpc Do(M0) returns (M0); }");
        for n in 0..40 {
            let fields: String = (0..40).map(|f| format!("M{} f{f} = {};", (n + f) % 40, f + 1)).collect();
            text.push_str(&format!("message M{n} {{ {fields} }}"));
        }
        let example = schema(&text).examples().remove(0).example;
        assert!(example.to_string().len() < 20_000, "{}", example.to_string().len());
    }
}
