//! The parts of a run, in order: which checkpoints there are decides which processes are needed.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futon_common::{Context, Error, Result, sha256_bytes, sha256_file};
use futon_machine::console::alarm_on;
use futon_model::{Code, EventKind, Outcome, PhaseReport, Plan, ShutdownReason};

use super::args::{CHECKPOINT, Phase, Restore, Start, kernel_command_line};
use super::channel::{EVENTS, guest_files};
use super::checkpoint::{BASE, CheckpointStore, Ingredients, Stored};
use super::diagnose::{Ending, Failure};
use super::session::{self, CONSOLE, Finished, Shared};
use super::settings::{Gem5Settings, Goal};
use super::stage::Purpose;
use super::{Seed, payload, script, stage, stalled};

/// A run that is made.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) settings: Gem5Settings,
    pub(super) plan: Plan,
    /// The declared calls.
    pub(super) sheet: Option<calls::Sheet>,
    pub(super) seed: Seed,
    /// Folder of everything of gem5's in this run.
    pub(super) folder: PathBuf,
    pub(super) uploads: PathBuf,
    pub(super) payload: PathBuf,
    pub(super) shared: Shared,
    /// Folder of the base from which the stage goes on.
    pub(super) base: Option<PathBuf>,
}

/// What came of a run.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    pub(super) phases: Vec<PhaseReport>,
    pub(super) parked: Option<String>,
    pub(super) function: Option<String>,
    /// The process whose statistics count.
    pub(super) measured: Option<Finished>,
}

impl Run {
    /// Makes the run; reports its end as events.
    pub(super) async fn make(&mut self) -> Result<Outcomes> {
        let mut outcomes = Outcomes::default();
        if self.settings.stage.is_some() {
            return self.staged(outcomes).await;
        }
        let restore = if self.settings.cold {
            Restore::PowerOn
        } else {
            match self.parked(&mut outcomes).await? {
                Some(restore) => restore,
                None => return Ok(outcomes),
            }
        };
        if !self.settings.has_region_of_interest() || self.settings.cold {
            self.last(Phase::Run, &restore, &[], &mut outcomes).await?;
            return Ok(outcomes);
        }
        let mut ingredients = Ingredients::default();
        ingredients.add("parked", outcomes.parked.clone().unwrap_or_default());
        ingredients.add("payload", sha256_file(&self.payload)?);
        let making = Making { phase: Phase::Setup, from: &restore, ingredients: &ingredients };
        let made = self.function(&making, &mut outcomes).await?;
        self.evaluated(made, outcomes).await
    }

    /// The run whose guest is prepared in QEMU.
    async fn staged(&mut self, mut outcomes: Outcomes) -> Result<Outcomes> {
        let template = template_ingredients(&self.settings)?;
        let base = self.settings.root_image.is_some().then(|| base_ingredients(&self.settings)).transpose()?;
        let ingredients = staged_ingredients(&self.settings, &template.key(), base.as_ref(), &self.payload)?;
        let stored = self.settings.goal == Goal::Evaluate;
        let from =
            if stored { Some(Restore::PowerOn) } else { self.kept(Phase::Template, &template, &mut outcomes).await? };
        let Some(from) = from else { return Ok(outcomes) };
        if let (Some(base), false) = (&base, stored) {
            match self.kept(Phase::Base, base, &mut outcomes).await? {
                Some(Restore::Checkpoint(folder)) => self.base = Some(folder),
                _ => return Ok(outcomes),
            }
        }
        let making = Making { phase: Phase::Stage, from: &from, ingredients: &ingredients };
        let made = self.function(&making, &mut outcomes).await?;
        self.evaluated(made, outcomes).await
    }

    /// From the function's checkpoint to the end.
    async fn evaluated(
        &mut self,
        made: Option<(Restore, Vec<(String, PathBuf)>)>,
        mut outcomes: Outcomes,
    ) -> Result<Outcomes> {
        let Some((restore, with)) = made else { return Ok(outcomes) };
        if self.settings.goal == Goal::Setup {
            self.end(&Ending::CheckpointWritten, None);
            return Ok(outcomes);
        }
        // The restored guest has read it already.
        payload::take_back(&self.payload).context(|| "cannot remove the payload".into())?;
        self.last(Phase::Evaluate, &restore, &with, &mut outcomes).await?;
        Ok(outcomes)
    }

    /// The parked guest's checkpoint: found, or made.
    async fn parked(&mut self, outcomes: &mut Outcomes) -> Result<Option<Restore>> {
        let ingredients = parked_ingredients(&self.settings)?;
        outcomes.parked = Some(ingredients.key());
        self.kept(Phase::Boot, &ingredients, outcomes).await
    }

    /// A checkpoint that depends on no function: found, or made.
    async fn kept(
        &mut self,
        phase: Phase,
        ingredients: &Ingredients,
        outcomes: &mut Outcomes,
    ) -> Result<Option<Restore>> {
        let key = ingredients.key();
        let store = self.settings.checkpoints();
        // Somebody else may be making it: worth waiting for.
        let (locking, locked) = (store.clone(), key.clone());
        let lock = tokio::task::spawn_blocking(move || locking.lock(&locked))
            .await
            .context(|| "waiting for the checkpoint was interrupted".into())??;
        let folder = store.folder(&key);
        let found = match self.found(&store, &key) {
            Ok(found) => found,
            Err(failure) => {
                self.end(&Ending::Failed(failure), None);
                return Ok(None);
            }
        };
        if found.is_some() {
            return Ok(Some(Restore::Checkpoint(folder)));
        }
        let made = self.process(phase, &Restore::PowerOn, &[], outcomes).await?;
        let Some(finished) = made else { return Ok(None) };
        if self.keep(&store, &finished, ingredients, &[]).is_none() {
            return Ok(None);
        }
        drop(lock);
        Ok(Some(Restore::Checkpoint(folder)))
    }

    /// The function's checkpoint, and the guest's files that belong to it.
    async fn function(
        &mut self,
        making: &Making<'_>,
        outcomes: &mut Outcomes,
    ) -> Result<Option<(Restore, Vec<(String, PathBuf)>)>> {
        let key = making.ingredients.key();
        let store = self.settings.checkpoints();
        let folder = store.folder(&key);
        if self.settings.goal == Goal::Evaluate {
            let stored = match self.found(&store, &key) {
                Ok(Some(stored)) => stored,
                Ok(None) => {
                    return Err(Error::usage(format!(
                        "there is no checkpoint of {} for these settings",
                        self.plan.function
                    ))
                    .hint("`futon setup` with the same options makes it"));
                }
                Err(failure) => {
                    self.end(&Ending::Failed(failure), None);
                    return Ok(None);
                }
            };
            outcomes.function = Some(key);
            let with = stored.with(&folder);
            self.recall(&with, false);
            return Ok(Some((Restore::Checkpoint(folder), with)));
        }
        let made = self.process(making.phase, making.from, &[], outcomes).await?;
        let Some(finished) = made else { return Ok(None) };
        let files: Vec<(String, PathBuf)> =
            guest_files(&finished.outdir).into_iter().map(|name| (name.clone(), finished.outdir.join(name))).collect();
        let Some(stored) = self.keep(&store, &finished, making.ingredients, &files) else { return Ok(None) };
        outcomes.function = Some(key);
        let with = stored.with(&folder);
        self.recall(&with, true);
        Ok(Some((Restore::Checkpoint(folder), with)))
    }

    fn recall(&mut self, with: &[(String, PathBuf)], live: bool) {
        if let Some((_, path)) = with.iter().find(|(name, _)| name == EVENTS) {
            self.shared.channel.restored(path, live);
        }
    }

    /// The process that ends with the guest.
    async fn last(
        &mut self,
        phase: Phase,
        restore: &Restore,
        with: &[(String, PathBuf)],
        outcomes: &mut Outcomes,
    ) -> Result<()> {
        if let Some(finished) = self.process(phase, restore, with, outcomes).await? {
            // An unexpected checkpoint: the process has ended anyway.
            self.end(&finished.ending, Some(&finished));
        }
        Ok(())
    }

    /// Runs one process. It is given back when it has reached its checkpoint; everything else ends the run.
    async fn process(
        &mut self,
        phase: Phase,
        restore: &Restore,
        with: &[(String, PathBuf)],
        outcomes: &mut Outcomes,
    ) -> Result<Option<Finished>> {
        let from = match restore {
            Restore::PowerOn if phase == Phase::Base => "power-on, in QEMU".to_owned(),
            Restore::PowerOn => "power-on".to_owned(),
            // What it starts from is a frame, and no state.
            Restore::Checkpoint(_) if phase == Phase::Stage => match &self.base {
                Some(base) => {
                    format!("base {}, in QEMU", base.file_name().unwrap_or_default().to_string_lossy())
                }
                None => "power-on, in QEMU".to_owned(),
            },
            Restore::Checkpoint(folder) => {
                format!("checkpoint {}", folder.file_name().unwrap_or_default().to_string_lossy())
            }
        };
        let _ = self.shared.events.send(EventKind::SimulationPhase { phase: phase.name().into(), from });
        let mut finished = self.attempt(phase, restore, with, None).await?;
        if phase == Phase::Evaluate && stalled::may_try_again(&finished, with) && !self.shared.cancel.is_cancelled() {
            outcomes.phases.push(stalled::set_aside(&finished, &self.folder, &self.shared)?);
            self.recall(with, true);
            finished = self.attempt(phase, restore, with, Some(stalled::DRAIN_AT)).await?;
        }
        outcomes.phases.push(finished.report.clone());
        if finished.ending == Ending::CheckpointWritten && !self.shared.cancel.is_cancelled() {
            return Ok(Some(finished));
        }
        if !phase.is_of_all() {
            for event in self.shared.channel.collect(&finished.outdir, &self.uploads) {
                let _ = self.shared.events.send(event);
            }
        }
        self.end(&finished.ending, Some(&finished));
        outcomes.measured = Some(finished);
        Ok(None)
    }

    /// Runs one process, whatever comes of it.
    async fn attempt(
        &mut self,
        phase: Phase,
        restore: &Restore,
        with: &[(String, PathBuf)],
        drain_at: Option<Duration>,
    ) -> Result<Finished> {
        let folder = self.folder.join(phase.name());
        let config = self.folder.join("config");
        let of_client = || self.plan.client.as_ref().map_or(0, |c| c.invocations);
        let work_items = self.settings.work_items.unwrap_or_else(of_client);
        let settings = self.settings_of(phase, &folder)?;
        let start = Start {
            settings: &settings,
            phase,
            restore,
            folder: &folder,
            config: &config,
            payload: (!phase.is_of_all()).then_some(self.payload.as_path()),
            work_items,
            seed: &self.seed,
            drain_at,
        };
        let outdir = start.outdir();
        fs::create_dir_all(&outdir).context(|| format!("cannot make {}", outdir.display()))?;
        for (name, path) in with {
            // A restored guest opens these at their ends: they must be there.
            fs::copy(path, outdir.join(name)).context(|| format!("cannot copy {}", path.display()))?;
        }
        match (phase, restore) {
            (Phase::Stage, Restore::Checkpoint(template)) => {
                let purpose = Purpose::Function { template, base: self.base.as_deref() };
                stage::run(&start, purpose, &mut self.shared).await
            }
            (Phase::Base, _) => stage::run(&start, Purpose::Base, &mut self.shared).await,
            _ => session::run(&start, &mut self.shared).await,
        }
    }

    /// A part's own settings: a template is made by a kernel of its own, in little memory.
    fn settings_of(&self, phase: Phase, folder: &Path) -> Result<Gem5Settings> {
        if phase != Phase::Template {
            return Ok(self.settings.clone());
        }
        fs::create_dir_all(folder).context(|| format!("cannot make {}", folder.display()))?;
        let kernel = folder.join("kernel");
        fs::write(&kernel, qemu_to_gem5::boot::template_kernel())
            .context(|| format!("cannot write {}", kernel.display()))?;
        Ok(Gem5Settings { kernel, initrd: None, root_image: None, memory_mib: TEMPLATE_MIB, ..self.settings.clone() })
    }

    fn found(&self, store: &CheckpointStore, key: &str) -> Result<Option<Stored>, Failure> {
        store.find(key).map_err(|e| {
            Failure::new(Outcome::Infra, Code::BadResource, e.to_string(), e.hint_text().unwrap_or_default())
        })
    }

    /// Takes a finished process's checkpoint into the store; says what prevents it.
    fn keep(
        &mut self,
        store: &CheckpointStore,
        finished: &Finished,
        ingredients: &Ingredients,
        files: &[(String, PathBuf)],
    ) -> Option<Stored> {
        if let Some(line) = alarm_on(&finished.outdir.join(CONSOLE)) {
            let failure = Failure::new(
                Outcome::Crashed,
                Code::GuestOops,
                line,
                "the checkpoint is not kept, because this kernel is in it",
            );
            self.end(&Ending::Failed(failure), Some(finished));
            return None;
        }
        let written = finished.outdir.join(CHECKPOINT);
        let insts = finished.report.insts.unwrap_or(0);
        let tick = finished.report.final_tick.unwrap_or(0);
        match store.keep(&written, ingredients, files, insts, tick) {
            Ok(stored) => {
                // It is in the store now.
                let _ = fs::remove_dir_all(&written);
                Some(stored)
            }
            Err(e) => {
                let why = format!("the checkpoint could not be stored: {e}");
                let help = "free disk space for the resources";
                let failure = Failure::new(Outcome::Infra, Code::HostDiskFull, why, help);
                self.end(&Ending::Failed(failure), Some(finished));
                None
            }
        }
    }

    /// Reports how the run ended; the machine reports [`EventKind::MachineExited`] last.
    fn end(&mut self, ending: &Ending, finished: Option<&Finished>) {
        // The receiver goes away only when the run is over.
        let say = |event| drop(self.shared.events.send(event));
        match ending {
            Ending::GuestShutdown => say(EventKind::MachineShutdown { reason: ShutdownReason::GuestShutdown }),
            Ending::GuestReset => say(EventKind::MachineShutdown { reason: ShutdownReason::GuestReset }),
            Ending::Failed(f) => say(EventKind::MachineFailed {
                outcome: f.outcome,
                code: f.code,
                why: f.why.clone(),
                hint: f.hint.clone(),
            }),
            Ending::CheckpointWritten | Ending::Died => {}
        }
        let (status, signal, stderr) = match (ending, finished) {
            // What a guest's end looks like to gem5 (an abort, for a reset) is no death of the machine.
            (Ending::GuestShutdown | Ending::GuestReset, _) | (_, None) => (Some(0), None, String::new()),
            (_, Some(f)) => (f.ended.status, f.ended.signal, f.tail.clone()),
        };
        self.shared.exit = Some(EventKind::MachineExited { status, signal, stderr });
    }
}

/// Memory of the machine that writes a template, MiB; gem5's least. The template holds for any.
const TEMPLATE_MIB: u32 = 64;

/// How a function's checkpoint is made.
struct Making<'a> {
    phase: Phase,
    from: &'a Restore,
    ingredients: &'a Ingredients,
}

/// What shapes a template.
fn template_ingredients(s: &Gem5Settings) -> Result<Ingredients> {
    let mut i = Ingredients::default();
    i.add("kind", "template");
    i.add("kernel", sha256_bytes(qemu_to_gem5::boot::template_kernel()));
    i.add("cpus", s.cpus.to_string());
    of_the_simulator(&mut i, s)?;
    Ok(i)
}

/// What shapes a base from which stages go on.
fn base_ingredients(s: &Gem5Settings) -> Result<Ingredients> {
    let mut i = Ingredients::default();
    i.add("kind", BASE);
    // Its machine is as large for every payload.
    stage::add_ingredients(&mut i, s, Path::new(""))?;
    Ok(i)
}

/// What shapes a function's state that is staged.
fn staged_ingredients(
    s: &Gem5Settings,
    template: &str,
    base: Option<&Ingredients>,
    payload: &Path,
) -> Result<Ingredients> {
    let mut i = Ingredients::default();
    i.add("template", template);
    i.add("payload", sha256_file(payload)?);
    match base {
        // Its key holds all that shapes the machine.
        Some(base) => i.add("base", base.key()),
        None => stage::add_ingredients(&mut i, s, payload)?,
    }
    Ok(i)
}

/// What shapes the parked guest's state.
fn parked_ingredients(s: &Gem5Settings) -> Result<Ingredients> {
    let mut i = Ingredients::default();
    i.add("kernel", sha256_file(&s.kernel)?);
    if let Some(initrd) = &s.initrd {
        i.add("initrd", sha256_file(initrd)?);
    }
    if let Some(disk) = &s.disk {
        i.add("disk", sha256_file(disk)?);
    }
    i.add("cmdline", kernel_command_line(s));
    i.add("cpus", s.cpus.to_string());
    i.add("memory_mib", s.memory_mib.to_string());
    i.add("boot_core", s.boot_core.model().word());
    of_the_simulator(&mut i, s)?;
    Ok(i)
}

/// The simulator, and what of its configuration is in its checkpoints.
fn of_the_simulator(i: &mut Ingredients, s: &Gem5Settings) -> Result<()> {
    i.add("gem5", format!("{} {}", s.gem5.version, s.gem5.identity));
    i.add("config", sha256_bytes(script::state_shape(&s.config)?));
    for name in ["clock", "itlb.size", "dtlb.size"] {
        let given = s.params.iter().rev().find_map(|p| p.strip_prefix(name)?.strip_prefix('='));
        if let Some(value) = given {
            i.add(name, value);
        }
    }
    Ok(())
}
