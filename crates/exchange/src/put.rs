//! Taking files: `PUT /NAME` and the form of `/upload`.

use std::sync::Arc;

use hyper::StatusCode;
use hyper::header::{CONTENT_LENGTH, HeaderMap, LOCATION};

use super::body::{Answer, Answers, put};
use super::connection::Inbound;
use super::error::Refusal;
use super::multipart::{Form, boundary};
use super::names::{encode, form_target, path_for_event, put_target};
use super::script::SCRIPT_NAME;
use super::state::State;
use super::upload::{Attempt, Receiver, Whole};

/// Files of one form that are kept by an open handle until the form is complete; those after have a hidden name.
const OPEN_FILES: usize = 32;

/// Limit for all other fields of a form together, bytes.
const OTHER_FIELDS: usize = 16 << 20;

/// `PUT /NAME`: one file, its body as it is. Each PUT is a new upload.
pub(super) async fn file(
    state: &Arc<State>,
    raw_path: &str,
    headers: &HeaderMap,
    authentic: bool,
    inbound: &mut Inbound,
) -> Result<Answer, Refusal> {
    let shown = path_for_event(raw_path);
    let attempt = Attempt::new(state, shown.strip_prefix('/').unwrap_or(&shown), authentic);
    let received = async {
        if boundary(headers).is_some() {
            return Err(Refusal::not_found(
                "forms go to /upload (hint: for PUT /NAME send the file itself: curl -T FILE)",
            ));
        }
        let name = checked(state, put_target(raw_path)?)?;
        let account = state.account(authentic);
        let _slot = account.slot()?;
        let announced = headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()).and_then(|v| v.parse().ok());
        let mut receiver = Receiver::new(&state.config.uploads, name, account.charge(announced)?, false)?;
        while let Some(piece) = inbound.piece().await? {
            receiver.write(piece).await?;
        }
        receiver.finish().await?.store(state).await
    };
    match received.await {
        Ok(stored) => {
            let mut answer = Answer::empty(StatusCode::CREATED);
            put(&mut answer, LOCATION, &format!("/{}", encode(&stored.name)));
            attempt.stored(&stored);
            Ok(answer)
        }
        Err(refusal) => {
            attempt.failed(&refusal);
            Err(refusal)
        }
    }
}

/// What came in with a form so far.
#[derive(Default)]
struct Taken {
    whole: Vec<(Attempt, Whole)>,
    current: Option<Attempt>,
}

/// `POST` or `PUT /upload`: a form with any number of `files`. All of them are stored, or none.
pub(super) async fn form(
    state: &Arc<State>,
    headers: &HeaderMap,
    authentic: bool,
    inbound: &mut Inbound,
) -> Result<Answer, Refusal> {
    let mut taken = Taken::default();
    if let Err(refusal) = receive(state, headers, authentic, inbound, &mut taken).await {
        if taken.whole.is_empty() && taken.current.is_none() {
            taken.current = Some(Attempt::new(state, "", authentic));
        }
        let others = Refusal::new(refusal.status, format!("another part of the same form failed: {}", refusal.why));
        taken.whole.into_iter().for_each(|(attempt, _)| attempt.failed(&others));
        taken.current.into_iter().for_each(|attempt| attempt.failed(&refusal));
        return Err(refusal);
    }
    let mut failure = None;
    for (attempt, whole) in taken.whole {
        match whole.store(state).await {
            Ok(stored) => attempt.stored(&stored),
            Err(refusal) => {
                attempt.failed(&refusal);
                failure = failure.or(Some(refusal));
            }
        }
    }
    failure.map_or_else(|| Ok(Answer::empty(StatusCode::NO_CONTENT)), Err)
}

async fn receive(
    state: &Arc<State>,
    headers: &HeaderMap,
    authentic: bool,
    inbound: &mut Inbound,
    taken: &mut Taken,
) -> Result<(), Refusal> {
    const HINT: &str = "(hint: curl ADDRESS/upload -F files=@FILE)";
    let boundary = boundary(headers).ok_or_else(|| Refusal::bad(format!("no field \"files\": not a form {HINT}")))?;
    let account = state.account(authentic);
    let _slot = account.slot()?;
    let mut form = Form::new(inbound, &boundary);
    let mut other_bytes = 0;
    while let Some(part) = form.next_part().await? {
        if part.name.as_deref() != Some("files") {
            while let Some(piece) = form.next_piece().await? {
                other_bytes += piece.len();
                if other_bytes > OTHER_FIELDS {
                    let why = format!("more than {OTHER_FIELDS} bytes in fields not named \"files\" {HINT}");
                    return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, why));
                }
            }
            continue;
        }
        let filename = part.filename.filter(|f| !f.is_empty());
        let filename = filename.ok_or_else(|| Refusal::bad(format!("a field \"files\" without a file {HINT}")))?;
        taken.current = Some(Attempt::new(state, &filename, authentic));
        let name = checked(state, form_target(&filename)?)?;
        let hidden = taken.whole.len() >= OPEN_FILES;
        let mut receiver = Receiver::new(&state.config.uploads, name, account.charge(None)?, hidden)?;
        while let Some(piece) = form.next_piece().await? {
            receiver.write(piece).await?;
        }
        let whole = receiver.finish().await?;
        taken.whole.extend(taken.current.take().map(|attempt| (attempt, whole)));
    }
    if taken.whole.is_empty() { Err(Refusal::bad(format!("no field \"files\" in the form {HINT}"))) } else { Ok(()) }
}

/// Refuses the one name that no guest may store: a run's script cannot be replaced.
fn checked(state: &State, name: String) -> Result<String, Refusal> {
    if name == SCRIPT_NAME && state.script_is_reserved() {
        return Err(Refusal::new(StatusCode::FORBIDDEN, "run.sh is reserved for the run (hint: use a different name)"));
    }
    Ok(name)
}
