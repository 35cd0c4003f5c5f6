//! The witnesses that a run left in its working directory.

use std::fs;
use std::path::Path;

use calls::wire::ReplyList;
use calls::{LoadReplies, Sheet};
use futon_common::{Context, Error, Result};
use futon_model::{ClientReport, Event, EventKind, LoadReport, SEEN, ScriptKind, Seen};

use super::declared::client_report;
use super::dir::WorkDir;
use super::names::{LOAD, REPLIES, SHEET};

impl WorkDir {
    /// Text of uploads that count as witnesses: those with the token; for a foreign script all.
    #[must_use]
    pub fn witness_uploads(&self, events: &[Event], wanted: impl Fn(&str) -> bool) -> Vec<String> {
        let all = self.witnesses(events, wanted);
        all.into_iter().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).collect()
    }

    fn witnesses(&self, events: &[Event], wanted: impl Fn(&str) -> bool) -> Vec<Vec<u8>> {
        let foreign = self.plan().script == ScriptKind::Foreign;
        let stored = events.iter().filter_map(|event| match &event.kind {
            EventKind::Uploaded { name, stored_as, authentic, .. } if (*authentic || foreign) && wanted(name) => {
                Some(stored_as)
            }
            _ => None,
        });
        stored.filter_map(|name| read(&self.uploads().join(name))).collect()
    }

    /// The declared calls.
    ///
    /// # Errors
    /// Their file is damaged.
    pub fn sheet(&self) -> Result<Option<Sheet>> {
        let path = self.root().join(SHEET);
        if self.plan().client.as_ref().is_none_or(|client| client.declared.is_none()) {
            return Ok(None);
        }
        let text = fs::read_to_string(&path).context(|| format!("cannot read {}", path.display()))?;
        Sheet::from_text(&text)
            .map(Some)
            .map_err(|why| Error::infra(format!("{}: {why}", path.display())).hint("`futon build` makes it again"))
    }

    /// The replies of declared calls, if they came with the token.
    #[must_use]
    pub fn replies(&self, events: &[Event]) -> Option<ReplyList> {
        let bytes = self.witnesses(events, |name| name == REPLIES).pop()?;
        ReplyList::from_bytes(&bytes).ok()
    }

    /// The replies of a load, judged, if they came with the token.
    #[must_use]
    pub fn load_report(&self, events: &[Event]) -> Option<(ClientReport, LoadReport)> {
        let plan = self.plan().client.as_ref()?.load.as_ref()?;
        let bytes = self.witnesses(events, |name| name == LOAD).pop()?;
        let replies = LoadReplies::from_bytes(&bytes).ok()?;
        super::load::load_report(&self.sheet().ok()??, &replies, plan)
    }

    /// What was seen of the function, if it came with the token.
    #[must_use]
    pub fn seen(&self, events: &[Event]) -> Option<Seen> {
        serde_json::from_slice(&self.witnesses(events, |name| name == SEEN).pop()?).ok()
    }

    /// The client's report, if it came with the token; for declared calls, the host makes it from their replies.
    #[must_use]
    pub fn client_report(&self, events: &[Event]) -> Option<ClientReport> {
        if self.plan().client.as_ref().is_some_and(|client| client.load.is_some()) {
            return self.load_report(events).map(|(client, _)| client);
        }
        match self.sheet() {
            Ok(None) => {}
            Ok(Some(sheet)) => return Some(client_report(&sheet, &self.replies(events)?)),
            Err(_) => return None,
        }
        let texts = self.witness_uploads(events, |name| name == "client.json");
        serde_json::from_str(texts.last()?).ok()
    }
}

/// Size up to which an upload is read as a witness.
const WITNESS_MAX: u64 = 64 << 20;

fn read(path: &Path) -> Option<Vec<u8>> {
    let small = fs::metadata(path).is_ok_and(|m| m.len() <= WITNESS_MAX);
    small.then(|| fs::read(path).ok())?
}
