//! A machine whose guest waits for work: started, waited for, saved.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use exchange::{ExchangeConfig, Parking};
use futon_common::{Context, Error, Result};
use futon_machine::Running;
use futon_machine::console::{alarm_on, lines_of};
use futon_model::EventKind;
use serde_json::json;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::inputs::MakeWarm;
use super::names::{CONSOLE, DISK, STATE, UPLOADS};
use super::rehearsal::Rehearsal;
use super::script::SCRIPT;
use crate::args::Memory;
use crate::boot::{Begin, Boot, CONSOLE_LOG};
use crate::start::RunningQemu;

/// How often the guest must have asked for work before it is saved: what it still did after its boot is over by then.
const POLLS: u32 = 8;

/// From an answer to the guest's request to the machine's stop: the connection is closed, and the next request has not been sent.
const AFTER_POLL: Duration = Duration::from_millis(25);

/// Longest time for a rehearsal, beside the machine's own limit.
const REHEARSAL_LIMIT: Duration = Duration::from_secs(120);

/// Longest time to write the state of the devices, some hundred KiB.
const SAVE_LIMIT: Duration = Duration::from_secs(60);

/// Why there is no warm base.
pub(super) struct NotMade {
    pub(super) error: Error,
    /// Whether a second attempt makes sense.
    pub(super) again: Option<Again>,
}

/// How a second attempt is made.
pub(super) enum Again {
    /// Like the first one: the guest ended before it asked for anything, or its kernel had reported an error when it parked.
    AsBefore,
    /// Without the rehearsal, which failed.
    WithoutRehearsal,
}

impl From<Error> for NotMade {
    fn from(error: Error) -> Self {
        Self { error, again: None }
    }
}

/// A machine whose guest waits for work.
pub(super) struct Parked {
    pub(super) running: RunningQemu,
    serving: JoinHandle<std::result::Result<(), exchange::ExchangeError>>,
    stop: CancellationToken,
}

pub(super) async fn park(
    folder: &Path,
    make: &MakeWarm<'_>,
    rehearsal: Option<&Rehearsal>,
    begin: Begin,
    memory: Memory,
    say: &mut (dyn FnMut(&str) + Send),
) -> std::result::Result<Parked, NotMade> {
    let console = folder.join(CONSOLE);
    let console = console.parent().unwrap_or(folder);
    fs::create_dir_all(console).context(|| format!("cannot make {}", console.display()))?;
    park_in(console, folder, make, rehearsal, begin, memory, say).await
}

/// Starts the machine and waits until its guest keeps asking for work. A saved machine first gets its script again.
pub(super) async fn park_in(
    output: &Path,
    folder: &Path,
    make: &MakeWarm<'_>,
    rehearsal: Option<&Rehearsal>,
    begin: Begin,
    memory: Memory,
    say: &mut (dyn FnMut(&str) + Send),
) -> std::result::Result<Parked, NotMade> {
    let parking = if matches!(begin, Begin::TakeOver(_)) { Parking::AfterScript } else { Parking::Yes };
    let doing = match begin {
        Begin::PowerOn if !make.images.is_empty() => "pulling its images",
        Begin::PowerOn => "getting ready",
        Begin::TakeOver(_) | Begin::Thaw(_) => "rehearsing",
    };
    let limit = make.limit + if rehearsal.is_some() { REHEARSAL_LIMIT } else { Duration::ZERO };
    let disk = folder.join(DISK);
    let boot = Boot { name: "warm", disk: &disk, folder: output, bundle: None, memory, begin };
    let (events, mut incoming) = unbounded_channel();
    let mut running = make.machine.boot(boot, events.clone()).await?;
    let listener =
        running.take_listener().ok_or_else(|| Error::infra("the machine returned no socket for its exchange"))?;
    let mut served = BTreeMap::from([
        ("futon-guest".to_owned(), make.tools.futon_guest.clone()),
        ("test-client".to_owned(), make.tools.test_client.clone()),
    ]);
    served.extend(rehearsal.map(|rehearsal| ("rehearsal.json".to_owned(), rehearsal.requests.clone())));
    let config = ExchangeConfig {
        run_script: Some(folder.join(SCRIPT)),
        parking,
        store: rehearsal.map_or_else(|| make.store.clone(), |rehearsal| Some(Arc::clone(&rehearsal.store))),
        ..ExchangeConfig::run(served, output.join(UPLOADS), events)
    };
    let stop = CancellationToken::new();
    let serving = tokio::spawn(exchange::serve(listener, config, stop.clone()));
    let parked = Parked { running, serving, stop };
    match wait_for_work(make, limit, doing, &mut incoming, &output.join(CONSOLE_LOG), say).await {
        Ok(()) => {
            tokio::time::sleep(AFTER_POLL).await;
            Ok(parked)
        }
        Err(e) => {
            parked.end().await;
            Err(e)
        }
    }
}

/// Waits until the guest has asked for work often enough.
async fn wait_for_work(
    make: &MakeWarm<'_>,
    limit: Duration,
    doing: &str,
    incoming: &mut UnboundedReceiver<EventKind>,
    console: &Path,
    say: &mut (dyn FnMut(&str) + Send),
) -> std::result::Result<(), NotMade> {
    let deadline = tokio::time::Instant::now() + limit;
    let (mut polls, mut asked) = (0, false);
    let (why, ended) = loop {
        let event = tokio::select! {
            () = make.cancel.cancelled() => return Err(Error::interrupted().into()),
            event = incoming.recv() => event,
            () = tokio::time::sleep_until(deadline) => {
                break (format!("it did not ask for work within {limit:?}"), false)
            }
        };
        match event {
            Some(EventKind::RunScriptRequested { status: 200, .. }) => {
                asked = true;
                say(doing);
            }
            Some(EventKind::Parked) => {
                polls += 1;
                if polls == POLLS {
                    // Forks of a damaged kernel would pass silently.
                    match alarm_on(console) {
                        None => return Ok(()),
                        Some(_) => break ("its kernel reported an error".into(), true),
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
            None => break ("the machine disappeared".into(), true),
        }
    };
    // The cause of a kernel's death is not its last message.
    let told = alarm_on(console).or_else(|| lines_of(console).pop());
    let told = told.unwrap_or_else(|| "empty".into());
    let error = Error::infra(format!("the guest did not park: {why} (console: {told})"));
    let again = (ended && (!asked || polls == POLLS)).then_some(Again::AsBefore);
    Err(NotMade { error: error.hint("--cold boots each machine from scratch"), again })
}

impl Parked {
    /// Saves the machine's state beside its memory, and ends it.
    pub(super) async fn save_and_end(mut self, folder: &Path, say: &mut (dyn FnMut(&str) + Send)) -> Result<()> {
        say("saving");
        let saved = self.write_state(folder).await;
        self.end().await;
        saved
    }

    /// Stops the machine and writes the state that is not in the memory file.
    async fn write_state(&mut self, folder: &Path) -> Result<()> {
        let state = folder.join(STATE);
        let state = File::create(&state).context(|| format!("cannot write {}", state.display()))?;
        let qmp = &mut self.running.qmp;
        qmp.execute("stop", &json!({})).await?;
        qmp.ignore_shared_memory().await?;
        qmp.save_state(state, SAVE_LIMIT).await?;
        // What answers to this is the machine's end.
        let _ = qmp.execute("quit", &json!({})).await;
        Ok(())
    }

    /// Ends the machine and its exchange.
    pub(super) async fn end(mut self) {
        self.stop.cancel();
        self.running.end().await;
        let _ = self.serving.await;
    }
}
