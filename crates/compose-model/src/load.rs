//! From a file to a [`Project`], by asking Docker Compose.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::printed::{unprintable, with_large_numbers_as_texts};
use crate::program::{self, COMPATIBILITY, NOT_BEGUN, NoOutput, Output};
use crate::{LoadError, Places, Project, Service};

/// How long Compose may take; a file is read in 0.05 s.
const LIMIT: Duration = Duration::from_secs(20);

/// How much memory Compose's data may take, bytes; a small file is read with 128 MiB, and not with 64.
const MEMORY: u64 = 1 << 30;

/// Go's words where it gets no more.
const NO_MEMORY: [&str; 2] = ["fatal error: runtime: out of memory", "fatal error: runtime: cannot allocate memory"];

/// Before the words of a Compose that crashed.
const CRASHED: &str = "Docker Compose crashed: ";

/// Compose's words about a folder whose name has no letter that a project's name may have.
const NO_NAME: &str = "project name must not be empty";

/// Reads compose files with a given Docker Compose.
#[derive(Debug, Clone)]
pub struct Loader {
    program: PathBuf,
    limit: Duration,
    memory: u64,
    fallback_name: String,
    environment: Vec<(String, String)>,
}

impl Loader {
    /// A loader that runs `program`, Docker Compose's own (`docker-compose` of version 2, the file that is also Docker's plugin).
    #[must_use]
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            limit: LIMIT,
            memory: MEMORY,
            fallback_name: "project".into(),
            environment: Vec::new(),
        }
    }

    /// Sets how long one call of Compose may take.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Sets how much memory the data of one call of Compose may take, bytes.
    #[must_use]
    pub fn memory(mut self, memory: u64) -> Self {
        self.memory = memory;
        self
    }

    /// Sets the name of a project whose file has none and whose folder's name gives none.
    #[must_use]
    pub fn fallback_name(mut self, name: impl Into<String>) -> Self {
        self.fallback_name = name.into();
        self
    }

    /// Sets a variable, over the caller's environment.
    #[must_use]
    pub fn variable(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Reads a compose file and all that it draws in: `.env`, `env_file`, `extends`, `include`. Variables come from the caller's environment,
    /// as they do for `docker compose`.
    ///
    /// # Errors
    /// When the file cannot be read, Compose refuses it, or Compose cannot be run.
    pub fn load(&self, file: &Path) -> Result<Project, LoadError> {
        let unreadable = |why| LoadError::Unreadable { file: file.to_owned(), why };
        let text = std::fs::read(file).map_err(unreadable)?;
        let absolute = std::path::absolute(file).map_err(unreadable)?;
        let asked =
            Asked { loader: self, shown: file, file: &absolute, text: &String::from_utf8_lossy(&text), name: None };
        match asked.read() {
            // A name that the file has, and that comes to nothing, is the file's mistake.
            Err(LoadError::Refused { words, .. })
                if words.contains(NO_NAME) && !asked.text.lines().any(|line| line.starts_with("name:")) =>
            {
                Asked { name: Some(&self.fallback_name), ..asked }.read()
            }
            read => read,
        }
    }
}

impl Loader {
    /// The values that variables have for a compose file: from the caller's environment or from `.env`, as Compose takes them; none for one
    /// that is set nowhere.
    ///
    /// # Errors
    /// When a name is none, or Compose cannot be run.
    pub fn variables(&self, file: &Path, names: &[&str]) -> Result<BTreeMap<String, Option<String>>, LoadError> {
        let refused = |words: String| LoadError::Refused { file: file.to_owned(), place: None, words };
        let nonsense = |why: String| LoadError::Nonsense { file: file.to_owned(), why };
        let is_name = |name: &&str| {
            !name.starts_with(|c: char| c.is_ascii_digit())
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        // Compose takes any name from its environment, but no file can have it written as a variable.
        let (odd, names): (Vec<&str>, Vec<&str>) =
            names.iter().copied().partition(|name| name.is_empty() || !is_name(name));
        let mut found_odd = BTreeMap::new();
        for name in odd {
            let value = (!name.is_empty() && !name.contains(['=', '\0'])).then(|| std::env::var_os(name)).flatten();
            let value = value.map(|value| value.into_string().map_err(|_| refused(not_text(name)))).transpose()?;
            found_odd.insert(name.to_owned(), value);
        }
        let environment: serde_json::Map<String, Value> = (0..)
            .zip(&names)
            .flat_map(|(n, name)| {
                [
                    (format!("V{n}"), format!("${{{name}-}}").into()),
                    (format!("S{n}"), format!("${{{name}+set}}").into()),
                ]
            })
            .collect();
        let question =
            serde_json::json!({"name": "variables", "services": {"v": {"image": "v", "environment": environment}}});
        let asking =
            tempfile::NamedTempFile::new().and_then(|f| std::fs::write(f.path(), question.to_string()).map(|()| f));
        let asking = asking.map_err(|why| LoadError::Unreadable { file: std::env::temp_dir(), why })?;
        let absolute = std::path::absolute(file).map_err(|why| LoadError::Unreadable { file: file.to_owned(), why })?;
        let asked = Asked { loader: self, shown: file, file: asking.path(), text: "", name: None };
        let folder = absolute.parent().unwrap_or_else(|| Path::new("/"));
        let output = asked.ask_in(folder, &[], &["--format", "json"])?;
        let answer = Project::from_json(&output.stdout).map_err(|e| nonsense(e.to_string()))?;
        let given =
            answer.services.get("v").map(|service| &service.environment).ok_or_else(|| nonsense("no answer".into()))?;
        let value = |name: String| given.get(&name).cloned().flatten().unwrap_or_default();
        let found = |n: usize| (value(format!("S{n}")) == "set").then(|| value(format!("V{n}")));
        let mut all: BTreeMap<_, _> =
            names.iter().enumerate().map(|(n, name)| ((*name).to_owned(), found(n))).collect();
        // What is no text comes with such characters through Compose's JSON.
        let is_cut =
            |value: &Option<String>| value.as_ref().is_some_and(|value| value.contains(char::REPLACEMENT_CHARACTER));
        if let Some((name, _)) = all.iter().find(|(_, value)| is_cut(value)) {
            return Err(refused(not_text(name)));
        }
        all.append(&mut found_odd);
        Ok(all)
    }
}

fn not_text(name: &str) -> String {
    format!("the variable {name} has bytes that are no UTF-8 text: give them as a `file:`")
}

/// One file that is asked about.
struct Asked<'a> {
    loader: &'a Loader,
    shown: &'a Path,
    file: &'a Path,
    text: &'a str,
    name: Option<&'a str>,
}

/// Services of all profiles, not of the active ones alone.
const ALL: [&str; 2] = ["--profile", "*"];

impl Asked<'_> {
    fn read(&self) -> Result<Project, LoadError> {
        // The JSON form leaves out the extensions of services, the YAML form has them.
        let (json, yaml) = thread::scope(|scope| {
            let yaml = scope.spawn(|| self.ask(&ALL, &["--format", "yaml"]));
            (self.ask(&ALL, &["--format", "json"]), yaml.join())
        });
        let (mut project, all) = match json {
            Ok(output) => (self.project(&output)?, true),
            // A service of a profile that nobody asked for may be what is wrong.
            Err(LoadError::Refused { words, .. }) => {
                let active = self.project(&self.ask(&[], &["--format", "json"])?)?;
                (Project { without_profiles: Some(words), ..active }, false)
            }
            Err(e) => return Err(e),
        };
        let extensions = match yaml {
            Ok(Ok(output)) if all => output,
            _ => self.ask(if all { &ALL } else { &[] }, &["--format", "yaml"])?,
        };
        self.add_extensions(&mut project, &extensions.stdout)?;
        if project.services.values().any(|service| !service.profiles.is_empty()) && all {
            // Says which services are active, and what is wrong with these alone.
            let active = self.ask(&[], &["--services"])?;
            let active: BTreeSet<&str> = std::str::from_utf8(&active.stdout).unwrap_or_default().lines().collect();
            project.inactive =
                project.services.keys().filter(|name| !active.contains(name.as_str())).cloned().collect();
        }
        self.shown.clone_into(&mut project.file);
        project.places = Arc::new(Places::find(self.text));
        Ok(project)
    }

    fn project(&self, output: &Output) -> Result<Project, LoadError> {
        let mut warnings = messages(&output.stderr).0;
        if std::env::var(COMPATIBILITY)
            .is_ok_and(|set| !matches!(set.as_str(), "" | "0" | "f" | "F" | "false" | "FALSE" | "False"))
        {
            warnings.push(format!("{COMPATIBILITY} is left out: containers have Compose's names of today"));
        }
        let project = Project::from_json(&output.stdout).map_err(|e| {
            // What is JSON, and has a value of the wrong kind, is what the file says.
            match odd_value(&output.stdout).filter(|_| e.is_data()) {
                Some((service, key, why)) => LoadError::Value { file: self.shown.to_owned(), service, key, why },
                None => self.nonsense(e.to_string()),
            }
        })?;
        Ok(Project { warnings, ..project })
    }

    fn add_extensions(&self, project: &mut Project, yaml: &[u8]) -> Result<(), LoadError> {
        #[derive(Deserialize)]
        struct Document {
            #[serde(default)]
            services: BTreeMap<String, BTreeMap<String, Value>>,
        }
        let read = |text: &str| serde_saphyr::from_str::<Document>(text);
        let text = std::str::from_utf8(yaml).map_err(|e| self.nonsense(e.to_string()))?;
        // Most files have none, and reading YAML is slow.
        if !text.lines().any(|line| line.trim_start().starts_with("x-") || line.trim_start().starts_with("\"x-")) {
            return Ok(());
        }
        if let Some((service, key)) = unprintable(text) {
            return Err(LoadError::Unprintable { file: self.shown.to_owned(), service, key });
        }
        let document = read(text)
            .or_else(|_| read(&with_large_numbers_as_texts(text)))
            .map_err(|e| self.nonsense(e.to_string()))?;
        for (name, keys) in document.services {
            if let Some(service) = project.services.get_mut(&name) {
                let extensions = keys.into_iter().filter(|(key, _)| key.starts_with("x-"));
                service.extensions = extensions.map(|(key, value)| (key, crate::unescape(value))).collect();
            }
        }
        Ok(())
    }

    /// `docker-compose GLOBAL config ARGUMENTS`.
    fn ask(&self, global: &[&str], arguments: &[&str]) -> Result<Output, LoadError> {
        self.ask_in(self.file.parent().unwrap_or_else(|| Path::new("/")), global, arguments)
    }

    fn ask_in(&self, folder: &Path, global: &[&str], arguments: &[&str]) -> Result<Output, LoadError> {
        let mut line: Vec<OsString> = ["--ansi", "never", "--project-directory"].map(OsString::from).to_vec();
        line.extend([folder.into(), "-f".into(), self.file.into()]);
        line.extend(self.name.iter().flat_map(|name| ["-p".into(), OsString::from(name)]));
        line.extend(global.iter().map(OsString::from));
        line.push("config".into());
        line.extend(arguments.iter().map(OsString::from));
        let program = &self.loader.program;
        let not_run = |why: String| LoadError::NoProgram { program: program.clone(), why };
        let Loader { environment, limit, memory, .. } = self.loader;
        let run = |client| program::run(program, &line, client, environment, *limit, *memory);
        let begun = run(true);
        let again = matches!(&begun, Ok(output) if !output.status.success() && output.stderr.contains(NOT_BEGUN));
        let output = match if again { run(false) } else { begun } {
            Ok(output) => output,
            Err(NoOutput::NotStarted(e)) => return Err(not_run(e.to_string())),
            Err(NoOutput::TooLong) => {
                return Err(LoadError::TooLong { file: self.shown.to_owned(), limit: self.loader.limit });
            }
            Err(NoOutput::TooMuch) => return Err(self.nonsense("it is too long".into())),
        };
        if output.status.success() {
            return Ok(output);
        }
        let (_, words) = messages(&output.stderr);
        if words.contains("version `GLIBC_") || words.contains("error while loading shared libraries") {
            return Err(not_run(words));
        }
        if output.status.code().is_none() {
            return Err(not_run(format!("{}: {words}", output.status)));
        }
        if NO_MEMORY.iter().any(|said| output.stderr.contains(said)) {
            return Err(LoadError::TooMuchMemory { file: self.shown.to_owned(), mib: memory >> 20 });
        }
        // Some files crash it, dates as a command for one; where in its code is nothing to the file's author.
        let crash = output.stderr.lines().find(|line| line.starts_with("panic: "));
        let words = crash.map_or(words, |first| format!("{CRASHED}{}", first.trim_end()));
        let place = Places::find(self.text).named_in(&words);
        Err(LoadError::Refused { file: self.shown.to_owned(), place, words: self.without_own_path(&words) })
    }

    fn nonsense(&self, why: String) -> LoadError {
        LoadError::Nonsense { file: self.shown.to_owned(), why }
    }

    /// The message names the file already.
    fn without_own_path(&self, words: &str) -> String {
        let path = self.file.display().to_string();
        let words = words.trim();
        let words = words.strip_prefix(&format!("validating {path}: ")).unwrap_or(words);
        words.strip_suffix(": invalid compose project").unwrap_or(words).to_owned()
    }
}

/// The first service and key whose value the model does not take, and why.
fn odd_value(json: &[u8]) -> Option<(String, String, String)> {
    let document: Value = serde_json::from_slice(json).ok()?;
    for (name, service) in document.get("services")?.as_object()? {
        for (key, value) in service.as_object()? {
            let alone = serde_json::json!({ key: value });
            if let Err(why) = Service::deserialize(&alone) {
                return Some((name.clone(), key.clone(), why.to_string()));
            }
        }
    }
    None
}

/// Warnings, and what else the program said. Warnings are lines of the form `time="…" level=warning msg="…"`.
fn messages(stderr: &str) -> (Vec<String>, String) {
    let (mut warnings, mut words) = (Vec::new(), Vec::new());
    for line in stderr.lines().map(str::trim_end).filter(|line| !line.is_empty()) {
        match line.strip_prefix("time=").and_then(|rest| rest.split_once(" msg=")) {
            Some((head, message)) if head.contains("level=warning") => warnings.push(unquote(message)),
            Some((head, message)) if head.contains("level=") => words.push(unquote(message)),
            _ => words.push(line.to_owned()),
        }
    }
    (warnings, one_line(&words))
}

/// Lines as one: what a line ends with a colon to announce follows it, other lines are set off.
fn one_line(lines: &[String]) -> String {
    let mut text = String::new();
    for line in lines.iter().map(|line| line.trim()) {
        match text.chars().last() {
            None => {}
            Some(':') => text.push(' '),
            Some(_) => text.push_str("; "),
        }
        text.push_str(line);
    }
    text
}

/// A text in Go's quotation marks.
fn unquote(text: &str) -> String {
    serde_json::from_str(text).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_are_told_from_errors() {
        let (warnings, words) = messages(
            "time=\"2026\" level=warning msg=\"The \\\"X\\\" variable is not set. Defaulting to a blank string.\"\nyaml: line 3: bad\n",
        );
        assert_eq!(warnings, ["The \"X\" variable is not set. Defaulting to a blank string."]);
        assert_eq!(words, "yaml: line 3: bad");
        let (_, words) =
            messages("yaml: unmarshal errors:\n  line 6: mapping key \"a\"\n  line 9: mapping key \"b\"\n");
        assert_eq!(words, "yaml: unmarshal errors: line 6: mapping key \"a\"; line 9: mapping key \"b\"");
    }

    #[test]
    fn a_program_that_is_not_there_or_never_ends() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f.yaml");
        std::fs::write(&file, "services: {}\n").unwrap();
        let error = Loader::new("/no/such/program").load(&file).unwrap_err();
        assert!(matches!(error, LoadError::NoProgram { .. }) && !error.is_files_fault(), "{error}");
        let error = Loader::new("/bin/true").load(&folder.path().join("none.yaml")).unwrap_err();
        assert!(matches!(error, LoadError::Unreadable { .. }) && error.is_files_fault(), "{error}");

        let script = |text: &str| {
            use std::os::unix::fs::PermissionsExt;
            let path = folder.path().join("compose");
            std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
            path
        };
        // A relative path of the program is the caller's, whatever the file's folder.
        let relative = std::env::current_dir().unwrap().ancestors().skip(1).map(|_| "..").collect::<Vec<_>>().join("/");
        let relative = format!("{relative}{}", script("echo 'Invalid word' >&2; exit 1").display());
        let refused = Loader::new(&relative).load(&file).unwrap_err();
        assert!(matches!(&refused, LoadError::Refused { words, .. } if words == "Invalid word"), "{refused}");
        let slow = Loader::new(script("exec sleep 60")).limit(Duration::from_millis(50)).load(&file).unwrap_err();
        assert!(matches!(slow, LoadError::TooLong { .. }), "{slow}");
        let old = script("echo \"$0: libc.so.6: version \\`GLIBC_2.34' not found (required by $0)\" >&2; exit 1");
        let old = Loader::new(old).load(&file).unwrap_err();
        assert!(matches!(&old, LoadError::NoProgram { why, .. } if why.contains("GLIBC_2.34")), "{old}");
        let crash =
            script("printf 'panic: not a string\\n\\ngoroutine 1 [running]:\\nmain.go:81 +0x16e\\n' >&2; exit 2");
        let crash = Loader::new(crash).load(&file).unwrap_err();
        assert!(
            matches!(&crash, LoadError::Refused { words, .. } if words == "Docker Compose crashed: panic: not a string"),
            "{crash}"
        );
        // As Go says it; and the limit is the data's, since Go reserves addresses that it does not use.
        let greedy = script(
            "sleep 0.3; echo \"fatal error: runtime: out of memory: data $(ulimit -d) all $(ulimit -v)\" >&2; exit 2",
        );
        let greedy = Loader::new(greedy).memory(64 << 20);
        let error = greedy.load(&file).unwrap_err();
        assert!(error.is_files_fault() && error.to_string().ends_with("takes more than 64 MiB"), "{error}");
        let told = script("sleep 0.3; echo \"data $(ulimit -d) all $(ulimit -v)\" >&2; exit 2");
        let told = Loader::new(told).memory(64 << 20).load(&file).unwrap_err().to_string();
        assert!(told.ends_with("data 65536 all unlimited"), "{told}");
        let odd = Loader::new(script("echo hello")).load(&file).unwrap_err();
        assert!(matches!(odd, LoadError::Nonsense { .. }), "{odd}");
    }
}
