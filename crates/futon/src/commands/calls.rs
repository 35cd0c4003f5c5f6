//! `futon calls`.

use std::path::Path;

use calls::{Options, Schema, Sheet};
use futon_cli::CallsCommand;
use futon_common::{Context, Error, Result};
use futon_functions::{Compose, Declared, calls_error, select};
use futon_model::ExitCode;
use futon_resources::find_compose;
use futon_terminal::Ui;
use serde_json::{Value, json};

use super::describe;
use futon_prepare::given::read_text;
use futon_prepare::places::store;

/// `futon calls`.
pub fn calls(command: &CallsCommand, ui: &mut Ui) -> Result<ExitCode> {
    let CallsCommand::Check { files, resources, json } = command;
    let mut found = Vec::new();
    for path in files {
        // A file that cannot be read keeps none of the others from being checked.
        let all = check(path, &resources.resources).unwrap_or_else(|error| vec![(None, Err(error))]);
        found.extend(all.into_iter().map(|(name, checked)| (path, name, checked)));
    }
    let wrong = found.iter().find_map(|(.., checked)| checked.as_ref().err().map(Error::exit_code));
    if *json {
        let list: Vec<Value> = found
            .iter()
            .map(|(path, name, checked)| match checked {
                Ok(sheet) => json!({"file": path, "function": name, "ok": true, "calls": sheet.planned().0, "schema_later": sheet.lacks_schema()}),
                Err(error) => {
                    json!({"file": path, "function": name, "ok": false, "error": error.to_string(), "hint": error.hint_text()})
                }
            })
            .collect();
        let whole = json!({"schema": "futon.calls-check/1", "checked": list});
        ui.out(&serde_json::to_string_pretty(&whole).context(|| "cannot write the findings".into())?)?;
    } else {
        for (path, name, checked) in &found {
            let name = name.as_ref().map_or_else(String::new, |name| format!(" {name}"));
            match checked {
                Ok(sheet) => {
                    let count = sheet.planned().0;
                    let calls = if count == 1 { "1 call".to_owned() } else { format!("{count} calls") };
                    let later = if sheet.lacks_schema() {
                        " (messages not checked: only the running function knows them)"
                    } else {
                        ""
                    };
                    ui.out(&format!("{}{name}: {calls}, {}: ok{later}", path.display(), sheet.title()))?;
                }
                Err(error) => {
                    ui.out(&error.to_string())?;
                    if let Some(hint) = error.hint_text() {
                        ui.out(&format!("  hint: {hint}"))?;
                    }
                }
            }
        }
    }
    Ok(wrong.unwrap_or(ExitCode::Passed))
}

/// A service's known schema by reflection.
fn reflected(compose: &Compose, name: &str, resources: &Path) -> Option<Schema> {
    let selection = select(compose, name).ok()?;
    let described = describe::kept(&selection, &store(resources).ok()?, resources).ok()??;
    described.schema(name).ok()
}

type Checked = (Option<String>, Result<Sheet>);

/// A file's declarations: for a compose file one per service that declares calls.
fn check(path: &Path, resources: &Path) -> Result<Vec<Checked>> {
    let text = read_text(path, "name a call file, or a compose file")?;
    let is_compose = text.lines().any(|line| line.starts_with("services:"));
    let resolved = |declared: Declared, schema: Option<Schema>| {
        // What only the running function knows is checked when it is tested.
        let options = Options { source: declared.source, schema, schema_later: true, ..Options::default() };
        Sheet::resolve(declared.declaration, &declared.folder, &options).map_err(|e| calls_error(&e))
    };
    if !is_compose {
        return Ok(vec![(None, Declared::parse(path, &text).and_then(|declared| resolved(declared, None)))]);
    }
    let compose = Compose::read(path, &find_compose(resources)?)?;
    let mut found = Vec::new();
    for name in compose.names() {
        let checked = match compose.declaration(name) {
            Ok(None) => continue,
            Ok(Some(declared)) if declared.declaration.calls.is_empty() => continue,
            Ok(Some(declared)) => {
                let wanted = declared.declaration.wants_reflection();
                resolved(declared, wanted.then(|| reflected(&compose, name, resources)).flatten())
            }
            Err(error) => Err(error),
        };
        found.push((Some(name.to_owned()), checked));
    }
    if found.is_empty() {
        return Err(Error::nothing_to_run(format!("{}: no service declares calls", path.display())));
    }
    Ok(found)
}
