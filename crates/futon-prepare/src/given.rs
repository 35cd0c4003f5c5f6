//! What the user has given: settings, limits, files.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use futon_cli::{ClientArgs, MachineArgs};
use futon_common::{Context, Error, Result, require_regular};
use futon_model::{Limits, Network, PlannedImage};
use futon_resources::source_root;
use futon_workdir::config::{ClientConfig, Config};

/// The project's settings, for one function or for all; no flag is over them yet.
pub fn settings(machine: &MachineArgs, function: Option<&str>) -> Result<Config> {
    let Some(settings) = &machine.settings else { return Ok(Config::default()) };
    function.map_or_else(|| settings.config(), |name| settings.config_of(name))
}

/// Puts the client's flags over the settings.
pub fn set_client(settings: &mut ClientConfig, flags: &ClientArgs) {
    settings.invocations = flags.invocations.unwrap_or(settings.invocations);
    settings.warmup = flags.warmup.unwrap_or(settings.warmup);
    settings.method = flags.method.clone().unwrap_or_else(|| settings.method.clone());
    settings.input = flags.input.clone().unwrap_or_else(|| settings.input.clone());
    settings.gen_type = flags.gen_type.unwrap_or(settings.gen_type);
}

/// Puts limits from the command line over others.
pub fn set_limits(limits: &mut Limits, given: &[(String, Duration)]) {
    for (name, length) in given {
        // The command line's grammar lets no other name through.
        if let Some(limit) = limits.named_mut(name) {
            *limit = *length;
        }
    }
}

/// `PATH` or `NAME=PATH`.
///
/// # Errors
/// When a name is a path, or a file is missing or cannot be read.
pub fn named_files(files: &[String]) -> Result<Vec<(String, PathBuf)>> {
    files.iter().map(|text| named_file(text)).collect()
}

fn named_file(text: &str) -> Result<(String, PathBuf)> {
    let (name, path) = match text.split_once('=') {
        Some((name, path)) => (name.to_owned(), PathBuf::from(path)),
        None => {
            let path = PathBuf::from(text);
            (path.file_name().unwrap_or_default().to_string_lossy().into_owned(), path)
        }
    };
    let mut parts = Path::new(&name).components();
    let first = parts.next().filter(|part| *part == Component::Normal(OsStr::new(&name)));
    if first.is_none() || parts.next().is_some() {
        return Err(Error::usage(format!("--file {text}: {name:?} is not the name of a file"))
            .hint("the guest fetches the file by one name: --file NAME=PATH"));
    }
    let about = fs::metadata(&path);
    let opened = about.and_then(|about| match about.is_file() {
        true => File::open(&path),
        false => Err(io::Error::other("it is not a file")),
    });
    match opened {
        Ok(_) => Ok((name, path)),
        Err(e) => Err(Error::usage(format!("--file: cannot read {}", path.display()))
            .caused_by(e)
            .hint("--file takes a file path, or NAME=PATH")),
    }
}

/// Reads a text file that the user named.
pub fn read_text(path: &Path, hint: &str) -> Result<String> {
    require_regular(path)
        .and_then(|()| fs::read_to_string(path))
        .map_err(|e| Error::usage(format!("cannot read {}", path.display())).caused_by(e).hint(hint))
}

/// The compose file: the given one, one that is here, or the samples'.
pub fn compose_path(given: Option<&Path>) -> Result<PathBuf> {
    if let Some(path) = given {
        return Ok(path.to_owned());
    }
    let here = [PathBuf::from("functions.yaml"), PathBuf::from("functions/functions.yaml")];
    if let Some(found) = here.into_iter().find(|p| p.is_file()) {
        return Ok(found);
    }
    let samples = source_root().context(|| "no functions.yaml here".into())?;
    Ok(samples.join("functions/functions.yaml"))
}

/// The note about an image that the exchange does not have.
pub fn missing_image(image: &PlannedImage, config: &Config) -> String {
    let where_else = match config.machine.network {
        Network::Host => "the guest asks its engine's registry",
        Network::Isolated => "the guest will not find it",
    };
    let hint = match &image.near[..] {
        [] => "`futon images add` or `futon images build`".to_owned(),
        near => format!("the store has {}; did you mean that?", near.join(", ")),
    };
    format!("note: {} is not in the store: {where_else} (hint: {hint})", image.reference)
}
