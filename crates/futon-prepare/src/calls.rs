//! Declared calls: from flags and files to a sheet.

use std::path::{Path, PathBuf};

use calls::{Call, Declaration, Expect, Options, Schema, SchemaSource, Sheet, Source, Tls, oracle, unique_json};
use futon_cli::{CallArgs, ClientArgs};
use futon_common::{Context, Error, Result};
use futon_functions::{Compose, Declared, Selection, calls_error, client_name};
use futon_terminal::Ui;
use futon_workdir::WorkDir;
use futon_workdir::config::Config;
use serde_json::{Value, json};

use super::given::read_text;

/// The declaration made by the flags.
pub fn given(args: &CallArgs) -> Result<Option<Declared>> {
    if let Some(path) = &args.calls {
        return read(path).map(Some);
    }
    let Some(call) = &args.call else { return Ok(None) };
    let json = |flag: &str, text: &Option<String>| -> Result<Option<Value>> {
        let parsed = text.as_deref().map(unique_json).transpose();
        parsed.map_err(|e| {
            if e.is_data() {
                return Error::usage(format!("{flag}: {e}"));
            }
            Error::usage(format!("{flag}: not JSON: {e}")).hint("quote it for the shell: '{\"name\": \"x\"}'")
        })
    };
    let (data, equals) = (json("--data", &args.data)?, json("--expect", &args.expect)?);
    let http = call.contains(' ');
    if !http && call.starts_with('/') && !call.contains('.') {
        return Err(Error::usage(format!("--call: {call:?} is a path of HTTP without a method"))
            .hint(format!("write --call 'GET {call}', or package.Service/Method for gRPC")));
    }
    let status = equals.is_none().then(|| serde_json::from_value(if http { json!("2xx") } else { json!("OK") }));
    let status = status.transpose().context(|| "the default status".into())?;
    let names = |paths: &[PathBuf]| paths.iter().map(|path| path.display().to_string()).collect();
    let schema = SchemaSource {
        proto: names(&args.proto),
        include: Vec::new(),
        protoset: args.protoset.as_ref().map(|path| path.display().to_string()),
        reflection: false,
    };
    let declared = Call {
        call: (!http).then(|| call.clone()),
        http: http.then(|| call.clone()),
        json: if http { data.clone() } else { None },
        data: if http { None } else { data },
        expect: Some(Expect { equals, status, ..Expect::default() }),
        ..Call::default()
    };
    let declaration = Declaration {
        schema: (schema != SchemaSource::default()).then_some(schema),
        calls: vec![declared],
        tls: (args.insecure || args.cacert.is_some()).then(|| Tls {
            ca: args.cacert.as_ref().map(|path| path.display().to_string()),
            accept: args.insecure,
            name: None,
            cert: args.cert.as_ref().map(|path| path.display().to_string()),
            key: args.key.as_ref().map(|path| path.display().to_string()),
        }),
        port: args.port,
        ..Declaration::default()
    };
    Ok(Some(Declared { declaration, folder: PathBuf::from("."), source: Source::new("--call") }))
}

fn read(path: &Path) -> Result<Declared> {
    Declared::parse(path, &read_text(path, "--calls takes a file path")?)
}

/// Replaces the compose file's declaration by that of the flags.
pub fn declare(compose: &mut Compose, given: Option<&Declared>) {
    if let Some(given) = given {
        compose.declare(given.declaration.clone());
    }
}

/// What the calls of a function depend on, beside the function.
#[derive(Debug)]
pub struct SheetRequest<'a> {
    /// The flags' declaration.
    pub given: Option<&'a Declared>,
    /// The client's flags.
    pub client: &'a ClientArgs,
    /// The function's settings.
    pub config: &'a Config,
    /// Whether a simulator counts the calls.
    pub simulated: bool,
    /// Whether the calls of a built-in client are wanted as declared ones.
    pub declare_built_in: bool,
    /// The schema that the function itself gave.
    pub reflected: Option<Schema>,
}

/// The declared calls of a function; nothing if a built-in client drives it.
pub fn sheet(compose: &Compose, selection: &Selection, request: SheetRequest<'_>) -> Result<Option<Sheet>> {
    let SheetRequest { given, client, config, simulated, declare_built_in, reflected } = request;
    let declaration = &selection.service.hints;
    if declaration.calls.is_empty() && given.is_none() || client.client.is_some() {
        if client.calls.accept {
            return Err(Error::usage(format!("--accept: {} declares no calls", selection.name)));
        }
        // The host judges a load's replies, also those of built-in clients.
        return declare_built_in.then(|| built_in(selection, client, config)).transpose();
    }
    for (flag, is_given) in [
        ("--method", client.method.is_some()),
        ("--input", client.input.is_some()),
        ("--gen-type", client.gen_type.is_some()),
    ] {
        if is_given {
            return Err(Error::usage(format!(
                "{flag} is only for built-in clients, and {} declares its calls",
                selection.name
            )));
        }
    }
    let of_file = match given {
        Some(_) => None,
        None => compose.declaration(&selection.service_name)?,
    };
    let (folder, source) = given
        .or(of_file.as_ref())
        .map_or_else(|| (PathBuf::from("."), Source::default()), |at| (at.folder.clone(), at.source.clone()));
    let schema = match selection.relay {
        true => Some(calls::built_in_schema(oracle::Service::HelloWorld).map_err(|e| calls_error(&e))?),
        false => reflected,
    };
    let options = Options {
        seed: client.seed,
        // A simulator measures a given number of calls; otherwise the list is called once.
        invocations: if simulated { Some(config.client.invocations) } else { client.invocations },
        // A load's warm-up is a duration, and repeats the same calls.
        warmup: if client.load.is_some() { 0 } else { config.client.warmup },
        accept: client.calls.accept,
        source,
        schema,
        schema_later: false,
    };
    Sheet::resolve(declaration.clone(), &folder, &options).map(Some).map_err(|e| calls_error(&e))
}

/// The call of a built-in client as a declared one.
fn built_in(selection: &Selection, client: &ClientArgs, config: &Config) -> Result<Sheet> {
    let name = client_name(selection, client.client.as_deref())?;
    let function = oracle::find(&name).map_err(|e| Error::usage(e.to_string()))?;
    let hints = &selection.service.hints;
    let input = match function.service {
        oracle::Service::Fibonacci => hints.input.as_ref().unwrap_or(&config.client.input),
        _ => "A unique message",
    };
    oracle::check_input(&function, input).map_err(Error::usage)?;
    let (declaration, schema) = calls::built_in(&function, input).map_err(|e| calls_error(&e))?;
    let counted = client.load.is_none();
    let options = Options {
        seed: client.seed,
        schema: Some(schema),
        invocations: counted.then_some(config.client.invocations),
        warmup: if counted { config.client.warmup } else { 0 },
        ..Options::default()
    };
    Sheet::resolve(declaration, Path::new("."), &options).map_err(|e| calls_error(&e))
}

/// Saves the replies of a run as the snapshots that its calls name, if requested.
pub fn keep(workdir: &WorkDir, ui: &Ui) -> Result<()> {
    let Some(sheet) = workdir.sheet()?.filter(Sheet::accepts) else { return Ok(()) };
    let Some(replies) = workdir.replies(&workdir.read_events()?) else { return Ok(()) };
    for path in sheet.keep(&sheet.judge(&replies).seen).map_err(|e| calls_error(&e))? {
        ui.line(&format!("  kept {}", path.display()));
    }
    Ok(())
}
