//! `futon warm`.

use futon_cli::{WarmCommand, WarmMakeArgs};
use futon_common::{Error, Result};
use futon_model::ExitCode;
use futon_prepare::given::settings;
use futon_prepare::machine::{Purpose, apply, prepare_qemu};
use futon_prepare::places::warm_bases;
use futon_prepare::warm::{Wanted, find_or_make, lacks, seconds};
use futon_qemu::{WarmBase, WarmStore};
use futon_terminal::Ui;
use tokio_util::sync::CancellationToken;

/// Lists, makes or removes warm bases.
pub async fn warm(command: WarmCommand, ui: &mut Ui, cancel: &CancellationToken) -> Result<ExitCode> {
    match command {
        WarmCommand::List { resources, json } => list(&warm_bases(&resources.resources), json, ui)?,
        WarmCommand::Make(args) => make(&args, ui, cancel).await?,
        WarmCommand::Rm { ids, resources } => {
            let store = warm_bases(&resources.resources);
            let ids = if ids.is_empty() { store.own().into_iter().map(|base| base.id).collect() } else { ids };
            for id in ids {
                store.remove(&id)?;
                ui.line(&format!("warm base {id}: removed"));
            }
        }
    }
    Ok(ExitCode::Passed)
}

fn list(store: &WarmStore, json: bool, ui: &Ui) -> Result<()> {
    let bases: Vec<_> = store.list().into_iter().map(WarmBase::for_this_host).collect();
    if json {
        return ui.out(&serde_json::to_string_pretty(&bases).unwrap_or_default());
    }
    if bases.is_empty() {
        ui.line("no warm bases (hint: `futon warm make`; `futon test` makes one when it needs it)");
    }
    for base in bases {
        let state = base.problem().unwrap_or_else(|| format!("ok{}", lacks(&base)));
        let images: String = base.key.images().iter().map(|name| format!("  {name}")).collect();
        let size = base.disk_use() >> 20;
        ui.out(&format!("{}  {size:>5} MiB  made in {:.0} s  {state}{images}", base.id, seconds(&base)))?;
    }
    Ok(())
}

async fn make(args: &WarmMakeArgs, ui: &mut Ui, cancel: &CancellationToken) -> Result<()> {
    let mut config = settings(&args.machine, None)?;
    apply(&args.machine, &mut config);
    let resources = &args.resources.resources;
    let machine = prepare_qemu(&args.machine, resources, &config, Purpose::Run, ui).await?;
    machine.can_fork().map_err(|why| Error::usage(format!("this machine cannot be forked: {why}")))?;
    let wanted = Wanted { force: args.force, ..Wanted::default() };
    let base = find_or_make(&machine, resources, &config, &wanted, ui, cancel).await?;
    ui.line(&format!("warm base {}: ready, {} MiB", base.id, base.disk_use() >> 20));
    Ok(())
}
