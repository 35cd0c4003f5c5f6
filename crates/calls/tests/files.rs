//! The files of calls in this repository are in order: schema, requests, expectations.

use std::path::{Path, PathBuf};

use calls::{CallsError, Declaration, Options, Schema, SchemaSource, Sheet, Source};
use serde_json::Value;

fn functions() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../functions")
}

/// How many calls a declaration makes.
fn planned(declaration: Declaration, folder: &Path) -> Result<u64, CallsError> {
    // What a sample says of itself by reflection is in its own file.
    let own = SchemaSource { proto: vec!["proto/units.proto".into()], ..SchemaSource::default() };
    let schema = declaration.wants_reflection().then(|| Schema::read(&own, folder)).transpose()?;
    let sheet = Sheet::resolve(declaration, folder, &Options { schema, ..Options::default() })?;
    sheet.encode()?;
    Ok(sheet.planned().0)
}

#[test]
fn vswarms_call_files() {
    let folder = functions().join("vswarm");
    let mut files = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if !name.ends_with(".calls.yaml") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let declaration = Declaration::parse(&text, &Source::new(&name)).unwrap_or_else(|e| panic!("{e}"));
        assert!(planned(declaration, &folder).unwrap_or_else(|e| panic!("{name}: {e}")) > 0);
        files += 1;
    }
    let compose: Value =
        serde_saphyr::from_str(&std::fs::read_to_string(folder.join("functions.yaml")).unwrap()).unwrap();
    // One for each name of the list, beside those of the relay, search and the full hotel.
    let list = std::fs::read_to_string(folder.join("functions.list")).unwrap();
    for name in list.lines().filter(|line| !line.is_empty() && !line.starts_with("# ")) {
        let name = name.trim_start_matches('#');
        assert!(folder.join(format!("{name}.calls.yaml")).is_file(), "{name} has no call file");
        assert_eq!(compose["services"][name]["x-futon"], format!("{name}.calls.yaml"));
    }
    assert_eq!(files, 24);
}

#[test]
fn samples() {
    let text = std::fs::read_to_string(functions().join("samples.yaml")).unwrap();
    let compose: Value = serde_saphyr::from_str(&text).unwrap();
    let mut declared = 0;
    for (name, service) in compose["services"].as_object().unwrap() {
        let Some(value) = service.get("x-futon") else { continue };
        let declaration = Declaration::from_value(value.clone(), &Source::new(name)).unwrap_or_else(|e| panic!("{e}"));
        assert!(planned(declaration, &functions()).unwrap_or_else(|e| panic!("{name}: {e}")) > 0);
        declared += 1;
    }
    assert_eq!(declared, 6);
}
