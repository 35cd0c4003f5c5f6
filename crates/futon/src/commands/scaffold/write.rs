//! The compose file's text.

use calls::{Method, SchemaSource};
use futon_common::text::one_line;
use serde_json::{Value, json};

use crate::commands::describe::Described;

/// Columns in which data stand in one line.
const LINE: usize = 100;

/// What the file says.
pub struct Contents {
    /// Name of the service.
    pub service: String,
    image: String,
    digest: String,
    port: u16,
    /// Whether it wants TLS.
    pub tls: bool,
    /// Whether the server tells its health, and is asked without TLS.
    pub health: bool,
    /// Where the messages are described.
    pub schema: SchemaSource,
    /// The schema to write beside the file.
    pub protoset_bytes: Option<Vec<u8>>,
    /// Methods to call.
    pub methods: Vec<Method>,
    /// The status of `GET /`, where the function speaks HTTP.
    pub http: Option<u16>,
}

impl Contents {
    pub fn new(service: &str, described: &Described, port: u16) -> Self {
        Self {
            service: service.to_owned(),
            image: described.image.clone(),
            digest: described.digest.to_string(),
            port,
            tls: false,
            health: false,
            schema: SchemaSource::default(),
            protoset_bytes: None,
            methods: Vec::new(),
            http: None,
        }
    }

    /// How many calls it has.
    pub fn calls(&self) -> usize {
        if self.http.is_some() { 2 } else { self.methods.len() }
    }
}

/// The file. JSON is YAML, but for Compose's dollar signs.
pub fn compose_file(contents: &Contents) -> String {
    let Contents { service, image, digest, port, .. } = contents;
    let name = scalar(service);
    let mut lines = vec![
        format!("# Written by `futon scaffold` from {}, {digest}.", one_line(image)),
        "#".to_owned(),
        "# The data are examples that fit each field's type: replace them with real requests and expected replies"
            .to_owned(),
        "# (docs/calls.md). Or save today's replies and compare later ones with them: write".to_owned(),
        "# `expect: {snapshot: NAME}` with a different name for each call, and run `futon test` once with --accept."
            .to_owned(),
        "services:".to_owned(),
        format!("  {name}:"),
        format!("    image: {}", scalar(image)),
        "    container_name: function".to_owned(),
        format!("    ports: [\"50000:{port}\"]"),
        "    x-futon:".to_owned(),
        format!("      port: {port}"),
    ];
    match contents.http {
        Some(status) => {
            lines.extend([
                "      ready: {http: GET /}".to_owned(),
                "      calls:".to_owned(),
                "        - http: GET /".to_owned(),
                format!("          expect: {{status: {status}}}"),
                "        - http: POST /".to_owned(),
                "          json: {\"text\": \"text\"}".to_owned(),
                "          expect: {status: 2xx}".to_owned(),
            ]);
            if !(200..300).contains(&status) {
                // Any answer will do, then.
                lines.retain(|line| !line.contains("ready:"));
            }
        }
        None => {
            lines.push(format!("      schema: {}", schema(&contents.schema)));
            if contents.tls {
                lines.push("      tls: {accept: true}".to_owned());
            }
            if contents.health {
                lines.push("      ready: {grpc_health: true}".to_owned());
            }
            lines.push("      calls:".to_owned());
            for method in &contents.methods {
                lines.extend(call(method));
            }
        }
    }
    lines.join("\n") + "\n"
}

/// What describes the messages.
fn schema(source: &SchemaSource) -> String {
    match &source.protoset {
        _ if source.reflection => "{reflection: true}".to_owned(),
        Some(file) => format!("{{protoset: {}}}", scalar(file)),
        None => format!("{{proto: [{}]}}", source.proto.iter().map(|file| scalar(file)).collect::<Vec<_>>().join(", ")),
    }
}

fn call(method: &Method) -> Vec<String> {
    let mut lines = vec![
        format!("        # {}: {} to {}", method.kind(), one_line(&method.input), one_line(&method.output)),
        format!("        - call: {}", scalar(&method.call())),
    ];
    lines.extend(data(&method.example));
    lines.push("          expect: {status: OK}".to_owned());
    lines
}

/// In one line where they fit, else one for each field.
fn data(example: &Value) -> Vec<String> {
    let line = format!("          data: {}", dollars(&spaced(example)));
    if line.len() <= LINE {
        return vec![line];
    }
    let whole = serde_json::to_string_pretty(example).unwrap_or_default();
    let mut lines = vec!["          data:".to_owned()];
    lines.extend(dollars(&whole).lines().map(|line| format!("            {line}")));
    lines
}

/// JSON in one line, with blanks where people put them. A text of an example has neither commas nor colons but in dates.
fn spaced(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let inner: Vec<String> =
                map.iter().map(|(key, value)| format!("{}: {}", json!(key), spaced(value))).collect();
            format!("{{{}}}", inner.join(", "))
        }
        Value::Array(list) => format!("[{}]", list.iter().map(spaced).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

/// A text in YAML: as it is where nobody can misread it, else quoted as JSON.
fn scalar(text: &str) -> String {
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && !matches!(
            text.to_ascii_lowercase().as_str(),
            "true" | "false" | "yes" | "no" | "on" | "off" | "null" | "y" | "n"
        )
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_./:@-".contains(&b))
        && !text.ends_with(':');
    if plain { text.to_owned() } else { dollars(&json!(text).to_string()) }
}

/// Compose replaces what follows a dollar sign; two of them are one.
fn dollars(text: &str) -> String {
    text.replace('$', "$$")
}

#[cfg(test)]
mod tests {
    use calls::{Declaration, Options, Schema, Sheet, Source};

    use super::*;

    const PROTO: &str = r#"syntax = "proto3"; package zoo;
        import "google/protobuf/timestamp.proto"; import "google/protobuf/any.proto";
        enum Diet { ANY = 0; PLANTS = 1; }
        message Animal { string name = 1; Diet diet = 2; repeated Animal young = 3; map<string, double> sizes = 4;
                         google.protobuf.Timestamp born = 5; oneof place { uint64 cage = 6; string lake = 7; }
                         google.protobuf.Any more = 8; bytes photo = 9; }
        message Name { string name = 1; }
        service Zoo { rpc Find(Name) returns (Animal); rpc Add(stream Animal) returns (Name);
                      rpc Walk(Name) returns (stream Animal); rpc Talk(stream Name) returns (stream Name); }"#;

    fn contents(folder: &std::path::Path) -> Contents {
        std::fs::write(folder.join("zoo.proto"), PROTO).unwrap();
        let source = SchemaSource { proto: vec!["zoo.proto".into()], ..SchemaSource::default() };
        Contents {
            service: "zoo-rust".into(),
            image: "futon/zoo-rust:latest".into(),
            digest: "sha256:1".into(),
            port: 50051,
            tls: false,
            health: true,
            methods: Schema::read(&source, folder).unwrap().examples(),
            schema: source,
            protoset_bytes: None,
            http: None,
        }
    }

    /// The declaration in a compose file, as Compose would hand it on.
    fn declared(text: &str) -> Declaration {
        let document: Value =
            serde_saphyr::from_str(&text.replace("$$", "$")).unwrap_or_else(|e| panic!("{e}\n{text}"));
        let service = &document["services"].as_object().unwrap().values().next().unwrap();
        assert_eq!(service["ports"], json!(["50000:50051"]));
        Declaration::from_value(service["x-futon"].clone(), &Source::default())
            .unwrap_or_else(|e| panic!("{e}\n{text}"))
    }

    #[test]
    fn what_is_written_can_be_called_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let contents = contents(folder.path());
        let text = compose_file(&contents);
        let sheet = Sheet::resolve(declared(&text), folder.path(), &Options::default())
            .unwrap_or_else(|e| panic!("{e}\n{text}"));
        assert_eq!((sheet.encode().unwrap().calls.len(), contents.calls()), (4, 4), "{text}");
        for words in ["--accept", "snapshot", "# client stream: zoo.Animal to zoo.Name", "ready: {grpc_health: true}"] {
            assert!(text.contains(words), "{words}: {text}");
        }
        assert!(text.contains("data: {\"name\": \"text\"}\n"), "{text}");
    }

    #[test]
    fn a_function_that_wants_tls_is_called_over_it() {
        let folder = tempfile::tempdir().unwrap();
        let text = compose_file(&Contents { tls: true, health: false, ..contents(folder.path()) });
        let sheet = Sheet::resolve(declared(&text), folder.path(), &Options::default()).unwrap();
        assert!(sheet.encode().unwrap().tls.is_some(), "{text}");
    }

    #[test]
    fn functions_of_http_are_got_and_posted_to() {
        let folder = tempfile::tempdir().unwrap();
        for (status, ready) in [(200, true), (404, false)] {
            let text = compose_file(&Contents { http: Some(status), ..contents(folder.path()) });
            let declaration = declared(&text);
            assert_eq!((declaration.calls.len(), declaration.ready.is_some()), (2, ready), "{text}");
            Sheet::resolve(declaration, folder.path(), &Options::default()).unwrap();
        }
    }

    #[test]
    fn names_that_yaml_would_misread_are_quoted() {
        for (text, written) in [
            ("zoo.Zoo/Find", "zoo.Zoo/Find"),
            ("me/f@sha256:1", "me/f@sha256:1"),
            ("on", "\"on\""),
            ("1e5", "\"1e5\""),
            ("a: b", "\"a: b\""),
            ("a$b", "\"a$$b\""),
            ("a\nb", "\"a\\nb\""),
        ] {
            assert_eq!(scalar(text), written);
        }
    }
}
