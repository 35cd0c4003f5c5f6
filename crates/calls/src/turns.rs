//! Several functions whose calls are made in turn: the sheets of all of them, as one sheet.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::error::CallsError;
use crate::sheet::{Member, Sheet};
use crate::verdict::{Judged, Verdict};
use crate::wire::{CallList, Made, ReplyList};

impl Sheet {
    /// One sheet that calls several functions in turn: the first call of each, then the second call of each, and so on; the same for the
    /// calls before the measured ones. A client reaches the member `i` at the address that it was given for [`wire::Call::at`] `i`.
    ///
    /// [`wire::Call::at`]: crate::wire::Call::at
    ///
    /// # Errors
    /// When there are fewer than two functions, they do not have the same number of calls, or one of them wants TLS.
    pub fn in_turn(members: Vec<Member>) -> Result<Self, CallsError> {
        let refused = |why: String| Err(CallsError::Schema(why));
        let [first, others @ ..] = members.as_slice() else { return refused("no function is called".into()) };
        if others.is_empty() {
            return refused(format!("{}: there is no other function to take turns with", first.function));
        }
        if let Some(other) = others.iter().find(|other| other.sheet.planned() != first.sheet.planned()) {
            return refused(format!(
                "{} and {} do not have the same number of calls, so they cannot take turns",
                first.function, other.function
            ));
        }
        if let Some(secure) = members.iter().find(|member| member.sheet.declaration.tls.is_some()) {
            return refused(format!("{}: functions that take turns are called without TLS", secure.function));
        }
        let mut whole = first.sheet.clone();
        (whole.warmup, whole.sequence, whole.snapshots) = (Vec::new(), Vec::new(), BTreeMap::new());
        whole.turns = members;
        Ok(whole)
    }

    /// The functions that take turns; none where the sheet is of a single one.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.turns
    }

    /// All calls of all members.
    pub(crate) fn encode_turns(&self) -> Result<CallList, CallsError> {
        let mut list = CallList::default();
        let (mut warmups, mut sequences) = (Vec::new(), Vec::new());
        for (at, member) in (0_u32..).zip(&self.turns) {
            let own = member.sheet.encode()?;
            let first = u32::try_from(list.calls.len()).unwrap_or(u32::MAX);
            list.calls.extend(own.calls.into_iter().map(|call| {
                let name = format!("{}: {}", member.function, call.name);
                crate::wire::Call { at, name, ..call }
            }));
            let moved = |places: Vec<u32>| places.into_iter().map(|place| place.saturating_add(first)).collect();
            warmups.push(moved(own.warmup));
            sequences.push(moved(own.sequence));
        }
        (list.warmup, list.sequence) = (woven(warmups), woven(sequences));
        Ok(list)
    }

    /// Judges the replies to all members.
    pub(crate) fn judge_turns(&self, replies: &ReplyList) -> Judged {
        let count = self.turns.len();
        let of = |made: &[Made], at: usize| made.iter().skip(at).step_by(count).cloned().collect();
        let (mut warmups, mut sequences, mut seen) = (Vec::new(), Vec::new(), BTreeMap::new());
        for (at, member) in self.turns.iter().enumerate() {
            let own = ReplyList {
                replies: replies.replies.clone(),
                warmup: of(&replies.warmup, at),
                sequence: of(&replies.sequence, at),
                ..ReplyList::default()
            };
            let judged = member.sheet.judge(&own);
            let named = |verdicts: Vec<Verdict>| -> Vec<Verdict> {
                let named = |v: Verdict| Verdict { name: format!("{}: {}", member.function, v.name), ..v };
                verdicts.into_iter().map(named).collect()
            };
            warmups.push(named(judged.warmup));
            sequences.push(named(judged.measured));
            seen.extend(judged.seen);
        }
        Judged { warmup: woven(warmups), measured: woven(sequences), seen }
    }

    /// The members as they are on any host.
    pub(crate) fn members_anywhere(&self) -> Vec<Member> {
        let anywhere = |sheet: &Sheet| Sheet { folder: PathBuf::new(), accept: false, ..sheet.clone() };
        let member = |m: &Member| Member { function: m.function.clone(), sheet: anywhere(&m.sheet) };
        self.turns.iter().map(member).collect()
    }
}

/// The first of each list, then the second of each, and so on; a list that is shorter has no turn any more.
fn woven<T>(lists: Vec<Vec<T>>) -> Vec<T> {
    let mut lists: Vec<_> = lists.into_iter().map(Vec::into_iter).collect();
    let mut all = Vec::new();
    loop {
        let before = all.len();
        all.extend(lists.iter_mut().filter_map(Iterator::next));
        if all.len() == before {
            return all;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::wire::Reply;
    use crate::{Declaration, Options, Source};

    fn sheet(path: &str, body: &str, calls: u64) -> Sheet {
        let text = format!("calls:\n- http: GET {path}\n  expect: {{status: 200, equals: '{body}'}}\n");
        let text = text.replace(&format!("equals: '{body}'"), &format!("text: '{body}'"));
        let declaration = Declaration::parse(&text, &Source::new("test")).unwrap();
        let options = Options { invocations: Some(calls), warmup: 1, ..Options::default() };
        Sheet::resolve(declaration, Path::new("."), &options).unwrap()
    }

    fn member(function: &str, calls: u64) -> Member {
        Member { function: function.into(), sheet: sheet(&format!("/{function}"), function, calls) }
    }

    fn three() -> Sheet {
        Sheet::in_turn(["a", "b", "c"].map(|name| member(name, 2)).to_vec()).unwrap()
    }

    fn replies(bodies: &[&str]) -> ReplyList {
        let reply = |body: &&str| Reply { status: 200, messages: vec![body.as_bytes().to_vec()], ..Reply::default() };
        let made = |range: std::ops::Range<u32>| range.map(|reply| Made { reply, took_ns: u64::from(reply) }).collect();
        let last = u32::try_from(bodies.len()).unwrap();
        ReplyList {
            replies: bodies.iter().map(reply).collect(),
            warmup: made(0..last.min(3)),
            sequence: made(last.min(3)..last),
            ..ReplyList::default()
        }
    }

    #[test]
    fn calls_go_round_and_each_has_its_address() {
        let sheet = three();
        assert_eq!((sheet.planned(), sheet.title().as_str()), ((6, 3), "a, b, c in turn"));
        let list = sheet.encode().unwrap();
        let paths = |places: &[u32]| -> Vec<(u32, &str)> {
            let call = |place: &u32| &list.calls[*place as usize];
            places.iter().map(|place| (call(place).at, call(place).path.as_str())).collect()
        };
        assert_eq!(paths(&list.warmup), [(0, "/a"), (1, "/b"), (2, "/c")]);
        assert_eq!(paths(&list.sequence), [(0, "/a"), (1, "/b"), (2, "/c"), (0, "/a"), (1, "/b"), (2, "/c")]);
    }

    #[test]
    fn each_reply_is_held_against_its_own_functions_expectation() {
        let sheet = three();
        let judged = sheet.judge(&replies(&["a", "b", "c", "a", "b", "c", "a", "b", "c"]));
        assert!(judged.measured.iter().chain(&judged.warmup).all(|v| v.reason.is_none()), "{judged:?}");
        assert_eq!(judged.measured.iter().map(|v| v.took_ns).collect::<Vec<_>>(), [3, 4, 5, 6, 7, 8]);
        // b and c have changed places.
        let judged = sheet.judge(&replies(&["a", "b", "c", "a", "c", "b", "a", "b", "c"]));
        let wrong: Vec<_> = judged.measured.iter().filter(|v| v.reason.is_some()).map(|v| v.name.as_str()).collect();
        assert_eq!(wrong, ["b: GET /b", "c: GET /c"]);
        // One that broke off: b's second reply was the last.
        let judged = sheet.judge(&replies(&["a", "b", "c", "a", "b", "c", "a", "b"]));
        assert_eq!((judged.measured.len(), judged.warmup.len()), (5, 3));
        assert!(judged.measured.iter().all(|v| v.reason.is_none()));
    }

    #[test]
    fn a_sheet_of_several_survives_its_file() {
        let sheet = three();
        let again = Sheet::from_text(&sheet.to_text()).unwrap();
        assert_eq!(again.encode().unwrap(), sheet.encode().unwrap());
        assert_eq!(again.identity(), sheet.identity());
        let mut moved = three();
        moved.turns[1].sheet.folder = PathBuf::from("/elsewhere");
        assert_eq!(moved.identity(), sheet.identity());
        moved.turns[1].sheet.seed = 7;
        assert_ne!(moved.identity(), sheet.identity());
    }

    #[test]
    fn functions_that_cannot_take_turns_are_refused() {
        let words = |members: Vec<Member>| Sheet::in_turn(members).unwrap_err().to_string();
        assert!(words(vec![member("a", 2)]).contains("no other function"));
        assert!(words(vec![member("a", 2), member("b", 3)]).contains("a and b do not have the same number"));
        let mut secure = member("s", 2);
        secure.sheet.declaration.tls = Some(crate::Tls { accept: true, ..crate::Tls::default() });
        assert!(words(vec![member("a", 2), secure]).contains("s: functions that take turns"));
    }
}
