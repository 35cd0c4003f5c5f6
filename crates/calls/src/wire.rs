//! What goes to a client that only sends, and what it brings back. Protocol Buffers, so that both sides may grow.

use prost::Message;

/// Largest message of a request or reply, bytes: four times gRPC's own default.
pub const LARGEST_MESSAGE: usize = 16 << 20;

/// A header or trailer. Values are bytes: HTTP does not promise UTF-8.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Header {
    /// Name, in lower case.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Value; of a gRPC `-bin` header, in base64.
    #[prost(bytes = "vec", tag = "2")]
    pub value: Vec<u8>,
}

/// How a call is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, prost::Enumeration)]
#[repr(i32)]
pub enum Protocol {
    /// gRPC over HTTP/2 without TLS.
    Grpc = 0,
    /// HTTP/1.1.
    Http1 = 1,
    /// HTTP/2 without TLS, by prior knowledge.
    H2c = 2,
}

/// A call: bytes, ready to be sent.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Call {
    /// How.
    #[prost(enumeration = "Protocol", tag = "1")]
    pub protocol: i32,
    /// HTTP's method.
    #[prost(string, tag = "2")]
    pub method: String,
    /// Path and query.
    #[prost(string, tag = "3")]
    pub path: String,
    /// Headers, beside those that the protocol itself wants.
    #[prost(message, repeated, tag = "4")]
    pub headers: Vec<Header>,
    /// Whole body: of gRPC all messages with their prefixes.
    #[prost(bytes = "vec", tag = "5")]
    pub body: Vec<u8>,
    /// gRPC's deadline in milliseconds; 0: none.
    #[prost(uint64, tag = "6")]
    pub deadline_ms: u64,
    /// Cancel after so many reply messages; 0: never.
    #[prost(uint64, tag = "7")]
    pub cancel_after: u64,
    /// For people: `geo.Geo/Nearby`.
    #[prost(string, tag = "8")]
    pub name: String,
    /// Which of several functions it is for: 0 is the client's own address, the next ones are those of its list.
    #[prost(uint32, tag = "9")]
    pub at: u32,
    /// Whether its expectation sees the header `date`. Else the client leaves it out: it would make equal replies differ.
    #[prost(bool, tag = "10")]
    pub wants_date: bool,
}

/// All calls of a run.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct CallList {
    /// Calls that differ from one another.
    #[prost(message, repeated, tag = "1")]
    pub calls: Vec<Call>,
    /// Which of them are made before the measured ones, in order.
    #[prost(uint32, repeated, tag = "2")]
    pub warmup: Vec<u32>,
    /// Which of them are measured, in order.
    #[prost(uint32, repeated, tag = "3")]
    pub sequence: Vec<u32>,
    /// All of them go over TLS.
    #[prost(message, optional, tag = "4")]
    pub tls: Option<Tls>,
    /// The host of those that name none, wherever they are sent. Empty: the address that they are sent to.
    #[prost(string, tag = "5")]
    pub authority: String,
}

/// Which certificate a server must have.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Tls {
    /// Certificates in DER: the server's own, or one that signs it. None: any will do.
    #[prost(bytes = "vec", repeated, tag = "1")]
    pub roots: Vec<Vec<u8>>,
    /// The name that a signed certificate must be for.
    #[prost(string, tag = "2")]
    pub name: String,
    /// The client's own certificate in DER, then those that sign it; none where it has none.
    #[prost(bytes = "vec", repeated, tag = "3")]
    pub own: Vec<Vec<u8>>,
    /// Its key in DER: PKCS #8, PKCS #1 or SEC1.
    #[prost(bytes = "vec", tag = "4")]
    pub key: Vec<u8>,
}

/// Why a call has no complete reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, prost::Enumeration)]
#[repr(i32)]
pub enum Broken {
    /// It has one.
    Whole = 0,
    /// No reply within the client's limit.
    Deadline = 1,
    /// The connection was lost or could not be made.
    Lost = 2,
    /// The reply violates the protocol; the text says how.
    Protocol = 3,
    /// A message or header list is longer than the limit.
    TooLong = 4,
}

/// What came back.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Reply {
    /// HTTP's status; 0 if there was none.
    #[prost(uint32, tag = "1")]
    pub status: u32,
    /// Headers.
    #[prost(message, repeated, tag = "2")]
    pub headers: Vec<Header>,
    /// gRPC: messages without their prefixes. HTTP: one, the body.
    #[prost(bytes = "vec", repeated, tag = "3")]
    pub messages: Vec<Vec<u8>>,
    /// Trailers.
    #[prost(message, repeated, tag = "4")]
    pub trailers: Vec<Header>,
    /// gRPC's status where the client itself made it (its deadline, a cancelled call), as number plus 1; else 0.
    #[prost(uint32, tag = "5")]
    pub local_status: u32,
    /// Why it is not whole.
    #[prost(enumeration = "Broken", tag = "6")]
    pub broken: i32,
    /// The same for people.
    #[prost(string, tag = "7")]
    pub words: String,
    /// Nothing came after the headers, and they said so: gRPC's "Trailers-Only". A body that is empty is something else.
    #[prost(bool, tag = "8")]
    pub only_headers: bool,
}

/// Whether a content type is one of gRPC's (PROTOCOL-HTTP2.md): `application/grpc`, alone or with a suffix or parameters.
#[must_use]
pub fn is_grpc(content_type: &[u8]) -> bool {
    let rest = content_type.strip_prefix(b"application/grpc");
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

/// A call that was made.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Made {
    /// Which reply came.
    #[prost(uint32, tag = "1")]
    pub reply: u32,
    /// From the request to the whole reply, nanoseconds.
    #[prost(uint64, tag = "2")]
    pub took_ns: u64,
}

/// All replies of a run.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ReplyList {
    /// Replies that differ from one another.
    #[prost(message, repeated, tag = "1")]
    pub replies: Vec<Reply>,
    /// Warm-up calls that were made, in order.
    #[prost(message, repeated, tag = "2")]
    pub warmup: Vec<Made>,
    /// Measured calls that were made, in order.
    #[prost(message, repeated, tag = "3")]
    pub sequence: Vec<Made>,
    /// Time to connect, nanoseconds; 0 where there was no connection.
    #[prost(uint64, tag = "4")]
    pub connect_ns: u64,
    /// Why there was none.
    #[prost(string, tag = "5")]
    pub not_connected: String,
}

impl Reply {
    /// Whether it is gRPC's status alone, without a content type: some servers do not say what it is of, and gRPC's C library takes that.
    #[must_use]
    pub fn is_bare(&self) -> bool {
        let has = |name: &str| self.headers.iter().any(|header| header.name == name && !header.value.is_empty());
        self.only_headers && has("grpc-status") && !has("content-type")
    }
}

impl CallList {
    /// The host of calls that name none, sent to `address`.
    #[must_use]
    pub fn host(&self, address: std::net::SocketAddr) -> String {
        if self.authority.is_empty() { address.to_string() } else { self.authority.clone() }
    }

    /// The bytes of a list.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.encode_to_vec()
    }

    /// A list from its bytes.
    ///
    /// # Errors
    /// They are none, or a number in it leads nowhere.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let list = Self::decode(bytes).map_err(|e| e.to_string())?;
        let known = list.calls.len();
        match list.warmup.iter().chain(&list.sequence).find(|at| **at as usize >= known) {
            Some(at) => Err(format!("call {at} of {known} is missing")),
            None => Ok(list),
        }
    }
}

impl ReplyList {
    /// The bytes of a list.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.encode_to_vec()
    }

    /// A list from its bytes.
    ///
    /// # Errors
    /// They are none, or a number in it leads nowhere.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let list = Self::decode(bytes).map_err(|e| e.to_string())?;
        let known = list.replies.len();
        match list.warmup.iter().chain(&list.sequence).find(|made| made.reply as usize >= known) {
            Some(made) => Err(format!("reply {} of {known} is missing", made.reply)),
            None => Ok(list),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_comes_back_and_a_number_that_leads_nowhere_is_refused() {
        let call = Call { name: "a".into(), body: vec![1, 2], ..Call::default() };
        let list =
            CallList { calls: vec![call], warmup: vec![0], sequence: vec![0, 0], tls: None, authority: "h:1".into() };
        assert_eq!(CallList::from_bytes(&list.to_bytes()).unwrap(), list);
        let bad = CallList { sequence: vec![1], ..list };
        assert!(CallList::from_bytes(&bad.to_bytes()).unwrap_err().contains("call 1 of 1"));
        let replies = ReplyList { sequence: vec![Made { reply: 0, took_ns: 5 }], ..ReplyList::default() };
        assert!(ReplyList::from_bytes(&replies.to_bytes()).unwrap_err().contains("reply 0 of 0"));
        assert!(ReplyList::from_bytes(b"\xff\xff").is_err());
    }
}
