//! Files from and to the host, on gem5 and elsewhere.

use std::{fs::File, io::Write, path::Path};

use futon_model::GuestEvent;
use guest_net::{Context, Error, Result};

use crate::{exchange::Exchange, gem5, report::report, runlog::RunLog, transfer};

/// Fetches files.
pub(crate) fn get(names: &[String], dir: &Path) -> Result<()> {
    if gem5::is_wanted() {
        return gem5::get(names, dir);
    }
    let exchange = Exchange::find()?;
    names.iter().try_for_each(|name| transfer::get(&exchange, name, dir))
}

/// Fetches a file to where it is to lie.
pub(crate) fn get_to(file: &Path) -> Result<()> {
    get(&[own_name(file)?], file.parent().unwrap_or_else(|| Path::new("")))
}

/// Uploads what a step may have left. Whether that succeeds says nothing of the step: the results log tells of a failure.
pub(crate) fn put_if_there(file: Option<&Path>, log: &RunLog) {
    if let Some(file) = file.filter(|file| file.is_file())
        && let Err(error) = own_name(file).and_then(|name| put(file, &name, log))
    {
        // A log that cannot be written to has been complained of by the step.
        let _ = log.line(&format!("futon-guest: {error}"));
    }
}

/// Uploads a file.
pub(crate) fn put(file: &Path, name: &str, log: &RunLog) -> Result<()> {
    match gem5::outlet()? {
        Some(outlet) => gem5::put(&*outlet, log.folder(), gem5::token().as_deref(), file, name),
        None => transfer::put(&Exchange::find()?, file, name),
    }
}

/// Has a log written into a file, reports why it is not whole where it is not, and uploads it under the file's name.
pub(crate) fn save(
    file: &Path,
    log: &RunLog,
    write: impl FnOnce(&mut dyn Write) -> Result<Option<String>>,
) -> Result<()> {
    let mut out = File::create(file).context(format_args!("cannot write {}", file.display()))?;
    let why = write(&mut out)?;
    drop(out);
    let name = own_name(file)?;
    if let Some(why) = why {
        let file = name.clone();
        println!("{file} is not whole: {why}");
        report(&GuestEvent::LogNotWhole { file, why }, log);
    }
    put(file, &name, log)
}

pub(crate) fn own_name(file: &Path) -> Result<String> {
    let name = file.file_name().ok_or_else(|| Error::new(format!("{} has no file name", file.display())))?;
    Ok(name.to_string_lossy().into_owned())
}
