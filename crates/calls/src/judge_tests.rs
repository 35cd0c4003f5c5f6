//! Declared calls and replies made by hand: what is right passes, one thing changed does not.

use prost::Message;
use serde_json::json;

use super::*;
use crate::declare::Declaration;
use crate::error::{CallsError, Source};
use crate::schema::Schema;
use crate::sheet::Options;
use crate::wire::{CallList, Header, Protocol};

const PROTO: &str = r#"
syntax = "proto3";
package geo;
import "google/protobuf/any.proto";
import "google/protobuf/empty.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/wrappers.proto";
message Loose {
  google.protobuf.Struct st = 1; google.protobuf.Value v = 2; Room room = 3; google.protobuf.Empty empty = 6;
  oneof o { google.protobuf.NullValue nothing = 4; string s = 5; }
}
message Near { float lat = 1; double lon = 2; int64 big = 3; repeated string tags = 4; }
message Found { repeated string hotel_ids = 1; Room room = 2; int64 count = 3; }
message Room { string name = 1; bool free = 2; double price = 3; }
message Text { string text = 1; }
message Odd { google.protobuf.Any any = 1; map<int32, Room> rooms = 2; float part = 3; int64 big = 4; repeated float parts = 5; }
service Geo {
  rpc Strange(Text) returns (Odd);
  rpc Any(Text) returns (Loose);
  rpc Wrap(google.protobuf.StringValue) returns (google.protobuf.StringValue);
  rpc Value(Text) returns (google.protobuf.Value);
  rpc List(google.protobuf.ListValue) returns (google.protobuf.ListValue);
  rpc Texts(Text) returns (stream Text);
  rpc Nearby(Near) returns (Found);
  rpc Watch(Near) returns (stream Found);
  rpc Sum(stream Near) returns (Found);
  rpc Talk(stream Near) returns (stream Found);
  rpc Say(Text) returns (Text);
}
"#;

/// A sheet of a YAML text, with the schema above beside it.
pub(super) fn resolved(text: &str, options: &Options) -> Result<Sheet, CallsError> {
    let folder = tempfile::tempdir().unwrap();
    // With a byte order mark, which protoc takes.
    std::fs::write(folder.path().join("geo.proto"), format!("\u{feff}{PROTO}")).unwrap();
    let text = format!("schema: {{proto: [geo.proto]}}\n{text}");
    let source = Source::inside("x.yaml", &text, "");
    let declaration = Declaration::parse(&text, &source)?;
    let sheet = Sheet::resolve(declaration, folder.path(), &Options { source, ..options.clone() })?;
    // What runs and judges later has the text alone.
    Ok(Sheet::from_text(&sheet.to_text()).unwrap())
}

fn sheet(text: &str) -> Sheet {
    resolved(text, &Options::default()).unwrap_or_else(|e| panic!("{e} ({:?})", e.hint()))
}

pub(super) fn one(call: &str) -> Sheet {
    sheet(&format!("calls: [{call}]"))
}

pub(super) fn header(name: &str, value: &str) -> Header {
    Header { name: name.into(), value: value.into() }
}

/// A gRPC reply of JSON messages.
pub(super) fn grpc(sheet: &Sheet, method: &str, messages: &[Value], status: &str) -> Reply {
    let kind = sheet.schema.method(method).unwrap().output();
    Reply {
        status: 200,
        headers: vec![header("content-type", "application/grpc"), header("x-lead", "1")],
        messages: messages.iter().map(|m| from_json(&kind, m).unwrap().encode_to_vec()).collect(),
        trailers: vec![
            header("grpc-status", status),
            header("grpc-message", "no%20such h%c3%b6tel"),
            header("x-trail", "2"),
        ],
        ..Reply::default()
    }
}

pub(super) fn http(status: u32, kind: &str, body: &str) -> Reply {
    Reply { status, headers: vec![header("content-type", kind)], messages: vec![body.into()], ..Reply::default() }
}

fn replied(replies: Vec<Reply>) -> ReplyList {
    let sequence = (0_u32..).zip(&replies).map(|(reply, _)| Made { reply, took_ns: 1000 }).collect();
    ReplyList { replies, sequence, ..ReplyList::default() }
}

/// Why the only call is wrong; empty where it is right.
pub(super) fn why(sheet: &Sheet, reply: Reply) -> String {
    let judged = sheet.judge(&replied(vec![reply]));
    assert_eq!(judged.measured.len(), 1);
    judged.measured[0].reason.as_ref().map_or_else(String::new, |reason| reason.words.clone())
}

const RIGHT: &str = "{call: geo.Geo/Nearby, data: {lat: 1.5, lon: 2}, expect: {equals: {hotelIds: ['1', '3'], room: {name: a, price: 2.5}}}}";

fn right() -> Value {
    json!({"hotelIds": ["1", "3"], "room": {"name": "a", "price": 2.5}})
}

#[test]
fn equal_means_every_field_with_its_default() {
    let sheet = one(RIGHT);
    let told = |reply: Value| why(&sheet, grpc(&sheet, "geo.Geo/Nearby", &[reply], "0"));
    assert_eq!(told(right()), "");
    for (changed, words) in [
        (
            json!({"hotelIds": ["1", "4"], "room": {"name": "a", "price": 2.5}}),
            ".hotelIds[1]: expected \"3\", got \"4\"",
        ),
        (
            json!({"hotelIds": ["1", "3"], "room": {"name": "a", "price": 2.5, "free": true}}),
            ".room.free: expected false, got true",
        ),
        (
            json!({"hotelIds": ["1", "3"], "room": {"name": "a", "price": 2.5}, "count": "7"}),
            ".count: expected \"0\", got \"7\"",
        ),
        (json!({"hotelIds": ["1", "3"]}), ".room: expected {"),
        (json!({}), ".hotelIds[0]: expected \"1\", it is missing"),
    ] {
        let told = told(changed);
        assert!(told.contains(words), "{told}");
    }
}

#[test]
fn any_byte_of_a_reply_matters() {
    let sheet = one(RIGHT);
    let good = grpc(&sheet, "geo.Geo/Nearby", &[right()], "0");
    for at in 0..good.messages[0].len() {
        let mut bad = good.clone();
        bad.messages[0][at] ^= 1;
        assert_ne!(why(&sheet, bad), "", "byte {at}");
    }
}

#[test]
fn partial_looks_at_what_is_named_even_at_defaults() {
    let partial = |equals: &str| one(&format!("{{call: geo.Geo/Nearby, expect: {{partial: true, equals: {equals}}}}}"));
    let told = |sheet: &Sheet| {
        why(
            sheet,
            grpc(sheet, "geo.Geo/Nearby", &[json!({"hotelIds": ["1"], "room": {"name": "a", "free": true}})], "0"),
        )
    };
    assert_eq!(told(&partial("{hotel_ids: ['1']}")), "", "names of the .proto are names, too");
    assert_eq!(told(&partial("{room: {name: a}}")), "");
    assert!(
        told(&partial("{room: {free: false}}")).contains("expected false, got true"),
        "a default that is named counts"
    );
    assert!(told(&partial("{hotelIds: []}")).contains("not expected"));
    assert!(told(&partial("{count: 1}")).contains(".count"));
}

#[test]
fn statuses_are_expected_or_wrong() {
    let plain = one("{call: geo.Geo/Nearby, expect: {status: OK}}");
    let of = |status: &str, messages: &[Value]| grpc(&plain, "geo.Geo/Nearby", messages, status);
    assert_eq!(why(&plain, of("0", &[json!({})])), "");
    assert_eq!(why(&plain, of("5", &[])), "expected status OK, got NOT_FOUND: no such hötel");
    assert!(why(&plain, of("0", &[])).contains("0 messages instead of one"));
    assert!(why(&plain, of("0", &[json!({}), json!({})])).contains("2 messages"));
    assert!(why(&plain, of("x", &[])).contains("not a number"));
    let none = Reply { trailers: Vec::new(), ..of("0", &[json!({})]) };
    assert!(why(&plain, none).contains("without trailers"));
    let html = Reply { headers: vec![header("content-type", "text/html")], ..of("0", &[]) };
    assert!(why(&plain, html).contains("not gRPC"));
    let gateway = Reply { status: 503, trailers: Vec::new(), ..of("0", &[]) };
    assert!(why(&plain, gateway).contains("got UNAVAILABLE: HTTP status 503"));
    let missing = one("{call: geo.Geo/Nearby, expect: {status: {code: NOT_FOUND, message: '/h.tel$/'}}}");
    assert_eq!(why(&missing, of("5", &[])), "");
    assert!(why(&missing, of("6", &[])).contains("expected status NOT_FOUND, got ALREADY_EXISTS"));
    let other = one("{call: geo.Geo/Nearby, expect: {status: {code: 5, message: no such}}}");
    assert!(why(&other, of("5", &[])).contains("expected the message \"no such\""));
    let local = Reply { local_status: 5, words: "deadline of 5ms".into(), ..Reply::default() };
    assert_eq!(
        why(&one("{call: geo.Geo/Nearby, deadline: 5ms, expect: {status: DEADLINE_EXCEEDED}}"), local.clone()),
        ""
    );
    assert!(why(&plain, local).contains("got DEADLINE_EXCEEDED: deadline of 5ms"));
}

#[test]
fn a_call_without_a_whole_reply_is_never_right() {
    let sheet = one("{call: geo.Geo/Nearby, expect: {status: [OK, UNAVAILABLE, DEADLINE_EXCEEDED]}}");
    for broken in [Broken::Deadline, Broken::Lost, Broken::Protocol, Broken::TooLong] {
        let reply = Reply {
            broken: broken.into(),
            words: "so it is".into(),
            ..grpc(&sheet, "geo.Geo/Nearby", &[json!({})], "0")
        };
        assert_eq!(why(&sheet, reply), "so it is");
    }
}

#[test]
fn metadata_texts_paths_and_expressions() {
    for (expect, good) in [
        ("{headers: {X-Lead: 1}, trailers: {x-trail: /^2$/}}", true),
        ("{headers: {x-lead: '2'}}", false),
        ("{trailers: {x-none: x}}", false),
        ("{matches: {'.hotelIds[*]': '^[0-9]$', .room.name: a}}", true),
        ("{matches: {'.hotelIds[*]': '^1$'}}", false),
        ("{matches: {.room.name: ^none$}}", false),
        (
            "{cel: ['size(reply.hotelIds) == 2', \"trailers['x-trail'] == '2'\", 'status == \"OK\"', 'n == 0', 'reply.count == 5']}",
            true,
        ),
        ("{cel: ['reply.count == 6']}", false),
        ("{cel: ['request.lat > 1.0 && request.big == 7']}", true),
        (
            "{equals: {hotelIds: ['3', '1'], room: {name: a, price: 2.51}, count: 5}, unordered: true, tolerance: 0.02}",
            true,
        ),
        (
            "{equals: {hotelIds: ['3', '1'], room: {name: a, price: 2.5}}, unordered: [.hotel_ids], ignore: [.count]}",
            true,
        ),
        ("{equals: {hotelIds: ['3', '1'], room: {name: a, price: 2.5}}, ignore: [.count]}", false),
    ] {
        let sheet = one(&format!("{{call: geo.Geo/Nearby, data: {{lat: 1.5, big: \"7\"}}, expect: {expect}}}"));
        let mut reply = right();
        reply["count"] = json!(5);
        let told = why(&sheet, grpc(&sheet, "geo.Geo/Nearby", &[reply], "0"));
        assert_eq!(told.is_empty(), good, "{expect}: {told}");
    }
}

#[test]
fn streams_are_judged_whole_and_one_by_one() {
    let told = |expect: &str, messages: &[Value]| {
        let sheet = one(&format!("{{call: geo.Geo/Watch, expect: {expect}}}"));
        why(&sheet, grpc(&sheet, "geo.Geo/Watch", messages, "0"))
    };
    let two = [json!({"count": "1"}), json!({"count": "2"})];
    assert_eq!(told("{equals: [{count: 1}, {count: 2}]}", &two), "");
    assert!(told("{equals: [{count: 1}]}", &two).contains("[1]: not expected"));
    assert_eq!(told("{count: 2, each: {cel: ['reply.count > 0']}}", &two), "");
    assert!(told("{count: 3}", &two).contains("expected 3 messages, got 2"));
    assert!(told("{each: {cel: ['reply.count > 1']}}", &two).contains("reply.count > 1 is false"));
    assert!(told("{each: {partial: true, equals: {count: 1}}}", &two).contains("message 2: wrong reply"));
    assert_eq!(told("{cel: ['replies[1].count == 2']}", &two), "");
    assert_eq!(told("{count: 0}", &[]), "");
    assert!(told("{each: {cel: ['reply.count > 0']}}", &[]).contains("no message"), "of nothing all would be true");
}

#[test]
fn http_replies() {
    for (call, reply, words) in [
        ("{http: GET /, expect: {text: hello}}", http(200, "text/plain", "hello"), ""),
        ("{http: GET /, expect: {text: hello}}", http(200, "text/plain", "hellp"), "from byte 5"),
        (
            "{http: GET /, expect: {text: hello}}",
            http(500, "text/plain", "hello"),
            "expected HTTP status 2xx, got 500: hello",
        ),
        ("{http: GET /, expect: {status: [404, 2xx]}}", http(404, "text/plain", ""), ""),
        ("{http: GET /, expect: {equals: {a: [1]}}}", http(200, "application/json", "{\"a\": [1]}"), ""),
        (
            "{http: GET /, expect: {equals: {a: [1]}}}",
            http(200, "application/json", "{\"a\": [1, 2]}"),
            ".a[1]: not expected",
        ),
        (
            "{http: GET /, expect: {equals: {a: [1]}}}",
            http(200, "text/html", "<html>"),
            "the body is not JSON (expected value at line 1 column 1): \"<html>\"",
        ),
        ("{http: GET /, expect: {equals: ok}}", http(200, "text/plain", "ok"), "the body is not JSON"),
        ("{http: GET /, expect: {equals: ok}}", http(200, "application/json", "\"ok\""), ""),
        (
            "{http: GET /, expect: {equals: {id: 1, error: null}}}",
            http(200, "x", "{\"id\":1}"),
            ".error: expected null, it is missing",
        ),
        (
            "{http: GET /, expect: {matches: {.created_at: '5'}}}",
            http(200, "x", "{\"createdAt\":5}"),
            ".created_at is missing",
        ),
        (
            "{http: GET /, expect: {equals: {n: '123456789012345678901'}}}",
            http(200, "x", "{\"n\":123456789012345678901}"),
            "",
        ),
        (
            "{http: GET /, expect: {equals: {n: '123456789012345678902'}}}",
            http(200, "x", "{\"n\":123456789012345678901}"),
            ".n: expected",
        ),
        ("{http: GET /, expect: {headers: {content-type: /json/}, matches: {.: '^b'}}}", http(200, "x/json", "bc"), ""),
        ("{http: GET /, expect: {cel: ['reply.a == 1 && status == 201']}}", http(201, "x", "{\"a\":1}"), ""),
    ] {
        let told = why(&one(call), reply);
        assert!(if words.is_empty() { told.is_empty() } else { told.contains(words) }, "{call}: {told}");
    }
}

#[test]
fn oracles_and_texts_of_messages() {
    let sheet = one("{call: geo.Geo/Say, data: {text: '10'}, expect: {oracle: fibonacci-go}}");
    let told = |text: &str| why(&sheet, grpc(&sheet, "geo.Geo/Say", &[json!({"text": text})], "0"));
    assert_eq!(told("fn: Fib: y = fib(x) | x: 10 y: 55 | runtime: GoLang"), "");
    assert!(
        told("fn: Fib: y = fib(x) | x: 10 y: 56 | runtime: GoLang").contains("for \"10\": wrong reply (from byte 33)")
    );
    let text = one("{call: geo.Geo/Say, expect: {text: hi}}");
    assert_eq!(why(&text, grpc(&text, "geo.Geo/Say", &[json!({"text": "hi"})], "0")), "");
    assert!(why(&text, grpc(&text, "geo.Geo/Say", &[json!({"text": "ho"})], "0")).contains("from byte 2"));
}

#[test]
fn placeholders_are_the_calls_own() {
    let sheet = sheet("calls: [{call: geo.Geo/Say, times: 3, data: {text: 'a{{n}}'}, expect: {text: 'b{{n}}'}}]");
    let replies: Vec<Reply> =
        ["b0", "b1", "b1"].iter().map(|text| grpc(&sheet, "geo.Geo/Say", &[json!({"text": text})], "0")).collect();
    let judged = sheet.judge(&replied(replies));
    let right: Vec<bool> = judged.measured.iter().map(|v| v.reason.is_none()).collect();
    assert_eq!(right, [true, true, false]);
    let list = sheet.encode().unwrap();
    assert_eq!((list.calls.len(), list.sequence.as_slice()), (3, &[0, 1, 2][..]));
    assert_eq!(list.calls[2].body, b"\0\0\0\0\x04\x0a\x02a2");
}

#[test]
fn an_expression_has_each_calls_own_number() {
    let sheet = sheet("calls: [{http: GET /, times: 3, expect: {cel: ['reply == n']}}]");
    let judged = sheet.judge(&replied(vec![http(200, "x", "0"), http(200, "x", "1"), http(200, "x", "1")]));
    let right: Vec<bool> = judged.measured.iter().map(|v| v.reason.is_none()).collect();
    assert_eq!(right, [true, true, false]);
    // The same reply for all: equal calls are not judged by the first one alone.
    let same = ReplyList { sequence: vec![Made { reply: 0, took_ns: 1 }; 3], ..replied(vec![http(200, "x", "0")]) };
    let right: Vec<bool> = sheet.judge(&same).measured.iter().map(|v| v.reason.is_none()).collect();
    assert_eq!(right, [true, false, false]);
}

#[test]
fn snapshots_are_kept_and_held_against() {
    let folder = tempfile::tempdir().unwrap();
    let text = "calls: [{http: GET /, times: 2, expect: {snapshot: s-1, ignore: [.t]}}]";
    let with = |accept: bool| {
        let declaration = Declaration::parse(text, &Source::default()).unwrap();
        Sheet::resolve(declaration, folder.path(), &Options { accept, ..Options::default() }).unwrap()
    };
    let reply = |a: u64, t: u64| http(200, "x", &format!("{{\"a\":{a},\"t\":{t}}}"));
    let first = with(false).judge(&replied(vec![reply(1, 1)]));
    assert!(first.measured[0].reason.as_ref().unwrap().words.contains("--accept"), "a new one is a failure");
    let accepting = with(true);
    let judged = accepting.judge(&replied(vec![reply(1, 1), reply(2, 1)]));
    assert!(judged.measured[0].reason.is_none() && judged.measured[1].reason.is_some(), "both are to be the same");
    let written = accepting.keep(&judged.seen).unwrap();
    assert_eq!(written, [folder.path().join("snapshots/s-1.json")]);
    assert!(accepting.keep(&judged.seen).unwrap().is_empty(), "nothing is new");
    let judged = with(false).judge(&replied(vec![reply(1, 5), reply(3, 1)]));
    assert!(judged.measured[0].reason.is_none());
    assert!(judged.measured[1].reason.as_ref().unwrap().words.contains("the snapshot s-1: .a: expected 1, got 3"));
}

#[test]
fn calls_are_encoded_as_grpc_and_http_have_them() {
    let sheet = sheet(
        "calls:\n  - {call: geo.Geo.Sum, data: [{lat: 1}, {}], metadata: {X-Id: 7, k-bin: AAE=}, deadline: 2s, expect: {status: OK}}\n  \
         - {http: POST /fn?a=b, json: {x: 1}, headers: {X: y}, expect: {status: 200}}\n  \
         - {http: POST /, event: {type: t, data: {a: 1}}, expect: {status: 200}}\n  \
         - {http: PUT /, h2c: true, event: {type: t, id: i, mode: structured}, expect: {status: 200}}\n",
    );
    let CallList { calls, sequence, .. } = sheet.encode().unwrap();
    assert_eq!(sequence, [0, 1, 2, 3]);
    assert_eq!((calls[0].path.as_str(), calls[0].deadline_ms), ("/geo.Geo/Sum", 2000));
    assert_eq!(calls[0].body, b"\0\0\0\0\x05\x0d\0\0\x80\x3f\0\0\0\0\0");
    assert_eq!(calls[0].headers, [header("x-id", "7"), header("k-bin", "AAE")]);
    assert_eq!(
        (calls[1].protocol(), calls[1].path.as_str(), calls[1].body.as_slice()),
        (Protocol::Http1, "/fn?a=b", &b"{\"x\":1}"[..])
    );
    assert_eq!(calls[1].headers, [header("x", "y"), header("content-type", "application/json")]);
    assert!(calls[2].headers.contains(&header("ce-id", "2")) && calls[2].headers.contains(&header("ce-type", "t")));
    assert_eq!(calls[2].body, b"{\"a\":1}");
    assert_eq!((calls[3].protocol(), calls[3].method.as_str()), (Protocol::H2c, "PUT"));
    let event: Value = serde_json::from_slice(&calls[3].body).unwrap();
    assert_eq!(event, json!({"specversion": "1.0", "type": "t", "source": "futon", "id": "i"}));
}

#[test]
fn an_events_attributes_are_headers_as_the_binding_has_them() {
    let call = |rest: &str| format!("calls:\n  - {{http: POST /, expect: {{status: 200}}, {rest}}}\n");
    let CallList { calls, .. } =
        sheet(&call(r#"headers: {ce-mine: x}, event: {type: t, subject: "50% \"ü\"\n"}"#)).encode().unwrap();
    assert!(calls[0].headers.contains(&header("ce-subject", "50%25%20%22%C3%BC%22%0A")), "{:?}", calls[0].headers);
    assert!(calls[0].headers.contains(&header("ce-mine", "x")));
}

#[test]
fn invocations_and_warm_up_take_the_list_again_and_again() {
    let text = "calls: [{http: GET /a, times: 2, expect: {status: 200}}, {http: GET /b, expect: {status: 200}}]";
    let sheet = resolved(text, &Options { invocations: Some(5), warmup: 1, ..Options::default() }).unwrap();
    assert_eq!(
        (sheet.sequence.as_slice(), sheet.warmup.as_slice(), sheet.planned()),
        (&[0, 0, 1, 0, 0][..], &[0][..], (5, 1))
    );
    assert_eq!(sheet.title(), "GET /a and 1 more");
    assert!(resolved(text, &Options { invocations: Some(2_000_000), ..Options::default() }).is_err());
}

#[test]
fn what_is_wrong_in_a_declaration_has_a_place_and_a_hint() {
    for (call, words, hint) in [
        ("{call: geo.Geo/Nearbye, expect: {status: OK}}", "no method geo.Geo/Nearbye", "did you mean geo.Geo/Nearby?"),
        ("{call: Nearby, expect: {status: OK}}", "is not a method", "package.Service/Method"),
        (
            "{call: geo.Geo/Nearby, data: {latt: 1}, expect: {status: OK}}",
            "`calls[0].data.latt`: geo.Near has no field \"latt\"",
            "did you mean lat?",
        ),
        ("{call: geo.Geo/Nearby, data: {tags: [1]}, expect: {status: OK}}", "calls[0].data.tags", ""),
        ("{call: geo.Geo/Nearby, data: [{}], expect: {status: OK}}", "the method takes one", ""),
        (
            "{call: geo.Geo/Nearby, expect: {equals: {room: {fre: true}}}}",
            "calls[0].expect.equals.room.fre",
            "did you mean free?",
        ),
        ("{call: geo.Geo/Watch, expect: {equals: {}}}", "give a list of messages", ""),
        ("{call: geo.Geo/Nearby, expect: {count: 1}}", "replies once", ""),
        ("{call: geo.Geo/Nearby, expect: {}}", "any reply would be correct", "status: OK"),
        ("{call: geo.Geo/Nearby}", "any reply would be correct", "status: OK"),
        ("{call: geo.Geo/Nearby, expect: {text: x}}", "has 0 text fields", ""),
        ("{call: geo.Geo/Say, expect: {oracle: fibonaci-go}}", "unknown function", ""),
        ("{call: geo.Geo/Nearby, json: {}, expect: {status: OK}}", "only for HTTP calls", "gRPC has data"),
        ("{call: geo.Geo/Nearby, metadata: {grpc-timeout: 1}, expect: {status: OK}}", "the client sets it itself", ""),
        ("{call: geo.Geo/Nearby, metadata: {a-bin: '%'}, expect: {status: OK}}", "no base64", ""),
        ("{http: GET, expect: {status: 200}}", "not a request", "GET /healthz"),
        ("{http: FETCH /, expect: {status: 200}}", "not an HTTP method", ""),
        ("{http: GET /, json: 1, body: x, expect: {status: 200}}", "only one of", ""),
        ("{http: GET /, data: {}, expect: {status: 200}}", "only for gRPC calls", ""),
        ("{http: GET /, file: none.bin, expect: {status: 200}}", "cannot read", ""),
        ("{http: GET /, expect: {snapshot: ../x}}", "not a file name", ""),
        ("{http: 'GET /{{m}}', expect: {status: 200}}", "unknown placeholder {{m}}", "{{rand N}}"),
        ("{http: GET /, expect: {text: '{{rand 5}}'}}", "would draw different numbers", ""),
        ("{expect: {status: 200}}", "neither `call` nor `http`", ""),
        ("{http: POST /, headers: {Ce-Id: mine}, event: {type: t}, expect: {status: 200}}", "`event` sets it", ""),
        (
            "{http: POST /, headers: {Content-Type: a/b}, event: {type: t, mode: structured}, expect: {status: 200}}",
            "`event` sets it",
            "",
        ),
        ("{http: POST /, event: {type: t, id: ''}, expect: {status: 200}}", "cannot be empty", ""),
    ] {
        let error = resolved(&format!("calls:\n  - {call}"), &Options::default()).unwrap_err();
        let told = error.to_string();
        assert!(told.starts_with("x.yaml:3:") && told.contains(words), "{call}: {told}");
        assert!(error.hint().unwrap_or_default().contains(hint), "{call}: {:?}", error.hint());
    }
    let later = Options { schema_later: true, ..Options::default() };
    let told = resolved("calls:\n  - {expect: {status: OK}}", &later).unwrap_err().to_string();
    assert!(told.contains("neither `call` nor `http`"), "{told}");
    let tls = |ca: &str| format!("tls: {{ca: {ca}}}\ncalls:\n  - {{http: GET /, expect: {{status: 200}}}}");
    let told = resolved(&tls("none.pem"), &Options::default()).unwrap_err().to_string();
    assert!(told.starts_with("x.yaml:2:") && told.contains("none.pem: No such file"), "{told}");
    let told = resolved(&tls("geo.proto"), &Options::default()).unwrap_err().to_string();
    assert!(told.contains("it contains no certificate"), "{told}");
    let told = |head: &str| {
        let text = format!("{head}\ncalls:\n  - {{http: GET /, expect: {{status: 200}}}}");
        resolved(&text, &Options::default()).unwrap_err().to_string()
    };
    assert!(told("tls: {accept: true, name: a b}").contains("neither a host's name"));
    assert!(told("tls: {accept: true, cert: geo.proto, key: geo.proto}").contains("`tls.cert`"));
    assert!(told("port: 0").contains("nothing can listen on port 0"));
    assert!(resolved("port: 1", &Options::default()).unwrap_err().to_string().contains("it has no calls"));
}

#[test]
fn schemas_that_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let read =
        |source: Value| Schema::read(&serde_json::from_value(source).unwrap(), folder.path()).unwrap_err().to_string();
    assert!(read(json!({"proto": ["none.proto"]})).contains("cannot read"));
    std::fs::write(folder.path().join("bad.proto"), "syntax = \"proto3\";\nmessage A { strin a = 1; }\n").unwrap();
    assert!(read(json!({"proto": ["bad.proto"], "include": ["nosuch"]})).contains("nosuch"));
    let told = read(json!({"proto": ["bad.proto"]}));
    assert!(told.contains("bad.proto:2") && told.contains("strin"), "{told}");
    std::fs::write(folder.path().join("x.pb"), b"\xff\xff").unwrap();
    assert!(read(json!({"protoset": "x.pb"})).contains("not a descriptor set"));
    std::fs::create_dir(folder.path().join("sub")).unwrap();
    std::fs::write(folder.path().join("sub/a.proto"), "syntax = \"proto3\"; import \"google/protobuf/timestamp.proto\"; package p; message A { google.protobuf.Timestamp t = 1; } service S { rpc M(A) returns (A); }").unwrap();
    let source = serde_json::from_value(json!({"proto": ["sub/a.proto"], "include": ["."]})).unwrap();
    let schema = Schema::read(&source, folder.path()).unwrap();
    assert_eq!(schema.methods().collect::<Vec<_>>(), ["p.S/M"]);
    std::fs::write(folder.path().join("set.pb"), schema.to_bytes()).unwrap();
    let again = Schema::read(&serde_json::from_value(json!({"protoset": "set.pb"})).unwrap(), folder.path()).unwrap();
    assert!(again.method("p.S.M").is_ok());
}
