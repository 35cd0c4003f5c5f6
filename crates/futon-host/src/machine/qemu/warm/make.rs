//! Making a warm base: boot, let the guest warm up and park, stop it, save it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futon_model::{Accelerator, EventKind, ExitCode, PlannedImage};
use serde_json::json;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_util::sync::CancellationToken;

use super::{DISK, MEMORY, STATE, WarmBase, WarmKey, WarmStore};
use crate::exchange::{self, ExchangeConfig};
use crate::images::ImageStore;
use crate::machine::Running;
use crate::machine::qemu::machine::{Boot, QemuMachine, RunningQemu};
use crate::machine::qemu::{
    args::Memory,
    console::{alarm_on, lines_of},
    disk,
};
use crate::{Context, Error, Result};

/// The run script that parks, `test/park.sh`.
pub(super) const PARK_SCRIPT: &str = include_str!("../../../../../../test/park.sh");

/// The guest's console, in the folder of a warm base in the making.
const CONSOLE: &str = "console/console.log";

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
    let mut folder = store.begin()?;
    let mut made = save(&folder, make, say).await;
    if let Err(NotMade { again: true, error }) = &made {
        // Nobody's work was in it yet; under emulation it happens.
        say(&format!("once more, {error}"));
        fs::remove_dir_all(&folder).context(|| format!("cannot remove {}", folder.display()))?;
        folder = store.begin()?;
        made = save(&folder, make, say).await;
    }
    let base = made.map_err(|NotMade { error, .. }| {
        let kept = (error.exit_code() != ExitCode::Interrupted).then(|| store.keep_console(&folder.join(CONSOLE)));
        match kept.flatten() {
            Some(kept) => error.hint(format!("its console is in {}", kept.display())),
            None => error,
        }
    });
    let base = base.and_then(|()| {
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

/// Why there is no warm base.
struct NotMade {
    error: Error,
    /// Whether the guest ended before it had asked for anything, or its kernel was found in trouble when it had parked.
    again: bool,
}

impl From<Error> for NotMade {
    fn from(error: Error) -> Self {
        Self { error, again: false }
    }
}

async fn save(
    folder: &Path,
    make: &MakeWarm<'_>,
    say: &mut (dyn FnMut(&str) + Send),
) -> std::result::Result<(), NotMade> {
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
    let console = folder.join(CONSOLE);
    let console = console.parent().unwrap_or(folder);
    fs::create_dir_all(console).context(|| format!("cannot make {}", console.display()))?;

    let (events, mut incoming) = unbounded_channel();
    let boot = Boot {
        name: "warm",
        disk: &disk,
        folder: console,
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
    let saved = match parked(make, &mut incoming, &folder.join(CONSOLE), say).await {
        Ok(()) => {
            say("saving");
            tokio::time::sleep(AFTER_POLL).await;
            write_state(&mut running, folder).await.map_err(NotMade::from)
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
) -> std::result::Result<(), NotMade> {
    let deadline = tokio::time::Instant::now() + make.limit;
    let (mut polls, mut asked) = (0, false);
    let (why, ended) = loop {
        let event = tokio::select! {
            () = make.cancel.cancelled() => return Err(Error::interrupted().into()),
            event = incoming.recv() => event,
            () = tokio::time::sleep_until(deadline) => {
                break (format!("it did not ask for work within {:?}", make.limit), false)
            }
        };
        match event {
            Some(EventKind::RunScriptRequested { status: 200, .. }) => {
                asked = true;
                say(if make.images.is_empty() { "warming up" } else { "pulling and warming up" });
            }
            Some(EventKind::Parked) => {
                polls += 1;
                if polls == POLLS {
                    // Forks of a kernel that is damaged would pass, and not say so.
                    match alarm_on(console) {
                        None => return Ok(()),
                        Some(_) => break ("its kernel is in trouble".into(), true),
                    }
                }
            }
            Some(EventKind::MachineExited { stderr, .. }) => {
                let end = stderr.trim();
                break (
                    if end.is_empty() { "the machine ended".into() } else { format!("the machine ended: {end}") },
                    true,
                );
            }
            Some(_) => {}
            None => break ("the machine is gone".into(), true),
        }
    };
    // What the kernel died of is not the last thing it says.
    let told = alarm_on(console).or_else(|| lines_of(console).pop());
    let told = told.unwrap_or_else(|| "nothing on its console".into());
    let error = Error::infra(format!("the guest does not park: {why} (console: {told})"));
    let again = ended && (!asked || polls == POLLS);
    Err(NotMade { error: error.hint("--cold boots each machine from nothing"), again })
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
        if self.accelerator.accelerator == Accelerator::None {
            return Err("it has no accelerator");
        }
        Ok(())
    }
}
