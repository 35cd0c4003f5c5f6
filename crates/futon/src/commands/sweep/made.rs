//! A sweep that is there.

use std::path::{Path, PathBuf};

use futon_common::{Context, Error, Result};
use futon_sweep::slurm::Slurm;
use futon_sweep::{Executor, Others, Status, Store, Sweep, Worker};

/// A sweep whose folder is there.
pub struct Made {
    /// Absolute.
    pub dir: PathBuf,
    /// What is to be made.
    pub sweep: Sweep,
    /// The results.
    pub store: Store,
}

impl Made {
    /// Opens a sweep's folder.
    pub fn open(dir: &Path) -> Result<Self> {
        let sweep = Sweep::open(dir)?;
        let dir = dir.canonicalize().context(|| format!("cannot open {}", dir.display()))?;
        let store = sweep.store(&dir)?;
        Ok(Self { dir, sweep, store })
    }

    /// How far it is. The second value says why Slurm's queue is not known, if that matters.
    pub fn status(&self) -> Result<(Status, Option<Error>)> {
        let (queue, unknown) = match self.sweep.executor {
            Executor::Local => (Vec::new(), None),
            Executor::Slurm => match Slurm::find().and_then(|s| s.queue(&self.sweep.jobs())) {
                Ok(queue) => (queue, None),
                Err(e) => (Vec::new(), Some(e)),
            },
        };
        let others = Others::seen_from(&Worker::this(""));
        Ok((Status::of(&self.sweep, &self.dir, &self.store, &queue, &others)?, unknown))
    }
}

/// How this program's part of a sweep ended.
pub enum Ended {
    /// Nobody makes any more cells.
    Over,
    /// The user has stopped it.
    Interrupted,
    /// Others go on.
    Detached,
}
