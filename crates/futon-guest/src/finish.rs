//! `finish`: the run script's last word.

use std::{fs, path::Path};

use futon_model::GuestEvent;
use guest_net::{Context, Result};

use crate::{engine::journal, exchange::Exchange, files, gem5, report::report, runlog::RunLog, transfer};

/// The name under which hosts look for the results log.
const NAME: &str = "results.log";

/// Closes the results log, uploads it and reports the end.
pub(crate) fn run(status: i32, why: Option<&str>, log: &RunLog) -> Result<()> {
    log.close(status, why)?;
    if let Some(outlet) = gem5::outlet()? {
        if status != 0 {
            keep_journal(log);
        }
        let uploaded = gem5::put(&*outlet, log.folder(), gem5::token().as_deref(), log.path(), NAME);
        report(&GuestEvent::Finish { status }, log);
        return uploaded;
    }
    if status != 0 {
        keep_journal(log);
    }
    let uploaded = upload(log.path());
    report(&GuestEvent::Finish { status }, log);
    uploaded
}

/// The name under which the engine's journal is kept.
const JOURNAL: &str = "engine.log";

/// Uploads what the engine wrote into the journal: it may have the reason. A guest without either has none to give.
fn keep_journal(log: &RunLog) {
    let Some(text) = journal(None) else { return };
    let file = log.folder().join(JOURNAL);
    let kept = fs::write(&file, text)
        .context(format_args!("cannot write {}", file.display()))
        .and_then(|()| files::put(&file, JOURNAL, log));
    if let Err(error) = kept {
        println!("futon: the engine's journal is not saved: {error}");
    }
}

fn upload(log: &Path) -> Result<()> {
    transfer::put(&Exchange::find()?, log, NAME)
}
