//! Files of declared calls, and what a client in a guest says came back.

use std::path::Path;

use calls::reflection::{MOST_FILES, MOST_SERVICES, Survey};
use calls::wire::{Broken, CallList, ReplyList};
use calls::{Declaration, Options, Schema, Sheet, Source};

/// What parts a file of calls from the bytes of replies.
const MARK: &[u8] = b"\n== replies\n";

/// Data that begin so are answers of a server's reflection: each with four bytes of length, by turns to the questions that are asked.
const REFLECTION: &[u8] = b"reflection\n";

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
    if let Some(answers) = data.strip_prefix(REFLECTION) {
        return reflection(answers);
    }
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

/// A survey ends, keeps to its limits, and what it brought makes a schema whose example data the schema takes.
fn reflection(mut answers: &[u8]) {
    let mut next = || {
        let (length, rest) = answers.split_at_checked(4)?;
        let length = u32::from_le_bytes(length.try_into().ok()?) as usize;
        let (answer, rest) = rest.split_at_checked(length.min(rest.len()))?;
        answers = rest;
        Some(answer)
    };
    let mut survey = Survey::default();
    let mut asked = 0;
    loop {
        let questions = survey.ask();
        if questions.is_empty() {
            break;
        }
        asked += questions.len();
        assert!(asked <= MOST_SERVICES + MOST_FILES, "it asks for ever");
        for question in &questions {
            if let Some(answer) = next() {
                survey.take(question, answer);
            }
        }
    }
    let files: Vec<Vec<u8>> = survey.files().map(<[u8]>::to_vec).collect();
    let (schema, _) = Schema::from_files(&files);
    let again = Schema::from_bytes(&schema.to_bytes()).expect("a schema's own bytes");
    for method in schema.examples().into_iter().take(8) {
        // A name with a dot or slash of its own cannot be called; nothing else is wrong with an example.
        let text =
            serde_json::json!({"calls": [{"call": method.call(), "data": method.example, "expect": {"status": "OK"}}]});
        let Ok(declaration) = Declaration::from_value(text, &Source::default()) else { continue };
        let options = Options { schema: Some(again.clone()), ..Options::default() };
        if let Err(error) = Sheet::resolve(declaration, Path::new("/nonexistent"), &options) {
            assert!(error.to_string().contains("no method"), "{}: {error}", method.call());
        }
    }
}

/// `x.yaml:LINE:COLUMN: …` lies in the file.
fn in_the_file(words: &str, text: &str) {
    let rest = words.strip_prefix("x.yaml:").unwrap_or_default();
    let mut numbers = rest.split(':');
    if let (Some(Ok(line)), Some(Ok(_))) =
        (numbers.next().map(str::parse::<usize>), numbers.next().map(str::parse::<usize>))
    {
        let lines = text.split(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']).count();
        assert!(line >= 1 && line <= lines + 1, "{words}: the file has {lines} lines");
    }
}
