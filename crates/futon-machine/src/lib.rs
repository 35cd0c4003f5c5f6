//! Machines: started, watched and ended. Nothing that futon starts outlives it.

mod confine;
pub mod console;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod guard;
mod inputs;
pub mod namespace;
pub mod process;
mod processor;
mod tool;

use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futon_model::{EventKind, Limits, MachineReport, Plan, SimulationReport};
use tokio::sync::mpsc::UnboundedSender;

use futon_common::Result;

pub use confine::{Confinement, confinement_works};
pub use guard::{GuardArguments, run_guard};
pub use inputs::MachineInputs;
pub use namespace::{HOST_PORT, port_is_taken};
pub use process::namespace_works;
pub use processor::processor_level;
pub use tool::Tool;

/// What a machine needs to start.
#[derive(Debug, Clone)]
pub struct Launch {
    /// The plan of the run.
    pub plan: Plan,
    /// The run's disk, an overlay only for this run.
    pub disk: PathBuf,
    /// The lean guest's bundle, where there is one.
    pub bundle: Option<PathBuf>,
    /// Folder for consoles and the machine's own output.
    pub folder: PathBuf,
}

/// The other end of a guest's console, put there when the machine starts.
pub type Console = Arc<Mutex<Option<UnixStream>>>;

/// A kind of machine, ready to be started.
#[async_trait]
pub trait Machine: Send + Sync {
    /// What the report says about it.
    fn report(&self) -> MachineReport;

    /// What of it shapes a run's result, wherever it runs.
    fn inputs(&self) -> MachineInputs;

    /// The same machine with its console at hand, if it has one to type at.
    fn with_console(&self, _console: &Console) -> Option<Box<dyn Machine>> {
        None
    }

    /// The limits that the host keeps to. A simulator's guest keeps its own in simulated time, which says nothing about
    /// the host's.
    fn host_limits(&self, limits: Limits) -> Limits {
        limits
    }

    /// How much longer than a step's limit the host waits: the guest enforces the limit itself and knows more when it does.
    fn guest_first(&self) -> Duration {
        Duration::from_secs(15)
    }

    /// Whether the guest talks to an exchange; a simulator's guest does not.
    fn has_exchange(&self) -> bool {
        true
    }

    /// Makes the disk of a run: an overlay over the base image, which is never written.
    ///
    /// # Errors
    /// When the base image is missing or damaged, or the disk cannot be made.
    async fn make_disk(&self, disk: &Path) -> Result<()>;

    /// Starts the machine. From then on `events` receives what it does, [`EventKind::MachineExited`] last.
    ///
    /// # Errors
    /// When the machine cannot be started.
    async fn start(&self, launch: &Launch, events: UnboundedSender<EventKind>) -> Result<Box<dyn Running>>;
}

/// A machine that runs.
#[async_trait]
pub trait Running: Send {
    /// The listening socket of this machine's exchange, at the first call.
    fn take_listener(&mut self) -> Option<TcpListener>;

    /// Remarks on how it was started, for the report; asked again when the run is over.
    fn remarks(&self) -> Vec<String> {
        Vec::new()
    }

    /// The machine's report, where it was started in another way than was planned.
    fn report(&self) -> Option<MachineReport> {
        None
    }

    /// What was simulated; asked when the run is over.
    fn simulation(&self) -> Option<SimulationReport> {
        None
    }

    /// Ends the machine if it still runs: asks, waits for a grace, then kills its process group.
    /// Returns when it is gone.
    async fn end(&mut self);
}
