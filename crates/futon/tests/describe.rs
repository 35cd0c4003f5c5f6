//! `futon describe`, `scaffold`, and schemas by reflection, on the fake machine: what it sees is a file of the test's.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

mod common;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use calls::{Schema, SchemaSource};
use common::{Project, text};
use serde_json::{Value, json};

const PROTO: &str = "syntax = \"proto3\"; package zoo; message Name { string name = 1; } message Animal { string name = 1; int64 legs = 2; }
    service Zoo { rpc Find(Name) returns (Animal); rpc Walk(stream Name) returns (stream Animal); }";

/// A server's files as it would give them.
fn files() -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("zoo.proto"), PROTO).unwrap();
    let source = SchemaSource { proto: vec!["zoo.proto".into()], ..SchemaSource::default() };
    let files = Schema::read(&source, folder.path()).unwrap().files();
    files.iter().map(|file| STANDARD.encode(file)).collect()
}

fn grpc(reflection: Option<&str>) -> Value {
    let (services, files) = if reflection.is_some() { (vec!["zoo.Zoo"], files()) } else { (vec![], vec![]) };
    json!({"listeners": [{"address": "0.0.0.0", "port": 50051, "speaks": {"protocol": "http2"},
        "grpc": {"is_grpc": true, "reflection": reflection, "services": services, "files": files,
                 "health": [{"service": "", "status": "SERVING"}],
                 "remarks": if reflection.is_some() { vec![] } else { vec!["it has no reflection v1"] }}}]})
}

/// A call of the program whose machine sees `seen`: exit status and all that it says.
fn call(project: &Project, seen: &Value, args: &[&str]) -> (Option<i32>, String) {
    project.write("seen.json", &seen.to_string());
    let output = project.command(args).env("FUTON_TEST_SEEN", project.path("seen.json")).output().unwrap();
    (output.status.code(), text(&output))
}

const IMAGE: &str = "vhiveease/fibonacci-go:latest";

#[test]
fn a_function_is_described_once_and_again_when_asked() {
    let project = Project::new();
    let seen = grpc(Some("v1"));
    let (code, said) = call(&project, &seen, &["describe", IMAGE, "--no-run"]);
    assert!(code == Some(0) && said.contains("entry     [\"/server\"]") && !said.contains("listens"), "{said}");
    let (code, said) = call(&project, &seen, &["describe", "fibonacci-go", "--on", "fake"]);
    assert_eq!(code, Some(0), "{said}");
    for words in
        ["listens   0.0.0.0:50051 gRPC, reflection v1", "health    SERVING", "method    zoo.Zoo/Walk stream both ways"]
    {
        assert!(said.contains(words), "{words}: {said}");
    }
    // Kept by its image: another name of it is the same, and no machine runs.
    let none = json!({"listeners": []});
    let (code, said) = call(&project, &none, &["describe", IMAGE, "--on", "fake", "--json"]);
    let value: Value = serde_json::from_str(said.trim()).unwrap_or_else(|e| panic!("{e}: {said}"));
    assert_eq!((code, &value["kept"]), (Some(0), &json!(true)), "{value:#}");
    assert_eq!(value["seen"]["listeners"][0]["grpc"]["methods"][0]["call"], "zoo.Zoo/Find");
    let (_, said) = call(&project, &none, &["describe", IMAGE, "--on", "fake", "--again"]);
    assert!(!said.contains("zoo.Zoo"), "{said}");
    // Another image is another function.
    let (_, said) = call(&project, &none, &["describe", "aes-go", "--on", "fake"]);
    assert!(!said.contains("zoo.Zoo"), "{said}");
}

#[test]
fn a_function_that_does_not_come_up_is_told_with_its_reason() {
    let project = Project::new();
    let (code, said) = call(&project, &json!({}), &["describe", IMAGE, "--on", "fake:fail:ready"]);
    assert!(code == Some(1) && said.contains("failed    the function did not serve"), "{said}");
    let (code, said) = call(&project, &json!({}), &["describe", "me/gone:v1", "--on", "fake"]);
    assert!(code == Some(2) && said.contains("no image me/gone:v1 in the store"), "{said}");
}

#[test]
fn a_scaffold_passes_its_check_and_never_takes_a_files_place() {
    let project = Project::new();
    let seen = grpc(Some("v1alpha"));
    let scaffold = ["scaffold", IMAGE, "--on", "fake", "-o", "zoo.yaml"];
    let (code, said) = call(&project, &seen, &scaffold);
    assert_eq!(code, Some(0), "{said}");
    let written = std::fs::read_to_string(project.path("zoo.yaml")).unwrap();
    assert!(written.contains("schema: {protoset: zoo.pb}") && project.path("zoo.pb").exists(), "{written}");
    let (code, said) = call(&project, &seen, &["calls", "check", "zoo.yaml"]);
    assert!(
        code == Some(0) && said.contains("2 calls") && !said.contains("only the running function"),
        "{said}\n{written}"
    );
    let (code, said) = call(&project, &seen, &scaffold);
    assert!(code == Some(2) && said.contains("zoo.yaml already exists") && said.contains("--force"), "{said}");
    assert_eq!(call(&project, &seen, &[&scaffold[..], &["--force", "--reflection"]].concat()).0, Some(0));
    let (code, said) = call(&project, &seen, &["calls", "check", "zoo.yaml"]);
    assert!(code == Some(0) && said.contains("2 calls") && !said.contains("only the running function"), "{said}");
    // What the function said of itself is held against the file.
    let wrong = std::fs::read_to_string(project.path("zoo.yaml")).unwrap().replace("zoo.Zoo/Find", "zoo.Zoo/Fnd");
    project.write("wrong.yaml", &wrong);
    let (code, said) = call(&project, &seen, &["calls", "check", "wrong.yaml"]);
    assert!(code == Some(2) && said.contains("did you mean zoo.Zoo/Find?"), "{said}");
    // A function of HTTP, on standard output.
    let web = json!({"listeners": [{"address": "::", "port": 8080, "speaks": {"protocol": "http1", "line": "HTTP/1.1 200 OK"}}]});
    let (code, said) = call(&project, &web, &["scaffold", "aes-go", "--on", "fake", "-q"]);
    assert!(code == Some(0) && said.contains("- http: POST /") && said.contains("ports: [\"50000:8080\"]"), "{said}");
    project.write("web.yaml", &said);
    let (code, said) = call(&project, &web, &["calls", "check", "web.yaml"]);
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn calls_without_a_schema_have_the_function_asked_first() {
    let project = Project::new();
    let seen = grpc(Some("v1"));
    let test = |method: &'static str| {
        ["test", IMAGE, "--on", "fake", "--out", "out", "--call", method, "--data", "{\"name\": \"x\"}"]
    };
    // The fake machine's client sends nothing: the run fails, and its report says where the schema came from.
    let (_, said) = call(&project, &seen, &test("zoo.Zoo/Find"));
    assert!(said.contains("no schema is given") && said.contains("schema by reflection, 2 methods"), "{said}");
    let report = std::fs::read_to_string(project.path("out/report.json")).unwrap();
    assert!(report.contains("\"schema: by reflection\""), "{report}");
    // Known now, and so wrong calls are refused before anything runs.
    let (code, said) = call(&project, &seen, &test("zoo.Zoo/Fnd"));
    assert!(code == Some(2) && said.contains("did you mean zoo.Zoo/Find?") && !said.contains("no schema is"), "{said}");
    // Another image whose server has no reflection.
    let (code, said) = call(&project, &grpc(None), &["test", "aes-go", "--on", "fake", "--call", "a.B/C"]);
    assert!(
        code == Some(2) && said.contains("the server has no reflection") && said.contains("--proto FILE"),
        "{said}"
    );
    // One that exits fails as it would in its test.
    let (code, said) = call(&project, &seen, &["test", "aes-go", "--on", "fake:fail:ready", "--call", "a.B/C"]);
    assert!(code == Some(1) && said.contains("did not serve"), "{said}");
    // A working directory is made of what is known, and nothing is run for it.
    let (code, said) = call(&project, &seen, &["build", IMAGE, "--on", "fake", "--call", "zoo.Zoo/Find"]);
    assert_eq!(code, Some(0), "{said}");
}
