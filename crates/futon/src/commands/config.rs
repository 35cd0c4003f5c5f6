//! `futon config`: the settings in effect, and where each is from.

use std::collections::BTreeSet;

use futon_cli::{ConfigCommand, On, TestArgs};
use futon_common::{Context, Error, Result};
use futon_model::ExitCode;
use futon_terminal::{Ui, columns};
use futon_workdir::settings::{Origin, SCHEMA, Settings};
use serde::Serialize;
use serde_json::{Value, json};

use futon_prepare::flags::Flags;
use futon_prepare::machine::has_lean_guest;
use futon_prepare::project::Project;

/// Does what the command says.
pub fn config(command: &ConfigCommand, profile: Option<&str>, ui: &mut Ui) -> Result<ExitCode> {
    match command {
        ConfigCommand::Schema => ui.out(SCHEMA.trim_end())?,
        ConfigCommand::Show(args) => show(&args.test, profile, ui)?,
    }
    Ok(ExitCode::Passed)
}

/// A setting in effect.
#[derive(Debug, Serialize)]
struct Shown {
    /// Section and key: `machine.vcpus`.
    name: String,
    value: Value,
    from: From,
}

/// Where a value is from.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum From {
    Default,
    File(Origin),
    Flag { flag: String },
    Environment { variable: &'static str },
}

impl std::fmt::Display for From {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(origin) => origin.fmt(f),
            Self::Flag { flag } => f.write_str(flag),
            Self::Environment { variable } => f.write_str(variable),
        }
    }
}

fn show(args: &TestArgs, profile: Option<&str>, ui: &Ui) -> Result<()> {
    let function = match args.chosen.names.as_slice() {
        [] => None,
        [one] => Some(one.as_str()),
        _ => return Err(Error::usage("name one function").hint("each may have settings of its own")),
    };
    if let Some(name) = function {
        Project::read(&args.project, &args.client, &args.machine, &args.resources.resources)?.selection(name)?;
    }
    let none = Settings::default();
    let known = args.machine.settings.as_deref().unwrap_or(&none);
    let shown = all(args, known, function, profile)?;
    let text = if args.output.json {
        let file = known.file().map(|file| file.display().to_string());
        let whole = json!({ "schema": "futon.settings/1", "file": file, "function": function, "settings": shown });
        serde_json::to_string_pretty(&whole).context(|| "cannot write the settings".into())?
    } else {
        table(&shown, columns())
    };
    ui.out(&text)
}

/// Names, values and origins in columns; where these do not fit, an origin has a line of its own.
fn table(shown: &[Shown], columns: usize) -> String {
    let value = |v: &Value| match v {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    };
    let rows: Vec<[String; 3]> = shown.iter().map(|s| [s.name.clone(), value(&s.value), s.from.to_string()]).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let (name, value, origin) = (width(0), width(1).min(20), width(2));
    let line = |[n, v, o]: &[String; 3]| {
        if name + value + origin + 4 <= columns {
            format!("{n:name$}  {v:value$}  {o}")
        } else {
            format!("{n}  {v}\n    {o}")
        }
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn all(args: &TestArgs, known: &Settings, function: Option<&str>, profile: Option<&str>) -> Result<Vec<Shown>> {
    let flags = &args.machine.explicit;
    let of_profile = match profile {
        None => From::Default,
        Some(_) if flags.contains("profile") => From::Flag { flag: "--profile".into() },
        Some(_) => From::Environment { variable: "FUTON_PROFILE" },
    };
    let of_resources = if flags.contains("resources") {
        From::Flag { flag: "--resources".into() }
    } else if std::env::var_os("RESOURCES").is_some() {
        From::Environment { variable: "RESOURCES" }
    } else {
        From::Default
    };
    let mut shown = vec![
        Shown { name: "profile".into(), value: profile.into(), from: of_profile },
        Shown {
            name: "resources".into(),
            value: args.resources.resources.display().to_string().into(),
            from: of_resources,
        },
    ];
    let values = effective(args, function)?;
    for (section, keys) in values.as_object().into_iter().flatten() {
        for (key, value) in keys.as_object().into_iter().flatten() {
            // Warm-up calls of a core are the client's, too.
            let of_core = args.machine.gem5.software_warmup.is_some() && (&**section, &**key) == ("client", "warmup");
            let (part, its) = if of_core { ("gem5", "software_warmup") } else { (&**section, &**key) };
            let from = match flag(part, its, flags, args) {
                Some(flag) => From::Flag { flag },
                None => known.origin(part, its, function).map_or(From::Default, From::File),
            };
            // What gem5's settings say has no effect elsewhere, and is not shown.
            if section != "gem5" || args.machine.on == On::Gem5 {
                shown.push(Shown { name: format!("{section}.{key}"), value: value.clone(), from });
            }
        }
    }
    Ok(shown)
}

/// The values in effect, by section and key.
fn effective(args: &TestArgs, function: Option<&str>) -> Result<Value> {
    let (m, g) = (&args.machine, &args.machine.gem5);
    let mut config = Flags { project: &args.project, client: &args.client, machine: m }.over(function)?;
    // The discarded calls have a setting of their own.
    config.client.invocations = config.client.invocations.saturating_sub(g.uarch_warmup);
    let mut values = serde_json::to_value(&config).context(|| "cannot write the settings".into())?;
    let word = |value: &dyn std::fmt::Debug| format!("{value:?}").to_lowercase();
    values["machine"]["on"] = m.on.to_string().into();
    values["machine"]["base"] = if has_lean_guest(m) { "lean" } else { "docker" }.into();
    values["machine"]["accel"] = word(&m.accel).into();
    values["machine"]["cold"] = m.cold.into();
    for (key, path) in [("base_image", &m.base_image), ("kernel", &m.kernel), ("initrd", &m.initrd)] {
        values["machine"][key] = path.as_ref().map(|path| path.display().to_string()).into();
    }
    values["machine"]["append"] = m.append.clone().into();
    values["test"] = json!({ "jobs": args.jobs, "retries": args.retries, "fail_fast": args.fail_fast });
    values["gem5"] = json!({ "system": g.system, "params": g.params, "cpu": g.cpu.to_string(), "boot_cpu": g.boot_cpu,
        "software_warmup": g.software_warmup, "uarch_warmup": g.uarch_warmup });
    Ok(values)
}

/// The flag that a setting's value is from.
fn flag(section: &str, key: &str, flags: &BTreeSet<String>, args: &TestArgs) -> Option<String> {
    if section == "limits" {
        let given = args.project.limits.iter().any(|(name, _)| name == key);
        return given.then(|| format!("--limit {key}="));
    }
    let id = if key == "memory_mib" { "memory" } else { key };
    // What a setting has filled in is not a flag.
    let typed = args.machine.typed.contains(id) && flags.contains(id);
    typed.then(|| if id == "params" { "--param".to_owned() } else { format!("--{}", id.replace('_', "-")) })
}
