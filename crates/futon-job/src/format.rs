//! `job.json`.

use std::collections::BTreeMap;

use futon_common::{Error, Result};
use futon_model::{Cell, Code, Outcome, Plan, Verdict};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Name and version of a job's form.
pub const JOB_SCHEMA: &str = "futon.job/1";

/// End of the name of a job's file.
pub const JOB_SUFFIX: &str = "futon";
/// The file that says what a job is.
pub(super) const JOB: &str = "job.json";
/// The folder of blobs in a job's.
pub(super) const BLOBS: &str = "blobs";
/// The image store in a job's folder.
pub const IMAGES: &str = "images";

/// A job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// [`JOB_SCHEMA`].
    pub schema: String,
    /// Version of the futon that made it.
    pub futon: String,
    /// The functions, in their order.
    pub functions: Vec<JobFunction>,
    /// The machine's flags, without those that name files.
    pub machine: Value,
    /// Files that the machine's flags named, by flag.
    pub given: BTreeMap<String, Blob>,
    /// Files of the resources folder that the machine or its guests need, by name.
    pub resources: BTreeMap<String, Blob>,
    /// Programs of the host that are not inside: their versions, or `sha256:` and the digest of one whose figures depend on it.
    pub programs: BTreeMap<String, String>,
}

/// A function of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobFunction {
    /// What shapes its result.
    pub cell: Cell,
    /// Its plan.
    pub plan: Plan,
    /// Files of its working directory, by name.
    pub files: BTreeMap<String, Blob>,
    /// What the guest may fetch, by the name under which it does.
    pub served: BTreeMap<String, Served>,
    /// How the run ended that this job repeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded: Option<Recorded>,
}

/// Where a file for the guest comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Served {
    /// A file of the working directory.
    File(String),
    /// A file of the resources.
    Resource(String),
}

/// The end of an earlier run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recorded {
    /// How it ended.
    pub outcome: Outcome,
    /// In which step.
    pub step: Option<String>,
    /// Why, for programs.
    pub code: Code,
    /// Rows of its measured invocations, where a simulator measured: text of `invocations.csv`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<String>,
}

impl Recorded {
    /// What of a verdict has to be the same again.
    #[must_use]
    pub fn of(verdict: &Verdict, rows: Option<String>) -> Self {
        Self { outcome: verdict.outcome, step: verdict.step.clone(), code: verdict.code, rows }
    }
}

/// A file of a job's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blob {
    /// `sha256:` and 64 hexadecimal digits, of the file as it is used.
    pub digest: String,
    /// Its size as it is used, bytes.
    pub size: u64,
    /// How it lies in the job.
    pub form: Form,
}

/// How a file lies in a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// As it is.
    Whole,
    /// Compressed by gzip.
    Gzip,
    /// A raw disk, as a compressed qcow2 image.
    Qcow2,
    /// Not at all: whoever runs the job must have it.
    Outside,
}

impl Blob {
    /// Its file's name among the blobs. One content may be there in several forms.
    ///
    /// # Errors
    /// When its digest is none.
    pub fn file_name(&self) -> Result<String> {
        let end = match self.form {
            Form::Whole | Form::Outside => "",
            Form::Gzip => ".gz",
            Form::Qcow2 => ".qcow2",
        };
        Ok(format!("{}{end}", self.hex()?))
    }

    /// The digest's hexadecimal digits, which are a safe file name.
    ///
    /// # Errors
    /// When it is no digest.
    pub fn hex(&self) -> Result<&str> {
        let hex = self.digest.strip_prefix("sha256:").unwrap_or_default();
        let fits = hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if fits { Ok(hex) } else { Err(damaged(&format!("{:?} is no digest", self.digest))) }
    }
}

impl Job {
    /// Checks what a job from elsewhere could get wrong: its form, names that are paths, cells that were edited.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(&self) -> Result<()> {
        if self.schema != JOB_SCHEMA {
            return Err(Error::usage(format!("the job's form is {:?}; this futon reads {JOB_SCHEMA:?}", self.schema))
                .hint("run it with the version of futon that made it, or make it again"));
        }
        if self.functions.is_empty() {
            return Err(Error::nothing_to_run("the job has no function"));
        }
        let plain =
            |name: &str| if is_plain_name(name) { Ok(()) } else { Err(damaged(&format!("{name:?} is no file name"))) };
        let mut names = Vec::new();
        for function in &self.functions {
            let name = &function.plan.function;
            plain(name)?;
            if names.contains(&name) {
                return Err(damaged(&format!("{name} is in it twice")));
            }
            names.push(name);
            if !function.cell.is_whole() {
                return Err(damaged(&format!("{name}: the inputs of its cell are not those of its digest")));
            }
            function.files.keys().chain(function.served.keys()).try_for_each(|name| plain(name))?;
            for (served_as, served) in &function.served {
                let blob = match served {
                    Served::File(file) => function.files.get(file),
                    Served::Resource(file) => self.resources.get(file),
                };
                let Some(blob) = blob else { return Err(damaged(&format!("{name}: {served:?} is missing"))) };
                // Guest tools are inputs by their own names, the user's files by this one.
                let inputs = &function.cell.inputs;
                let input = inputs.get(served_as).or_else(|| inputs.get(&format!("file {served_as}")));
                if input.is_some_and(|digest| digest.starts_with("sha256:") && *digest != blob.digest) {
                    return Err(damaged(&format!("{name}: {served_as} is not the one of its cell")));
                }
            }
        }
        self.resources.keys().chain(self.given.keys()).try_for_each(|name| plain(name))?;
        self.blobs().try_for_each(|blob| blob.hex().map(drop))
    }

    /// All its files.
    pub fn blobs(&self) -> impl Iterator<Item = &Blob> {
        let files = self.functions.iter().flat_map(|function| function.files.values());
        files.chain(self.given.values()).chain(self.resources.values())
    }
}

/// Whether a name is that of a file in a folder, and leads nowhere else.
#[must_use]
pub fn is_plain_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= 255 && name != "." && name != ".." && !name.contains(['/', '\0'])
}

pub(crate) fn damaged(what: &str) -> Error {
    Error::usage(format!("damaged job: {what}")).hint("make it again with `futon plan -o` or `futon rerun -o`")
}
