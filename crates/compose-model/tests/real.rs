//! The model against what Docker Compose of this machine's resources says. `futon resources build compose` installs it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod corpus;

use std::fs;
use std::path::{Path, PathBuf};

use compose_model::{LoadError, Loader, Project};

fn program() -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../resources/docker-compose");
    assert!(path.is_file(), "{} is missing: `futon resources build compose` installs it", path.display());
    path
}

fn load_files(files: &[(&str, &str)]) -> Result<Project, LoadError> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    Loader::new(program()).variable("MY_TAG", "from-my-shell").load(&folder.path().join("compose.yaml"))
}

fn load(text: &str) -> Result<Project, LoadError> {
    load_files(&[("compose.yaml", text)])
}

#[test]
fn what_extends_brings_is_seen_extensions_included() {
    let base = "services:\n  base:\n    image: me/base\n    privileged: true\n    x-futon: {client: aes-go}\n";
    let file = "services:\n  fn:\n    extends: {file: base.yaml, service: base}\n";
    let project = load_files(&[("compose.yaml", file), ("base.yaml", base)]).unwrap();
    assert!(project.services["fn"].privileged);
    assert_eq!(project.services["fn"].extensions["x-futon"]["client"], "aes-go");
}

#[test]
fn scalars_keep_their_text_and_variables_their_values() {
    let text = "services:\n  fn:\n    image: \"me/fn:${MY_TAG}\"\n    environment: {A: 007, B: \"yes\", C: 1e6, D: \"$$HOME\", E: \"${NOPE:-d}\", F: null}\n";
    let service = load(text).unwrap().services["fn"].clone();
    assert_eq!(service.image.as_deref(), Some("me/fn:from-my-shell"));
    let value = |name: &str| service.environment[name].clone();
    assert_eq!(
        (value("B").as_deref(), value("D").as_deref(), value("E").as_deref()),
        (Some("yes"), Some("$HOME"), Some("d"))
    );
    assert_eq!(value("F"), None);
}

#[test]
fn profiles_are_active_when_one_of_them_is_asked_for() {
    let text = "services:\n  fn: {image: x, profiles: [a], depends_on: [db]}\n  db: {image: x, profiles: [a]}\n  plain: {image: x}\n";
    let project = load(text).unwrap();
    assert_eq!(project.inactive.iter().collect::<Vec<_>>(), ["db", "fn"]);
    assert_eq!(project.start_order("fn").unwrap(), ["db", "fn"]);
    // An active service that needs one that is not: Compose's refusal.
    let refused = load("services:\n  fn: {image: x, depends_on: [db]}\n  db: {image: x, profiles: [a]}\n").unwrap_err();
    assert!(refused.to_string().contains("depends on undefined service"), "{refused}");
    // What is wrong with a service that is not active is its own matter.
    let project =
        load("services:\n  fn: {image: x}\n  odd: {image: x, profiles: [a], depends_on: [nobody]}\n").unwrap();
    assert_eq!(project.services.keys().collect::<Vec<_>>(), ["fn"]);
}

#[test]
fn refusals_have_composes_words_and_a_line() {
    for (text, words) in [
        ("services:\n  fn:\n    image: x\n    port: [1]\n", ":2: services.fn Additional property port is not allowed"),
        ("services:\n  fn:\n    image: 5\n", ":3: services.fn.image must be a string"),
        ("services:\n  ../esc: {image: x}\n", "../esc is not allowed"),
        ("services:\n  fn: {image: x, ports: [\"70000:1\"]}\n", "Invalid hostPort: 70000"),
        (
            "services:\n  fn: {image: x, environment: {A: \"${NOT_SET:?set it}\"}}\n",
            "NOT_SET is missing a value: set it",
        ),
        ("include: [\"https://example.com/x.git\"]\nservices:\n  fn: {image: x}\n", "remote resource is disabled"),
    ] {
        let error = load(text).unwrap_err();
        assert!(error.to_string().contains(words) && error.is_files_fault(), "{error}");
    }
}

#[test]
fn a_folder_without_letters_gives_the_fallback_name() {
    let folder = tempfile::tempdir().unwrap();
    let odd = folder.path().join("Ü!");
    fs::create_dir(&odd).unwrap();
    fs::write(odd.join("compose.yaml"), "services:\n  fn: {image: x}\n").unwrap();
    let project = Loader::new(program()).fallback_name("futon").load(&odd.join("compose.yaml")).unwrap();
    assert_eq!(project.name, "futon");
}

#[test]
fn variables_come_from_the_environment_and_from_the_file_beside() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("compose.yaml");
    fs::write(&file, "services:\n  fn: {image: x}\n").unwrap();
    fs::write(folder.path().join(".env"), "FROM_FILE='two words'\nEMPTY=\n").unwrap();
    let loader = Loader::new(program()).variable("MY_TAG", "shell");
    let values = loader.variables(&file, &["MY_TAG", "FROM_FILE", "NOPE"]).unwrap();
    assert_eq!(values["MY_TAG"].as_deref(), Some("shell"));
    assert_eq!(values["FROM_FILE"].as_deref(), Some("two words"));
    assert_eq!(values["NOPE"], None);
    // Compose takes any name from its environment, and no file can have these as variables.
    let odd = loader.variables(&file, &["$(id)", "", "a=b", "FUTON_TEST_SET_NOWHERE"]).unwrap();
    assert!(odd.len() == 4 && odd.values().all(Option::is_none), "{odd:?}");
}

/// Every sample gives a model or a refusal, and no key that the types do not know.
#[test]
fn every_written_sample_is_understood() {
    let folder = tempfile::tempdir().unwrap();
    let samples = corpus::written();
    assert!(samples.len() >= 100, "{}", samples.len());
    corpus::write(&samples, folder.path());
    let (mut read, mut refused) = (0, 0);
    for sample in &samples {
        let mut loader = Loader::new(program()).fallback_name("futon");
        for (name, value) in corpus::VARIABLES {
            loader = loader.variable(name, value);
        }
        match loader.load(&folder.path().join(&sample.name).join("compose.yaml")) {
            Ok(project) => {
                read += 1;
                for (name, service) in &project.services {
                    assert!(service.other.is_empty(), "{}: service {name}: {:?}", sample.name, service.other);
                }
            }
            Err(LoadError::Refused { .. }) => refused += 1,
            Err(e) => panic!("{}: {e}", sample.name),
        }
    }
    assert!(read >= 100 && refused >= 20, "{read} read, {refused} refused");
}

#[test]
fn the_callers_folder_and_environment_are_composes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("compose.yaml");
    fs::write(&file, "services:\n  fn:\n    image: i\n    environment: [DOCKER_HOST, DOCKER_CONFIG]\n    volumes: [\"${PWD}/data:/d\"]\n").unwrap();
    let loader = |host: &str| {
        let set = [("PWD", "/where/i/am"), ("DOCKER_HOST", host), ("DOCKER_CONFIG", "/my/settings")];
        set.into_iter().fold(Loader::new(program()), |loader, (name, value)| loader.variable(name, value))
    };
    let service = loader("tcp://10.0.0.1:2375").load(&file).unwrap().services["fn"].clone();
    assert_eq!(service.volumes[0].source, "/where/i/am/data");
    assert_eq!(service.environment["DOCKER_HOST"].as_deref(), Some("tcp://10.0.0.1:2375"));
    assert_eq!(service.environment["DOCKER_CONFIG"].as_deref(), Some("/my/settings"));
}

#[test]
fn extensions_keep_texts_that_look_like_numbers() {
    let text = "services:\n  fn:\n    image: i\n    environment: {COMMIT: 5e6017}\n    x-futon: {a: 5e6017, b: \"x >5\", c: [1e999]}\n";
    let service = load(text).unwrap().services["fn"].clone();
    assert_eq!(service.environment["COMMIT"].as_deref(), Some("5e6017"));
    assert_eq!(service.extensions["x-futon"], serde_json::json!({"a": "5e6017", "b": "x >5", "c": ["1e999"]}));
    let broken = load("services:\n  fn:\n    image: i\n    x-futon: {a: \"a\\u2028b\"}\n").unwrap_err();
    assert!(matches!(&broken, LoadError::Unprintable { service, .. } if service == "fn"), "{broken}");
}

#[test]
fn values_that_mean_nothing_are_the_files_mistake() {
    for (key, value) in
        [("stop_grace_period", "-5s"), ("healthcheck", "{test: [CMD, x], interval: -1s}"), ("scale", "-1")]
    {
        let error = load(&format!("services:\n  fn:\n    image: i\n    {key}: {value}\n")).unwrap_err();
        assert!(error.is_files_fault() && error.to_string().contains(&format!("service fn: key `{key}`")), "{error}");
    }
    let nameless = load("name: \"${NOTHING_IS_SET:-}\"\nservices:\n  fn:\n    image: i\n").unwrap_err();
    assert!(nameless.to_string().contains("project name must not be empty"), "{nameless}");
}

#[test]
fn a_broken_service_of_another_profile_is_told() {
    let text =
        "services:\n  fn: {image: i, profiles: [p]}\n  other: {image: x, profiles: [dead], depends_on: [nothere]}\n";
    let project = load(text).unwrap();
    assert!(project.services.is_empty());
    assert!(project.without_profiles.unwrap().contains("nothere"));
}
