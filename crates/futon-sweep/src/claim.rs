//! Who makes a cell just now. A claim is a file that appears whole, by a link; two workers cannot both make it.
//!
//! Claims of a cell are numbered. Whoever finds the highest one void makes the next: nobody removes another's claim, so that none is removed
//! by mistake that was made in between. A result is safe even if two workers make one cell after all: only the first is renamed into place.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use futon_common::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::store::{Attempt, Store, names_in, read_json};

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
    folder: PathBuf,
    digest: String,
    number: u32,
}

impl Store {
    /// Claims a cell: nothing if another worker has it, or it has a result.
    ///
    /// # Errors
    /// When claims cannot be read or written.
    pub fn claim(&self, digest: &str, me: &Worker, others: &dyn Liveness) -> Result<Option<Claim>> {
        if self.is_done(digest) {
            return Ok(None);
        }
        let claims = self.claims_of(digest)?;
        if claims.iter().any(|(_, holder)| holder.as_ref().is_some_and(|holder| others.is_live(holder))) {
            return Ok(None);
        }
        let number = claims.last().map_or(1, |(number, _)| number + 1);
        let claim = Claim { folder: self.claims(), digest: digest.to_owned(), number };
        if !claim.make(me)? {
            return Ok(None);
        }
        // Between our look and our claim another may have claimed and finished, or claimed under another number.
        let other = |(number, holder): &(u32, Option<Worker>)| {
            *number != claim.number && holder.as_ref().is_some_and(|holder| others.is_live(holder))
        };
        if self.is_done(digest) || self.claims_of(digest)?.iter().any(other) {
            claim.release()?;
            return Ok(None);
        }
        for holder in claims.into_iter().filter_map(|(_, holder)| holder) {
            self.bury(digest, &holder, "its worker is gone")?;
        }
        Ok(Some(claim))
    }

    /// Notes that a worker is gone, with the cell that it had.
    fn bury(&self, digest: &str, holder: &Worker, why: &str) -> Result<()> {
        self.put_aside_of(digest, &holder.name);
        self.note(&Attempt {
            digest: digest.to_owned(),
            worker: holder.name.clone(),
            run: holder.run.clone(),
            ended: now(),
            why: why.to_owned(),
            stopped: false,
        })
    }

    /// Claims of a cell by number, the lowest first; without a holder where it is not readable any more.
    fn claims_of(&self, digest: &str) -> Result<Vec<(u32, Option<Worker>)>> {
        let all = names_in(&self.claims())?;
        let numbers = all.iter().filter_map(|name| name.strip_prefix(digest)?.strip_prefix('.')?.parse::<u32>().ok());
        let mut claims: Vec<(u32, Option<Worker>)> =
            numbers.map(|number| (number, read_json(&self.claims().join(format!("{digest}.{number}"))).ok())).collect();
        claims.sort_by_key(|(number, _)| *number);
        Ok(claims)
    }

    /// All claims: the cell's digest and its worker.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn all_claims(&self) -> Result<Vec<(String, Worker)>> {
        let names = names_in(&self.claims())?;
        // One that is gone by now is over.
        let read = |name: &String| {
            let (digest, _) = name.split_once('.')?;
            Some((digest.to_owned(), read_json(&self.claims().join(name)).ok()?))
        };
        Ok(names.iter().filter_map(read).collect())
    }
}

impl Claim {
    fn path(&self, number: u32) -> PathBuf {
        self.folder.join(format!("{}.{number}", self.digest))
    }

    /// False if another has made it.
    fn make(&self, me: &Worker) -> Result<bool> {
        let failed = || format!("cannot write in {}", self.folder.display());
        let whole = self.folder.join(format!(".{}.{}", self.digest, me.name));
        let text = serde_json::to_vec(me).context(failed)?;
        let written = File::create(&whole).and_then(|mut file| file.write_all(&text));
        let linked = written.and_then(|()| link(&whole, &self.path(self.number)));
        let _ = fs::remove_file(&whole);
        linked.context(failed)
    }

    /// Gives the claim up, with the void ones before it.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn release(self) -> Result<()> {
        for number in 1..=self.number {
            match fs::remove_file(self.path(number)) {
                Err(e) if e.kind() != ErrorKind::NotFound => {
                    return Err(e).context(|| format!("cannot remove {}", self.path(number).display()));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn link(from: &Path, to: &Path) -> std::io::Result<bool> {
    match fs::hard_link(from, to) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(e) => Err(e),
    }
}

/// The time, RFC 3339, UTC.
#[must_use]
pub fn now() -> String {
    humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string()
}

#[cfg(test)]
#[path = "claim_tests.rs"]
mod tests;
