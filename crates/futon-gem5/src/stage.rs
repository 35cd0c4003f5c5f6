//! The stage: the guest boots, starts its function and warms it up in QEMU, and stops the machine before the measured calls. What
//! QEMU saves becomes a checkpoint of gem5's, written over a template that the same gem5 made.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use futon_common::{Context, Error, Result, copy_data, sha256_bytes, sha256_file};
use futon_machine::console::follow;
use futon_machine::process::Ended;
use futon_model::{Code, EventKind, GuestEvent, Outcome, PhaseReport, ShutdownReason};
use futon_qemu::{Seen, StagingMachine, StagingQemu};
use futon_stage::host::{Outbox, length_for, write_window};
use qemu_to_gem5::{Checkpoint, Machine, RULES_VERSION, Stream, Target, boot, convert};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use super::args::{CHECKPOINT, Start, kernel_command_line, window_base};
use super::checkpoint::Ingredients;
use super::diagnose::{Ending, Failure};
use super::session::{CONSOLE, Finished, Shared, keep_console, last_lines, last_words, struck_failure, tail};
use super::settings::Gem5Settings;

/// Releases between which machines have been moved and measured. The description in QEMU's stream and the names in gem5's checkpoints
/// would have others refused, but only when the guest is prepared.
const TRIED_QEMU: &[&str] = &["7.2", "10.0"];
const TRIED_GEM5: &[&str] = &["24.0"];

/// Whether a machine has been moved from such a QEMU (its version line) to such a gem5 (its version); why not, if not.
///
/// # Errors
/// The reason, in words for people.
pub fn staging_is_tried_with(qemu: &str, gem5: &str) -> std::result::Result<(), String> {
    let of = |version: &str, tried: &[&str]| {
        let part_of =
            |tried: &&str| version.strip_prefix(tried).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        tried.iter().any(part_of)
    };
    let release = qemu.strip_prefix("QEMU emulator version ").unwrap_or(qemu).split(' ').next().unwrap_or_default();
    for (what, version, tried) in [("QEMU", release, TRIED_QEMU), ("gem5", gem5, TRIED_GEM5)] {
        if !of(version, tried) {
            let tried = tried.join(", ");
            return Err(format!(
                "no machine was moved with {what} {version} yet, only with {tried}; --boot-machine qemu tries it"
            ));
        }
    }
    Ok(())
}

/// The ROM maps the device that stops the machine where the guest looks for it.
const _: () = assert!(boot::STOP_ADDRESS == futon_stage::STOP);

/// How often the machine is looked at.
const PERIOD: Duration = Duration::from_millis(20);

/// How long a QEMU that does not answer may take to end.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Between the simulator's ticks: 1 GHz, the only clock at which QEMU counts (`-icount shift=0`).
pub(super) const PERIOD_PS: u64 = 1000;

/// The point that ends a workflow (`m5 fail -1`), and the largest one that does not tell of a failure: docs/gem5.md has the table.
const THE_END: i64 = -1;
const POINTS: [i64; 10] = [1, 2, 3, 4, 6, 10, 11, 20, 31, 32];

/// gem5's PC has devices from here on.
const HIGHEST: u64 = 3072 << 20;

/// Begins compressed files: gem5 reads its memory through zlib, which takes any other file as it is.
const GZIP: [u8; 2] = [0x1F, 0x8B];

const HINT: &str = "--boot-machine gem5 boots and warms up in gem5: slower, and without this step";

/// Where a staging machine's memory ends, bytes: behind the guest's own and the window.
fn end_of_memory(settings: &Gem5Settings, payload: &Path) -> Result<u64> {
    if settings.root_image.is_some() {
        // The state of a base fits every payload: what is not written takes no room.
        return Ok(HIGHEST);
    }
    least_end(settings, payload)
}

/// Where it must end at least.
fn least_end(settings: &Gem5Settings, payload: &Path) -> Result<u64> {
    let window = length_for(payload).context(|| format!("cannot read {}", payload.display()))?;
    Ok(window_base(settings) + window)
}

/// Whether guest and payload fit into a staging machine; why not, if they do not.
pub(super) fn too_large(settings: &Gem5Settings, payload: &Path) -> Result<Option<String>> {
    let end = least_end(settings, payload)?;
    Ok((end > HIGHEST).then(|| {
        format!(
            "{} MiB of memory and {} MiB for the image are more than the 3072 MiB of a staging machine",
            settings.memory_mib + settings.root_mib(),
            (end - window_base(settings)) >> 20
        )
    }))
}

/// Files of a staging machine in its folder.
fn machine(folder: &Path, outdir: &Path, settings: &Gem5Settings, payload: &Path) -> Result<StagingMachine> {
    let end = end_of_memory(settings, payload)?;
    Ok(StagingMachine {
        folder: folder.to_owned(),
        memory: folder.join("memory"),
        memory_mib: end >> 20,
        rom: folder.join("rom"),
        console: outdir.join(CONSOLE),
        vcpus: settings.cpus,
        stop_slot: boot::STOP_SLOT,
        goes_on: false,
    })
}

/// Adds what shapes the staged state, beside kernel, initramfs and payload.
pub(super) fn add_ingredients(i: &mut Ingredients, settings: &Gem5Settings, payload: &Path) -> Result<()> {
    i.add("memory_mib", settings.memory_mib.to_string());
    i.add("cpus", settings.cpus.to_string());
    i.add("kernel", sha256_file(&settings.kernel)?);
    if let Some(initrd) = &settings.initrd {
        i.add("initrd", sha256_file(initrd)?);
    }
    let (folder, outdir) = (Path::new("/stage"), Path::new("/stage/out"));
    i.add("qemu", settings.stage.clone().unwrap_or_default());
    i.add("machine", machine(folder, outdir, settings, payload)?.shape());
    i.add("cmdline", kernel_command_line(settings));
    if let Some(root) = &settings.root_image {
        i.add("root", &root.key);
    }
    i.add("rules", RULES_VERSION);
    i.add("rom", sha256_bytes(boot::rom(0, settings.cpus)));
    Ok(())
}

/// What a staging machine is for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose<'a> {
    /// A function's checkpoint, over a template's folder; the folder of a base from which the machine goes on.
    Function { template: &'a Path, base: Option<&'a Path> },
    /// A base: it boots until an engine waits for a function.
    Base,
}

/// Files of a base.
const BASE_MEMORY: &str = "memory";
const BASE_STATE: &str = "state";
const BASE_ROM: &str = "rom";

/// Runs the stage to its end. Its output folder must be there.
pub(super) async fn run(start: &Start<'_>, purpose: Purpose<'_>, shared: &mut Shared) -> Result<Finished> {
    let begin = Instant::now();
    let outdir = start.outdir();
    shared.watchdog.process(true, begin);
    let payload = match purpose {
        Purpose::Function { .. } => shared.payload.clone(),
        Purpose::Base => {
            let none = start.folder.join("payload");
            File::create(&none).context(|| format!("cannot write {}", none.display()))?;
            none
        }
    };
    let base = if let Purpose::Function { base, .. } = purpose { base } else { None };
    let mut staging = machine(start.folder, &outdir, start.settings, &payload)?;
    staging.goes_on = base.is_some();
    prepare(&staging, start.settings, &payload, base).await?;
    let mut qemu = staging.start().await?;
    if let Some(base) = base {
        let state = base.join(BASE_STATE);
        let file = File::open(&state).context(|| format!("cannot read {}", state.display()))?;
        if let Err(e) = qemu.go_on(file).await {
            qemu.end().await;
            return Err(e);
        }
    }
    let mut stage = Stage {
        outbox: Outbox::open(&staging.memory, window_base(start.settings), &outdir)
            .context(|| format!("cannot read {}", staging.memory.display()))?,
        outdir: outdir.clone(),
        console_size: 0,
        passed: false,
    };
    let alarms = CancellationToken::new();
    let follower = tokio::spawn(follow(staging.console.clone(), shared.events.clone(), alarms.clone()));
    let (ending, ended) = stage.until_it_stops(&mut qemu, shared).await;
    let (ending, ended, stopped_at) = match ending {
        Ending::CheckpointWritten => {
            let state = staging.folder.join("state");
            let file = File::create(&state).context(|| format!("cannot write {}", state.display()))?;
            let saved = qemu.save(file).await;
            qemu.end().await;
            let target = outdir.join(CHECKPOINT);
            let moved = match (saved, purpose) {
                (Ok(()), Purpose::Function { template, .. }) => {
                    move_over(&staging, &state, template, start.settings, target).await
                }
                (Ok(()), Purpose::Base) => keep_base(&staging, &state, &target).map(|()| 0),
                (Err(e), _) => Err(e),
            };
            match moved {
                Ok(ns) => (Ending::CheckpointWritten, Ended { status: Some(0), signal: None }, Some(ns)),
                Err(e) => (Ending::Failed(failed(&e)), Ended::default(), None),
            }
        }
        other => {
            qemu.end().await;
            (other, ended, None)
        }
    };
    shared.remarks.lock().unwrap_or_else(PoisonError::into_inner).append(&mut qemu.remarks);
    alarms.cancel();
    let _ = follower.await;
    keep_console(&staging.console, &shared.console);
    if stopped_at.is_none() {
        // As large as the guest's memory, and of no use to anybody.
        let _ = fs::remove_file(&staging.memory);
    }
    let seconds = |ns: u64| Duration::from_nanos(ns).as_secs_f64();
    let report = PhaseReport {
        name: start.phase.name().into(),
        host_s: (begin.elapsed().as_secs_f64() * 100.0).round() / 100.0,
        sim_s: stopped_at.map(seconds),
        insts: None,
        final_tick: stopped_at.map(|ns| ns.saturating_mul(PERIOD_PS)),
        insts_to_script: None,
    };
    let tail = last_lines(&tail(&staging.folder.join("qemu.log")), 10);
    Ok(Finished { ending, ended, events: Vec::new(), report, outdir, tail })
}

/// Puts a base's files together.
fn keep_base(staging: &StagingMachine, state: &Path, target: &Path) -> Result<()> {
    fs::create_dir_all(target).context(|| format!("cannot make {}", target.display()))?;
    for (from, name) in [(staging.memory.as_path(), BASE_MEMORY), (state, BASE_STATE), (&staging.rom, BASE_ROM)] {
        fs::rename(from, target.join(name)).context(|| format!("cannot write {}", target.join(name).display()))?;
    }
    Ok(())
}

/// Takes memory and ROM from a base.
fn go_on_from(base: &Path, staging: &StagingMachine) -> Result<File> {
    let failed = || format!("cannot write {}", staging.memory.display());
    let mut options = File::options();
    let memory = options.read(true).write(true).create(true).truncate(true).open(&staging.memory).context(failed)?;
    let length = copy_data(&base.join(BASE_MEMORY), &memory, 0)?;
    memory.set_len(length).context(failed)?;
    let rom = base.join(BASE_ROM);
    fs::copy(&rom, &staging.rom).context(|| format!("cannot copy {}", rom.display()))?;
    Ok(memory)
}

/// Writes the machine's memory and ROM.
async fn prepare(staging: &StagingMachine, settings: &Gem5Settings, payload: &Path, base: Option<&Path>) -> Result<()> {
    let (staging, settings, payload) = (staging.clone(), settings.clone(), payload.to_owned());
    let base = base.map(Path::to_owned);
    let writing = spawn_blocking(move || {
        if let Some(base) = base {
            let memory = go_on_from(&base, &staging)?;
            return write_window(&memory, window_base(&settings), &payload)
                .context(|| format!("cannot write {}", staging.memory.display()));
        }
        let read = |path: &Path| fs::read(path).context(|| format!("cannot read {}", path.display()));
        let kernel = read(&settings.kernel)?;
        let initrd = settings.initrd.as_deref().map(read).transpose()?;
        let initrds: Vec<&[u8]> = initrd.iter().map(Vec::as_slice).collect();
        let line = kernel_command_line(&settings);
        let guest = boot::Guest {
            kernel: &kernel,
            initrds: &initrds,
            command_line: &line,
            memory_mib: settings.memory_mib,
            persistent_mib: settings.root_mib(),
            // A distribution's kernel reads no MP table.
            acpi: settings.root_image.as_ref().map(|_| settings.cpus),
            file_mib: u32::try_from(staging.memory_mib).unwrap_or(u32::MAX),
        };
        let entry = boot::write_memory(&staging.memory, &guest).map_err(|e| Error::infra(e.to_string()).hint(HINT))?;
        let failed = || format!("cannot write {}", staging.memory.display());
        let memory = File::options().read(true).write(true).open(&staging.memory).context(failed)?;
        if let Some(root) = &settings.root_image {
            copy_data(&root.path, &memory, u64::from(settings.memory_mib) << 20)?;
        }
        write_window(&memory, window_base(&settings), &payload).context(failed)?;
        let failed = || format!("cannot write {}", staging.rom.display());
        fs::write(&staging.rom, boot::rom(entry, settings.cpus)).context(failed)
    });
    writing.await.context(|| "preparing the staging machine was interrupted".into())?
}

/// What the host hears of the guest while it is staged.
struct Stage {
    outbox: Outbox,
    outdir: PathBuf,
    console_size: u64,
    /// Whether the guest says that its workflow is done.
    passed: bool,
}

impl Stage {
    /// Hears the guest until it stops the machine (said by [`Ending::CheckpointWritten`]) or ends.
    async fn until_it_stops(&mut self, qemu: &mut StagingQemu, shared: &mut Shared) -> (Ending, Ended) {
        let ended = qemu.ended();
        tokio::pin!(ended);
        loop {
            let strike = shared.watchdog.next();
            let mut over = tokio::select! {
                biased;
                () = shared.cancel.cancelled() => return (Ending::Died, Ended::default()),
                ended = &mut ended => Some(ended),
                () = tokio::time::sleep_until(strike.at.into()) => {
                    let last = last_words(&self.outdir.join(CONSOLE));
                    return (Ending::Failed(struck_failure(&strike, &last)), Ended::default());
                }
                () = tokio::time::sleep(PERIOD) => None,
            };
            // What it wrote before it stopped is there when it has.
            let mut stopped = false;
            if over.is_none() {
                match qemu.look().await {
                    Ok(seen) => stopped = seen == Seen::Stopped,
                    // One that has just ended does not answer.
                    Err(e) => match tokio::time::timeout(LAST_WORDS, &mut ended).await {
                        Ok(ended) => over = Some(ended),
                        Err(_) => return (Ending::Failed(failed(&e)), Ended::default()),
                    },
                }
            }
            match self.hear(shared, over.is_some()) {
                Ok(None) => {}
                Ok(Some(ending)) => return (ending, over.unwrap_or_default()),
                Err(e) => {
                    return (
                        Ending::Failed(Failure::new(Outcome::Infra, Code::HostFailed, e.to_string(), "")),
                        Ended::default(),
                    );
                }
            }
            if let Some(ended) = over {
                let ending = match qemu.shutdown() {
                    Some(ShutdownReason::GuestReset) => Ending::GuestReset,
                    Some(ShutdownReason::GuestShutdown) => Ending::GuestShutdown,
                    _ => Ending::Died,
                };
                return (ending, ended);
            }
            if stopped {
                return (Ending::CheckpointWritten, Ended::default());
            }
        }
    }

    /// Takes what is new; says how the guest ended, if it says that it did.
    fn hear(&mut self, shared: &mut Shared, last: bool) -> io::Result<Option<Ending>> {
        let points = self.outbox.take()?;
        let mut alive = !points.is_empty();
        for event in shared.channel.poll(&self.outdir, last) {
            alive = true;
            self.passed |=
                matches!(event, EventKind::Guest { authentic: true, guest: GuestEvent::Finish { status: 0 } });
            // The receiver goes away only when the run is over.
            let _ = shared.events.send(event);
        }
        if shared.channel.script_seen() {
            shared.watchdog.booted();
        }
        let size = fs::metadata(self.outdir.join(CONSOLE)).map_or(0, |m| m.len());
        alive |= size != std::mem::replace(&mut self.console_size, size);
        if alive {
            shared.watchdog.sign_of_life(Instant::now());
        }
        Ok(points.into_iter().find_map(|point| self.end_by(point)))
    }

    fn end_by(&self, point: i64) -> Option<Ending> {
        match point {
            THE_END if self.passed => Some(Ending::Failed(Failure::new(
                Outcome::Infra,
                Code::StagingFailed,
                "the guest came to its end on the staging machine: nothing stopped it before the measured calls, and nothing was measured",
                HINT,
            ))),
            THE_END => Some(Ending::GuestShutdown),
            _ if POINTS.contains(&point) => None,
            _ => Some(Ending::Failed(Failure::new(
                Outcome::Failed,
                Code::StepFailed,
                format!("the guest reported failure {point} (m5 fail {point})"),
                "see results.log and the console; docs/gem5.md lists the codes that are not failures",
            ))),
        }
    }
}

/// Makes the checkpoint; returns the guest's time at the stop, nanoseconds.
async fn move_over(
    staging: &StagingMachine,
    state: &Path,
    template: &Path,
    settings: &Gem5Settings,
    target: PathBuf,
) -> Result<u64> {
    let (memory, state, template) = (staging.memory.clone(), state.to_owned(), template.join("m5.cpt"));
    let memory_bytes = window_base(settings);
    let cpus = settings.cpus;
    let moving = spawn_blocking(move || {
        let refused =
            |e: qemu_to_gem5::TransferError| Error::infra(format!("gem5 cannot take the machine over: {e}")).hint(HINT);
        let bytes = fs::read(&state).context(|| format!("cannot read {}", state.display()))?;
        let machine = Stream::parse(&bytes).and_then(|stream| Machine::from_stream(&stream, cpus)).map_err(refused)?;
        let text = fs::read_to_string(&template).context(|| format!("cannot read {}", template.display()))?;
        let target_machine = Target { cpus, period_ps: PERIOD_PS, memory_bytes };
        let checkpoint = Checkpoint::parse(&text)
            .and_then(|template| convert(&machine, &template, &target_machine))
            .map_err(refused)?;
        let name = checkpoint.memory_file().map_err(refused)?.to_owned();
        fs::create_dir_all(&target).context(|| format!("cannot make {}", target.display()))?;
        let file = target.join("m5.cpt");
        fs::write(&file, checkpoint.to_text()).context(|| format!("cannot write {}", file.display()))?;
        // The window is no memory of the simulated machine.
        let failed = || format!("cannot write {}", memory.display());
        let raw = File::options().read(true).write(true).open(&memory).context(failed)?;
        let mut first = [0; 2];
        raw.read_exact_at(&mut first, 0).context(failed)?;
        if first == GZIP {
            return Err(Error::infra("gem5 would take the guest's memory for a compressed file").hint(HINT));
        }
        raw.set_len(memory_bytes).context(failed)?;
        fs::rename(&memory, target.join(name)).context(failed)?;
        Ok(machine.stopped_at_ns())
    });
    moving.await.context(|| "moving the machine to gem5 was interrupted".into())?
}

fn failed(error: &Error) -> Failure {
    Failure::new(Outcome::Infra, Code::StagingFailed, error.to_string(), error.hint_text().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The simulator's driver goes on after the same points.
    #[test]
    fn the_points_are_those_of_the_driver() {
        let (_, driver) = crate::CONFIG_FILES.iter().find(|(name, _)| name.ends_with("drive.py")).unwrap();
        let list = POINTS.map(|point| point.to_string()).join(", ");
        assert!(driver.contains(&format!("\nPOINTS = ({list})\nTHE_END = {THE_END}\n")), "{list}");
    }

    #[test]
    fn only_releases_that_were_tried_are_staged_by_themselves() {
        let debian = "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)";
        assert_eq!(staging_is_tried_with(debian, "24.0.0.1"), Ok(()));
        for (qemu, gem5, named) in [
            ("QEMU emulator version 8.2.2 (Debian 1:8.2.2+ds-0ubuntu1)", "24.0.0.1", "QEMU 8.2.2"),
            ("QEMU emulator version 7.20.0", "24.0.0.1", "QEMU 7.20.0"),
            (debian, "24.1.0.0", "gem5 24.1.0.0"),
            (debian, "unknown", "gem5 unknown"),
        ] {
            let why = staging_is_tried_with(qemu, gem5).unwrap_err();
            assert!(why.contains(named) && why.contains("--boot-machine qemu"), "{why}");
        }
    }
}
