//! Replies and expectations at the edges: what a hunt found to be judged wrongly.

use serde_json::json;

use super::tests::{grpc, header, http, one, resolved, why};
use super::*;
use crate::declare::Declaration;
use crate::error::Source;
use crate::sheet::Options;
use crate::wire::Header;

#[test]
fn a_text_that_is_not_utf8_is_not_the_text_with_its_stand_in() {
    let sheet = one("{http: GET /, expect: {text: \"caf\u{fffd}\"}}");
    let reply = Reply { messages: vec![b"caf\xe9".to_vec()], ..http(200, "text/plain", "") };
    assert!(why(&sheet, reply).contains("from byte"), "its bytes differ");
}

#[test]
fn snapshots_tell_bodies_apart_that_are_no_text() {
    let mut sheet = one("{http: GET /, expect: {snapshot: picture}}");
    let reply = |body: &[u8]| Reply { messages: vec![body.to_vec()], ..http(200, "image/png", "") };
    sheet.accept = true;
    let list = ReplyList {
        replies: vec![reply(b"\xff\x01")],
        sequence: vec![Made { reply: 0, took_ns: 1 }],
        ..ReplyList::default()
    };
    let seen = sheet.judge(&list).seen;
    assert_eq!(seen["picture"], json!({"base64": "/wE="}));
    (sheet.accept, sheet.snapshots) = (false, seen);
    assert_eq!(why(&sheet, reply(b"\xff\x01")), "");
    assert!(why(&sheet, reply(b"\xfe\x01")).contains("differs from the snapshot"));
}

#[test]
fn null_is_a_value_where_googles_types_have_it() {
    let any = |equals: &str, partial: bool, reply: serde_json::Value| {
        let sheet = one(&format!("{{call: geo.Geo/Any, expect: {{equals: {equals}, partial: {partial}}}}}"));
        why(&sheet, grpc(&sheet, "geo.Geo/Any", &[reply], "0"))
    };
    for partial in [false, true] {
        for (equals, right, wrong) in [
            ("{st: {a: null, b: 1}}", json!({"st": {"a": null, "b": 1}}), json!({"st": {"b": 1}})),
            ("{v: null}", json!({"v": null}), json!({})),
            ("{nothing: null}", json!({"nothing": null}), json!({})),
            // Of a message null says that it is not set.
            ("{room: null}", json!({}), json!({"room": {}})),
        ] {
            assert_eq!(any(equals, partial, right), "", "{equals} {partial}");
            let why = any(equals, partial, wrong);
            assert!(why.starts_with("wrong reply: "), "{equals} {partial}: {why:?}");
        }
    }
}

#[test]
fn the_only_text_may_be_all_there_is() {
    let wrap = |expect: &str, data: &str, reply: serde_json::Value| {
        let sheet = one(&format!("{{call: geo.Geo/Wrap, data: {data}, expect: {{{expect}}}}}"));
        why(&sheet, grpc(&sheet, "geo.Geo/Wrap", &[reply], "0"))
    };
    assert_eq!(wrap("text: hi", "x", json!("hi")), "");
    assert!(wrap("text: ''", "x", json!("hi")).contains("expected \"\", got \"hi\""));
    assert_eq!(wrap("oracle: fibonacci-go", "'3'", json!("fn: Fib: y = fib(x) | x: 3 y: 2 | runtime: GoLang")), "");
    assert!(wrap("oracle: fibonacci-go", "'3'", json!("")).contains("wrong reply"));
    // What is a text, a number or anything has no only text.
    let options = Options::default();
    let error = resolved("calls: [{call: geo.Geo/Value, expect: {text: ''}}]", &options).unwrap_err();
    assert!(error.to_string().contains("0 text fields"), "{error}");
}

#[test]
fn the_largest_float_is_what_all_writers_print() {
    let sheet =
        one("{call: geo.Geo/Strange, expect: {equals: {part: 3.4028235e+38, parts: [-3.4028235e38]}, partial: true}}");
    let reply = |part: f32| json!({"part": f64::from(part), "parts": [f64::from(f32::MIN)]});
    assert_eq!(why(&sheet, grpc(&sheet, "geo.Geo/Strange", &[reply(f32::MAX)], "0")), "");
    assert!(!why(&sheet, grpc(&sheet, "geo.Geo/Strange", &[reply(1.0)], "0")).is_empty());
    let error = resolved("calls: [{call: geo.Geo/Strange, expect: {equals: {part: 3.5e38}}}]", &Options::default())
        .unwrap_err();
    assert!(error.to_string().contains("float value out of range"), "{error}");
}

#[test]
fn an_any_is_read_as_its_writers_print_it() {
    let any = |equals: &str, reply: serde_json::Value| {
        let sheet = one(&format!(
            "{{call: geo.Geo/Strange, expect: {{equals: {{any: {equals}}}, partial: true, matches: {{.part: '^0$'}}}}}}"
        ));
        why(&sheet, grpc(&sheet, "geo.Geo/Strange", &[json!({"any": reply})], "0"))
    };
    let url = |name: &str| format!("type.googleapis.com/{name}");
    // Python's writer has no `value` here, others have.
    for written in [
        "{'@type': type.googleapis.com/google.protobuf.Empty}",
        "{'@type': type.googleapis.com/google.protobuf.Empty, value: {}}",
    ] {
        assert_eq!(any(written, json!({"@type": url("google.protobuf.Empty"), "value": {}})), "", "{written}");
    }
    let sheet = one("{call: geo.Geo/Strange, expect: {matches: {.any.lat: '^0.1$'}}}");
    let near = json!({"any": {"@type": url("geo.Near"), "lat": 0.1}});
    assert_eq!(why(&sheet, grpc(&sheet, "geo.Geo/Strange", &[near], "0")), "");
    let sheet = one("{call: geo.Geo/Strange, expect: {matches: {.any.value: '^0.1$'}}}");
    let wrapped = json!({"any": {"@type": url("google.protobuf.FloatValue"), "value": 0.1}});
    assert_eq!(why(&sheet, grpc(&sheet, "geo.Geo/Strange", &[wrapped], "0")), "");
}

#[test]
fn lists_are_messages_where_googles_types_are_lists() {
    let sheet = one("{call: geo.Geo/List, data: [1, a], expect: {equals: [2]}}");
    assert_eq!(why(&sheet, grpc(&sheet, "geo.Geo/List", &[json!([2])], "0")), "");
    assert!(why(&sheet, grpc(&sheet, "geo.Geo/List", &[json!([3])], "0")).contains("expected 2"));
    // No data is a message in which nothing is set.
    one("{call: geo.Geo/Wrap, expect: {text: ''}}");
    one("{call: geo.Geo/List, expect: {equals: []}}");
}

#[test]
fn a_stream_has_no_text_of_its_own() {
    let refused = |call: &str| resolved(&format!("calls: [{call}]"), &Options::default()).unwrap_err().to_string();
    assert!(refused("{call: geo.Geo/Texts, expect: {text: ''}}").contains("has no text of its own"));
    let sheet = one("{call: geo.Geo/Texts, expect: {each: {text: a}}}");
    assert_eq!(why(&sheet, grpc(&sheet, "geo.Geo/Texts", &[json!({"text": "a"})], "0")), "");
    assert!(!why(&sheet, grpc(&sheet, "geo.Geo/Texts", &[json!({"text": "b"})], "0")).is_empty());
}

#[test]
fn numbers_of_requests_keep_their_digits() {
    let refused = |call: &str| resolved(&format!("calls: [{call}]"), &Options::default()).unwrap_err().to_string();
    let long = "12345678901234567890123";
    for call in [
        format!("{{http: POST /, json: {{n: [{long}]}}, expect: {{status: 200}}}}"),
        format!("{{http: POST /, event: {{type: t, source: s, data: {{n: {long}}}}}, expect: {{status: 200}}}}"),
    ] {
        assert!(refused(&call).contains("has lost digits"), "{call}");
    }
    one("{http: POST /, json: {n: 1e30, m: 6.02214076e23, o: 18446744073709551615}, expect: {status: 200}}");
    assert!(refused("{http: GET /, expect: {status: {code: 200, message: OK}}}").contains("only gRPC's statuses"));
    one("{http: GET /, expect: {status: [299, 999, 7xx]}}");
}

#[test]
fn a_status_alone_and_joined_binary_metadata_are_taken() {
    let sheet = one("{call: geo.Geo/Say, expect: {status: UNIMPLEMENTED}}");
    let alone =
        Reply { status: 200, only_headers: true, headers: vec![header("grpc-status", "12")], ..Reply::default() };
    assert_eq!(why(&sheet, alone.clone()), "");
    assert!(why(&sheet, Reply { only_headers: false, ..alone }).contains("not gRPC"));
    let sheet = one("{call: geo.Geo/Say, expect: {status: OK, headers: {x-bin: AP/+}}}");
    let good = grpc(&sheet, "geo.Geo/Say", &[json!({"text": "hi"})], "0");
    let of =
        |value: &str| Reply { headers: [good.headers.clone(), vec![header("x-bin", value)]].concat(), ..good.clone() };
    for value in ["AP/+", "AQ, AP/+", "AP/+,AQ=="] {
        assert_eq!(why(&sheet, of(value)), "", "{value}");
    }
    assert!(!why(&sheet, of("AQ")).is_empty());
}

#[test]
fn what_is_of_one_connection_is_refused_over_http2() {
    let refused = |call: &str| resolved(&format!("calls: [{call}]"), &Options::default()).unwrap_err().to_string();
    for name in ["connection", "proxy-connection", "keep-alive", "upgrade"] {
        let why = refused(&format!("{{call: geo.Geo/Say, metadata: {{{name}: x}}, expect: {{status: OK}}}}"));
        assert!(why.contains(&format!("metadata.{name}`: HTTP/2 has no such header")), "{why}");
    }
    for name in ["keep-alive", "upgrade", "te"] {
        let why = refused(&format!("{{http: GET /, h2c: true, headers: {{{name}: x}}, expect: {{status: 200}}}}"));
        assert!(why.contains(&format!("headers.{name}`: HTTP/2 has no such header")), "{why}");
    }
    one("{http: GET /, h2c: true, headers: {te: trailers}, expect: {status: 200}}");
    one("{http: GET /, headers: {keep-alive: x, te: gzip}, expect: {status: 200}}");
    for (metadata, why) in [
        ("{content-length: '5'}", "the client sets it itself"),
        ("{x!y: a}", "a key of metadata has letters"),
        ("{x: caf\u{e9}}", "is printable ASCII"),
    ] {
        let said = refused(&format!("{{call: geo.Geo/Say, metadata: {metadata}, expect: {{status: OK}}}}"));
        assert!(said.contains(why), "{said}");
    }
}

#[test]
fn the_status_is_in_the_trailers_once() {
    let sheet = one("{call: geo.Geo/Say, expect: {text: hi}}");
    let good = grpc(&sheet, "geo.Geo/Say", &[json!({"text": "hi"})], "0");
    let status = |code: &str| header("grpc-status", code);
    // In the headers it counts only where there is nothing else.
    let early = Reply { headers: [good.headers.clone(), vec![status("0")]].concat(), trailers: vec![], ..good.clone() };
    assert!(why(&sheet, early.clone()).contains("ended without trailers"));
    let failed = one("{call: geo.Geo/Say, expect: {status: NOT_FOUND}}");
    let empty = Reply { headers: [good.headers.clone(), vec![status("5")]].concat(), messages: vec![], ..early };
    let only = Reply { only_headers: true, ..empty.clone() };
    assert_eq!(why(&failed, only.clone()), "");
    assert!(why(&failed, empty).contains("ended without trailers"), "an empty frame followed the headers");
    // Its metadata is where gRPC's clients have it, and where the bytes were.
    for place in ["headers: {grpc-status: '5'}", "trailers: {grpc-status: '5'}"] {
        assert_eq!(
            why(&one(&format!("{{call: geo.Geo/Say, expect: {{status: NOT_FOUND, {place}}}}}")), only.clone()),
            ""
        );
    }
    let twice = Reply { trailers: vec![status("0"), status("13")], ..good.clone() };
    assert!(why(&sheet, twice).contains("grpc-status 2 times"));
    let signed = Reply { trailers: vec![status("5"), header("grpc-message", "100%+1")], messages: vec![], ..good };
    assert_eq!(why(&one("{call: geo.Geo/Say, expect: {status: {code: NOT_FOUND, message: '100%+1'}}}"), signed), "");
}

#[test]
fn only_grpcs_own_content_types_are_grpc() {
    let sheet = one("{call: geo.Geo/Say, expect: {text: hi}}");
    let good = grpc(&sheet, "geo.Geo/Say", &[json!({"text": "hi"})], "0");
    let of = |kind: &str| Reply { headers: vec![header("content-type", kind)], ..good.clone() };
    for kind in ["application/grpc", "application/grpc+proto", "application/grpc;charset=utf-8"] {
        assert_eq!(why(&sheet, of(kind)), "", "{kind}");
    }
    // Its own status counts before one that is made of HTTP's.
    let gateway = |status: u32, trailers: Vec<Header>| Reply { status, messages: vec![], trailers, ..good.clone() };
    let expected = |status: &str| one(&format!("{{call: geo.Geo/Say, expect: {{status: {status}}}}}"));
    assert_eq!(why(&expected("PERMISSION_DENIED"), gateway(503, vec![header("grpc-status", "7")])), "");
    assert_eq!(why(&expected("UNAVAILABLE"), gateway(503, vec![])), "");
    for kind in ["application/grpc-web+proto", "application/grpcfoo", "application/grp"] {
        assert!(why(&sheet, of(kind)).contains("not gRPC"), "{kind}");
    }
}

#[test]
fn requests_that_no_client_sends_are_refused_before_a_run() {
    let refused = |request: &str| {
        let error = resolved(&format!("calls: [{{http: '{request}', expect: {{status: 200}}}}]"), &Options::default());
        error.unwrap_err()
    };
    let error = refused("GET /x?a=\"<>");
    assert!(error.to_string().contains("percent-encoded"), "{error}");
    assert_eq!(error.hint().unwrap(), "write /x?a=%22%3C%3E");
    assert_eq!(refused("GET /grüße").hint().unwrap(), "write /gr%C3%BC%C3%9Fe");
    assert!(refused("GET /a#b").to_string().contains("fragment"));
    assert!(refused("FETCH /").to_string().contains("GET, POST"));
    for right in ["PURGE /x", "QUERY /q?a={b}|c", "TRACE /"] {
        one(&format!("{{http: '{right}', expect: {{status: 200}}}}"));
    }
}

#[test]
fn a_location_between_slashes_is_not_taken_for_a_regular_expression_in_silence() {
    let of = |value: &str| {
        resolved(
            &format!("calls: [{{http: GET /, expect: {{headers: {{Location: '{value}'}}}}}}]"),
            &Options::default(),
        )
    };
    let error = of("/login/").unwrap_err();
    assert!(error.to_string().contains("is a regular expression, since it is between slashes"), "{error}");
    assert_eq!(
        error.hint().unwrap(),
        "for this path write '/^/login/$/'; for a place that has login in it, '/.*login/'"
    );
    for right in ["/^/login/$/", "/login", "/lo.in/", "https://x/login/"] {
        assert!(of(right).is_ok(), "{right}");
    }
}

#[test]
fn an_expression_sees_the_body_that_was_sent() {
    for (call, request) in [
        ("json: {a: '{{n}}'}", "request.a == '0'"),
        ("body: 'n{{n}}'", "request == 'n0'"),
        ("event: {type: t, data: {x: 1}}", "request.x == 1"),
        ("headers: {x-a: b}", "request == null"),
    ] {
        let sheet = one(&format!("{{http: POST /, {call}, expect: {{cel: [\"{request}\"]}}}}"));
        assert_eq!(why(&sheet, http(200, "application/json", "{}")), "", "{call}");
    }
}

#[test]
fn a_number_without_a_fraction_is_matched_without_one() {
    let matched =
        |pattern: &str| one(&format!("{{call: geo.Geo/Nearby, expect: {{matches: {{.room.price: '{pattern}'}}}}}}"));
    for (pattern, price, right) in [("^1$", 1.0, true), ("^1[.]0$", 1.0, false), ("^1[.]5$", 1.5, true)] {
        let sheet = matched(pattern);
        let reply = grpc(&sheet, "geo.Geo/Nearby", &[json!({"room": {"price": price}})], "0");
        assert_eq!(why(&sheet, reply).is_empty(), right, "{pattern} {price}");
    }
}

#[test]
fn a_path_that_no_reply_has_is_refused_before_a_run() {
    let tried = |call: &str, expect: &str| {
        let text = format!("calls: [{{call: geo.Geo/{call}, expect: {{status: OK, {expect}}}}}]");
        resolved(&text, &Options::default()).map(drop).map_err(|e| e.to_string())
    };
    for (call, expect, why) in [
        ("Nearby", "matches: {.nosuch: a}", "geo.Found has no field nosuch"),
        ("Nearby", "equals: {}, ignore: [.room.nosuch]", "geo.Room has no field nosuch"),
        ("Nearby", "equals: {}, ignore: ['.hotelIds.x']", ".hotelIds is a list: write .hotelIds[*].x"),
        ("Nearby", "equals: {}, unordered: ['.count[*]']", ".count is one value"),
        ("Nearby", "matches: {'.room[0]': a}", ".room is not a list"),
        ("Watch", "equals: [], ignore: [.count]", ". is a list: write .[*].count"),
    ] {
        let error = tried(call, expect).unwrap_err();
        assert!(error.contains(why), "{expect}: {error}");
    }
    for (call, expect) in [
        ("Nearby", "matches: {'.hotel_ids[0]': a, .room.price: b, .: c}"),
        ("Watch", "equals: [], ignore: ['.[*].count']"),
        ("Strange", "equals: {}, ignore: [.any.whatever.it.is, '.rooms[\"1\"].name']"),
    ] {
        tried(call, expect).unwrap();
    }
}

#[test]
fn headers_of_one_name_mean_their_list() {
    let reply = || Reply { headers: vec![header("x-a", "1"), header("x-a", "2")], ..http(200, "x", "") };
    for right in ["1", "2", "1, 2"] {
        assert_eq!(why(&one(&format!("{{http: GET /, expect: {{headers: {{x-a: '{right}'}}}}}}")), reply()), "");
    }
    let told = why(&one("{http: GET /, expect: {headers: {x-a: '3'}}}"), reply());
    assert!(told.contains("got 2 of them: [\"1\", \"2\"]"), "{told}");
}

#[test]
fn the_header_date_is_asked_for_where_an_expectation_sees_it() {
    let wants = |call: &str| one(call).encode().unwrap().calls[0].wants_date;
    assert!(wants("{http: GET /, expect: {headers: {Date: /GMT/}}}"));
    assert!(wants("{call: geo.Geo/Say, expect: {cel: [\"'date' in headers\"]}}"));
    assert!(!wants("{http: GET /, expect: {status: 200}}") && !wants("{call: geo.Geo/Say, expect: {status: OK}}"));
}

#[test]
fn whole_numbers_beyond_64_bits_are_refused_and_other_numbers_are_exact() {
    let refused = |call: &str| resolved(&format!("calls: [{call}]"), &Options::default()).unwrap_err();
    let error = refused("{http: GET /, expect: {equals: {n: [123456789012345678901]}}}");
    assert!(error.to_string().contains("more than 64 bits") && error.hint().unwrap().contains("as a text"), "{error}");
}

#[test]
fn an_any_of_unknown_type_matters_only_where_the_reply_is_looked_at() {
    let told = |expect: &str| {
        let sheet = one(&format!("{{call: geo.Geo/Strange, expect: {{{expect}}}}}"));
        let reply = Reply {
            // Field 1, an Any: type_url `x/x.Y`, one byte of value.
            messages: vec![b"\x0a\x0a\x0a\x05x/x.Y\x12\x01\x00".to_vec()],
            ..grpc(&sheet, "geo.Geo/Strange", &[], "0")
        };
        why(&sheet, reply)
    };
    assert_eq!(told("status: OK"), "");
    for looks in ["cel: ['reply.part == 0.0']", "partial: true, equals: {part: 0}"] {
        let why = told(looks);
        assert!(why.contains("x.Y") && why.contains("the schema must have the types of its Any fields"), "{why}");
    }
}

#[test]
fn what_partial_names_is_compared_whatever_it_is_called() {
    let odd = json!({"any": {"@type": "x/geo.Near", "big": "5", "lat": 0.1}, "rooms": {"1": {"name": "a"}}, "part": 0.1, "big": "100"});
    let told = |expect: &str| {
        let sheet = one(&format!("{{call: geo.Geo/Strange, expect: {{partial: true, {expect}}}}}"));
        why(&sheet, grpc(&sheet, "geo.Geo/Strange", std::slice::from_ref(&odd), "0"))
    };
    assert_eq!(told("equals: {any: {'@type': x/geo.Near, big: 5}}"), "");
    assert!(told("equals: {any: {'@type': x/geo.Near, big: 7}}").contains(".any.big: expected"));
    assert_eq!(told("equals: {rooms: {1: {name: a}}}"), "");
    let refused = |expect: &str| {
        let text = format!("calls: [{{call: geo.Geo/Strange, expect: {{partial: true, {expect}}}}}]");
        resolved(&text, &Options::default()).unwrap_err().to_string()
    };
    assert!(refused("equals: {rooms: {'01': {name: b}}}").contains("as in proto3 JSON"));
    // A float is what it was written as, and with a tolerance 64-bit integers are numbers, too.
    assert_eq!(told("equals: {part: 0.1}, matches: {.part: '^0[.]1$', '.any.lat': '^0[.]1'}"), "");
    assert_eq!(told("equals: {big: 103}, tolerance: 5"), "");
    assert!(told("equals: {big: 106}, tolerance: 5").contains(".big: expected 106, got 100"));
    // A path has names of the .proto, or those of JSON; a map's keys are what they are.
    let found = json!({"hotelIds": ["a"]});
    let sheet = one("{call: geo.Geo/Nearby, expect: {matches: {'.hotel_ids[0]': a, '.hotelIds[0]': a}}}");
    assert_eq!(why(&sheet, grpc(&sheet, "geo.Geo/Nearby", &[found], "0")), "");
}

#[test]
fn a_required_field_must_be_there() {
    let folder = tempfile::tempdir().unwrap();
    let proto = "syntax = \"proto2\"; package old; message In { required Text text = 1; } message Text { required string a = 1; optional string b = 2; } \
                 service Old { rpc Say(In) returns (In); }";
    std::fs::write(folder.path().join("old.proto"), proto).unwrap();
    let resolved = |data: &str| {
        let text = format!(
            "schema: {{proto: [old.proto]}}\ncalls: [{{call: old.Old/Say, data: {data}, expect: {{status: OK}}}}]\n"
        );
        let declaration = Declaration::parse(&text, &Source::default()).unwrap();
        Sheet::resolve(declaration, folder.path(), &Options::default())
    };
    let error = resolved("{text: {b: x}}").unwrap_err().to_string();
    assert!(error.contains("no text.a, which is required"), "{error}");
    let sheet = resolved("{text: {a: x}}").unwrap();
    assert_eq!(why(&sheet, grpc(&sheet, "old.Old/Say", &[json!({"text": {"a": "y"}})], "0")), "");
    let told = why(&sheet, grpc(&sheet, "old.Old/Say", &[json!({"text": {"b": "y"}})], "0"));
    assert!(told.contains("it lacks the required field text.a"), "{told}");
}
