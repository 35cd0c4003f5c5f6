//! Requests, made once: their headers as HPACK has them, and their bodies.

use std::net::SocketAddr;

use calls::wire::{Call, CallList, Protocol};

use super::hpack::{write_integer, write_string};
use crate::declared::grpc_timeout;

/// Entries of HPACK's static table; those of the connection's own come after it.
const STATIC: usize = 61;
/// What an entry of the table counts beside its bytes (RFC 7541, section 4.1).
const ENTRY: usize = 32;
/// Bytes of the table where nothing else is agreed.
const TABLE: usize = 4096;

/// A header, in which way each of its forms is written.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Field {
    name: Vec<u8>,
    value: Vec<u8>,
}

/// One request's headers in the three forms that they may have.
#[derive(Debug, Default)]
pub struct Request {
    /// As the first of a connection: what all requests share goes into the table.
    first: Vec<u8>,
    /// As a later one: what all share is named by its number.
    later: Vec<u8>,
    /// For servers without a table.
    plain: Vec<u8>,
    /// Body.
    pub body: Vec<u8>,
    /// Whether the headers end the request. A gRPC stream of no messages has an empty frame for its end: servers of grpc-go wait for it.
    pub ends_with_headers: bool,
    /// The call is cancelled after so many messages; 0: never.
    pub cancel_after: u64,
    /// Whether it is gRPC's.
    pub grpc: bool,
}

/// Which form a connection is to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Nothing was sent yet.
    First,
    /// The table has what all share.
    Later,
    /// The server's table is too small for it.
    Plain,
}

impl Request {
    /// Writes the headers in a form, and gives the form of the next request.
    pub fn write(&self, to: &mut Vec<u8>, form: Form) -> Form {
        let (bytes, next) = match form {
            Form::First => (&self.first, Form::Later),
            Form::Later => (&self.later, Form::Later),
            Form::Plain => (&self.plain, Form::Plain),
        };
        to.extend_from_slice(bytes);
        next
    }
}

/// All requests of a load.
#[derive(Debug)]
pub struct Requests {
    /// One for each call of the list.
    pub list: Vec<Request>,
    /// Bytes that the server's table must have for what all requests share.
    pub table: usize,
}

impl Requests {
    /// Makes the requests of all calls.
    pub fn new(calls: &CallList, address: SocketAddr) -> Self {
        let scheme = if calls.tls.is_some() { "https" } else { "http" };
        let own = calls.host(address);
        let all: Vec<Vec<Field>> = calls.calls.iter().map(|call| fields(call, scheme, &own)).collect();
        // What each request has, in the same order. Where requests have different headers of their own these are written out.
        let Some(example) = all.first() else { return Self { list: Vec::new(), table: 0 } };
        let alike = all.iter().all(|other| other.len() == example.len());
        let shared: Vec<bool> = (0..example.len())
            .map(|at| {
                alike && all.iter().all(|other| other.get(at) == example.get(at)) && of_static(&example[at]).is_none()
            })
            .collect();
        let size = |at: usize| example[at].name.len() + example[at].value.len() + ENTRY;
        let table: usize = (0..example.len()).filter(|at| shared[*at]).map(size).sum();
        let list = calls.calls.iter().zip(&all).map(|(call, fields)| request(call, fields, &shared)).collect();
        Self { list, table }
    }

    /// The form of the requests of a connection whose server has a table of so many bytes, and whose requests had the form `now`; and the
    /// size of the table that the next request must name first, where it is not HTTP/2's default.
    pub fn form(&self, now: Form, servers: usize) -> (Form, Option<usize>) {
        if servers < self.table {
            return (Form::Plain, Some(0));
        }
        (now, (servers < TABLE).then_some(servers))
    }
}

fn request(call: &Call, fields: &[Field], shared: &[bool]) -> Request {
    let grpc = call.protocol() == Protocol::Grpc;
    let mut request = Request {
        body: call.body.clone(),
        ends_with_headers: call.body.is_empty() && !grpc,
        cancel_after: call.cancel_after,
        grpc: call.protocol() == Protocol::Grpc,
        ..Request::default()
    };
    // The entry that was made last has the lowest number.
    let mut left = shared.iter().filter(|shared| **shared).count();
    for (at, field) in fields.iter().enumerate() {
        if let Some(index) = of_static(field) {
            for form in [&mut request.first, &mut request.later, &mut request.plain] {
                write_integer(form, 0x80, 7, index);
            }
        } else if shared.get(at).copied().unwrap_or(false) {
            literal(&mut request.first, 0x40, field);
            literal(&mut request.plain, 0, field);
            write_integer(&mut request.later, 0x80, 7, STATIC + left);
            left -= 1;
        } else {
            for form in [&mut request.first, &mut request.later, &mut request.plain] {
                literal(form, 0, field);
            }
        }
    }
    request
}

/// The number of a header that the static table has with its value.
fn of_static(field: &Field) -> Option<usize> {
    match (&field.name[..], &field.value[..]) {
        (b":method", b"GET") => Some(2),
        (b":method", b"POST") => Some(3),
        (b":scheme", b"http") => Some(6),
        (b":scheme", b"https") => Some(7),
        _ => None,
    }
}

fn literal(to: &mut Vec<u8>, first: u8, field: &Field) {
    to.push(first);
    write_string(to, &field.name);
    write_string(to, &field.value);
}

/// The headers of a call, those with a colon first.
fn fields(call: &Call, scheme: &str, own: &str) -> Vec<Field> {
    let mut list = Vec::new();
    let mut push = |name: &str, value: &[u8]| list.push(Field { name: name.into(), value: value.to_vec() });
    let agent = concat!("futon-test-client/", env!("CARGO_PKG_VERSION"));
    let has = |name: &str| call.headers.iter().any(|header| header.name == name);
    push(":method", call.method.as_bytes());
    push(":scheme", scheme.as_bytes());
    // In HTTP/2 the host is a part of the request's address.
    let host = call.headers.iter().find(|header| header.name == "host").map(|host| host.value.clone());
    push(":authority", &host.unwrap_or_else(|| own.as_bytes().to_vec()));
    push(":path", call.path.as_bytes());
    if !has("user-agent") {
        push("user-agent", agent.as_bytes());
    }
    if call.protocol() == Protocol::Grpc {
        push("te", b"trailers");
        push("content-type", b"application/grpc");
        if call.deadline_ms > 0 {
            push("grpc-timeout", grpc_timeout(std::time::Duration::from_millis(call.deadline_ms)).as_bytes());
        }
    } else {
        if !has("accept") {
            push("accept", b"*/*");
        }
        if !call.body.is_empty() {
            push("content-length", call.body.len().to_string().as_bytes());
        }
    }
    for header in call.headers.iter().filter(|header| header.name != "host") {
        push(&header.name, &header.value);
    }
    list
}

#[cfg(test)]
mod tests {
    use calls::wire::Header;
    use fluke_hpack::Decoder;

    use super::*;

    fn call(path: &str, id: &str) -> Call {
        Call {
            method: "POST".into(),
            path: path.into(),
            headers: vec![Header { name: "x-id".into(), value: id.into() }],
            ..Call::default()
        }
    }

    fn made(calls: Vec<Call>) -> Requests {
        Requests::new(&CallList { calls, ..CallList::default() }, "127.0.0.1:50051".parse().unwrap())
    }

    #[test]
    fn all_forms_say_the_same_and_later_ones_are_short() {
        let requests = made(vec![call("/a.B/C", "1"), call("/a.B/C", "2")]);
        let (mut one, mut other) = (Decoder::new(), Decoder::new());
        assert_eq!(requests.form(Form::First, 4096), (Form::First, None));
        assert_eq!(requests.form(Form::First, 1000), (Form::First, Some(1000)));
        assert_eq!(requests.form(Form::Later, 10), (Form::Plain, Some(0)));
        let mut forms = (Form::First, Form::Plain);
        for (n, request) in requests.list.iter().cycle().take(4).enumerate() {
            let (mut with, mut without) = (Vec::new(), Vec::new());
            forms = (request.write(&mut with, forms.0), request.write(&mut without, forms.1));
            let list = one.decode(&with).unwrap();
            assert_eq!(list, other.decode(&without).unwrap());
            assert_eq!(list.len(), 8);
            assert_eq!(list[3], (b":path".to_vec(), b"/a.B/C".to_vec()));
            assert_eq!(list[7], (b"x-id".to_vec(), vec![b'1' + u8::try_from(n % 2).unwrap()]));
            assert!(n == 0 || with.len() < 20, "{with:x?}");
        }
        assert_eq!(forms, (Form::Later, Form::Plain));
    }

    #[test]
    fn requests_with_different_headers_share_nothing() {
        let requests = made(vec![call("/a", "1"), Call { headers: Vec::new(), ..call("/a", "") }]);
        assert_eq!((requests.table, requests.form(Form::First, 0)), (0, (Form::First, Some(0))));
        let mut decoder = Decoder::new();
        for request in requests.list.iter().chain(&requests.list) {
            let mut block = Vec::new();
            request.write(&mut block, Form::Later);
            assert_eq!(decoder.decode(&block).unwrap()[3].1, b"/a");
        }
    }
}
