//! Making a warm base: boot, let the guest warm up and park, stop it, save it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futon_model::{Accelerator, EventKind, PlannedImage};
use serde_json::json;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_util::sync::CancellationToken;

use super::{DISK, MEMORY, STATE, WarmBase, WarmKey, WarmStore};
use crate::exchange::{self, ExchangeConfig};
use crate::images::ImageStore;
use crate::machine::Running;
use crate::machine::qemu::machine::{Boot, QemuMachine, RunningQemu};
use crate::machine::qemu::{args::Memory, disk};
use crate::{Context, Error, Result};

/// The run script that parks, `test/park.sh`.
pub(super) const PARK_SCRIPT: &str = include_str!("../../../../../../test/park.sh");

/// Where the script takes the images' names.
const IMAGES_PLACEHOLDER: &str = "<__IMAGES__>";

/// How often the guest must have asked for work before it is saved: what it still did after its boot is over by then.
const POLLS: u32 = 8;

/// From an answer to the guest's question to the machine's stop: the connection is closed, the next question is not asked yet.
const AFTER_POLL: Duration = Duration::from_millis(25);

/// Longest time to write the state of the devices, some hundred KiB.
const SAVE_LIMIT: Duration = Duration::from_secs(60);

/// What is needed to make a warm base.
#[derive(Debug)]
pub struct MakeWarm<'a> {
    /// The machine.
    pub machine: &'a QemuMachine,
    /// The guest's tool.
    pub futon_guest: &'a Path,
    /// Images that the engine pulls before the machine is saved; each with a digest.
    pub images: &'a [PlannedImage],
    /// Where they are.
    pub store: Option<Arc<ImageStore>>,
    /// Longest time from power-on until the guest waits for work.
    pub limit: Duration,
    /// Ends it.
    pub cancel: CancellationToken,
}

impl MakeWarm<'_> {
    /// The key of what would be made.
    ///
    /// # Errors
    /// When a file that it is made from is missing.
    pub fn key(&self) -> Result<WarmKey> {
        WarmKey::of(self.machine, self.futon_guest, PARK_SCRIPT, self.images)
    }
}

/// Makes a warm base and keeps it. The store's lock must be held.
///
/// # Errors
/// When the machine does not boot or park within the limit, or cannot be saved.
pub async fn make_warm(store: &WarmStore, make: &MakeWarm<'_>, say: &mut (dyn FnMut(&str) + Send)) -> Result<WarmBase> {
    let begin = Instant::now();
    let key = make.key()?;
    let folder = store.begin()?;
    let made = save(&folder, make, say).await;
    let base = made.and_then(|()| {
        say("hashing");
        let took = u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX);
        WarmBase::describe(&folder, key, took, make.machine.has_disk)
    });
    match base {
        Ok(base) => store.finish(base),
        Err(e) => {
            let _ = fs::remove_dir_all(&folder);
            Err(e)
        }
    }
}

async fn save(folder: &Path, make: &MakeWarm<'_>, say: &mut (dyn FnMut(&str) + Send)) -> Result<()> {
    let machine = make.machine;
    let memory = folder.join(MEMORY);
    let failed = || format!("cannot make {}", memory.display());
    File::create(&memory).context(failed)?.set_len(u64::from(machine.memory_mib) << 20).context(failed)?;
    let disk = folder.join(DISK);
    if machine.has_disk {
        disk::make_overlay(&machine.base_image, &disk).await?;
    }
    let script = folder.join("park.sh");
    let images: Vec<&str> = make.images.iter().map(|image| image.reference.written()).collect();
    // A reference has no character that a shell would take for its own.
    fs::write(&script, PARK_SCRIPT.replace(IMAGES_PLACEHOLDER, &images.join(" ")))
        .context(|| format!("cannot write {}", script.display()))?;
    let console = folder.join("console");
    fs::create_dir_all(&console).context(|| format!("cannot make {}", console.display()))?;

    let (events, mut incoming) = unbounded_channel();
    let boot = Boot {
        name: "warm",
        disk: &disk,
        folder: &console,
        bundle: None,
        memory: Memory::Shared(memory),
        incoming: false,
    };
    say("booting");
    let mut running = machine.boot(boot, events.clone()).await?;
    let listener =
        running.take_listener().ok_or_else(|| Error::infra("the machine gave no socket for its exchange"))?;
    let served: BTreeMap<String, PathBuf> = [("futon-guest".to_owned(), make.futon_guest.to_owned())].into();
    let config = ExchangeConfig {
        run_script: Some(script),
        parking: true,
        store: make.store.clone(),
        ..ExchangeConfig::run(served, folder.join("uploads"), events)
    };
    let stop = CancellationToken::new();
    let serving = tokio::spawn(exchange::serve(listener, config, stop.clone()));
    let saved = match parked(make, &mut incoming, &console, say).await {
        Ok(()) => {
            say("saving");
            tokio::time::sleep(AFTER_POLL).await;
            write_state(&mut running, folder).await
        }
        Err(e) => Err(e),
    };
    stop.cancel();
    running.end().await;
    let _ = serving.await;
    saved
}

/// Waits until the guest has asked for work often enough.
async fn parked(
    make: &MakeWarm<'_>,
    incoming: &mut UnboundedReceiver<EventKind>,
    console: &Path,
    say: &mut (dyn FnMut(&str) + Send),
) -> Result<()> {
    let deadline = tokio::time::Instant::now() + make.limit;
    let mut polls = 0;
    let why = loop {
        let event = tokio::select! {
            () = make.cancel.cancelled() => return Err(Error::interrupted()),
            event = incoming.recv() => event,
            () = tokio::time::sleep_until(deadline) => break format!("it did not ask for work within {:?}", make.limit),
        };
        match event {
            Some(EventKind::RunScriptRequested { status: 200, .. }) => {
                say(if make.images.is_empty() { "warming up" } else { "pulling and warming up" });
            }
            Some(EventKind::Parked) => {
                polls += 1;
                if polls == POLLS {
                    return Ok(());
                }
            }
            Some(EventKind::MachineExited { stderr, .. }) => break format!("the machine ended: {stderr}"),
            Some(_) => {}
            None => break "the machine is gone".into(),
        }
    };
    let text = fs::read(console.join("console.log")).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let last = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("nothing on its console").trim();
    Err(Error::infra(format!("the guest does not park: {why} (last seen: {last})"))
        .hint("--cold boots each machine from nothing"))
}

/// Stops the machine and writes what is not in the memory's file.
async fn write_state(running: &mut RunningQemu, folder: &Path) -> Result<()> {
    let state = folder.join(STATE);
    let quoted = shlex::try_quote(&state.to_string_lossy()).context(|| "the path has a NUL byte".into())?.into_owned();
    let qmp = &mut running.qmp;
    qmp.execute("stop", &json!({})).await?;
    qmp.ignore_shared_memory().await?;
    qmp.execute("migrate", &json!({ "uri": format!("exec:cat > {quoted}") })).await?;
    qmp.migrated(SAVE_LIMIT).await?;
    // What answers to this is the machine's end.
    let _ = qmp.execute("quit", &json!({})).await;
    Ok(())
}

impl QemuMachine {
    /// QEMU's arguments for a warm base in `folder`, for the key.
    pub(super) fn arguments_of_a_warm_base(&self, folder: &Path) -> crate::machine::qemu::QemuArguments {
        let memory = Memory::Shared(folder.join(MEMORY));
        let disk = folder.join(DISK);
        let console = crate::machine::qemu::ConsoleTo::File(folder.join("console.log"));
        self.arguments(&Boot { name: "warm", disk: &disk, folder, bundle: None, memory, incoming: false }, console)
    }

    /// Whether this machine can be saved and forked at all.
    ///
    /// # Errors
    /// Why not.
    pub fn can_fork(&self) -> std::result::Result<(), &'static str> {
        if self.network == futon_model::Network::Host {
            return Err("its network is the host's");
        }
        if !self.has_disk {
            return Err("its images are on a drive of its own, and it boots in seconds");
        }
        if self.accelerator.accelerator == Accelerator::None {
            return Err("it has no accelerator");
        }
        Ok(())
    }
}
