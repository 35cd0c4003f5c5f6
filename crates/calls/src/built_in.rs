//! A built-in function as a declaration: the same call, judged by its oracle.

use prost_reflect::DescriptorPool;
use prost_reflect::prost_types::{
    DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet, MethodDescriptorProto,
    ServiceDescriptorProto,
    field_descriptor_proto::{Label, Type},
};
use serde_json::json;

use oracles::{Function, Service};

use crate::{Call, CallsError, Declaration, Expect, Schema};

/// The declaration of one call of a built-in function, and the description of its messages.
///
/// # Errors
/// None that can be met: the description is whole.
pub fn built_in(function: &Function, input: &str) -> Result<(Declaration, Schema), CallsError> {
    let call = Call {
        call: Some(function.service.path().trim_start_matches('/').to_owned()),
        data: Some(json!({"text": input})),
        expect: Some(Expect { oracle: Some(function.name.to_owned()), ..Expect::default() }),
        ..Call::default()
    };
    Ok((Declaration { calls: vec![call], ..Declaration::default() }, built_in_schema(function.service)?))
}

/// The description of a built-in service's messages: one string each, `text`.
///
/// # Errors
/// None that can be met: the description is whole.
pub fn built_in_schema(service: Service) -> Result<Schema, CallsError> {
    let (service, method) = service.path().trim_start_matches('/').split_once('/').unwrap_or_default();
    let (package, service) = service.rsplit_once('.').unwrap_or_default();
    let field = FieldDescriptorProto {
        name: Some("text".into()),
        number: Some(1),
        label: Some(Label::Optional.into()),
        r#type: Some(Type::String.into()),
        ..FieldDescriptorProto::default()
    };
    let message = DescriptorProto { name: Some("Text".into()), field: vec![field], ..DescriptorProto::default() };
    let kind = Some(format!(".{package}.Text"));
    let method = MethodDescriptorProto {
        name: Some(method.into()),
        input_type: kind.clone(),
        output_type: kind,
        ..MethodDescriptorProto::default()
    };
    let service = ServiceDescriptorProto {
        name: Some(service.into()),
        method: vec![method],
        ..ServiceDescriptorProto::default()
    };
    let file = FileDescriptorProto {
        name: Some(format!("{package}.proto")),
        package: Some(package.into()),
        message_type: vec![message],
        service: vec![service],
        syntax: Some("proto3".into()),
        ..FileDescriptorProto::default()
    };
    let pool = DescriptorPool::from_file_descriptor_set(FileDescriptorSet { file: vec![file] });
    let schema = pool.map_err(|error| error.to_string()).and_then(|pool| Schema::from_bytes(&pool.encode_to_vec()));
    schema.map_err(CallsError::Schema)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::wire::{Header, Made, Reply, ReplyList};
    use crate::{Options, Sheet};

    #[test]
    fn each_built_in_function_can_be_declared_and_judged() {
        for name in oracles::names() {
            let function = oracles::find(name).unwrap();
            let (declaration, schema) = built_in(&function, "7").unwrap();
            let options = Options { schema: Some(schema), ..Options::default() };
            let sheet = Sheet::resolve(declaration, Path::new("."), &options).unwrap();
            let list = sheet.encode().unwrap();
            assert_eq!(
                (list.calls[0].path.as_str(), &list.calls[0].body[..]),
                (function.service.path(), &b"\0\0\0\0\x03\x0a\x017"[..])
            );
            let judged = |text: &str| {
                let header = |name: &str, value: &str| Header { name: name.into(), value: value.into() };
                let mut message = vec![0x0a, u8::try_from(text.len()).unwrap()];
                message.extend(text.bytes());
                let reply = Reply {
                    status: 200,
                    headers: vec![header("content-type", "application/grpc")],
                    messages: vec![message],
                    trailers: vec![header("grpc-status", "0")],
                    ..Reply::default()
                };
                let sequence = vec![Made { reply: 0, took_ns: 1 }];
                sheet.judge(&ReplyList { replies: vec![reply], sequence, ..ReplyList::default() }).measured[0].clone()
            };
            if name == "fibonacci-go" {
                assert_eq!(judged("fn: Fib: y = fib(x) | x: 7 y: 13 | runtime: GoLang").reason, None);
            }
            assert!(judged("no").reason.is_some(), "{name}");
        }
    }
}
