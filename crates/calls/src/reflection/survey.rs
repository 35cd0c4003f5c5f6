//! What to ask a server, and its answers.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message;

use super::wire::{Ask, Request, Response, Told, framed, head};

/// Files that a reply may bring, and the schema of which all sides have already.
const WELL_KNOWN: &str = "google/protobuf/";

/// Most services of a server that are looked at.
pub const MOST_SERVICES: usize = 256;
/// Most files.
pub const MOST_FILES: usize = 1024;
/// Bytes of all files together.
pub const MOST_BYTES: usize = 12 << 20;

/// Questions of one call: all are sent before the first answer is read.
const AT_ONCE: usize = 64;
/// Length of a name that is asked for.
const LONGEST_NAME: usize = 1024;
/// Remarks that are kept.
const MOST_REMARKS: usize = 20;

/// A question to the server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Question {
    /// Which services it has.
    Services,
    /// The file that declares a service.
    Symbol(String),
    /// A file that another one imports.
    File(String),
}

impl Question {
    /// As a message of `ServerReflectionInfo`, with gRPC's prefix.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let ask = match self {
            // The text is of no meaning, and must be there.
            Self::Services => Ask::ListServices("*".to_owned()),
            Self::Symbol(name) => Ask::FileContainingSymbol(name.clone()),
            Self::File(name) => Ask::FileByFilename(name.clone()),
        };
        framed(&Request { ask: Some(ask) })
    }
}

/// What a server has told so far. [`ask`](Self::ask) says what to ask, [`take`](Self::take) reads an answer; at the end all files are
/// there, or a remark says what is not.
#[derive(Debug, Clone, Default)]
pub struct Survey {
    services: BTreeSet<String>,
    files: BTreeMap<String, Vec<u8>>,
    bytes: usize,
    asked: BTreeSet<Question>,
    remarks: Vec<String>,
}

impl Survey {
    /// What to ask next; nothing at the end.
    #[must_use]
    pub fn ask(&mut self) -> Vec<Question> {
        let mut wanted: Vec<Question> = if self.asked.is_empty() {
            vec![Question::Services]
        } else {
            let own = |name: &&String| name.starts_with("grpc.reflection.");
            let symbols = self.services.iter().filter(|name| !own(name)).map(|name| Question::Symbol(name.clone()));
            let imports = self.files.values().flat_map(|file| head(file).dependency);
            let missing = imports.filter(|name| !name.starts_with(WELL_KNOWN) && !self.files.contains_key(name));
            symbols.chain(missing.map(Question::File)).collect()
        };
        wanted.retain(|question| !self.asked.contains(question) && is_short(question));
        wanted.sort();
        wanted.dedup();
        wanted.truncate(AT_ONCE.min((MOST_SERVICES + MOST_FILES).saturating_sub(self.asked.len())));
        self.asked.extend(wanted.iter().cloned());
        wanted
    }

    /// Reads the answer to a question.
    pub fn take(&mut self, question: &Question, answer: &[u8]) {
        let told = match Response::decode(answer) {
            Ok(response) => response.told,
            Err(error) => return self.remark(&format!("cannot parse a reflection answer: {error}")),
        };
        match (question, told) {
            (Question::Services, Some(Told::Services(list))) => {
                self.services.extend(list.service.into_iter().map(|service| service.name).take(MOST_SERVICES));
            }
            (_, Some(Told::Files(list))) => {
                for file in list.file {
                    self.keep(file);
                }
            }
            (question, Some(Told::Error(error))) => {
                let what = match question {
                    Question::Services => "the list of its services".to_owned(),
                    Question::Symbol(name) => format!("the file of {name}"),
                    Question::File(name) => format!("the file {name}"),
                };
                self.remark(&format!("it does not give {what}: {} (code {})", error.message, error.code));
            }
            (_, Some(Told::Services(_)) | None) => self.remark("a reflection answer matches no question"),
        }
    }

    fn keep(&mut self, file: Vec<u8>) {
        let name = head(&file).name;
        if name.is_empty() || self.files.contains_key(&name) {
            return;
        }
        self.bytes += file.len();
        if self.files.len() >= MOST_FILES || self.bytes > MOST_BYTES {
            return self.remark(&format!(
                "it has too many files: the limit is {MOST_FILES}, and {} MiB together",
                MOST_BYTES >> 20
            ));
        }
        self.files.insert(name, file);
    }

    /// Something that is not as it should be.
    pub fn remark(&mut self, words: &str) {
        if self.remarks.len() < MOST_REMARKS && !self.remarks.iter().any(|known| known == words) {
            self.remarks.push(words.chars().take(300).collect());
        }
    }

    /// The names of its services.
    pub fn services(&self) -> impl Iterator<Item = &str> {
        self.services.iter().map(String::as_str)
    }

    /// All files, each an encoded `FileDescriptorProto`.
    pub fn files(&self) -> impl Iterator<Item = &[u8]> {
        self.files.values().map(Vec::as_slice)
    }

    /// What is not as it should be.
    #[must_use]
    pub fn remarks(&self) -> &[String] {
        &self.remarks
    }
}

fn is_short(question: &Question) -> bool {
    match question {
        Question::Services => true,
        Question::Symbol(name) | Question::File(name) => !name.is_empty() && name.len() <= LONGEST_NAME,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::wire::{Error, FileHead, Files, Service, Services};
    use super::*;

    /// A server's answer.
    fn answer(told: Told) -> Vec<u8> {
        Response { told: Some(told) }.encode_to_vec()
    }

    fn file(name: &str, imports: &[&str]) -> Vec<u8> {
        FileHead { name: name.into(), dependency: imports.iter().map(|i| (*i).to_owned()).collect(), syntax: None }
            .encode_to_vec()
    }

    fn services(names: &[&str]) -> Told {
        Told::Services(Services { service: names.iter().map(|name| Service { name: (*name).into() }).collect() })
    }

    #[test]
    fn services_then_their_files_then_what_those_import() {
        let mut survey = Survey::default();
        assert_eq!(survey.ask(), [Question::Services]);
        survey.take(&Question::Services, &answer(services(&["a.A", "b.B", "grpc.reflection.v1.ServerReflection"])));
        let symbols = [Question::Symbol("a.A".into()), Question::Symbol("b.B".into())];
        assert_eq!(survey.ask(), symbols);
        let told = Told::Files(Files { file: vec![file("a.proto", &["c.proto", "google/protobuf/any.proto"])] });
        survey.take(&symbols[0], &answer(told));
        let gone = Told::Error(Error { code: 5, message: "no such symbol".into() });
        survey.take(&symbols[1], &answer(gone));
        let import = Question::File("c.proto".into());
        assert_eq!(survey.ask(), std::slice::from_ref(&import));
        survey.take(&import, &answer(Told::Files(Files { file: vec![file("c.proto", &["a.proto"])] })));
        assert!(survey.ask().is_empty());
        assert_eq!((survey.files().count(), survey.services().count()), (2, 3));
        assert_eq!(survey.remarks(), ["it does not give the file of b.B: no such symbol (code 5)"]);
    }

    #[test]
    fn a_server_that_goes_on_for_ever_is_not_followed() {
        let mut survey = Survey::default();
        let _ = survey.ask();
        survey.take(&Question::Services, &answer(services(&["a.A"])));
        let mut asked = 1;
        for n in 0.. {
            let questions = survey.ask();
            let Some(question) = questions.first() else { break };
            asked += questions.len();
            let (name, next) = (format!("{n}.proto"), format!("{}.proto", n + 1));
            survey.take(question, &answer(Told::Files(Files { file: vec![file(&name, &[&next])] })));
        }
        assert!(asked <= MOST_SERVICES + MOST_FILES && survey.files().count() <= MOST_FILES, "{asked}");
        assert!(survey.remarks().iter().any(|words| words.contains("too many files")));
    }

    #[test]
    fn nonsense_is_remarked_and_does_no_harm() {
        let mut survey = Survey::default();
        let _ = survey.ask();
        survey.take(&Question::Services, b"\xff\xff");
        survey.take(&Question::Services, &[]);
        survey.take(&Question::Services, &answer(services(&["", &"x".repeat(5000)])));
        survey.take(&Question::Services, &answer(Told::Files(Files { file: vec![b"\xff".to_vec(), Vec::new()] })));
        assert!(survey.ask().is_empty(), "names that nobody would have are not asked for");
        assert_eq!((survey.files().count(), survey.remarks().len()), (0, 2), "{:?}", survey.remarks());
    }
}
