//! `futon scaffold`: a compose service with a call of each method, ready to be tested.

mod write;

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use calls::{Schema, SchemaSource};
use futon_cli::ScaffoldArgs;
use futon_common::{Context, Error, Result, require_writable};
use futon_functions::{Selection, calls_error};
use futon_model::{ExitCode, Speaks};
use futon_terminal::Ui;
use tokio_util::sync::CancellationToken;

use self::write::{Contents, compose_file};
use super::describe::{Described, Told, ask, function, methods, schema_of};

/// Writes a compose file for a function.
pub async fn scaffold(args: &ScaffoldArgs, ui: &mut Ui, cancel: CancellationToken) -> Result<ExitCode> {
    // A file that may not be written must not cost a run.
    let files = args.output.as_deref().map(|path| Files::of(path, args)).transpose()?;
    let (project, name) = function(&args.look, ui).await?;
    let selection = project.selection(&name)?;
    let described = match ask(&args.look, args.again, &project, &name, ui, &cancel).await? {
        Told::Seen { described, .. } => described,
        Told::Failed(report) => {
            let verdict = report.verdict;
            let error = Error::usage(format!("{}: no calls can be written: {}", selection.name, verdict.why));
            return Err(
                error.hint(verdict.hint.unwrap_or_else(|| format!("the run's results are in {}", report.folder)))
            );
        }
        Told::Still => return Err(Error::infra("no run was made")),
    };
    let given = given_schema(args)?;
    let contents = contents(args, &selection.name, &described, given.as_ref(), files.as_ref())?;
    let left_out = not_copied(&selection);
    if !left_out.is_empty() {
        ui.line(&format!(
            "note: the service has {}, which are not copied: move the key `x-futon` into it, in {}",
            left_out.join(", "),
            project.compose.path.display()
        ));
    }
    let text = compose_file(&contents);
    let Some(files) = &files else {
        ui.out(text.trim_end())?;
        return Ok(ExitCode::Passed);
    };
    if let (Some(schema), Some(path)) = (&contents.protoset_bytes, &files.protoset) {
        files.write(path, schema)?;
        ui.line(&format!("{}: the schema", path.display()));
    }
    files.write(&files.compose, text.as_bytes())?;
    let path = files.compose.display();
    ui.line(&format!("{path}: {} calls; next: futon test {} --functions {path}", contents.calls(), contents.service));
    Ok(ExitCode::Passed)
}

/// Keys of a service that shape its start, and that the new file does not have.
fn not_copied(selection: &Selection) -> Vec<String> {
    const COPIED: [&str; 5] = ["image", "container_name", "ports", "networks", "build"];
    let spec = selection.service.spec.raw.iter().filter(|(_, value)| !value.is_null());
    let keys = spec.map(|(key, _)| key).filter(|key| !COPIED.contains(&key.as_str()) && !key.starts_with("x-"));
    keys.map(|key| format!("`{key}`")).collect()
}

/// The files that are written.
struct Files {
    compose: PathBuf,
    /// The schema, unless tests are to ask for it or the user has it.
    protoset: Option<PathBuf>,
    force: bool,
}

impl Files {
    fn of(path: &Path, args: &ScaffoldArgs) -> Result<Self> {
        let own = !args.reflection && args.proto.is_empty() && args.protoset.is_none();
        let files =
            Self { compose: path.to_owned(), protoset: own.then(|| path.with_extension("pb")), force: args.force };
        for path in std::iter::once(&files.compose).chain(&files.protoset) {
            require_writable("--output", path)?;
            if path.exists() && !args.force {
                return Err(Error::usage(format!("{} already exists", path.display())).hint("--force overwrites it"));
            }
        }
        Ok(files)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let mut options = OpenOptions::new();
        let options = if self.force { options.create(true).truncate(true) } else { options.create_new(true) };
        let written = options.write(true).open(path).and_then(|mut file| file.write_all(bytes));
        written.context(|| format!("cannot write {}", path.display()))
    }
}

/// The schema that the flags name, as the compose file will name it.
fn given_schema(args: &ScaffoldArgs) -> Result<Option<(SchemaSource, Schema)>> {
    if args.proto.is_empty() && args.protoset.is_none() {
        return Ok(None);
    }
    // Paths in the file start at its own folder.
    let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone()).display().to_string();
    let source = SchemaSource {
        proto: args.proto.iter().map(absolute).collect(),
        protoset: args.protoset.as_ref().map(absolute),
        ..SchemaSource::default()
    };
    let schema = Schema::read(&source, Path::new(".")).map_err(|e| calls_error(&e))?;
    Ok(Some((source, schema)))
}

fn contents(
    args: &ScaffoldArgs,
    service: &str,
    described: &Described,
    given: Option<&(SchemaSource, Schema)>,
    files: Option<&Files>,
) -> Result<Contents> {
    let nothing = |why: &str, hint: &str| Error::usage(format!("{service}: {why}")).hint(hint);
    let Some(listener) = described.listener() else {
        let seen: Vec<String> =
            described.seen.listeners.iter().map(|l| format!("port {}: {}", l.port, l.speaks.words())).collect();
        return Err(nothing(
            &format!("no server with gRPC or HTTP was found in it ({})", seen.join("; ")),
            "docs/calls.md explains how to write calls by hand",
        ));
    };
    let mut contents = Contents::new(service, described, listener.port);
    if let Speaks::Http1 { line } = &listener.speaks {
        contents.http = Some(line.split_whitespace().nth(1).and_then(|word| word.parse().ok()).unwrap_or(200));
        return Ok(contents);
    }
    let offers = listener.grpc.clone().unwrap_or_default();
    contents.tls = listener.speaks == Speaks::Tls;
    contents.health =
        !contents.tls && offers.health.iter().any(|health| health.service.is_empty() && health.status == "SERVING");
    if let Some((source, schema)) = given {
        contents.schema = source.clone();
        let own = |name: &str| name.starts_with(calls::reflection::OWN);
        contents.methods = schema.examples().into_iter().filter(|method| !own(&method.service)).collect();
    } else {
        described.schema(service)?;
        contents.methods = methods(&offers).0;
        match files.and_then(|files| files.protoset.as_ref()) {
            Some(path) if !args.reflection => {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                contents.schema.protoset = Some(name);
                contents.protoset_bytes = Some(schema_of(&offers).0.to_bytes());
            }
            _ => contents.schema.reflection = true,
        }
    }
    if contents.methods.is_empty() {
        return Err(nothing(
            "its server offers no service apart from reflection and health",
            "`futon describe` shows what it offers",
        ));
    }
    Ok(contents)
}
