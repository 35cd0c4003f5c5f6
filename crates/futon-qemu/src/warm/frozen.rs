//! The frozen QEMU of a warm base (`--thaw auto`): the only place of this crate that knows how a process is frozen and continued.

use std::fs;
use std::path::Path;

pub(crate) use freezer::Thaw;
use freezer::{Moved, Order};
use futon_common::{Context, Error, Result};
use serde_json::json;
use tokio::task::spawn_blocking;

use super::names::{CONSOLE, DISK, MEMORY};
use crate::disk;
use crate::qmp::Qmp;

/// The disk that the frozen QEMU writes to, when it had written nothing.
pub(crate) const FROZEN_DISK: &str = "frozen.qcow2";

/// The file that this was when QEMU was frozen.
const OPEN_DISK: &str = "open.qcow2";

/// futon's hidden command that starts a process which is to be frozen or continued.
const SHIM: &str = "shim";

/// The descriptors that QEMU is started with: input and output, and QMP's socket.
const HANDED: [u64; 4] = [0, 1, 2, 4];

/// The command that starts QEMU so that it can be frozen, or makes it go on as one that was.
pub(crate) fn under_shim(command: Vec<String>, thaw: Option<Thaw>) -> Result<Vec<String>> {
    let order = serde_json::to_string(&Order { command, thaw }).context(|| "cannot write the shim's order".into())?;
    // This very program, even if its file has been replaced meanwhile.
    Ok(vec!["/proc/self/exe".into(), SHIM.into(), order])
}

/// The files that a frozen QEMU adds to a warm base.
const FILES: [&str; 3] = [freezer::ABOUT, freezer::CONTENT, FROZEN_DISK];

/// Those of them that are in a warm base; none where none was frozen.
pub(super) fn files(folder: &Path, has_disk: bool) -> Vec<&'static str> {
    let wanted = |name: &&str| freezer::is_in(folder) && (has_disk || *name != FROZEN_DISK);
    FILES.into_iter().filter(wanted).collect()
}

/// Whether a file of a warm base belongs to the frozen QEMU.
pub(super) fn is_frozens(file: &str) -> bool {
    FILES.contains(&file)
}

/// Why the frozen QEMU in `folder` cannot go on here, as far as that is seen without trying.
pub(super) fn problem(folder: &Path) -> Option<String> {
    freezer::can_go_on(folder).err()
}

/// Removes what is not needed later: all of it where freezing did not work.
pub(super) fn tidy(folder: &Path, worked: bool) {
    let of_failure = FILES.into_iter().filter(|_| !worked);
    for name in of_failure.chain([OPEN_DISK]) {
        // Some of them may have come to be.
        let _ = fs::remove_file(folder.join(name));
    }
}

/// How a QEMU that was frozen in `made_in`, whose files are in `folder` now, goes on with a disk and a console of its own.
pub(crate) fn order(folder: &Path, made_in: &Path, disk: &Path, console: &Path) -> Thaw {
    let kept = |name| Moved { from: made_in.join(name), to: folder.join(name), own: false };
    let own = |name, to: &Path| Moved { from: made_in.join(name), to: to.to_owned(), own: true };
    Thaw {
        folder: folder.to_owned(),
        moved: vec![kept(MEMORY), kept(DISK), own(OPEN_DISK, disk), own(CONSOLE, console)],
    }
}

/// Stops the machine and freezes QEMU, process `pid`, into `folder`, which will be at `place`. From then on it writes to an overlay of its own, which forks copy.
pub(super) async fn freeze(pid: i32, qmp: &mut Qmp, has_disk: bool, folder: &Path, place: &Path) -> Result<()> {
    freezer::check(pid, &HANDED).map_err(Error::infra)?;
    qmp.execute("stop", &json!({})).await?;
    if has_disk {
        let (overlay, kept) = (folder.join(OPEN_DISK), folder.join(FROZEN_DISK));
        let order = json!({ "device": "disk0", "snapshot-file": overlay, "format": "qcow2" });
        qmp.execute("blockdev-snapshot-sync", &order).await?;
        disk::copy_overlay(&overlay, &kept)?;
        disk::name_base(&kept, &place.join(DISK)).await?;
    }
    let (folder, memory) = (folder.to_owned(), folder.join(MEMORY));
    // The thread that traces is the one that waits.
    let frozen = spawn_blocking(move || freezer::freeze(pid, &folder, &memory, &HANDED));
    frozen.await.context(|| "freezing QEMU was aborted".into())?.map_err(Error::infra)
}
