//! Files of declared calls, and what a client in a guest says came back.

use std::path::Path;

use calls::wire::{Broken, CallList, ReplyList};
use calls::{Declaration, Options, Schema, Sheet, Source};

/// What parts a file of calls from the bytes of replies.
const MARK: &[u8] = b"\n== replies\n";

/// A schema with what messages may have.
fn schema() -> Schema {
    thread_local! {
        static SCHEMA: Schema = {
            let folder = tempfile::tempdir().expect("a temporary folder");
            std::fs::write(folder.path().join("a.proto"), SCHEMA_TEXT).expect("a file");
            let source = calls::SchemaSource { proto: vec!["a.proto".into()], ..calls::SchemaSource::default() };
            Schema::read(&source, folder.path()).expect("a schema")
        };
    }
    SCHEMA.with(Clone::clone)
}

const SCHEMA_TEXT: &str = "syntax = \"proto3\"; package a; import \"google/protobuf/timestamp.proto\"; \
    message In { string name = 1; int64 big = 2; repeated In all = 3; map<string, In> by = 4; bytes raw = 5; } \
    message Out { string text = 1; repeated string ids = 2; double d = 3; google.protobuf.Timestamp at = 4; Kind kind = 5; \
                  oneof one { bool yes = 6; In in = 7; } } enum Kind { NONE = 0; SOME = 1; } \
    service S { rpc One(In) returns (Out); rpc Many(In) returns (stream Out); rpc Sum(stream In) returns (Out); }";

/// A declaration is read or refused with a place in the file; what is read encodes, comes back from its text, and judges alike twice.
pub fn calls(data: &[u8]) {
    let at = data.windows(MARK.len()).position(|part| part == MARK);
    let (text, replies) = at.map_or((data, &[][..]), |at| (&data[..at], &data[at + MARK.len()..]));
    let Ok(text) = std::str::from_utf8(text) else { return };
    // Files of the host are not what is tried here.
    if text.contains("file") || text.contains("snapshot") || text.contains("schema") {
        return;
    }
    let source = Source::inside("x.yaml", text, "");
    let declaration = match Declaration::parse(text, &source) {
        Ok(declaration) => declaration,
        Err(error) => return in_the_file(&error.to_string(), text),
    };
    let options = Options { invocations: Some(4), warmup: 1, source, schema: Some(schema()), ..Options::default() };
    let sheet = match Sheet::resolve(declaration, Path::new("/nonexistent"), &options) {
        Ok(sheet) => sheet,
        Err(error) => return in_the_file(&error.to_string(), text),
    };
    let again = Sheet::from_text(&sheet.to_text()).expect("a sheet's own text");
    let Ok(list) = sheet.encode() else { return };
    assert_eq!(again.encode().expect("the same calls"), list);
    assert_eq!(CallList::from_bytes(&list.to_bytes()).expect("its own bytes"), list);
    let Ok(replies) = ReplyList::from_bytes(replies) else { return };
    let judged = sheet.judge(&replies);
    assert_eq!(judged, again.judge(&replies));
    assert!(judged.measured.len() <= 4 && judged.warmup.len() <= 1);
    for (made, verdict) in replies.sequence.iter().zip(&judged.measured) {
        let reply = &replies.replies[made.reply as usize];
        assert!(reply.broken() == Broken::Whole || verdict.reason.is_some(), "a broken reply is right: {reply:?}");
    }
}

/// `x.yaml:LINE:COLUMN: …` lies in the file.
fn in_the_file(words: &str, text: &str) {
    let rest = words.strip_prefix("x.yaml:").unwrap_or_default();
    let mut numbers = rest.split(':');
    if let (Some(Ok(line)), Some(Ok(_))) = (numbers.next().map(str::parse::<usize>), numbers.next().map(str::parse::<usize>)) {
        let lines = text.split(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']).count();
        assert!(line >= 1 && line <= lines + 1, "{words}: the file has {lines} lines");
    }
}
