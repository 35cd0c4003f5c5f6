//! The bundle as it lies in the guest, and what is written down of each container.

use std::{
    fs,
    path::{Path, PathBuf},
};

use futon_model::{LeanBundle, LeanContainer};
use guest_net::{Context, Error, Result};
use serde::{Deserialize, Serialize};

/// Where the bundle is unpacked.
pub(super) const FOLDER: &str = "/run/futon/bundle";
/// Where supervisors write.
const CONTAINERS: &str = "/run/futon/containers";

/// Reads what the bundle says of its containers.
pub(super) fn read() -> Result<LeanBundle> {
    let path = Path::new(FOLDER).join(LeanBundle::FILE);
    let text = fs::read(&path).context(format_args!("there is no bundle: {}", path.display()))?;
    let bundle: LeanBundle = serde_json::from_slice(&text).context(path.display())?;
    if bundle.schema == LeanBundle::SCHEMA {
        return Ok(bundle);
    }
    Err(Error::new(format!(
        "the bundle has the format {:?}, not {:?}; hint: `futon resources build lean` makes a guest that fits this futon",
        bundle.schema,
        LeanBundle::SCHEMA
    )))
}

/// A container of the bundle.
pub(super) fn find<'a>(bundle: &'a LeanBundle, name: &str) -> Result<&'a LeanContainer> {
    bundle.containers.iter().find(|c| c.name == name).ok_or_else(|| Error::new(format!("there is no container {name}")))
}

/// How a container's process ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct End {
    /// Exit status as a shell counts it.
    pub(super) status: i64,
    /// Whether the kernel ended a process in it for want of memory.
    pub(super) oom_killed: bool,
    /// The kernel's word on a process that crashed.
    pub(super) kernel_said: Option<String>,
}

impl End {
    /// What is known beside the status, ready to stand behind it.
    pub(super) fn details(&self) -> String {
        let oom = if self.oom_killed { " (out of memory)" } else { "" };
        let said = self.kernel_said.as_ref().map_or_else(String::new, |said| format!(" (kernel: {said})"));
        format!("{oom}{said}")
    }
}

/// How often a container was started again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Restarts {
    /// How often.
    pub(super) times: u64,
    /// Exit status before the last time.
    pub(super) last_status: Option<i64>,
}

/// What a healthcheck has found, in the engine's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Health {
    /// It has not succeeded yet.
    Starting,
    /// It succeeded.
    Healthy,
    /// It failed too often in a row.
    Unhealthy,
}

impl Health {
    /// The engine's word.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// What a supervisor writes down of its container.
#[derive(Debug, Clone)]
pub(super) struct Record {
    folder: PathBuf,
}

impl Record {
    /// The record of a container.
    pub(super) fn of(name: &str) -> Self {
        Self::in_folder(Path::new(CONTAINERS).join(name))
    }

    /// The record in a folder of its own.
    pub(super) fn in_folder(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Makes its folder.
    pub(super) fn create(&self) -> Result<()> {
        fs::create_dir_all(&self.folder).context(format_args!("cannot make {}", self.folder.display()))
    }

    /// The container's state, in the engine's words, and how it ended, if it has.
    pub(super) fn status(&self) -> (&'static str, Option<End>) {
        let end = self.end();
        let status = match self.pid() {
            _ if end.is_some() => "exited",
            Err(_) => "created",
            // Its last process has ended, and the next one is not there yet.
            Ok(pid) if self.restarts().times > 0 && !Path::new(&format!("/proc/{pid}")).exists() => "restarting",
            Ok(_) => "running",
        };
        (status, end)
    }

    /// What the container prints.
    pub(super) fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// The pipe that it prints to.
    pub(super) fn output(&self) -> PathBuf {
        self.folder.join("output")
    }

    /// What the runtime complains of.
    pub(super) fn runtime_log(&self) -> PathBuf {
        self.folder.join("crun.log")
    }

    /// The container's first process.
    pub(super) fn pid_file(&self) -> PathBuf {
        self.folder.join("pid")
    }

    /// The process of a healthcheck.
    pub(super) fn check_pid_file(&self) -> PathBuf {
        self.folder.join("check.pid")
    }

    /// The container's first process, if it was started.
    pub(super) fn pid(&self) -> Result<i32> {
        let path = self.pid_file();
        let text = fs::read_to_string(&path).context("the container was not started")?;
        text.trim().parse().context(path.display())
    }

    /// How often it was started again, and why.
    pub(super) fn restarts(&self) -> Restarts {
        let text = fs::read(self.folder.join("restarts")).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Writes down that it ended with `status` and is started again.
    pub(super) fn add_restart(&self, status: i64) -> Result<()> {
        let made = Restarts { times: self.restarts().times + 1, last_status: Some(status) };
        self.write("restarts", &serde_json::to_vec(&made).context("restarts")?)
    }

    /// Says that its next end is wanted: it is not to be started again.
    pub(super) fn set_stopping(&self) -> Result<()> {
        self.write("stopping", b"")
    }

    /// Whether its next end is wanted.
    pub(super) fn is_stopping(&self) -> bool {
        self.folder.join("stopping").exists()
    }

    /// What its healthcheck has found so far, where it has one that is run.
    pub(super) fn health(&self) -> Option<Health> {
        serde_json::from_slice(&fs::read(self.folder.join("health")).ok()?).ok()
    }

    /// Writes down what its healthcheck has found.
    pub(super) fn set_health(&self, health: Health) -> Result<()> {
        self.write("health", &serde_json::to_vec(&health).context("health")?)
    }

    /// How it ended, if it has.
    pub(super) fn end(&self) -> Option<End> {
        serde_json::from_slice(&fs::read(self.folder.join("end")).ok()?).ok()
    }

    /// Writes down how it ended, whole or not at all.
    pub(super) fn set_end(&self, end: &End) -> Result<()> {
        self.write("end", &serde_json::to_vec(end).context("end")?)
    }

    fn write(&self, name: &str, text: &[u8]) -> Result<()> {
        let partial = self.folder.join(format!("{name}.part"));
        fs::write(&partial, text)
            .and_then(|()| fs::rename(&partial, self.folder.join(name)))
            .context(format_args!("cannot write in {}", self.folder.display()))
    }
}
