//! `futon shell`: the guest's console on this terminal.

use std::sync::{Arc, PoisonError};

use futon_cli::ShellArgs;
use futon_common::{Context, Error, Result};
use futon_machine::{Console, Launch, Machine};
use futon_model::{EventKind, ExitCode, ScriptKind};
use futon_qemu::QemuMachine;
use futon_terminal::Ui;
use futon_workdir::{PlanRequest, foreign_plan};
use tokio::sync::mpsc::unbounded_channel;
use tokio_util::sync::CancellationToken;

use super::console::{RawTerminal, connect};
use super::hold::hold;
use futon_prepare::given::settings;
use futon_prepare::machine::{Purpose, prepare_qemu};

/// Boots the base image and connects its console.
pub async fn shell(args: &ShellArgs, ui: &mut Ui, cancel: CancellationToken) -> Result<ExitCode> {
    if let Some(run) = &args.run {
        return hold(run, args, ui, cancel).await;
    }
    let mut config = settings(&args.machine, None)?;
    futon_prepare::machine::apply(&args.machine, &mut config);
    let console = Console::default();
    let machine: QemuMachine =
        prepare_qemu(&args.machine, &args.resources.resources, &config, Purpose::Shell, ui).await?;
    let machine = QemuMachine { console: Some(Arc::clone(&console)), ..machine };
    let folder = tempfile::tempdir().context(|| "cannot make a temporary folder".into())?;
    let request = PlanRequest::new(&config, machine.report(), args.machine.base.into(), ScriptKind::Foreign);
    let launch = Launch {
        plan: foreign_plan("shell", &request),
        disk: folder.path().join("disk.qcow2"),
        bundle: None,
        folder: folder.path().to_owned(),
    };
    machine.make_disk(&launch.disk).await?;
    let (events, mut incoming) = unbounded_channel();
    let mut running = machine.start(&launch, events).await?;
    // Dropping the listener refuses the guest's request for a run script: its service ends, and the boot goes on.
    drop(running.take_listener());
    ui.line("the guest's console; Ctrl-] ends it; the disk is discarded then");
    let socket = console.lock().unwrap_or_else(PoisonError::into_inner).take();
    let socket = socket.ok_or_else(|| Error::infra("the machine gave no console"))?;
    let raw = RawTerminal::enter();
    let left = CancellationToken::new();
    connect(socket, &left).context(|| "cannot connect the console".into())?;
    loop {
        tokio::select! {
            event = incoming.recv() => if matches!(event, None | Some(EventKind::MachineExited { .. })) { break },
            () = left.cancelled() => break,
            () = cancel.cancelled() => break,
        }
    }
    running.end().await;
    drop(raw);
    ui.line("");
    Ok(if cancel.is_cancelled() { ExitCode::Interrupted } else { ExitCode::Passed })
}
