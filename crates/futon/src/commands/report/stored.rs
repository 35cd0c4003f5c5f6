//! Reports of runs that have ended.

use std::fs;
use std::path::{Path, PathBuf};

use futon_common::{Error, Result, folder_of};
use futon_model::{REPORT_SCHEMA, Report};
use serde::Deserialize;

/// A report and where it is.
#[derive(Debug)]
pub struct Stored {
    /// The report.
    pub report: Report,
    /// The folder it lies in.
    pub folder: PathBuf,
}

/// What a report of any version has.
#[derive(Deserialize)]
struct Version {
    schema: String,
}

/// What the schemas of all versions begin with.
const FAMILY: &str = "futon.report/";

/// The name of every report's file.
const FILE: &str = "report.json";

impl Stored {
    /// Reads a report by its own path, the run's folder, or a working directory.
    ///
    /// # Errors
    /// When there is none, or it is none.
    pub fn read(path: &Path) -> Result<Self> {
        let file = Self::file(path).ok_or_else(|| none(path))?;
        let text = fs::read(&file).map_err(|e| Error::usage(format!("cannot read {}", file.display())).caused_by(e))?;
        // Another version has other fields: what says so is looked at first.
        let version = serde_json::from_slice::<Version>(&text).ok().map(|said| said.schema);
        if let Some(other) = version.filter(|schema| schema.starts_with(FAMILY) && schema != REPORT_SCHEMA) {
            return Err(Error::usage(format!(
                "{}: its schema is {other:?}, and this futon reads {REPORT_SCHEMA}",
                file.display()
            ))
            .hint("use the version of futon that wrote it"));
        }
        let refused = || Error::usage(format!("{} is not a report of futon's", file.display()));
        let hint = format!("a report has the schema {REPORT_SCHEMA} (docs/report.md)");
        let report: Report = serde_json::from_slice(&text).map_err(|e| refused().caused_by(e).hint(&*hint))?;
        if report.schema != REPORT_SCHEMA {
            return Err(refused().hint(hint));
        }
        Ok(Self { report, folder: folder_of(&file).to_owned() })
    }

    /// The file of a report, if there is one.
    pub fn file(path: &Path) -> Option<PathBuf> {
        if path.is_file() {
            return Some(path.to_owned());
        }
        [path.join(FILE), path.join("results").join(FILE)].into_iter().find(|file| file.is_file())
    }
}

/// The error for a path without a report.
fn none(path: &Path) -> Error {
    if !path.exists() {
        return Error::usage(format!("there is no {}", path.display())).hint("name a run's folder, or its report.json");
    }
    let error = Error::usage(format!("there is no report in {}", path.display()));
    match below(path).first() {
        Some(inner) => error.hint(format!("{} has one", inner.display())),
        None => error.hint("name a run's folder, as in runs/latest, or a report.json"),
    }
}

/// The folders in a folder that have reports, by name. Links are left out: what they lead to has its own name.
pub fn below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .filter(|path| Stored::file(path).is_some())
        .collect();
    found.sort();
    found
}
