//! From flags to functions, settings and a working directory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ::calls::{Schema, Sheet};
use futon_cli::{ChosenArgs, ClientArgs, MachineArgs, On, ProjectArgs};
use futon_common::{Error, Result};
use futon_functions::{Compose, Declared, Selection, client_name, parse_list, select, select_in_turn};
use futon_machine::processor_level;
use futon_model::{Base, MachineKind, Plan, ScriptKind};
use futon_resources::{Digests, find_compose};
use futon_workdir::config::Config;
use futon_workdir::{
    Contents, DEFAULT_TEMPLATE, LEAN_TEMPLATE, PlanRequest, WorkDir, container_port, expected_failure, function_plan,
};
use image_store::ImageStore;

use super::calls;
use super::described;
use super::flags::{Flags, require_nothing_else_in_turn};
use super::given::{compose_path, named_files, read_text};
use super::lean::{bundle, lean_parts};
use super::places::{digests, store, tools};
use super::prepared::Prepared;
use super::rundir::function_of;

/// A project: its functions and settings.
#[derive(Debug)]
pub struct Project {
    /// Compose file.
    pub compose: Compose,
    /// Settings, with the flags over them.
    pub config: Config,
    /// Settings of functions that have some of their own, by the function's name, with the flags over them.
    own: BTreeMap<String, Config>,
    template: Option<(PathBuf, String)>,
    pub(crate) files: Vec<(String, PathBuf)>,
    /// Calls that the flags declare.
    given: Option<Declared>,
    /// Whether a simulator runs them: it counts its invocations itself.
    pub(crate) simulated: bool,
    /// Functions that are called in turn, or are to be compared with that.
    pub(crate) interleave: Vec<String>,
    /// Whether each of them is called alone.
    pub(crate) alone: bool,
    /// Whether the number of virtual processors is the user's choice, not the host's.
    pub(crate) vcpus_given: bool,
    /// Digests of the files that shape results.
    pub digests: Digests,
    /// Made once each.
    selections: Mutex<BTreeMap<String, Arc<Selection>>>,
    /// Resolved once each, by the selection's name: schemas are compiled for it.
    sheets: Mutex<BTreeMap<String, Option<Arc<Sheet>>>>,
    /// Schemas by reflection, by the selection's name.
    schemas: Mutex<BTreeMap<String, Schema>>,
    pub(crate) resources: PathBuf,
}

/// What to do with two functions whose results would be one folder.
const APART: &str = "test them in two calls, each with its own --out";

impl Project {
    /// Reads the compose file, settings and template that the flags name.
    pub fn read(args: &ProjectArgs, client: &ClientArgs, machine: &MachineArgs, resources: &Path) -> Result<Self> {
        Self::of(Self::compose(args, resources)?, args, client, machine, resources)
    }

    /// Reads the compose file that the flags name. Docker Compose needs a tenth of a second for it.
    pub fn compose(args: &ProjectArgs, resources: &Path) -> Result<Compose> {
        Compose::read(&compose_path(args.functions.as_deref())?, &find_compose(resources)?)
    }

    /// The same as [`read`](Self::read) with a compose file that was read before.
    pub fn of(
        mut compose: Compose,
        args: &ProjectArgs,
        client: &ClientArgs,
        machine: &MachineArgs,
        resources: &Path,
    ) -> Result<Self> {
        let given = calls::given(&client.calls)?;
        require_nothing_else_in_turn(args, client, machine)?;
        calls::declare(&mut compose, given.as_ref());
        if args.whole {
            compose.start_all();
        }
        let flags = Flags { project: args, client, machine };
        let config = flags.over(None)?;
        let own = flags.of_functions(&compose)?;
        let template = match &args.template {
            Some(path) => Some((path.clone(), read_text(path, "--template takes a file path")?)),
            None => None,
        };
        let files = named_files(&args.files)?;
        if let Some((name, _)) = files.iter().find(|(name, _)| OURS.contains(&name.as_str())) {
            return Err(Error::usage(format!("--file {name}: futon gives the guest its own {name}"))
                .hint("use a different name, as in --file my-client=PATH"));
        }
        let simulated = machine.on == On::Gem5;
        let vcpus_given = config.machine.vcpus.is_some();
        Ok(Self {
            compose,
            config,
            own,
            template,
            files,
            given,
            simulated,
            interleave: machine.gem5.interleave.clone(),
            alone: machine.gem5.alone,
            vcpus_given,
            digests: digests(resources)?,
            selections: Mutex::default(),
            sheets: Mutex::default(),
            schemas: Mutex::default(),
            resources: resources.to_owned(),
        })
    }

    /// The settings of one function.
    pub fn config_of(&self, function: &str) -> &Config {
        self.own.get(function).unwrap_or(&self.config)
    }

    /// Gives each of so many machines that run side by side its share of the host's processors.
    pub fn share(&mut self, processors: usize, machines: usize) {
        for config in self.own.values_mut().chain([&mut self.config]) {
            config.machine.share(processors, machines);
        }
    }

    /// The compose file's selection for one function.
    pub fn selection(&self, name: &str) -> Result<Arc<Selection>> {
        let mut known = self.selections.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(selection) = known.get(name) {
            return Ok(Arc::clone(selection));
        }
        let made = match self.in_turn() {
            Some(whole) if whole == name => {
                let cpus = super::machine::function_cpus(&self.config);
                select_in_turn(&self.compose, &self.interleave, cpus.as_deref())?
            }
            _ => select(&self.compose, name)?,
        };
        let made = Arc::new(made);
        known.insert(name.to_owned(), Arc::clone(&made));
        Ok(made)
    }

    /// Names to test: those given, else those of the list file. A name that is not known, or whose client is not, must not cost the boots
    /// of those before it.
    pub fn names(&self, given: &[String], chosen: &ChosenArgs, client: &ClientArgs) -> Result<Vec<String>> {
        if !self.interleave.is_empty() && (chosen.all || chosen.list.is_some() || !given.is_empty()) {
            return Err(Error::usage("--interleave names the functions itself").hint("name each function only there"));
        }
        let names = match given {
            _ if !self.interleave.is_empty() => {
                self.in_turn().map_or_else(|| self.interleave.clone(), |name| vec![name])
            }
            _ if chosen.all => self.callable()?,
            [] => self.listed(chosen.list.as_deref())?,
            _ => given.to_vec(),
        };
        let mut known: BTreeMap<String, &str> = BTreeMap::new();
        for name in &names {
            let selection = self.selection(name)?;
            expected_failure(&selection.service.hints)?;
            if self.must_ask(&selection, client)? {
                // Its calls can only be checked once the function has given its schema.
            } else if self.sheet(&selection, client)?.is_none() {
                client_name(&selection, client.client.as_deref())?;
            }
            // A function's folder and its rows in reports have its name.
            if let Some(other) = known.insert(selection.name.clone(), name) {
                let error = if other == name {
                    Error::usage(format!("{name} is named twice"))
                } else {
                    Error::usage(format!("{other} and {name} both have the name {}", selection.name))
                };
                return Err(error.hint(APART));
            }
        }
        if let Some((name, other)) = known
            .keys()
            .find_map(|name| Some((name, function_of(name)?)))
            .filter(|(_, other)| known.contains_key(*other))
        {
            return Err(
                Error::usage(format!("{name} has the name that an earlier run of {other} would get")).hint(APART)
            );
        }
        Ok(names)
    }

    /// The declared calls of a function.
    ///
    /// # Errors
    /// When they cannot be read, or their schema does not have them.
    pub fn sheet(&self, selection: &Selection, client: &ClientArgs) -> Result<Option<Arc<Sheet>>> {
        // The stored description is enough.
        self.must_ask(selection, client)?;
        let mut known = self.sheets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sheet) = known.get(&selection.name) {
            return Ok(sheet.clone());
        }
        let made = match selection.turns.as_slice() {
            [] => self.sheet_of(selection, client)?,
            members => Some(self.sheet_in_turn(members, client)?),
        };
        let made = made.map(Arc::new);
        known.insert(selection.name.clone(), made.clone());
        Ok(made)
    }

    /// The calls of one function.
    pub(crate) fn sheet_of(&self, selection: &Selection, client: &ClientArgs) -> Result<Option<Sheet>> {
        let request = calls::SheetRequest {
            given: self.given.as_ref(),
            client,
            config: self.config_of(&selection.name),
            simulated: self.simulated,
            // What takes turns is declared, and what is compared with that has the same calls.
            declare_built_in: client.load.is_some() || !self.interleave.is_empty(),
            reflected: self.reflected(selection),
        };
        calls::sheet(&self.compose, selection, request)
    }

    /// Whether the function itself must give its calls' schema, and has not yet. A stored schema is used.
    pub fn must_ask(&self, selection: &Selection, client: &ClientArgs) -> Result<bool> {
        // Of functions that take turns each is asked by itself.
        if client.client.is_some()
            || selection.relay
            || !selection.turns.is_empty()
            || !selection.service.hints.wants_reflection()
        {
            return Ok(false);
        }
        if self.reflected(selection).is_some() {
            return Ok(false);
        }
        let kept = described::kept(selection, &store(&self.resources)?, &self.resources)?;
        match kept.and_then(|described| described.schema(&selection.name).ok()) {
            Some(schema) => self.learn(selection, schema),
            None => return Ok(true),
        }
        Ok(false)
    }

    /// Records a function's schema.
    pub fn learn(&self, selection: &Selection, schema: Schema) {
        self.schemas.lock().unwrap_or_else(PoisonError::into_inner).insert(selection.name.clone(), schema);
    }

    fn reflected(&self, selection: &Selection) -> Option<Schema> {
        self.schemas.lock().unwrap_or_else(PoisonError::into_inner).get(&selection.name).cloned()
    }

    /// Refuses functions that the lean guest does not support, before a machine starts: the functions are not at fault.
    pub fn lean_can(&self, names: &[String]) -> Result<()> {
        for name in names {
            lean_parts(&self.compose, &*self.selection(name)?)?;
        }
        Ok(())
    }

    /// All functions of the compose file.
    fn callable(&self) -> Result<Vec<String>> {
        let names: Vec<String> = self.compose.functions()?.into_iter().map(str::to_owned).collect();
        if names.is_empty() {
            return Err(Error::nothing_to_run(format!("{}: no service declares calls", self.compose.path.display()))
                .hint("declare its calls with `x-futon`; docs/calls.md explains it"));
        }
        Ok(names)
    }

    fn listed(&self, list: Option<&Path>) -> Result<Vec<String>> {
        let beside = self.compose.path.with_file_name("functions.list");
        let path = list.unwrap_or(&beside);
        let names = parse_list(&read_text(path, "name functions on the command line, or a list with --list FILE")?);
        if names.is_empty() {
            return Err(Error::nothing_to_run(format!("no function is selected: {} lists none", path.display()))
                .hint("name functions on the command line, or uncomment a line of the list"));
        }
        Ok(names)
    }

    /// Makes the working directory of a run that finds out what a function offers.
    pub fn describing_directory(
        &self,
        name: &str,
        dir: &Path,
        prepared: &Prepared,
        resources: &Path,
        store: &Arc<ImageStore>,
    ) -> Result<WorkDir> {
        // Another's script knows nothing of it.
        let template = own_template(prepared);
        let (plan, selection) = self.describing_plan(name, prepared, Some(store))?;
        self.directory(plan, &selection, template, None, dir, prepared, resources, Some(store))
    }

    /// Makes the working directory of one function.
    pub fn working_directory(
        &self,
        name: &str,
        dir: &Path,
        client: &ClientArgs,
        prepared: &Prepared,
        resources: &Path,
        store: Option<&Arc<ImageStore>>,
    ) -> Result<WorkDir> {
        let (plan, selection) = self.plan(name, client, prepared, store)?;
        self.check_template(&plan, &selection)?;
        let sheet = self.sheet(&selection, client)?;
        let template = self.template(prepared);
        self.directory(plan, &selection, template, sheet.as_deref(), dir, prepared, resources, store)
    }

    #[allow(clippy::too_many_arguments, reason = "what the two kinds of runs have in common")]
    fn directory(
        &self,
        mut plan: Plan,
        selection: &Selection,
        template: &str,
        sheet: Option<&Sheet>,
        dir: &Path,
        prepared: &Prepared,
        resources: &Path,
        store: Option<&Arc<ImageStore>>,
    ) -> Result<WorkDir> {
        let planned = plan.clone();
        let bundle = match (&prepared.seccomp, store) {
            (Some(profile), Some(store)) => {
                let cpus = (super::machine::function_cpus(&self.config), self.config.machine.vcpus());
                Some(bundle(&self.compose, selection, store, profile, cpus)?)
            }
            _ => None,
        };
        if let (Some(bundle), Some(client)) = (&bundle, &mut plan.client) {
            // There is no engine to publish the port: the client connects to the container itself.
            let own_port = container_port(selection, store.map(Arc::as_ref))?;
            let (address, port) = bundle.function_address(own_port);
            (client.address, client.port, client.find) = (address.to_string(), port, None);
            for member in &mut client.turns {
                member.address = bundle.address(&member.container).map(|address| address.to_string());
            }
            for container in &bundle.containers {
                for key in &container.settings.unknown {
                    plan.remarks
                        .push(format!("service {}: `{key}` has no effect in the lean guest", container.service));
                }
            }
        }
        // A run that only looks has no result to keep.
        let describes = plan.client.as_ref().is_some_and(|client| client.describes);
        let cell = if describes { None } else { Some(self.cell_of(&planned, selection, sheet, prepared)?) };
        let contents = Contents {
            plan: &plan,
            template,
            compose: Some(&selection.compose),
            engine: Some(&selection.engine),
            // The lean guest's bundle contains the files.
            handover: bundle.is_none().then_some(&selection.handover),
            tools: &tools(resources),
            files: &self.files,
            bundle: bundle.as_ref(),
            registry: store.map(Arc::as_ref).filter(|_| carries_registry(&plan)),
            sheet,
            cell: cell.as_ref(),
        };
        if let (true, Err(why)) = (carries_registry(&plan), &selection.engine) {
            return Err(Error::usage(format!(
                "{}: only `docker compose` can start it ({why}), which gem5's guests do not run",
                plan.function
            ))
            .hint("use --on qemu, or --base lean"));
        }
        WorkDir::create(dir, &contents)
    }

    /// A user's template made from an older one of futon may lack something that this function needs.
    fn check_template(&self, plan: &Plan, selection: &Selection) -> Result<()> {
        let Some((path, text)) = &self.template else { return Ok(()) };
        if plan.script == ScriptKind::Foreign || plan.machine.base == Base::Lean {
            return Ok(());
        }
        let found = plan.client.as_ref().is_some_and(|client| client.find.is_some());
        let declared = plan.client.as_ref().is_some_and(|client| client.declared.is_some());
        let probed = plan.client.as_ref().is_some_and(|client| !client.probe.is_default());
        for (needed, name, what) in [
            (!selection.handover.is_empty(), "HANDOVER", "needs files from the host"),
            (found, "FIND", "has a port that only the engine knows"),
            (declared, "REPORT", "declares its calls"),
            (probed, "PROBE", "declares when it is ready"),
            (!selection.turns.is_empty(), "TURNS", "is called in turn with others"),
        ] {
            if needed && !text.contains(name) {
                let (file, function) = (path.display(), &plan.function);
                return Err(Error::usage(format!("{file}: {function} {what}, and the template does not use ${name}"))
                    .hint("see how futon's own template, test/run_test.template.sh, uses it"));
            }
        }
        Ok(())
    }

    /// The run script's template: the user's, else the base's own.
    pub(crate) fn template(&self, prepared: &Prepared) -> &str {
        self.template.as_ref().map_or_else(|| own_template(prepared), |(_, text)| text.as_str())
    }

    /// The plan of one function, as far as it does not depend on where its files are.
    pub fn plan(
        &self,
        name: &str,
        client: &ClientArgs,
        prepared: &Prepared,
        store: Option<&Arc<ImageStore>>,
    ) -> Result<(Plan, Arc<Selection>)> {
        let selection = self.selection(name)?;
        let template = self.template(prepared);
        // A script that reports with the token must follow futon's steps, whoever wrote it.
        let script =
            if template.contains(futon_model::TOKEN_PLACEHOLDER) { ScriptKind::Own } else { ScriptKind::Foreign };
        let sheet = self.sheet(&selection, client)?;
        let request = PlanRequest {
            client: client.client.as_deref(),
            seed: client.seed,
            sheet: sheet.as_deref(),
            load: client.load.as_ref(),
            ..self.request(&selection.name, prepared, store, script)
        };
        let mut plan = function_plan(&selection, &request)?;
        if sheet.is_some() && self.reflected(&selection).is_some() {
            plan.remarks.push("schema: by reflection".to_owned());
        }
        Ok((plan, selection))
    }

    /// The plan of a run that calls nothing and finds out what a function offers.
    pub fn describing_plan(
        &self,
        name: &str,
        prepared: &Prepared,
        store: Option<&Arc<ImageStore>>,
    ) -> Result<(Plan, Arc<Selection>)> {
        let selection = self.selection(name)?;
        let request =
            PlanRequest { describes: true, ..self.request(&selection.name, prepared, store, ScriptKind::Own) };
        Ok((function_plan(&selection, &request)?, selection))
    }

    fn request<'a>(
        &'a self,
        function: &str,
        prepared: &Prepared,
        store: Option<&'a Arc<ImageStore>>,
        script: ScriptKind,
    ) -> PlanRequest<'a> {
        let (config, machine) = (self.config_of(function), prepared.machine.report());
        PlanRequest { store: store.map(Arc::as_ref), ..PlanRequest::new(config, machine, prepared.base, script) }
    }
}

/// Whether the guest has an engine and no network to pull by.
fn carries_registry(plan: &Plan) -> bool {
    plan.machine.kind == MachineKind::Gem5 && plan.machine.base == Base::Docker
}

/// futon's own template of a base's run script.
fn own_template(prepared: &Prepared) -> &'static str {
    match prepared.base {
        Base::Docker => DEFAULT_TEMPLATE,
        Base::Lean => LEAN_TEMPLATE,
    }
}

/// The image store as this machine's processor sees it.
pub fn store_for(resources: &Path, prepared: &Prepared) -> Result<ImageStore> {
    Ok(store(resources)?.for_processor(processor_level(&prepared.machine.report())))
}

/// futon's own files for the guest, whose names users must not use: the verdict relies on them.
const OURS: [&str; 9] = [
    "run.sh",
    "run.env",
    "calls.bin",
    "functions.yaml",
    "service.json",
    "bundle.tar",
    "files.tar",
    "futon-guest",
    "test-client",
];
