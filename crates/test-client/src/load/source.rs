//! What is called: declared calls, or those of a built-in function, whose replies this program judges itself.

use std::fs;

use calls::oracle::{self, Expectation, Function};
use calls::text::shorten;
use calls::wire::{Broken, Call, CallList, Protocol, Reply};
use calls::{Code, LoadReplies};
use futon_model::{ClientFailure, ClientFailureKind, LoadReport, Phase};
use prost::Message;

use crate::grpc::{Answer, Ask};
use crate::setup::Setup;
use futon_model::GenType;

/// Characters of a reply that the report holds.
const SHOWN: usize = 2000;

/// What is called, and who judges.
#[derive(Debug)]
pub struct Source {
    /// The calls.
    pub list: CallList,
    /// What is called, for people.
    pub title: String,
    /// What a built-in function is to reply at each place; of declared calls that is the host's alone.
    expected: Option<(Function, Vec<(String, Expectation)>)>,
}

impl Source {
    /// As the command line has it.
    ///
    /// # Errors
    /// A file that is no list of calls, or calls that no load can have.
    pub fn of(setup: &Setup) -> Result<Self, String> {
        let source = match &setup.options.calls {
            Some(path) => {
                let bytes = fs::read(path).map_err(|error| error.to_string());
                let list = bytes.and_then(|bytes| CallList::from_bytes(&bytes));
                let list = list.map_err(|why| format!("cannot read the calls {}: {why}", path.display()))?;
                let title = list.calls.first().map(|call| call.name.clone()).unwrap_or_default();
                Self { list, title, expected: None }
            }
            None => Self::built_in(setup),
        };
        if source.list.sequence.is_empty() {
            return Err("there are no calls to make".to_owned());
        }
        let http1 = |call: &Call| call.protocol() == Protocol::Http1;
        if source.list.calls.iter().any(http1) && !source.list.calls.iter().all(http1) {
            return Err("a load makes either HTTP/1.1 or HTTP/2 (gRPC) calls, not both".to_owned());
        }
        Ok(source)
    }

    /// Calls of a built-in function: one where all are the same, else as many as `-n` says, again and again.
    fn built_in(setup: &Setup) -> Self {
        let function = setup.plan.function;
        let count = if setup.gen_type() == GenType::Unique { 1 } else { setup.options.n.max(1) };
        let mut generator = setup.generator();
        let (mut list, mut expected) = (CallList::default(), Vec::new());
        for place in 0..u32::try_from(count).unwrap_or(u32::MAX) {
            let text = generator.next();
            expected.push((text.clone(), oracle::expected(&function, &text)));
            let message = Ask { text }.encode_to_vec();
            let mut body = vec![0];
            body.extend(u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes());
            body.extend(message);
            list.calls.push(Call {
                method: "POST".into(),
                path: function.service.path().into(),
                body,
                name: function.name.into(),
                ..Call::default()
            });
            list.sequence.push(place);
        }
        Self { list, title: function.name.to_owned(), expected: Some((function, expected)) }
    }

    /// Whether this program judges.
    pub fn judges(&self) -> bool {
        self.expected.is_some()
    }

    /// Judges each reply that came, and counts it.
    pub fn judge(&self, replies: &LoadReplies, report: &mut LoadReport) {
        let Some((_, expected)) = &self.expected else { return };
        for counted in &replies.counted {
            let (Some((input, wanted)), Some(reply)) =
                (expected.get(counted.place as usize), replies.replies.get(counted.reply as usize))
            else {
                continue;
            };
            let failure = wrong(reply, wanted);
            let name = failure
                .as_ref()
                .map(|failure| failure.status.clone().unwrap_or_else(|| short(failure.kind).to_owned()));
            report.count(counted.measured, counted.warmup, name.as_deref());
            if let Some(failure) = failure
                && report.first_failure.is_none()
            {
                let message = format!("the call for {:?}: {}", shorten(input, 40), failure.message);
                report.first_failure = Some(ClientFailure { message, ..failure });
            }
        }
        for counted in &replies.beyond {
            report.not_judged += counted.measured;
            report.count(counted.measured, counted.warmup, Some("too many different replies"));
        }
    }
}

/// A failure in two words.
fn short(kind: ClientFailureKind) -> &'static str {
    match kind {
        ClientFailureKind::WrongReply => "wrong reply",
        ClientFailureKind::RpcError => "protocol",
        ClientFailureKind::Deadline => "deadline",
        ClientFailureKind::Connect => "no connection",
    }
}

/// Why a reply of a built-in function is not right.
fn wrong(reply: &Reply, wanted: &Expectation) -> Option<ClientFailure> {
    let failure = |kind, status: Option<String>, got: Option<String>, message: String| ClientFailure {
        call: 0,
        phase: Phase::Measured,
        invocation: None,
        kind,
        status,
        expected: got.is_some().then(|| shorten(&wanted.describe(), SHOWN)),
        got,
        message,
    };
    let rpc = |status: Option<String>, message: String| failure(ClientFailureKind::RpcError, status, None, message);
    match reply.broken() {
        Broken::Whole => {}
        Broken::Deadline => return Some(failure(ClientFailureKind::Deadline, None, None, reply.words.clone())),
        Broken::Lost => return Some(rpc(Some("UNAVAILABLE".to_owned()), reply.words.clone())),
        Broken::Protocol | Broken::TooLong => return Some(rpc(None, reply.words.clone())),
    }
    let header = |name: &str| {
        let found = reply.trailers.iter().chain(&reply.headers).find(|header| header.name == name);
        found.map(|header| String::from_utf8_lossy(&header.value).into_owned())
    };
    if reply.status != 200 {
        return Some(rpc(Some(reply.status.to_string()), format!("HTTP status {}: {}", reply.status, reply.words)));
    }
    match header("grpc-status").as_deref().map(str::parse) {
        Some(Ok(0)) => {}
        Some(Ok(code)) => {
            let name = Code(code).name();
            let message = header("grpc-message").unwrap_or_default();
            return Some(rpc(Some(name.clone()), format!("status {name}: {message}")));
        }
        _ => return Some(rpc(None, "the reply ended without a status (no grpc-status)".to_owned())),
    }
    let [message] = &reply.messages[..] else {
        return Some(rpc(None, format!("{} messages instead of one", reply.messages.len())));
    };
    let text = match Answer::decode(message.as_slice()) {
        Ok(answer) => answer.text,
        Err(error) => return Some(rpc(None, format!("cannot parse the reply: {error}"))),
    };
    if wanted.accepts(&text) {
        return None;
    }
    let got = shorten(&text, SHOWN);
    let words = format!("wrong reply: expected {:?}, got {:?}", shorten(&wanted.describe(), 200), shorten(&text, 200));
    Some(failure(ClientFailureKind::WrongReply, None, Some(got), words))
}
