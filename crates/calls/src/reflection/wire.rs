//! Messages of reflection and health, as far as they are of use here.

use prost::Message;

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Request {
    #[prost(oneof = "Ask", tags = "3, 4, 7")]
    pub(super) ask: Option<Ask>,
}

#[derive(Clone, PartialEq, Eq, prost::Oneof)]
pub(super) enum Ask {
    #[prost(string, tag = "3")]
    FileByFilename(String),
    #[prost(string, tag = "4")]
    FileContainingSymbol(String),
    #[prost(string, tag = "7")]
    ListServices(String),
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Response {
    #[prost(oneof = "Told", tags = "4, 6, 7")]
    pub(super) told: Option<Told>,
}

#[derive(Clone, PartialEq, Eq, prost::Oneof)]
pub(super) enum Told {
    #[prost(message, tag = "4")]
    Files(Files),
    #[prost(message, tag = "6")]
    Services(Services),
    #[prost(message, tag = "7")]
    Error(Error),
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Files {
    #[prost(bytes = "vec", repeated, tag = "1")]
    pub(super) file: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Services {
    #[prost(message, repeated, tag = "1")]
    pub(super) service: Vec<Service>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Service {
    #[prost(string, tag = "1")]
    pub(super) name: String,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Error {
    #[prost(int32, tag = "1")]
    pub(super) code: i32,
    #[prost(string, tag = "2")]
    pub(super) message: String,
}

/// The beginning of a `google.protobuf.FileDescriptorProto`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct FileHead {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, repeated, tag = "3")]
    pub(super) dependency: Vec<String>,
    #[prost(string, optional, tag = "12")]
    pub(super) syntax: Option<String>,
}

/// A `google.protobuf.FileDescriptorSet`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct FileHeads {
    #[prost(message, repeated, tag = "1")]
    pub(super) file: Vec<FileHead>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct HealthRequest {
    #[prost(string, tag = "1")]
    pub(super) service: String,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct HealthReply {
    #[prost(int32, tag = "1")]
    pub(super) status: i32,
}

/// Name and imports of a file; nothing of what is none.
pub(super) fn head(file: &[u8]) -> FileHead {
    FileHead::decode(file).unwrap_or_default()
}

/// A message with gRPC's prefix.
pub(super) fn framed(message: &impl Message) -> Vec<u8> {
    let bytes = message.encode_to_vec();
    let mut framed = vec![0];
    framed.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    framed.extend(bytes);
    framed
}
