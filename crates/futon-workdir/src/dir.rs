//! The folder itself.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use calls::Sheet;
use exchange::ExchangeConfig;
use futon_common::{Context, Error, Result};
use futon_functions::{Handover, calls_error};
use futon_model::{Cell, EngineRequests, Event, EventKind, Plan, ScriptKind};
use image_store::ImageStore;
use lean_bundle::Bundle;
use tokio::sync::mpsc::UnboundedSender;

use super::carried::Carried;
use super::env::run_env;
use super::lock::LOCK_FILE;
use super::names::{BUNDLE, CALLS, CELL, HANDOVER, RECIPE, REGISTRY, SHEET};
use super::script::script;

/// Static binaries that the guest fetches.
#[derive(Debug, Clone)]
pub struct GuestTools {
    /// `futon-guest`.
    pub futon_guest: PathBuf,
    /// `test-client`.
    pub test_client: PathBuf,
}

/// What goes into a working directory.
#[derive(Debug, Clone)]
pub struct Contents<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// Run script, or a template of one.
    pub template: &'a str,
    /// Compose file for the guest.
    pub compose: Option<&'a str>,
    /// The service as requests to the engine, or why `docker compose` must start it.
    pub engine: Option<&'a std::result::Result<EngineRequests, String>>,
    /// Files of the host that the service needs.
    pub handover: Option<&'a Handover>,
    /// Guest tools.
    pub tools: &'a GuestTools,
    /// More files for the guest, by name.
    pub files: &'a [(String, PathBuf)],
    /// The images as a bundle, for a guest without an engine.
    pub bundle: Option<&'a Bundle>,
    /// The images as a registry of the guest's own, for a guest with an engine and without a network.
    pub registry: Option<&'a ImageStore>,
    /// The declared calls.
    pub sheet: Option<&'a Sheet>,
    /// Everything that shapes the result.
    pub cell: Option<&'a Cell>,
}

impl<'a> Contents<'a> {
    /// A run script and the guest's tools, and nothing of a function's.
    #[must_use]
    pub fn of_script(plan: &'a Plan, template: &'a str, tools: &'a GuestTools) -> Self {
        Self {
            plan,
            template,
            compose: None,
            engine: None,
            handover: None,
            tools,
            files: &[],
            bundle: None,
            registry: None,
            sheet: None,
            cell: None,
        }
    }
}

/// A working directory.
#[derive(Debug, Clone)]
pub struct WorkDir {
    root: PathBuf,
    plan: Plan,
    served: BTreeMap<String, PathBuf>,
}

/// Everything in a working directory that futon made and may replace.
const OURS: [&str; 17] = [
    RECIPE,
    CELL,
    CALLS,
    SHEET,
    "machine.json",
    "run.sh",
    "plan.json",
    "served.json",
    "functions.yaml",
    "service.json",
    "run.env",
    BUNDLE,
    REGISTRY,
    HANDOVER,
    "disk.qcow2",
    "results",
    LOCK_FILE,
];

fn working_directory_in(folder: &Path) -> Option<PathBuf> {
    fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path()).find(|path| path.join("plan.json").is_file())
}

impl WorkDir {
    /// Makes a working directory; replaces an earlier one.
    ///
    /// # Errors
    /// When the folder holds other things, or cannot be written.
    pub fn create(root: &Path, contents: &Contents<'_>) -> Result<Self> {
        let root = std::path::absolute(root).context(|| format!("path of {}", root.display()))?;
        clear(&root)?;
        let plan = contents.plan;
        let script = script(contents.template, plan);
        let mut served = BTreeMap::new();
        let mut write = |name: &str, text: &[u8]| -> Result<PathBuf> {
            let path = root.join(name);
            fs::write(&path, text).context(|| format!("cannot write {}", path.display()))?;
            served.insert(name.to_owned(), path.clone());
            Ok(path)
        };
        make_executable(&write("run.sh", script.as_bytes())?)?;
        let handover = contents.handover.filter(|handover| !handover.is_empty());
        if let Some(compose) = contents.compose {
            write("functions.yaml", compose.as_bytes())?;
            write("run.env", run_env(plan, contents.engine, handover.is_some())?.as_bytes())?;
            if let Some(Ok(requests)) = contents.engine {
                let text = serde_json::to_vec(requests).context(|| "service.json".into())?;
                write("service.json", &text)?;
            }
        }
        if contents.compose.is_some() {
            let mut list = contents.sheet.map(Sheet::encode).transpose().map_err(|e| calls_error(&e))?;
            if let (Some(list), Some(client)) = (&mut list, &plan.client) {
                list.authority = client.authority.clone().unwrap_or_default();
            }
            write(CALLS, &list.map(|list| list.to_bytes()).unwrap_or_default())?;
        }
        if let Some(sheet) = contents.sheet {
            let path = root.join(SHEET);
            fs::write(&path, sheet.to_text()).context(|| format!("cannot write {}", path.display()))?;
        }
        if let Some(handover) = handover {
            let path = root.join(HANDOVER);
            let file = File::create(&path).context(|| format!("cannot write {}", path.display()))?;
            handover.write(BufWriter::new(file))?;
            served.insert(HANDOVER.to_owned(), path);
        }
        if let Some(bundle) = contents.bundle
            // Without its images the pull fails in the guest, as it would in the field, and the verdict says so.
            && bundle.missing()?.is_empty()
        {
            let path = root.join(BUNDLE);
            let file = File::create(&path).context(|| format!("cannot write {}", path.display()))?;
            bundle.write(BufWriter::with_capacity(1 << 20, file))?;
            served.insert(BUNDLE.to_owned(), path);
            // The archive is removed after the run; this makes it again.
            let recipe = serde_json::to_vec(&bundle.recipe()).context(|| RECIPE.into())?;
            fs::write(root.join(RECIPE), recipe).context(|| format!("cannot write {RECIPE}"))?;
        }
        if let Some(store) = contents.registry {
            let carried = Carried::gather(store, plan.images.iter().map(|image| &image.reference))?;
            let path = root.join(REGISTRY);
            let file = File::create(&path).context(|| format!("cannot write {}", path.display()))?;
            carried.write(store, BufWriter::with_capacity(1 << 20, file))?;
            served.insert(REGISTRY.to_owned(), path);
        }
        for (name, path) in [("futon-guest", &contents.tools.futon_guest), ("test-client", &contents.tools.test_client)]
        {
            if !path.is_file() {
                return Err(Error::infra(format!("guest tool missing: {}", path.display()))
                    .hint("`futon resources build` builds it"));
            }
            served.insert(name.to_owned(), absolute(path)?);
        }
        for (name, path) in contents.files {
            if !path.is_file() {
                return Err(Error::usage(format!("no such file: {}", path.display())).hint("--file takes a file path"));
            }
            served.insert(name.clone(), absolute(path)?);
        }
        let dir = Self::with(root, plan.clone(), served);
        dir.write_plan()?;
        if let Some(cell) = contents.cell {
            dir.write_json(CELL, cell)?;
        }
        Ok(dir)
    }

    pub(super) fn with(root: PathBuf, plan: Plan, served: BTreeMap<String, PathBuf>) -> Self {
        Self { root, plan, served }
    }

    /// Opens a working directory that [`create`](Self::create) has made.
    ///
    /// # Errors
    /// When it is not a working directory.
    pub fn open(root: &Path) -> Result<Self> {
        let root = std::path::absolute(root).context(|| format!("path of {}", root.display()))?;
        let read = |name: &str| {
            let path = root.join(name);
            fs::read(&path).map_err(|e| {
                let error = Error::usage(format!("{} is not a working directory: it has no {name}", root.display()))
                    .caused_by(e);
                // The folder of a `futon test` call has one per function.
                match working_directory_in(&root) {
                    Some(inner) => error.hint(format!("{} is one", inner.display())),
                    None => error.hint("`futon build FUNCTION` or `IMAGE_NAME=FUNCTION make build` makes one"),
                }
            })
        };
        let plan = serde_json::from_slice(&read("plan.json")?).context(|| format!("{}/plan.json", root.display()))?;
        let mut served: BTreeMap<String, PathBuf> =
            serde_json::from_slice(&read("served.json")?).context(|| format!("{}/served.json", root.display()))?;
        for path in served.values_mut().filter(|path| !path.exists()) {
            // The folder has been moved, perhaps from another machine.
            if let Some(name) = path.file_name().filter(|name| OURS.iter().any(|ours| *name == *ours)) {
                *path = root.join(name);
            }
        }
        Ok(Self { root, plan, served })
    }

    /// The folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The plan.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Everything that shapes its run's result, if it was planned from a compose file.
    #[must_use]
    pub fn cell(&self) -> Option<Cell> {
        serde_json::from_slice(&fs::read(self.root.join(CELL)).ok()?).ok()
    }

    /// Files that the guest gets, by name.
    #[must_use]
    pub fn served(&self) -> &BTreeMap<String, PathBuf> {
        &self.served
    }

    /// The run's disk.
    #[must_use]
    pub fn disk(&self) -> PathBuf {
        self.root.join("disk.qcow2")
    }

    /// The lean guest's bundle, if there is one.
    #[must_use]
    pub fn bundle(&self) -> Option<PathBuf> {
        self.served.get(BUNDLE).filter(|path| path.is_file()).cloned()
    }

    /// Folder of consoles, uploads, events and reports.
    #[must_use]
    pub fn results(&self) -> PathBuf {
        self.root.join("results")
    }

    /// Folder of the guest's uploads.
    #[must_use]
    pub fn uploads(&self) -> PathBuf {
        self.results().join("uploads")
    }

    /// The journal of events.
    #[must_use]
    pub fn events(&self) -> PathBuf {
        self.results().join("events.jsonl")
    }

    /// Makes an empty results folder.
    ///
    /// # Errors
    /// When the folder cannot be replaced.
    pub fn prepare_results(&self) -> Result<()> {
        let results = self.results();
        match fs::remove_dir_all(&results) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::infra(format!("cannot replace {}", results.display())).caused_by(e));
            }
            _ => {}
        }
        let uploads = self.uploads();
        fs::create_dir_all(&uploads).context(|| format!("cannot make {}", uploads.display()))
    }

    /// What the exchange of this run serves and where its uploads go.
    #[must_use]
    pub fn exchange_config(
        &self,
        token: String,
        store: Option<Arc<ImageStore>>,
        events: UnboundedSender<EventKind>,
    ) -> ExchangeConfig {
        let mut served = self.served.clone();
        let run_script = served.remove("run.sh");
        let mut config = ExchangeConfig {
            token: Some(token),
            run_script,
            store,
            ..ExchangeConfig::run(served, self.uploads(), events)
        };
        if self.plan.script == ScriptKind::Foreign {
            // There is no token there, so everything comes without it.
            config.limits.anonymous = config.limits.quota;
        }
        config
    }

    /// The journal of the last run.
    ///
    /// # Errors
    /// When there is none or it is damaged.
    pub fn read_events(&self) -> Result<Vec<Event>> {
        let path = self.events();
        let text = fs::read_to_string(&path).map_err(|e| {
            Error::usage(format!("no run in {}", self.root.display())).caused_by(e).hint("`futon run` makes one")
        })?;
        text.lines()
            .map(|line| serde_json::from_str(line).context(|| format!("malformed line in {}", path.display())))
            .collect()
    }

    pub(super) fn write_plan(&self) -> Result<()> {
        self.write_json("plan.json", &self.plan)?;
        self.write_json("served.json", &self.served)
    }

    pub(super) fn write_json(&self, name: &str, value: &impl serde::Serialize) -> Result<()> {
        let path = self.root.join(name);
        let text = serde_json::to_vec_pretty(value).context(|| format!("cannot write {}", path.display()))?;
        fs::write(&path, text).context(|| format!("cannot write {}", path.display()))
    }
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).context(|| format!("path of {}", path.display()))
}

/// Removes what futon made in a folder. A folder with anything else in it is left alone: a mistyped
/// path must not cost anybody's files.
pub(super) fn clear(root: &Path) -> Result<()> {
    fs::create_dir_all(root).context(|| format!("cannot make {}", root.display()))?;
    let entries = fs::read_dir(root).context(|| format!("cannot read {}", root.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry.context(|| format!("cannot read {}", root.display()))?.file_name());
    }
    if let Some(stranger) = names.iter().find(|name| !OURS.iter().any(|ours| name == ours)) {
        return Err(Error::usage(format!(
            "{} contains {}, which futon did not make",
            root.display(),
            Path::new(stranger).display()
        ))
        .hint("choose another working directory (WORKING_DIR, --dir), or empty this one"));
    }
    for name in names.into_iter().filter(|name| name != LOCK_FILE) {
        let path = root.join(name);
        let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.context(|| format!("cannot remove {}", path.display()))?;
    }
    Ok(())
}

pub(super) fn make_executable(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
        .context(|| format!("cannot set the mode of {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::super::script::{DEFAULT_TEMPLATE, LEAN_TEMPLATE};
    use super::*;
    use crate::sample::plan;

    fn contents<'a>(plan: &'a Plan, tools: &'a GuestTools) -> Contents<'a> {
        let script = "#!/bin/sh\necho '<__IMAGE_NAME__>'\n";
        Contents { compose: Some("services: {}\n"), ..Contents::of_script(plan, script, tools) }
    }

    fn tools(folder: &Path) -> GuestTools {
        let tools = GuestTools { futon_guest: folder.join("g"), test_client: folder.join("c") };
        fs::write(&tools.futon_guest, "g").unwrap();
        fs::write(&tools.test_client, "c").unwrap();
        tools
    }

    #[test]
    fn the_image_takes_its_place_in_the_script() {
        let folder = tempfile::tempdir().unwrap();
        let (plan, tools) = (plan(), tools(folder.path()));
        let dir = WorkDir::create(&folder.path().join("w"), &contents(&plan, &tools)).unwrap();
        let script = fs::read_to_string(dir.root().join("run.sh")).unwrap();
        assert_eq!(script, "#!/bin/sh\necho 'vhiveease/fibonacci-go:latest'\n");
        assert_eq!(WorkDir::open(dir.root()).unwrap().plan(), &plan);
    }

    #[test]
    fn the_limit_of_the_fetch_stands_in_the_script() {
        let folder = tempfile::tempdir().unwrap();
        let (mut plan, tools) = (plan(), tools(folder.path()));
        plan.limits.fetch = std::time::Duration::from_millis(1500);
        for template in [DEFAULT_TEMPLATE, LEAN_TEMPLATE] {
            let contents = Contents { template, ..contents(&plan, &tools) };
            let dir = WorkDir::create(&folder.path().join("w"), &contents).unwrap();
            let script = fs::read_to_string(dir.root().join("run.sh")).unwrap();
            assert!(
                script.contains("LIMIT_FETCH='1500ms'\n") && script.contains("step fetch \"$LIMIT_FETCH\" -- "),
                "{script}"
            );
            // If the script is run by hand, nothing replaces it.
            let lines = template.lines().filter(|line| line.contains("LIMIT_FETCH") && !line.contains("step "));
            let lines = lines.collect::<Vec<_>>().join("\n");
            let output = std::process::Command::new("sh").args(["-c", &format!("{lines}\necho $LIMIT_FETCH")]).output();
            assert_eq!(String::from_utf8(output.unwrap().stdout).unwrap(), "60s\n");
        }
    }

    #[test]
    fn an_earlier_working_directory_is_replaced_and_strangers_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let (plan, tools) = (plan(), tools(folder.path()));
        let root = folder.path().join("w");
        let dir = WorkDir::create(&root, &contents(&plan, &tools)).unwrap();
        fs::write(dir.disk(), "stale").unwrap();
        WorkDir::create(&root, &contents(&plan, &tools)).unwrap();
        assert!(!dir.disk().exists());
        fs::write(root.join("thesis.tex"), "precious").unwrap();
        assert!(WorkDir::create(&root, &contents(&plan, &tools)).unwrap_err().to_string().contains("thesis.tex"));
        assert!(root.join("thesis.tex").exists());
    }

    #[test]
    fn a_folder_that_was_moved_is_still_whole() {
        let folder = tempfile::tempdir().unwrap();
        let (plan, tools) = (plan(), tools(folder.path()));
        let mine = folder.path().join("mine.txt");
        fs::write(&mine, "mine").unwrap();
        let files = [("mine.txt".to_owned(), mine.clone())];
        let contents = Contents { files: &files, ..contents(&plan, &tools) };
        WorkDir::create(&folder.path().join("w"), &contents).unwrap();
        let moved = folder.path().join("moved");
        fs::rename(folder.path().join("w"), &moved).unwrap();
        let dir = WorkDir::open(&moved).unwrap();
        assert_eq!(dir.served()["run.sh"], moved.join("run.sh"));
        // What was never in it is where it was.
        assert_eq!((&dir.served()["mine.txt"], &dir.served()["futon-guest"]), (&mine, &tools.futon_guest));
    }
}
