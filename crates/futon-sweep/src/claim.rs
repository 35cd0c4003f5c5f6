//! Who makes a cell just now. A claim is a file of its worker's, which appears whole.
//!
//! Whoever wants a cell puts its claim down first and looks for others' then: of two, at least one sees the other, and whoever sees another
//! gives way. Nobody removes the claim of a worker that may be there. A result is safe even if two workers make one cell after all: only the
//! first is renamed into place.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use futon_common::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::store::{Attempt, Store, names_in, read_json};

/// How often two that want one cell give way to each other.
const GIVING_WAY: u32 = 8;

/// A process that makes cells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Worker {
    /// Its name: no other worker has it.
    pub name: String,
    /// The call of futon, or the job, that it belongs to.
    pub run: String,
    /// Its host.
    pub host: String,
    /// The host's boot and namespace of processes: numbers of processes mean something only there.
    pub scope: String,
    /// Its user.
    pub uid: u32,
    /// Its process.
    pub pid: u32,
    /// When the process began, in the kernel's ticks since the boot: another process may get the same number.
    pub began: u64,
    /// Its task of Slurm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<Task>,
}

/// A task of a job array.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Job and task, as in `123_4`.
    pub id: String,
    /// The cluster.
    #[serde(default)]
    pub cluster: String,
    /// How often Slurm has started it again.
    pub restarts: u32,
}

impl Worker {
    /// This process.
    #[must_use]
    pub fn this(run: &str) -> Self {
        let pid = std::process::id();
        let host = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok()).unwrap_or_default();
        let began = began(pid).unwrap_or_default();
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let task = variable("SLURM_ARRAY_JOB_ID").zip(variable("SLURM_ARRAY_TASK_ID")).map(|(job, task)| Task {
            id: format!("{job}_{task}"),
            cluster: variable("SLURM_CLUSTER_NAME").unwrap_or_default(),
            restarts: variable("SLURM_RESTART_COUNT").and_then(|count| count.parse().ok()).unwrap_or_default(),
        });
        let name = format!("{}-{pid}-{began}", plain(&host));
        let uid = nix::unistd::getuid().as_raw();
        Self { name, run: run.to_owned(), host, scope: scope(), uid, pid, began, task }
    }

    /// Whether its process is there; nothing if that cannot be seen from here.
    #[must_use]
    pub fn process_is_there(&self, here: &Self) -> Option<bool> {
        (self.host == here.host && self.scope == here.scope).then(|| began(self.pid) == Some(self.began))
    }
}

/// A host's name as a part of a file's.
fn plain(host: &str) -> String {
    host.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect()
}

fn scope() -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let namespace = fs::read_link("/proc/self/ns/pid").map(|link| link.display().to_string()).unwrap_or_default();
    format!("{} {namespace}", boot.trim())
}

/// When a process began; nothing if it is not there, or has ended and only waits to be asked for.
fn began(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may have blanks and parentheses.
    let mut fields = stat.get(stat.rfind(')')? + 2..)?.split(' ');
    let state = fields.next()?;
    if matches!(state, "Z" | "X") { None } else { fields.nth(18)?.parse().ok() }
}

/// Says which workers are there.
pub trait Liveness {
    /// Whether a worker is there, as far as can be known; in doubt it is.
    fn is_live(&self, worker: &Worker) -> bool;
}

/// A cell that this worker may make.
#[derive(Debug)]
pub struct Claim {
    path: PathBuf,
}

/// What came of wanting a cell.
#[derive(Debug)]
pub enum Claimed {
    /// It is this worker's.
    Yes(Claim),
    /// It has a result.
    Done,
    /// Another worker has it.
    Held,
}

impl Store {
    /// Claims a cell.
    ///
    /// # Errors
    /// When claims cannot be read or written.
    pub fn claim(&self, digest: &str, me: &Worker, others: &dyn Liveness) -> Result<Claimed> {
        for attempt in 0..GIVING_WAY {
            if self.is_done(digest) {
                return Ok(Claimed::Done);
            }
            if self.claims_of(digest)?.iter().any(|(_, holder)| holder.name != me.name && others.is_live(holder)) {
                return Ok(Claimed::Held);
            }
            let claim = self.put_down(digest, me)?;
            let (live, gone): (Vec<_>, Vec<_>) = self
                .claims_of(digest)?
                .into_iter()
                .filter(|(path, _)| *path != claim.path)
                .partition(|(_, holder)| others.is_live(holder));
            if live.is_empty() && !self.is_done(digest) {
                for (path, holder) in gone {
                    self.bury(digest, &holder, &path)?;
                }
                return Ok(Claimed::Yes(claim));
            }
            claim.release()?;
            // Two that give way to each other must not go on in step.
            let chance = getrandom::u32().context(|| "no random number".into())? % (2_000 << attempt);
            std::thread::sleep(Duration::from_micros(chance.into()));
        }
        Ok(Claimed::Held)
    }

    fn put_down(&self, digest: &str, me: &Worker) -> Result<Claim> {
        let claim = Claim { path: self.claims().join(format!("{digest}.{}", me.name)) };
        let failed = || format!("cannot write in {}", self.claims().display());
        let new = self.claims().join(format!(".{digest}.{}", me.name));
        let text = serde_json::to_vec(me).context(failed)?;
        let written = File::create(&new).and_then(|mut file| file.write_all(&text));
        match written.and_then(|()| fs::rename(&new, &claim.path)) {
            Ok(()) => Ok(claim),
            Err(e) => {
                let _ = fs::remove_file(&new);
                Err(e).context(failed)
            }
        }
    }

    /// Notes that a worker is gone, with the cell that it had.
    fn bury(&self, digest: &str, holder: &Worker, claim: &Path) -> Result<()> {
        self.put_aside_of(digest, &holder.name);
        self.note(&Attempt {
            digest: digest.to_owned(),
            worker: holder.name.clone(),
            run: holder.run.clone(),
            ended: now(),
            why: format!("its worker is gone ({}, process {})", holder.host, holder.pid),
            stopped: false,
        })?;
        Claim { path: claim.to_owned() }.release()
    }

    fn claims_of(&self, digest: &str) -> Result<Vec<(PathBuf, Worker)>> {
        let names = names_in(&self.claims())?;
        let own = names.iter().filter(|name| name.strip_prefix(digest).is_some_and(|rest| rest.starts_with('.')));
        let paths = own.map(|name| self.claims().join(name));
        // One that is gone by now is over.
        Ok(paths.filter_map(|path| Some((path.clone(), read_json(&path).ok()?))).collect())
    }

    /// All claims: the cell's digest and its worker.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn all_claims(&self) -> Result<Vec<(String, Worker)>> {
        let names = names_in(&self.claims())?;
        let read = |name: &String| {
            let (digest, _) = name.split_once('.')?;
            Some((digest.to_owned(), read_json(&self.claims().join(name)).ok()?))
        };
        Ok(names.iter().filter_map(read).collect())
    }
}

impl Claim {
    /// Gives the claim up.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn release(self) -> Result<()> {
        match fs::remove_file(&self.path) {
            Err(e) if e.kind() != ErrorKind::NotFound => {
                Err(e).context(|| format!("cannot remove {}", self.path.display()))
            }
            _ => Ok(()),
        }
    }
}

/// The time, RFC 3339, UTC.
#[must_use]
pub fn now() -> String {
    humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string()
}

#[cfg(test)]
#[path = "claim_tests.rs"]
pub(crate) mod tests;
