use super::*;

fn resolved(text: &str, schema: Option<Schema>, schema_later: bool) -> Result<Sheet, CallsError> {
    let declaration = Declaration::parse(text, &Source::new("x.yaml"))?;
    Sheet::resolve(declaration, Path::new("."), &Options { schema, schema_later, ..Options::default() })
}

fn told(text: &str, schema: Option<Schema>, later: bool) -> String {
    let error = resolved(text, schema, later).unwrap_err();
    format!("{error} ({})", error.hint().unwrap_or_default())
}

#[test]
fn a_schema_by_reflection_is_wanted_taken_or_yet_to_come() {
    let file = "syntax = \"proto3\"; package a; message M { string t = 1; } service S { rpc Get(M) returns (M); }";
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.proto"), file).unwrap();
    let source = crate::SchemaSource { proto: vec!["a.proto".into()], ..crate::SchemaSource::default() };
    let schema = Schema::read(&source, folder.path()).unwrap();
    let calls = "calls: [{call: a.S/Get, data: {t: x}, expect: {equals: {t: y}}}]";
    for head in ["", "schema: {reflection: true}\n"] {
        let text = format!("{head}{calls}");
        let none = told(&text, None, false);
        assert!(none.contains("the gRPC calls have no schema") && none.contains("futon describe"), "{none}");
        let sheet = resolved(&text, Some(schema.clone()), false).unwrap();
        assert_eq!((sheet.declaration.wants_reflection(), sheet.encode().unwrap().calls.len()), (true, 1));
        // Before the server was asked all else is checked.
        assert_eq!(resolved(&text, None, true).unwrap().planned(), (1, 0));
    }
    let wrong = "calls: [{call: a.S/Gt, expect: {status: OK}}]";
    let near = told(wrong, Some(schema.clone()), false);
    assert!(near.contains("no method a.S/Gt (did you mean a.S/Get?)"), "{near}");
    assert!(resolved(wrong, None, true).is_ok());
    for (text, words) in [
        ("calls: [{call: a.S/Get}]", "any reply would be correct"),
        ("calls: [{call: a.S/Get, expect: {status: NOPE}}]", "not a gRPC status"),
        ("calls: [{call: a.S/Get, cancel_after: 0, expect: {status: CANCELLED}}]", "after one reply message or more"),
        ("calls: [{call: a.S/Get, data: {t: '{{x}}'}, expect: {status: OK}}]", "`calls[0].data"),
        (
            "schema: {reflection: true, proto: [a.proto]}\ncalls: [{call: a.S/Get, expect: {status: OK}}]",
            "together with files",
        ),
    ] {
        let error = told(text, None, true);
        assert!(error.contains(words), "{error}");
    }
    // Plain HTTP needs none.
    let http = resolved("calls: [{http: GET /, expect: {status: 200}}]", None, false).unwrap();
    assert!(!http.declaration.wants_reflection());
}

#[test]
fn a_file_that_the_schema_lacks_is_named_at_its_key() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.proto"), "syntax = \"proto3\";").unwrap();
    let calls = "calls: [{call: a.S/Get, expect: {status: OK}}]";
    for (schema, place) in [
        ("{proto: [a.proto, none.proto]}", "x.yaml:1:27: `schema.proto[1]`: cannot read "),
        ("{proto: [a.proto], include: [gone]}", "x.yaml:1:38: `schema.include[0]`: cannot read "),
        ("{protoset: gone.pb}", "x.yaml:1:10: `schema.protoset`: cannot read "),
    ] {
        let text = format!("schema: {schema}\n{calls}");
        let source = Source::inside("x.yaml", &text, "");
        let declaration = Declaration::parse(&text, &source).unwrap();
        let options = Options { source, ..Options::default() };
        let told = Sheet::resolve(declaration, folder.path(), &options).unwrap_err().to_string();
        assert!(told.starts_with(place), "{told}");
    }
}

#[test]
fn text_that_is_no_yaml_is_named_by_its_place() {
    for (text, place, words) in [
        ("calls:\n  - call: a.B/C\n   data: {x: 1}\n", "x.yaml:3:4: ", "expected '-'"),
        ("calls:\n  - {call: a.B/C, data: {x: [1, }\n", "x.yaml:2:29: ", "mismatched bracket"),
        ("calls:\n\t- call: x\n", "x.yaml:2:2: ", "tabs"),
    ] {
        let said = Declaration::parse(text, &Source::new("x.yaml")).unwrap_err().to_string();
        assert!(said.starts_with(place) && said.contains(words) && !said.contains(" at line "), "{said}");
    }
}
