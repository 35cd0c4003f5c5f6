//! Making a warm base: boot, let the guest rehearse a run and park, stop it, save it.

use std::fs::{self, File};
use std::path::Path;
use std::time::Instant;

use futon_common::{Context, Result};
use futon_model::ExitCode;
use tokio::task::spawn_blocking;

use super::base::{WarmBase, Without};
use super::frozen::{self, FROZEN_DISK};
use super::holes::dig_holes;
use super::inputs::MakeWarm;
use super::names::{CONSOLE, DISK, MEMORY, STATE, UPLOADS};
use super::park::{Again, NotMade, Parked, park, park_in};
use super::rehearsal::Rehearsal;
use super::script::{Rehearse, write_script};
use super::store::WarmStore;
use crate::args::Memory;
use crate::boot::{Begin, CONSOLE_LOG};
use crate::disk;
use crate::machine::QemuMachine;

/// The rehearsal's files in the folder of an unfinished warm base.
const REHEARSAL: &str = "rehearsal";

/// Makes a warm base and keeps it. The store's lock must be held.
///
/// # Errors
/// When the machine does not boot or park within the limit, or cannot be saved.
pub async fn make_warm(store: &WarmStore, make: &MakeWarm<'_>, say: &mut (dyn FnMut(&str) + Send)) -> Result<WarmBase> {
    let begin = Instant::now();
    let key = make.key()?;
    let mut folder = store.begin()?;
    let place = store.place(&key);
    let way = Way::of(make.machine);
    let mut made = save(&folder, make, &place, way, say).await;
    if let Err(NotMade { again: Some(again), error }) = &made {
        // No function has used it yet; under emulation it happens.
        say(&format!("retrying: {error}"));
        fs::remove_dir_all(&folder).context(|| format!("cannot remove {}", folder.display()))?;
        folder = store.begin()?;
        made = match again {
            Again::AsBefore => save(&folder, make, &place, way, say).await,
            Again::WithoutRehearsal => {
                let why = error.to_string();
                let plain = save(&folder, make, &place, Way::Boot, say).await;
                plain.map(|_| Without {
                    not_frozen: make.machine.freezes().then(|| format!("its rehearsal failed: {why}")),
                    not_rehearsed: Some(why),
                })
            }
        };
    }
    let base = made.map_err(|NotMade { error, .. }| {
        let kept = (error.exit_code() != ExitCode::Interrupted).then(|| store.keep_console(&folder.join(CONSOLE)));
        match kept.flatten() {
            Some(kept) => error.hint(format!("the guest's console is in {}", kept.display())),
            None => error,
        }
    });
    let base = base.and_then(|without| {
        say("hashing");
        let took = u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX);
        WarmBase::describe(&folder, key, took, make.machine.has_disk, without)
    });
    match base {
        Ok(base) => store.finish(base),
        Err(e) => {
            let _ = fs::remove_dir_all(&folder);
            Err(e)
        }
    }
}

/// How a warm base is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Boot and save.
    Boot,
    /// Boot, rehearse a run, save.
    Rehearse,
    /// Boot, freeze QEMU, save: the lean guest's boot is small, and it has nothing to rehearse.
    Freeze,
    /// Boot and save; a new QEMU takes over, rehearses, is frozen and saved. A system's boot leaves half a buffer full of translations
    /// that no run needs: the new QEMU has only those of the rehearsal.
    RehearseAndFreeze,
}

impl Way {
    fn of(machine: &QemuMachine) -> Self {
        match (machine.has_disk, machine.freezes()) {
            (true, true) => Self::RehearseAndFreeze,
            (true, false) => Self::Rehearse,
            (false, true) => Self::Freeze,
            (false, false) => Self::Boot,
        }
    }

    /// The same without a rehearsal.
    fn unrehearsed(self) -> Self {
        match self {
            Self::Boot | Self::Rehearse => Self::Boot,
            Self::Freeze | Self::RehearseAndFreeze => Self::Freeze,
        }
    }
}

/// Makes the files of a warm base that will be at `place`. Returns what it does without.
async fn save(
    folder: &Path,
    make: &MakeWarm<'_>,
    place: &Path,
    way: Way,
    say: &mut (dyn FnMut(&str) + Send),
) -> std::result::Result<Without, NotMade> {
    let machine = make.machine;
    let memory = folder.join(MEMORY);
    let failed = || format!("cannot make {}", memory.display());
    File::create(&memory).context(failed)?.set_len(u64::from(machine.memory_mib) << 20).context(failed)?;
    if machine.has_disk {
        disk::make_overlay(&machine.base_image, machine.whose, &folder.join(DISK)).await?;
    }
    let mut without = Without::default();
    let rehearsal = match way {
        Way::Rehearse | Way::RehearseAndFreeze => prepare(&folder.join(REHEARSAL), make, say).await,
        Way::Boot | Way::Freeze => None,
    };
    let way = if rehearsal.is_some() { way } else { way.unrehearsed() };
    let mut parked = boot_and_park(folder, make, rehearsal.as_ref(), way, say).await?;

    let uploads = folder.join(CONSOLE).with_file_name(UPLOADS);
    without.not_rehearsed = match way {
        Way::Rehearse | Way::RehearseAndFreeze => super::rehearsal::failure(&uploads),
        Way::Boot | Way::Freeze => machine.has_disk.then(|| "its files could not be made".into()),
    };
    for leftover in [folder.join(REHEARSAL), uploads] {
        let _ = fs::remove_dir_all(leftover);
    }
    let freezes = matches!(way, Way::Freeze | Way::RehearseAndFreeze);
    if freezes {
        say("freezing");
        let frozen =
            frozen::freeze(parked.running.pid(), &mut parked.running.qmp, machine.has_disk, folder, place).await;
        without.not_frozen = frozen.err().map(|e| e.to_string());
    }
    parked.save_and_end(folder, say).await?;
    let memory = folder.join(MEMORY);
    // A file with its zeroes is as good.
    let _ = spawn_blocking(move || dig_holes(&memory)).await;
    if freezes && without.not_frozen.is_none() {
        say("trying the frozen QEMU");
        match goes_on(folder, make, say).await {
            Err(e) if e.exit_code() == ExitCode::Interrupted => return Err(e.into()),
            tried => without.not_frozen = tried.err().map(|e| e.to_string()),
        }
    }
    frozen::tidy(folder, freezes && without.not_frozen.is_none());
    Ok(without)
}

/// A machine that is as it is to be saved.
async fn boot_and_park(
    folder: &Path,
    make: &MakeWarm<'_>,
    rehearsal: Option<&Rehearsal>,
    way: Way,
    say: &mut (dyn FnMut(&str) + Send),
) -> std::result::Result<Parked, NotMade> {
    let unless_rehearsed = |NotMade { error, again }: NotMade| {
        let again = if error.exit_code() == ExitCode::Interrupted { again } else { Some(Again::WithoutRehearsal) };
        NotMade { error, again }
    };
    let memory = Memory::Shared(folder.join(MEMORY));
    say("booting");
    match way {
        Way::Boot | Way::Freeze => {
            write_script(folder, make.images, Rehearse::Never)?;
            park(folder, make, rehearsal, Begin::PowerOn, memory, say).await
        }
        Way::Rehearse => {
            write_script(folder, make.images, Rehearse::Now)?;
            park(folder, make, rehearsal, Begin::PowerOn, memory, say).await.map_err(unless_rehearsed)
        }
        Way::RehearseAndFreeze => {
            write_script(folder, make.images, Rehearse::Later)?;
            let booted = park(folder, make, rehearsal, Begin::PowerOn, memory.clone(), say).await?;
            booted.save_and_end(folder, say).await?;
            say("taking over");
            write_script(folder, make.images, Rehearse::Now)?;
            // From here on the memory is not what was saved any more.
            let state = Begin::TakeOver(folder.join(STATE));
            park(folder, make, rehearsal, state, memory, say).await.map_err(unless_rehearsed)
        }
    }
}

/// The rehearsal's files. Without them forks are slower, but correct.
async fn prepare(folder: &Path, make: &MakeWarm<'_>, say: &mut (dyn FnMut(&str) + Send)) -> Option<Rehearsal> {
    let (folder, test_client) = (folder.to_owned(), make.tools.test_client.clone());
    let (images, store) = (make.images.to_owned(), make.store.clone());
    let made = spawn_blocking(move || Rehearsal::make(&folder, &test_client, &images, store.as_deref())).await;
    match made.context(|| "the rehearsal was aborted".into()).and_then(|made| made) {
        Ok(made) => Some(made),
        Err(e) => {
            say(&format!("no rehearsal: {e}"));
            None
        }
    }
}

/// Whether the frozen QEMU continues: its guest asks for work.
async fn goes_on(folder: &Path, make: &MakeWarm<'_>, say: &mut (dyn FnMut(&str) + Send)) -> Result<()> {
    let trial = folder.join("trial");
    fs::create_dir_all(&trial).context(|| format!("cannot make {}", trial.display()))?;
    let disk = trial.join(FROZEN_DISK);
    if make.machine.has_disk {
        disk::copy_overlay(&folder.join(FROZEN_DISK), &disk)?;
    }
    let order = frozen::order(folder, folder, &disk, &trial.join(CONSOLE_LOG));
    let memory = Memory::Private(folder.join(MEMORY));
    let parked = park_in(&trial, folder, make, None, Begin::Thaw(order), memory, say).await;
    let went_on = match parked {
        Ok(parked) => {
            parked.end().await;
            Ok(())
        }
        Err(failed) => Err(failed.error),
    };
    let _ = fs::remove_dir_all(&trial);
    went_on
}
