//! gRPC's messages, from their descriptions.

use std::path::{Path, PathBuf};

use prost_reflect::{
    Cardinality, DescriptorPool, DynamicMessage, Kind, MessageDescriptor, MethodDescriptor, ReflectMessage,
    SerializeOptions,
};
use protox::Compiler;
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver, IncludeFileResolver};
use serde_json::Value;

use crate::declare::SchemaSource;
use crate::error::{CallsError, Complaint, nearest};
use crate::walk::{each_float, field_named, is_special};

/// Descriptions of services and messages.
#[derive(Debug, Clone, Default)]
pub struct Schema {
    pool: DescriptorPool,
    /// Files of a server that are left out, and why.
    left_out: Vec<String>,
}

impl Schema {
    /// Reads what `source` names; relative paths start at `folder`.
    ///
    /// # Errors
    /// A file cannot be read, or is not what it should be; the text has the place in a `.proto`.
    pub fn read(source: &SchemaSource, folder: &Path) -> Result<Self, CallsError> {
        let mut bytes = Vec::new();
        if let Some(set) = &source.protoset {
            let path = folder.join(set);
            let read = std::fs::read(&path).map_err(|error| CallsError::Unreadable { path: path.clone(), error })?;
            Self::from_bytes(&read).map_err(|why| CallsError::Schema(format!("{}: {why}", path.display())))?;
            bytes = read;
        }
        if !source.proto.is_empty() {
            bytes.extend(compile(source, folder)?);
        }
        Self::from_bytes(&bytes).map_err(CallsError::Schema)
    }

    /// From an encoded `FileDescriptorSet`.
    ///
    /// # Errors
    /// It is not a descriptor set, or a file in it imports a missing one.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let bytes = &*crate::reflection::known_set(bytes)?;
        let mut pool = DescriptorPool::new();
        if pool.decode_file_descriptor_set(bytes).is_err() {
            // A set that leaves out Google's well-known types.
            pool = DescriptorPool::global();
            pool.decode_file_descriptor_set(bytes).map_err(|error| {
                format!("not a descriptor set: {error}; protoc writes a complete one with --descriptor_set_out=FILE --include_imports")
            })?;
        }
        Ok(Self { pool, left_out: Vec::new() })
    }

    pub(crate) fn of(pool: DescriptorPool, left_out: Vec<String>) -> Self {
        Self { pool, left_out }
    }

    /// As an encoded `FileDescriptorSet`.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.pool.encode_to_vec()
    }

    /// Its files, each an encoded `FileDescriptorProto`.
    #[must_use]
    pub fn files(&self) -> Vec<Vec<u8>> {
        self.pool.files().map(|file| file.encode_to_vec()).collect()
    }

    /// All methods, as `package.Service/Method`.
    pub fn methods(&self) -> impl Iterator<Item = String> + '_ {
        let services: Vec<_> = self.pool.services().collect();
        services.into_iter().flat_map(|service| {
            let name = service.full_name().to_owned();
            service.methods().map(move |method| format!("{name}/{}", method.name())).collect::<Vec<_>>()
        })
    }

    pub(crate) fn services(&self) -> impl Iterator<Item = prost_reflect::ServiceDescriptor> + '_ {
        self.pool.services()
    }

    /// The method of a name with a slash or a dot before the last word.
    pub(crate) fn method(&self, name: &str) -> Result<MethodDescriptor, Complaint> {
        let cut = name.rsplit_once('/').or_else(|| name.rsplit_once('.'));
        let Some((service, method)) = cut else {
            return Err(
                Complaint::new("call", format!("{name:?} is not a method")).hint("write package.Service/Method")
            );
        };
        if let Some(found) = self.pool.get_service_by_name(service)
            && let Some(found) = found.methods().find(|m| m.name() == method)
        {
            return Ok(found);
        }
        let all: Vec<String> = self.methods().collect();
        let complaint = Complaint::new("call", format!("the schema has no method {service}/{method}"));
        let wanted = format!("{service}/{method}");
        Err(match nearest(&wanted, all.iter().map(String::as_str)) {
            _ if !self.left_out.is_empty() => complaint.hint(format!(
                "files that the server gave are left out: {}",
                crate::text::shorten(&self.left_out.join("; "), 400)
            )),
            Some(name) => complaint.hint(format!("did you mean {name}?")),
            None if all.is_empty() => complaint.hint("the schema has no service at all"),
            None => complaint.hint(format!("it has {}", crate::text::shorten(&all.join(", "), 400))),
        })
    }
}

fn compile(source: &SchemaSource, folder: &Path) -> Result<Vec<u8>, CallsError> {
    let files: Vec<PathBuf> = source.proto.iter().map(|file| folder.join(file)).collect();
    let mut includes: Vec<PathBuf> = source.include.iter().map(|path| folder.join(path)).collect();
    for folder in &includes {
        std::fs::read_dir(folder).map_err(|error| CallsError::Unreadable { path: folder.clone(), error })?;
    }
    for file in &files {
        std::fs::metadata(file).map_err(|error| CallsError::Unreadable { path: file.clone(), error })?;
        // A file is found by the folders given, else by its own.
        let own = file.parent().unwrap_or(folder).to_owned();
        if !includes.iter().any(|include| file.starts_with(include)) {
            includes.push(own);
        }
    }
    let failed = |error: protox::Error| {
        let mut words = one_line(&format!("{error:?}"));
        if words.contains("found 'edition'") {
            words.push_str(
                "; the compiler here knows proto2 and proto3: for an edition give a `protoset` of protoc's, by --include_imports --descriptor_set_out=FILE",
            );
        }
        CallsError::Schema(words)
    };
    let mut resolver = ChainFileResolver::new();
    for include in includes {
        resolver.add(Unmarked { files: IncludeFileResolver::new(include.clone()), folder: include });
    }
    resolver.add(GoogleFileResolver::new());
    let mut compiler = Compiler::with_file_resolver(resolver);
    compiler.include_imports(true);
    for file in &files {
        compiler.open_file(file).map_err(failed)?;
    }
    Ok(compiler.encode_file_descriptor_set())
}

/// A folder of `.proto` files, of which some begin with a byte order mark, as some editors save them: protoc does not mind it.
struct Unmarked {
    files: IncludeFileResolver,
    folder: PathBuf,
}

impl FileResolver for Unmarked {
    fn resolve_path(&self, path: &Path) -> Option<String> {
        self.files.resolve_path(path)
    }

    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        let text = std::fs::read_to_string(self.folder.join(name)).unwrap_or_default();
        match text.strip_prefix('\u{feff}') {
            Some(source) => File::from_source(name, source),
            None => self.files.open_file(name),
        }
    }
}

/// Protox's errors are `FILE:LINE:COLUMN: words`.
fn one_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

/// A message from JSON.
pub(crate) fn from_json(kind: &MessageDescriptor, value: &Value) -> Result<DynamicMessage, Complaint> {
    let mut rounded = value.clone();
    each_float(kind, &mut rounded, &mut round_float);
    let mut track = serde_path_to_error::Track::new();
    let deserializer = serde_path_to_error::Deserializer::new(&rounded, &mut track);
    DynamicMessage::deserialize(kind.clone(), deserializer).map_err(|error| {
        let path = track.path().to_string();
        let path = if path == "." { String::new() } else { path };
        unknown_field(kind, value, "")
            .unwrap_or_else(|| Complaint::new(path, format!("{error} (for a {})", kind.full_name())))
    })
}

/// The first field of a value that its message does not have.
fn unknown_field(kind: &MessageDescriptor, value: &Value, above: &str) -> Option<Complaint> {
    if is_special(kind) {
        return None;
    }
    for (key, inner) in value.as_object()? {
        let path = if above.is_empty() { key.clone() } else { format!("{above}.{key}") };
        let Some(field) = field_named(kind, key) else {
            if key.starts_with('[') {
                continue;
            }
            let names: Vec<String> = kind.fields().map(|field| field.json_name().to_owned()).collect();
            let complaint = Complaint::new(path, format!("{} has no field {key:?}", kind.full_name()));
            return Some(match nearest(key, names.iter().map(String::as_str)) {
                Some(name) => complaint.hint(format!("did you mean {name}?")),
                None => complaint.hint(format!("its fields are {}", names.join(", "))),
            });
        };
        if let Kind::Message(kind) = field.kind() {
            let found = match inner {
                Value::Array(list) => list
                    .iter()
                    .enumerate()
                    .find_map(|(at, element)| unknown_field(&kind, element, &format!("{path}[{at}]"))),
                inner if field.is_map() => {
                    let Kind::Message(of) = kind.map_entry_value_field().kind() else { continue };
                    inner
                        .as_object()?
                        .iter()
                        .find_map(|(key, element)| unknown_field(&of, element, &format!("{path}.{key}")))
                }
                inner => unknown_field(&kind, inner, &path),
            };
            if found.is_some() {
                return found;
            }
        }
    }
    None
}

/// A value with the JSON names of its fields instead of the `.proto` names, otherwise unchanged.
pub(crate) fn with_json_names(kind: &MessageDescriptor, value: &Value) -> Value {
    let Value::Object(map) = value else { return value.clone() };
    if kind.full_name() == "google.protobuf.Any" {
        // It holds the fields of the message that it names, beside that name.
        let name = map.get("@type").and_then(Value::as_str).and_then(|url| url.rsplit('/').next());
        let inner = name.and_then(|name| kind.parent_pool().get_message_by_name(name));
        return inner.map_or_else(|| value.clone(), |inner| with_json_names(&inner, value));
    }
    if is_special(kind) {
        return value.clone();
    }
    let renamed = map.iter().map(|(key, inner)| {
        let Some(field) = field_named(kind, key) else {
            return (key.clone(), inner.clone());
        };
        let inner = match (field.kind(), inner) {
            (Kind::Message(kind), Value::Array(list)) => list.iter().map(|v| with_json_names(&kind, v)).collect(),
            (Kind::Message(kind), Value::Object(entries)) if field.is_map() => {
                match kind.map_entry_value_field().kind() {
                    Kind::Message(of) => {
                        Value::Object(entries.iter().map(|(k, v)| (k.clone(), with_json_names(&of, v))).collect())
                    }
                    _ => inner.clone(),
                }
            }
            (Kind::Message(kind), inner) => with_json_names(&kind, inner),
            (_, inner) => inner.clone(),
        };
        (field.json_name().to_owned(), inner)
    });
    Value::Object(renamed.collect())
}

/// A message as proto3 JSON, fields with their default values included: what is compared.
pub(crate) fn to_json(message: &DynamicMessage) -> Result<Value, String> {
    json(message, &SerializeOptions::new().skip_default_fields(false))
}

/// The same for expressions: 64-bit integers are numbers.
pub(crate) fn to_plain_json(message: &DynamicMessage) -> Result<Value, String> {
    json(message, &SerializeOptions::new().skip_default_fields(false).stringify_64_bit_integers(false))
}

/// Fails for an `Any` of unknown type, or a timestamp out of range.
fn json(message: &DynamicMessage, options: &SerializeOptions) -> Result<Value, String> {
    let done = message.serialize_with_options(serde_json::value::Serializer, options);
    let mut value = done.map_err(|error| {
        let (kind, error) = (message.descriptor().full_name().to_owned(), error.to_string());
        // prost-reflect's words for the type of an `Any`.
        let more = if error.contains("not found") { "; the schema must have the types of its Any fields" } else { "" };
        format!("a {kind} that cannot be shown as JSON: {error}{more}")
    })?;
    each_float(&message.descriptor(), &mut value, &mut shorten_float);
    Ok(value)
}

/// Gives a `float` the shortest number that is the same one, as proto3 JSON has it: 0.1, not 0.10000000149011612.
#[allow(clippy::cast_possible_truncation, reason = "it was a float before")]
fn shorten_float(value: &mut Value) {
    let short = value.as_f64().and_then(|number| (number as f32).to_string().parse::<f64>().ok());
    if let Some(number) = short.and_then(serde_json::Number::from_f64) {
        *value = Value::Number(number);
    }
}

/// The largest `float`, as people and programs write it, is a little more than that: it is what it rounds to.
#[allow(clippy::cast_possible_truncation, reason = "it is rounded as all of JSON's readers round it")]
fn round_float(value: &mut Value) {
    let written = value.as_f64().or_else(|| value.as_str()?.parse().ok()).filter(|number| number.is_finite());
    let Some(number) = written.filter(|number| number.abs() > f64::from(f32::MAX)) else { return };
    let rounded = f64::from(number as f32);
    if let Some(number) = serde_json::Number::from_f64(rounded) {
        *value = Value::Number(number);
    }
}

/// A field that proto2 requires and that a message, or one inside it, does not have.
pub(crate) fn missing_required(message: &DynamicMessage) -> Option<String> {
    let kind = message.descriptor();
    let missing = kind.fields().find(|f| f.cardinality() == Cardinality::Required && !message.has_field(f));
    if let Some(field) = missing {
        return Some(field.name().to_owned());
    }
    let inside = |value: &prost_reflect::Value| -> Option<String> {
        match value {
            prost_reflect::Value::Message(inner) => missing_required(inner),
            prost_reflect::Value::List(list) => {
                list.iter().filter_map(prost_reflect::Value::as_message).find_map(missing_required)
            }
            prost_reflect::Value::Map(map) => {
                map.values().filter_map(prost_reflect::Value::as_message).find_map(missing_required)
            }
            _ => None,
        }
    };
    message.fields().find_map(|(field, value)| Some(format!("{}.{}", field.name(), inside(value)?)))
}
