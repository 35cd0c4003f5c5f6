//! A sweep's folder: `sweep.json`, its plan, and `tasks/`, what was handed to workers.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use futon_common::{Context, Error, Result};
use serde::{Deserialize, Serialize};

use crate::plan::Plan;
use crate::spec::{Resources, SlurmSpec};
use crate::store::{Store, read_json};

const FILE: &str = "sweep.json";
const SCHEMA: &str = "futon.sweep/1";

/// A sweep, as its folder holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sweep {
    /// [`SCHEMA`].
    schema: String,
    /// Tells it from every other: its jobs are named after it.
    pub id: String,
    /// Name.
    pub name: String,
    /// Folder of the results; relative to the sweep's.
    pub store: PathBuf,
    /// Folder that relative paths start from.
    pub project: PathBuf,
    /// Folder of base image, kernel and function images.
    pub resources: PathBuf,
    /// The compose file, if it was named.
    #[serde(default)]
    pub functions: Option<PathBuf>,
    /// Who made it, and makes it again on `resume`.
    pub executor: Executor,
    /// How often a cell without a verdict is tried again.
    pub retries: u32,
    /// What a cell needs, if the file says so.
    #[serde(default)]
    pub needs: Resources,
    /// Slurm's part of the file.
    #[serde(default)]
    pub slurm: SlurmSpec,
    /// The cells.
    pub plan: Plan,
}

/// Who makes the cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Executor {
    /// This machine.
    #[default]
    Local,
    /// Slurm's tasks.
    Slurm,
}

/// What was handed to workers at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tasks {
    /// The call of futon that did it: attempts are counted by it.
    pub run: String,
    /// Digests of the cells of each task.
    pub tasks: Vec<Vec<String>>,
}

impl Sweep {
    /// A new one, not yet written.
    ///
    /// # Errors
    /// When there is no random number for its id.
    pub fn new(name: &str, plan: Plan) -> Result<Self> {
        let mut id = [0_u8; 6];
        getrandom::fill(&mut id).context(|| "no random number".into())?;
        Ok(Self {
            schema: SCHEMA.into(),
            id: hex::encode(id),
            name: name.to_owned(),
            store: PathBuf::from("."),
            project: PathBuf::new(),
            resources: PathBuf::new(),
            functions: None,
            executor: Executor::Local,
            retries: 0,
            needs: Resources::default(),
            slurm: SlurmSpec::default(),
            plan,
        })
    }

    /// Reads the sweep of a folder.
    ///
    /// # Errors
    /// When there is none, or it is of another version.
    pub fn open(dir: &Path) -> Result<Self> {
        let path = dir.join(FILE);
        if !path.is_file() {
            return Err(Error::usage(format!("{} is not the folder of a sweep: it has no {FILE}", dir.display()))
                .hint("`futon sweep sweep.toml` makes sweeps/NAME"));
        }
        let sweep: Self = read_json(&path)?;
        if sweep.schema == SCHEMA {
            return Ok(sweep);
        }
        Err(Error::usage(format!("{} is of the form {}, not {SCHEMA}", path.display(), sweep.schema))
            .hint("use the futon that made it"))
    }

    /// Writes it, whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, dir: &Path) -> Result<()> {
        let (path, new) = (dir.join(FILE), dir.join(".sweep.json.new"));
        let failed = || format!("cannot write {}", path.display());
        let text = serde_json::to_vec(self).context(failed)?;
        let mut file = File::create(&new).context(failed)?;
        file.write_all(&text).and_then(|()| file.sync_all()).context(failed)?;
        fs::rename(&new, &path).context(failed)
    }

    /// Opens its results.
    ///
    /// # Errors
    /// When they cannot be opened.
    pub fn store(&self, dir: &Path) -> Result<Store> {
        Store::open(&dir.join(&self.store))
    }

    /// How the names of its jobs begin; the number of the tasks' file follows.
    #[must_use]
    pub fn jobs(&self) -> String {
        format!("futon-{}.", self.id)
    }
}

impl Tasks {
    /// Writes tasks under a number of their own, which it returns.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn save(&self, dir: &Path) -> Result<u32> {
        let folder = dir.join("tasks");
        fs::create_dir_all(&folder).context(|| format!("cannot make {}", folder.display()))?;
        let text = serde_json::to_vec(self).context(|| "cannot write tasks".into())?;
        let mut number = crate::store::names_in(&folder)?.len();
        loop {
            let path = folder.join(format!("{number}.json"));
            match File::create_new(&path) {
                Ok(mut file) => {
                    file.write_all(&text).context(|| format!("cannot write {}", path.display()))?;
                    return u32::try_from(number).context(|| "too many tasks".into());
                }
                Err(e) if e.kind() == ErrorKind::AlreadyExists => number += 1,
                Err(e) => return Err(e).context(|| format!("cannot write {}", path.display())),
            }
        }
    }

    /// Reads tasks by their number.
    ///
    /// # Errors
    /// When there are none.
    pub fn open(dir: &Path, number: u32) -> Result<Self> {
        read_json(&dir.join("tasks").join(format!("{number}.json")))
    }
}
