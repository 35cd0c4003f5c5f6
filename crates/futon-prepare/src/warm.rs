//! The warm base behind `futon test` and `futon exec`.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futon_common::{Error, Result};
use futon_model::{ExitCode, Plan, PlannedImage};
use futon_qemu::{MakeWarm, QemuMachine, WarmBase, make_warm};
use futon_resources::own_folder;
use futon_terminal::Ui;
use futon_workdir::config::Config;
use image_store::ImageStore;
use tokio_util::sync::CancellationToken;

use super::places::{tools, warm_bases};

/// Gives a machine its warm base, made on first use. If that fails, the machine boots from scratch, and a line says so.
///
/// # Errors
/// When the user interrupts.
pub async fn attach(
    machine: &mut QemuMachine,
    resources: &Path,
    config: &Config,
    ui: &mut Ui,
    cancel: &CancellationToken,
) -> Result<()> {
    let made = match machine.can_fork() {
        Ok(()) => find_or_make(machine, resources, config, &Wanted::default(), ui, cancel).await,
        Err(why) => Err(Error::infra(why)),
    };
    match made {
        Ok(base) => machine.warm = Some(base),
        Err(e) if e.exit_code() == ExitCode::Interrupted => return Err(e),
        Err(e) => {
            let hint = e.hint_text().map_or_else(String::new, |hint| format!("; hint: {hint}"));
            ui.line(&format!("each machine boots from scratch: {e}{hint}"));
        }
    }
    Ok(())
}

/// A machine whose warm base has pulled these images. Where one is not in the store, or nothing can be forked, there is none: the
/// function is tested as without a cache.
///
/// # Errors
/// When the warm base cannot be made.
pub async fn with_images(
    machine: &QemuMachine,
    plan: &Plan,
    store: &Arc<ImageStore>,
    resources: &Path,
    config: &Config,
    ui: &mut Ui,
    cancel: &CancellationToken,
) -> Result<Option<QemuMachine>> {
    if machine.warm.is_none() || plan.images.iter().any(|image| image.manifest.is_none()) {
        return Ok(None);
    }
    let wanted = Wanted { images: &plan.images, store: Some(Arc::clone(store)), force: false };
    let warm = find_or_make(machine, resources, config, &wanted, ui, cancel).await?;
    Ok(Some(QemuMachine { warm: Some(warm), ..machine.clone() }))
}

/// Properties of the wanted warm base.
#[derive(Debug, Default)]
pub struct Wanted<'a> {
    /// With these images pulled.
    pub images: &'a [PlannedImage],
    /// From this store.
    pub store: Option<Arc<ImageStore>>,
    /// Make it again even if it exists.
    pub force: bool,
}

/// The wanted warm base, made if it is not there.
///
/// # Errors
/// When it cannot be made, or the user interrupts.
pub async fn find_or_make(
    machine: &QemuMachine,
    resources: &Path,
    config: &Config,
    wanted: &Wanted<'_>,
    ui: &mut Ui,
    cancel: &CancellationToken,
) -> Result<WarmBase> {
    let store = warm_bases(resources);
    let tools = tools(resources);
    let make = MakeWarm {
        machine,
        tools: &tools,
        images: wanted.images,
        store: wanted.store.clone(),
        limit: config.limits.boot + if wanted.images.is_empty() { Duration::ZERO } else { config.limits.pull },
        cancel: cancel.clone(),
    };
    let key = make.key()?;
    if !wanted.force
        && let Ok(base) = store.find(&key)
    {
        if base.not_rehearsed.is_some() {
            ui.line(&format!("warm base {}: forks are slower than usual{}", base.id, lacks(&base)));
        }
        return Ok(base);
    }
    // Looking for one creates nothing, but making one does.
    own_folder(resources).map_err(|e| {
        let hint = e.hint_text().unwrap_or_default().to_owned();
        Error::infra(format!("there is no folder for warm bases: {e}")).hint(hint)
    })?;
    let waiting = || ui.line("waiting for another futon to make a warm base");
    let _lock = tokio::select! {
        lock = store.lock(waiting) => lock?,
        () = cancel.cancelled() => return Err(Error::interrupted()),
    };
    // The other process may have made the same one.
    let why = match store.find(&key) {
        Ok(base) if !wanted.force => return Ok(base),
        Ok(_) => "asked for".into(),
        Err(why) => why,
    };
    let with = wanted.images.first().map_or_else(String::new, |image| format!(" with {}", image.reference.written()));
    ui.start(&format!("making a warm base{with} ({why})"));
    let base = make_warm(&store, &make, &mut |now| ui.update(&format!("warm base: {now}"))).await;
    ui.stop();
    let base = base?;
    ui.line(&format!("warm base {}{with}: made in {:.0} s ({why}){}", base.id, seconds(&base), lacks(&base)));
    Ok(base)
}

/// The note about a warm base whose forks are slower than usual.
pub fn lacks(base: &WarmBase) -> String {
    let mut said = base.not_frozen.as_ref().map_or_else(String::new, |why| format!(", QEMU not frozen: {why}"));
    if let Some(why) = &base.not_rehearsed {
        said.push_str(&format!(", rehearsal failed: {why} (hint: `futon warm make --force` tries again)"));
    }
    said
}

/// How long it took to make one, seconds.
pub fn seconds(base: &WarmBase) -> f64 {
    Duration::from_millis(base.made_in_ms).as_secs_f64()
}
