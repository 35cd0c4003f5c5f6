//! A declaration, resolved: all that encoding and judging need.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::check::check_expectation;
use crate::declare::{Call, Declaration, SchemaSource};
use crate::encode::{self, request_values};
use crate::error::{CallsError, Complaint, Source};
use crate::expect::Expect;
use crate::http;
use crate::rules::Compiled;
use crate::schema::Schema;
use crate::template::{Template, Values};
use crate::unique::unique_json;
use crate::wire::{self, CallList};

const NO_SCHEMA: &str =
    "give a .proto or a protoset in `schema`, or let futon ask the server by reflection (`futon describe`)";

/// Most calls of a run: their replies are kept.
const MOST: u64 = 1_000_000;

/// What a run adds to a declaration.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Seed of random values; default 1.
    pub seed: Option<u64>,
    /// Measured calls: the list, again and again; the list once where nothing is said.
    pub invocations: Option<u64>,
    /// Calls before the measured ones.
    pub warmup: u64,
    /// Whether replies become the kept ones.
    pub accept: bool,
    /// Where the declaration stands, for messages.
    pub source: Source,
    /// A schema from elsewhere, if the declaration has none.
    pub schema: Option<Schema>,
    /// Whether a schema by reflection is yet to come: what needs it is not checked, and nothing can be encoded.
    pub schema_later: bool,
}

/// A declaration, resolved.
#[derive(Debug, Clone)]
pub struct Sheet {
    /// The declaration.
    pub declaration: Declaration,
    pub(crate) schema: Schema,
    pub(crate) folder: PathBuf,
    pub(crate) seed: u64,
    pub(crate) warmup: Vec<u32>,
    pub(crate) sequence: Vec<u32>,
    pub(crate) snapshots: BTreeMap<String, Value>,
    pub(crate) accept: bool,
    /// Functions that are called in turn; then the sheet has no calls of its own.
    pub(crate) turns: Vec<Member>,
}

/// One of the functions that are called in turn.
#[derive(Debug, Clone)]
pub struct Member {
    /// Its name.
    pub function: String,
    /// Its calls.
    pub sheet: Sheet,
}

/// A sheet as a file has it.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    schema: String,
    declaration: Declaration,
    descriptors: String,
    folder: PathBuf,
    seed: u64,
    warmup: Vec<u32>,
    sequence: Vec<u32>,
    snapshots: BTreeMap<String, Value>,
    accept: bool,
    /// Names and sheets of the functions that are called in turn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    turns: Vec<(String, String)>,
}

/// Refuses a call that is to be cancelled before its first reply: the server may have answered by then, or may not.
fn check_cancelling(call: &Call) -> Result<(), Complaint> {
    if call.cancel_after != Some(0) {
        return Ok(());
    }
    Err(Complaint::new("cancel_after", "a call can be cancelled after one reply message or more")
        .hint("a call without a reply ends by its `deadline`"))
}

/// Name of a sheet's form.
const FORM: &str = "futon.calls/1";

impl Sheet {
    /// Reads the schema and all other files, and checks all that can be checked before a run.
    ///
    /// # Errors
    /// Anything of it is wrong, with its place.
    pub fn resolve(declaration: Declaration, folder: &Path, options: &Options) -> Result<Self, CallsError> {
        let at = |complaint: Complaint| complaint.at(&options.source);
        if declaration.calls.is_empty() {
            return Err(at(Complaint::new("calls", "it has no calls")));
        }
        for (key, given) in [
            ("client", declaration.client.is_some()),
            ("method", declaration.method.is_some()),
            ("input", declaration.input.is_some()),
        ] {
            if given {
                return Err(at(Complaint::new(key, "it is only for built-in clients, but there are `calls`")));
            }
        }
        if declaration.port == Some(0) {
            return Err(at(Complaint::new("port", "nothing can listen on port 0")));
        }
        let reflected = declaration.wants_reflection();
        if reflected && options.schema.is_none() && !options.schema_later {
            return Err(at(Complaint::new("schema", "the gRPC calls have no schema").hint(NO_SCHEMA)));
        }
        let schema = match (&declaration.schema, &options.schema) {
            (_, Some(schema)) if reflected => schema.clone(),
            (Some(named), _) if !reflected => {
                Schema::read(named, folder).map_err(|error| at_its_key(error, named, folder, &options.source))?
            }
            _ => Schema::default(),
        };
        let (warmup, sequence) = order(&declaration.calls, options).map_err(at)?;
        let mut sheet = Self {
            declaration,
            schema,
            folder: std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned()),
            seed: options.seed.unwrap_or(1),
            warmup,
            sequence,
            snapshots: BTreeMap::new(),
            accept: options.accept,
            turns: Vec::new(),
        };
        let unseen = reflected && options.schema.is_none();
        for at_call in 0..sheet.declaration.calls.len() {
            let checked = if unseen { sheet.check_unseen(at_call) } else { sheet.check(at_call) };
            checked.map_err(|c| at(c.below(&format!("calls[{at_call}]"))))?;
        }
        sheet.tls().map_err(at)?;
        sheet.read_snapshots()?;
        Ok(sheet)
    }

    fn check(&self, at: usize) -> Result<(), Complaint> {
        let call = &self.declaration.calls[at];
        check_cancelling(call)?;
        self.encode_one(at, 0)?;
        let expect = self.expectation(at, 0)?;
        check_expectation(&self.schema, call, &expect).map_err(|c| c.below("expect"))
    }

    /// The checks of a call that need no schema.
    fn check_unseen(&self, at: usize) -> Result<(), Complaint> {
        let call = &self.declaration.calls[at];
        if is_http(call, &self.declaration) || call.call.is_none() {
            return self.check(at);
        }
        check_cancelling(call)?;
        if let Some(data) = &call.data {
            request_values(0, self.seed).value(data).map_err(|c| c.below("data"))?;
        }
        Compiled::new(&self.expectation(at, 0)?, false).map(drop).map_err(|c| c.below("expect"))
    }

    /// Whether the schema is yet to come by reflection, and so the messages were not looked at.
    #[must_use]
    pub fn lacks_schema(&self) -> bool {
        self.declaration.wants_reflection() && self.schema.services().next().is_none()
    }

    /// The expectation of a call with its placeholders filled in.
    pub(crate) fn expectation(&self, at: usize, n: u64) -> Result<Expect, Complaint> {
        let call = &self.declaration.calls[at];
        let Some(expect) = &call.expect else {
            return Err(Complaint::new("expect", "it is missing, so any reply would be correct")
                .hint("write at least `expect: {status: OK}`, or for HTTP `expect: {status: 200}`"));
        };
        let value = serde_json::to_value(expect).map_err(|e| Complaint::new("expect", e.to_string()))?;
        let filled = Template::new(Values { n, seed: self.seed, random: false }).value(&value);
        serde_json::from_value(filled.map_err(|c| c.below("expect"))?)
            .map_err(|e| Complaint::new("expect", e.to_string()))
    }

    /// What the client must know of the function's certificate.
    fn tls(&self) -> Result<Option<wire::Tls>, Complaint> {
        let Some(tls) = &self.declaration.tls else { return Ok(None) };
        let name = tls.name.clone().unwrap_or_else(|| "localhost".to_owned());
        ServerName::try_from(name.as_str())
            .map_err(|_| Complaint::new("tls.name", format!("{name:?} is neither a host's name nor an IP address")))?;
        let given = |file: &Option<String>, key| file.as_ref().map(|file| self.certificates(file, key)).transpose();
        let roots = given(&tls.ca, "tls.ca")?.unwrap_or_default();
        let own = given(&tls.cert, "tls.cert")?.unwrap_or_default();
        let key = match &tls.key {
            Some(file) => {
                let path = self.folder.join(file);
                let wrong = |why: String| Complaint::new("tls.key", format!("{}: {why}", path.display()));
                let text = std::fs::read(&path).map_err(|error| wrong(error.to_string()))?;
                let key = PrivateKeyDer::from_pem_slice(&text);
                key.map_err(|error| wrong(format!("not a key in PEM: {error}")))?.secret_der().to_vec()
            }
            None => Vec::new(),
        };
        Ok(Some(wire::Tls { roots, name, own, key }))
    }

    /// The certificates in a file of PEM, which the key `key` names.
    fn certificates(&self, file: &str, key: &str) -> Result<Vec<Vec<u8>>, Complaint> {
        let path = self.folder.join(file);
        let wrong = |why: String| Complaint::new(key, format!("{}: {why}", path.display()));
        let bytes = std::fs::read(&path).map_err(|error| wrong(error.to_string()))?;
        let read = CertificateDer::pem_slice_iter(&bytes).map(|certificate| Ok(certificate?.to_vec()));
        let list = read.collect::<Result<Vec<_>, pem::Error>>();
        let list = list.map_err(|error| wrong(format!("not a certificate in PEM: {error:?}")))?;
        if list.is_empty() {
            return Err(
                wrong("it contains no certificate".to_owned()).hint("PEM starts with -----BEGIN CERTIFICATE-----")
            );
        }
        Ok(list)
    }

    fn encode_one(&self, at: usize, n: u64) -> Result<wire::Call, Complaint> {
        let call = &self.declaration.calls[at];
        let mut template = request_values(n, self.seed);
        match (is_http(call, &self.declaration), &call.call) {
            (true, Some(_)) => Err(Complaint::new("", "give only one of `call` (gRPC) and `http` (HTTP)")),
            (false, None) => Err(Complaint::new("", "it has neither `call` nor `http`")),
            (true, None) => {
                for (key, given) in [
                    ("data", call.data.is_some()),
                    ("metadata", !call.metadata.is_empty()),
                    ("deadline", call.deadline.is_some()),
                    ("cancel_after", call.cancel_after.is_some()),
                ] {
                    if given {
                        return Err(Complaint::new(key, "it is only for gRPC calls")
                            .hint("HTTP has headers and json, body, file or event"));
                    }
                }
                http::encode(call, self.declaration.preset, &self.folder, &mut template)
            }
            (false, Some(_)) => encode::grpc(call, &self.schema, &mut template),
        }
    }

    /// All calls as they are sent.
    ///
    /// # Errors
    /// A placeholder's value does not fit, a file is gone.
    pub fn encode(&self) -> Result<CallList, CallsError> {
        if !self.turns.is_empty() {
            return self.encode_turns();
        }
        let mut list = CallList::default();
        let mut same: BTreeMap<u32, u32> = BTreeMap::new();
        let mut place = |list: &mut CallList, at: u32, n: usize| -> Result<u32, Complaint> {
            if let Some(known) = same.get(&at) {
                return Ok(*known);
            }
            let index = at as usize;
            let call = self.encode_one(index, n as u64).map_err(|c| c.below(&format!("calls[{index}]")))?;
            let number = u32::try_from(list.calls.len()).unwrap_or(u32::MAX);
            list.calls.push(call);
            if !encode::varies(&self.declaration.calls[index]) {
                same.insert(at, number);
            }
            Ok(number)
        };
        let source = Source::default();
        list.tls = self.tls().map_err(|c| c.at(&source))?;
        for (n, at) in self.warmup.iter().enumerate() {
            let number = place(&mut list, *at, n).map_err(|c| c.at(&source))?;
            list.warmup.push(number);
        }
        for (n, at) in self.sequence.iter().enumerate() {
            let number = place(&mut list, *at, n).map_err(|c| c.at(&source))?;
            list.sequence.push(number);
        }
        Ok(list)
    }

    /// Measured calls and warm-up calls.
    #[must_use]
    pub fn planned(&self) -> (u64, u64) {
        let turns = self.turns.iter().map(|member| member.sheet.planned());
        turns.fold((self.sequence.len() as u64, self.warmup.len() as u64), |all, own| (all.0 + own.0, all.1 + own.1))
    }

    /// The seed of random values.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Whether the first call is HTTP/1.1 or HTTP/2 without gRPC: how the function is waited for.
    #[must_use]
    pub fn protocol(&self) -> wire::Protocol {
        let Some(call) = self.declaration.calls.first() else { return wire::Protocol::Grpc };
        match (is_http(call, &self.declaration), call.h2c) {
            (true, true) => wire::Protocol::H2c,
            (true, false) => wire::Protocol::Http1,
            (false, _) => wire::Protocol::Grpc,
        }
    }

    /// What is called, for people: `geo.Geo/Nearby`, or the first and how many others.
    #[must_use]
    pub fn title(&self) -> String {
        if !self.turns.is_empty() {
            let names: Vec<&str> = self.turns.iter().map(|member| member.function.as_str()).collect();
            return format!("{} in turn", names.join(", "));
        }
        let mut names: Vec<String> = Vec::new();
        for call in &self.declaration.calls {
            let name = self.declaration.name_of(call);
            if !names.contains(&name) {
                names.push(name);
            }
        }
        match names.len() {
            0 => String::new(),
            1 => names.remove(0),
            more => format!("{} and {} more", names.remove(0), more - 1),
        }
    }

    fn snapshot_path(&self, name: &str) -> PathBuf {
        self.folder.join("snapshots").join(format!("{name}.json"))
    }

    fn read_snapshots(&mut self) -> Result<(), CallsError> {
        for name in self.declaration.calls.iter().filter_map(|call| call.expect.as_ref()?.snapshot.as_ref()) {
            let path = self.snapshot_path(name);
            let text = match std::fs::read_to_string(&path) {
                Ok(text) => text,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(CallsError::Unreadable { path, error }),
            };
            let value =
                unique_json(&text).map_err(|e| CallsError::Schema(format!("{}: not JSON: {e}", path.display())))?;
            self.snapshots.insert(name.clone(), value);
        }
        Ok(())
    }

    /// Writes replies as the ones to keep, each into its file; the files' paths.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn keep(&self, replies: &BTreeMap<String, Value>) -> Result<Vec<PathBuf>, CallsError> {
        let mut written = Vec::new();
        for (name, value) in replies {
            let path = self.snapshot_path(name);
            let unreadable = |error| CallsError::Unreadable { path: path.clone(), error };
            std::fs::create_dir_all(self.folder.join("snapshots")).map_err(unreadable)?;
            let text = format!("{}\n", serde_json::to_string_pretty(value).unwrap_or_default());
            if std::fs::read_to_string(&path).is_ok_and(|old| old == text) {
                continue;
            }
            std::fs::write(&path, text).map_err(unreadable)?;
            written.push(path);
        }
        Ok(written)
    }

    /// Whether replies become the kept ones.
    #[must_use]
    pub fn accepts(&self) -> bool {
        self.accept
    }

    /// The sheet as a file's text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let kept = Kept {
            schema: FORM.into(),
            declaration: self.declaration.clone(),
            descriptors: STANDARD.encode(self.schema.to_bytes()),
            folder: self.folder.clone(),
            seed: self.seed,
            warmup: self.warmup.clone(),
            sequence: self.sequence.clone(),
            snapshots: self.snapshots.clone(),
            accept: self.accept,
            turns: self.turns.iter().map(|member| (member.function.clone(), member.sheet.to_text())).collect(),
        };
        serde_json::to_string(&kept).unwrap_or_default()
    }

    /// What two sheets share that send the same calls and judge them alike, wherever their files are.
    #[must_use]
    pub fn identity(&self) -> String {
        Self { folder: PathBuf::new(), accept: false, turns: self.members_anywhere(), ..self.clone() }.to_text()
    }

    /// A sheet from a file's text.
    ///
    /// # Errors
    /// It is none.
    pub fn from_text(text: &str) -> Result<Self, String> {
        let kept: Kept = serde_json::from_str(text).map_err(|e| e.to_string())?;
        if kept.schema != FORM {
            return Err(format!("its format is {:?}, not {FORM:?}", kept.schema));
        }
        let descriptors = STANDARD.decode(&kept.descriptors).map_err(|e| e.to_string())?;
        let known = kept.declaration.calls.len();
        if kept.warmup.iter().chain(&kept.sequence).any(|at| *at as usize >= known) {
            return Err("a call in it is missing".to_owned());
        }
        let member = |(function, text): (String, String)| Ok(Member { function, sheet: Self::from_text(&text)? });
        let turns: Result<Vec<Member>, String> = kept.turns.into_iter().map(member).collect();
        Ok(Self {
            declaration: kept.declaration,
            schema: Schema::from_bytes(&descriptors)?,
            folder: kept.folder,
            seed: kept.seed,
            warmup: kept.warmup,
            sequence: kept.sequence,
            snapshots: kept.snapshots,
            accept: kept.accept,
            turns: turns?,
        })
    }
}

/// Whether a call is HTTP, by its keys or by a preset.
pub(crate) fn is_http(call: &Call, declaration: &Declaration) -> bool {
    call.http.is_some() || call.call.is_none() && declaration.preset.is_some()
}

/// A file that cannot be read, at the key of the schema that names it.
fn at_its_key(error: CallsError, schema: &SchemaSource, folder: &Path, source: &Source) -> CallsError {
    let CallsError::Unreadable { path, error: why } = &error else { return error };
    let place = |files: &[String]| files.iter().position(|file| folder.join(file) == *path);
    let key = if let Some(at) = place(&schema.proto) {
        format!("schema.proto[{at}]")
    } else if let Some(at) = place(&schema.include) {
        format!("schema.include[{at}]")
    } else {
        "schema.protoset".to_owned()
    };
    let complaint = Complaint::new(key, format!("cannot read {}: {why}", path.display()));
    complaint.hint(error.hint().unwrap_or_default()).at(source)
}

/// Which calls are made before, and which are measured.
fn order(calls: &[Call], options: &Options) -> Result<(Vec<u32>, Vec<u32>), Complaint> {
    let whole: u64 =
        calls.iter().map(|call| call.times.map_or(1, std::num::NonZeroU64::get)).fold(0, u64::saturating_add);
    let measured = options.invocations.unwrap_or(whole);
    if whole > MOST || measured > MOST || options.warmup > MOST {
        return Err(Complaint::new("calls", format!("too many calls; a run can make at most {MOST}")));
    }
    let mut once = Vec::new();
    for (at, call) in (0_u32..).zip(calls) {
        once.extend((0..call.times.map_or(1, std::num::NonZeroU64::get)).map(|_| at));
    }
    let take = |count: u64| once.iter().copied().cycle().take(usize::try_from(count).unwrap_or(usize::MAX)).collect();
    Ok((take(options.warmup), take(measured)))
}

#[cfg(test)]
#[path = "sheet_tests.rs"]
mod tests;
