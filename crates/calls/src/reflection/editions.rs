//! Files in editions of Protocol Buffers, as files that say the same in proto3. What an edition says by features (`descriptor.proto`,
//! `FeatureSet`), a proto3 file says by flags of its fields: which have presence, which are packed, which are groups. How texts that are not
//! UTF-8 are taken changes nothing here (they never are), and whether enums are closed nothing but this: one whose first number is not 0 is
//! for proto2 alone, so that is what its file becomes, and all its fields have presence there.

use std::ops::Not;

use prost::Message;
use prost_reflect::prost_types::field_descriptor_proto::{Label, Type};
use prost_reflect::prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto, MessageOptions,
};

/// Editions 2023 and 2024; the features that count have the same defaults in both.
const KNOWN: [i32; 2] = [1000, 1001];

const IMPLICIT: i32 = 2;
const LEGACY_REQUIRED: i32 = 3;
const EXPANDED: i32 = 2;
const DELIMITED: i32 = 2;

/// `FeatureSet`, as far as it counts; 0 is what stands around it.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
struct Features {
    #[prost(int32, tag = "1")]
    presence: i32,
    #[prost(int32, tag = "3")]
    repeated: i32,
    #[prost(int32, tag = "5")]
    encoding: i32,
}

impl Features {
    /// These within others.
    fn within(self, around: Self) -> Self {
        let own = |own: i32, around: i32| if own == 0 { around } else { own };
        Self {
            presence: own(self.presence, around.presence),
            repeated: own(self.repeated, around.repeated),
            encoding: own(self.encoding, around.encoding),
        }
    }
}

/// The options of a file, a message, or a field: only their features, whose number differs.
macro_rules! options {
    ($name:ident, $tag:literal) => {
        #[derive(Clone, Copy, PartialEq, Eq, Message)]
        struct $name {
            #[prost(message, optional, tag = $tag)]
            features: Option<Features>,
        }

        impl From<Option<$name>> for Features {
            fn from(options: Option<$name>) -> Self {
                options.and_then(|options| options.features).unwrap_or_default()
            }
        }
    };
}
options!(OfFile, "50");
options!(OfMessage, "12");
options!(OfField, "21");
options!(OfOneof, "1");

#[derive(Clone, PartialEq, Eq, Message)]
struct File {
    #[prost(message, repeated, tag = "4")]
    messages: Vec<Msg>,
    #[prost(message, repeated, tag = "7")]
    extensions: Vec<Field>,
    #[prost(message, optional, tag = "8")]
    options: Option<OfFile>,
    #[prost(int32, tag = "14")]
    edition: i32,
}

#[derive(Clone, PartialEq, Eq, Message)]
struct Msg {
    #[prost(message, repeated, tag = "2")]
    fields: Vec<Field>,
    #[prost(message, repeated, tag = "3")]
    nested: Vec<Msg>,
    #[prost(message, repeated, tag = "6")]
    extensions: Vec<Field>,
    #[prost(message, optional, tag = "7")]
    options: Option<OfMessage>,
    #[prost(message, repeated, tag = "8")]
    oneofs: Vec<Oneof>,
}

#[derive(Clone, Copy, PartialEq, Eq, Message)]
struct Field {
    #[prost(message, optional, tag = "8")]
    options: Option<OfField>,
}

#[derive(Clone, Copy, PartialEq, Eq, Message)]
struct Oneof {
    #[prost(message, optional, tag = "2")]
    options: Option<OfOneof>,
}

/// A file of an edition in proto3.
///
/// # Errors
/// Its edition is not known, or it is no file.
pub(super) fn in_proto3(file: &[u8]) -> Result<Vec<u8>, String> {
    let mut plain = FileDescriptorProto::decode(file).map_err(|e| e.to_string())?;
    let featured = File::decode(file).map_err(|e| e.to_string())?;
    if !KNOWN.contains(&featured.edition) {
        let number = featured.edition;
        return Err(format!(
            "{} is in an edition of Protocol Buffers that is not known (number {number})",
            plain.name()
        ));
    }
    let around = Features::from(featured.options);
    for (message, featured) in plain.message_type.iter_mut().zip(&featured.messages) {
        translate(message, featured, around);
    }
    for (field, featured) in plain.extension.iter_mut().zip(&featured.extensions) {
        flag(field, featured, around);
    }
    plain.syntax = has_odd_enum(&plain.enum_type, &plain.message_type).not().then(|| "proto3".to_owned());
    if plain.syntax.is_none() {
        plain.message_type.iter_mut().for_each(without_flags);
        plain.extension.iter_mut().for_each(|field| field.proto3_optional = None);
    }
    Ok(plain.encode_to_vec())
}

/// Whether an enum begins with another number than 0.
fn has_odd_enum(enums: &[EnumDescriptorProto], messages: &[DescriptorProto]) -> bool {
    enums.iter().any(|of| of.value.first().is_some_and(|first| first.number() != 0))
        || messages.iter().any(|inner| has_odd_enum(&inner.enum_type, &inner.nested_type))
}

/// Takes away what only proto3 has.
fn without_flags(message: &mut DescriptorProto) {
    message.field.iter_mut().chain(&mut message.extension).for_each(|field| field.proto3_optional = None);
    message.nested_type.iter_mut().for_each(without_flags);
}

fn translate(message: &mut DescriptorProto, featured: &Msg, around: Features) {
    let mut own = Features::from(featured.options).within(around);
    let is_entry = |message: &DescriptorProto| message.options.as_ref().is_some_and(MessageOptions::map_entry);
    if is_entry(message) {
        // Neither a map's entries nor their values are ever groups.
        own.encoding = 0;
    }
    let maps: Vec<String> =
        message.nested_type.iter().filter(|inner| is_entry(inner)).map(|inner| format!(".{}", inner.name())).collect();
    for (field, featured_field) in message.field.iter_mut().zip(&featured.fields) {
        let oneof = field.oneof_index.and_then(|at| featured.oneofs.get(usize::try_from(at).ok()?));
        let mut around = oneof.map_or(own, |oneof| Features::from(oneof.options).within(own));
        if maps.iter().any(|entry| field.type_name().ends_with(entry.as_str())) {
            around.encoding = 0;
        }
        flag(field, featured_field, around);
    }
    for (field, featured) in message.extension.iter_mut().zip(&featured.extensions) {
        flag(field, featured, own);
    }
    for (inner, featured) in message.nested_type.iter_mut().zip(&featured.nested) {
        translate(inner, featured, own);
    }
}

fn flag(field: &mut FieldDescriptorProto, featured: &Field, around: Features) {
    let own = Features::from(featured.options).within(around);
    if field.label() == Label::Repeated {
        let packed = own.repeated != EXPANDED;
        field.options.get_or_insert_default().packed = Some(packed);
    } else if own.presence == LEGACY_REQUIRED {
        field.set_label(Label::Required);
        field.proto3_optional = Some(true);
    } else if own.presence != IMPLICIT && field.oneof_index.is_none() {
        field.proto3_optional = Some(true);
    }
    if own.encoding == DELIMITED && field.r#type() == Type::Message {
        field.set_type(Type::Group);
    }
}

#[cfg(test)]
mod tests {
    use prost_reflect::prost_types::FileDescriptorSet;

    use super::super::super::schema::Schema;
    use super::*;

    /// A file of proto3 as one of an edition, with the features of the file and of its fields.
    fn of_edition(source: &str, edition: i32, features: Features, field: impl Fn(&str) -> Features) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("e.proto"), source).unwrap();
        let set: FileDescriptorSet = protox::compile(["e.proto"], [folder.path()]).unwrap();
        let mut file = set.file.into_iter().find(|file| file.name() == "e.proto").unwrap();
        file.syntax = Some("editions".into());
        let messages: Vec<DescriptorProto> = std::mem::take(&mut file.message_type);
        // Messages behind one another are one message: what has features is written behind what has the rest.
        let mut bytes = file.encode_to_vec();
        let options = Some(OfFile { features: Some(features) });
        bytes.extend(File { options, edition, ..File::default() }.encode_to_vec());
        for mut message in messages {
            let fields = std::mem::take(&mut message.field);
            let mut inside = message.encode_to_vec();
            for one in fields {
                let options = Some(OfField { features: Some(field(one.name())) });
                let both = [one.encode_to_vec(), Field { options }.encode_to_vec()].concat();
                prost::encoding::bytes::encode(2, &both, &mut inside);
            }
            prost::encoding::bytes::encode(4, &inside, &mut bytes);
        }
        bytes
    }

    const SOURCE: &str = "syntax = \"proto3\"; package e; message M { string text = 1; int32 plain = 2; int32 must = 3; \
        repeated int32 list = 4; repeated int32 wide = 5; M inner = 6; oneof o { int32 one = 7; } } service E { rpc Do(M) returns (M); }";

    #[test]
    fn features_become_flags() {
        let features = |name: &str| match name {
            "plain" => Features { presence: IMPLICIT, ..Features::default() },
            "must" => Features { presence: LEGACY_REQUIRED, ..Features::default() },
            "wide" => Features { repeated: EXPANDED, ..Features::default() },
            "inner" => Features { encoding: DELIMITED, ..Features::default() },
            _ => Features::default(),
        };
        let file = of_edition(SOURCE, 1000, Features::default(), features);
        let (schema, remarks) = Schema::from_files(&[file]);
        assert!(remarks.is_empty(), "{remarks:?}");
        let message = schema.method("e.E/Do").unwrap().input();
        let field = |name: &str| message.get_field_by_name(name).unwrap();
        let presence = ["text", "plain", "must", "one", "list"].map(|name| field(name).supports_presence());
        assert_eq!(presence, [true, false, true, true, false]);
        assert_eq!(
            (field("list").is_packed(), field("wide").is_packed(), field("inner").is_group()),
            (true, false, true)
        );
        assert_eq!(field("must").cardinality(), prost_reflect::Cardinality::Required);
        // As a separate set it is complete.
        assert_eq!(Schema::from_bytes(&schema.to_bytes()).unwrap().methods().count(), 1);
    }

    #[test]
    fn what_a_file_says_holds_for_its_fields() {
        let implicit = Features { presence: IMPLICIT, ..Features::default() };
        let own = |name: &str| {
            if name == "text" { Features { presence: 1, ..Features::default() } } else { Features::default() }
        };
        let (schema, _) = Schema::from_files(&[of_edition(SOURCE, 1001, implicit, own)]);
        let message = schema.method("e.E/Do").unwrap().input();
        let presence = ["text", "plain"].map(|name| message.get_field_by_name(name).unwrap().supports_presence());
        assert_eq!(presence, [true, false]);
    }

    #[test]
    fn maps_are_no_groups_and_closed_enums_begin_anywhere() {
        let source = "syntax = \"proto2\"; package e; enum Odd { ONE = 1; TWO = 2; } message M { map<string, M> map = 1; optional M inner = 2; \
            optional Odd odd = 3; } service E { rpc Do(M) returns (M); }";
        let delimited = Features { encoding: DELIMITED, ..Features::default() };
        let (schema, remarks) = Schema::from_files(&[of_edition(source, 1000, delimited, |_| Features::default())]);
        assert!(remarks.is_empty(), "{remarks:?}");
        let message = schema.method("e.E/Do").unwrap().input();
        let field = |name: &str| message.get_field_by_name(name).unwrap();
        assert_eq!((field("map").is_group(), field("inner").is_group()), (false, true));
        let prost_reflect::Kind::Message(entry) = field("map").kind() else { panic!() };
        assert!(!entry.map_entry_value_field().is_group());
        assert!(field("odd").supports_presence());
    }

    #[test]
    fn an_edition_to_come_is_refused() {
        let file = of_edition(SOURCE, 2000, Features::default(), |_| Features::default());
        let (_, remarks) = Schema::from_files(&[file]);
        assert_eq!(remarks, ["e.proto is in an edition of Protocol Buffers that is not known (number 2000)"]);
    }
}
