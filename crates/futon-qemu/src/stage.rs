//! A staging machine: QEMU as the machine that gem5 models, up to the moment at which gem5 takes over.
//!
//! It counts instructions: one is a nanosecond of the guest's time, and idle time is skipped. So a run can be repeated to the bit.
//! It has nothing that gem5 lacks: no network, no disk, no ACPI; firmware is a ROM that jumps into the kernel. Processor and
//! devices are described in docs/gem5.md.

use std::fs::File;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futon_common::{Context, Error, Result};
use futon_machine::process::{self, Ended, Guarded, Start};
use futon_machine::{Confinement, GuardArguments};
use futon_model::{EventKind, ShutdownReason};
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::args::{SANDBOX, escape};
use super::confine::qemus_own;
use super::host_core::Core;
use super::program::{QEMU, is_of_sandbox, last_lines};
use super::qmp::{self, Qmp};

/// Longest time to write the state of processors and devices, some tens of KiB.
const SAVE_LIMIT: Duration = Duration::from_secs(60);

/// How often the machine may go on because a processor was not idle when the guest stopped it.
const STOPS: u32 = 200;

/// What gem5's processor offers (X86ISA.py: leaves 1, 7 and 0x80000001), as far as QEMU has it, and nothing more: kernel and programs
/// choose their code by it once.
const CPU: &str = "base,vendor=HygonGenuine,family=15,model=37,stepping=1,level=0xd,xlevel=0x80000008,\
min-level=0,min-xlevel=0,phys-bits=40,+fpu,+de,+pse,+tsc,+msr,+pae,+mce,+cx8,+apic,+sep,+mtrr,+pge,+mca,+cmov,+pat,+pse36,+clflush,\
+acpi,+mmx,+fxsr,+sse,+sse2,+ss,+pni,+ssse3,+clflushopt,+clwb,+syscall,+nx,+mmxext,+rdtscp,+lm,+3dnowext,+3dnow,+lahf-lm,-hypervisor";

/// A staging machine, to be started.
#[derive(Debug, Clone)]
pub struct StagingMachine {
    /// Folder of QEMU's command line and output.
    pub folder: PathBuf,
    /// The file that is the machine's memory. It is there, and QEMU writes to it and to the console alone.
    pub memory: PathBuf,
    /// Its size, MiB.
    pub memory_mib: u64,
    /// The boot ROM.
    pub rom: PathBuf,
    /// Where the guest's console goes.
    pub console: PathBuf,
    /// Virtual processors.
    pub vcpus: u32,
    /// PCI slot of the device that stops the machine.
    pub stop_slot: u32,
    /// It goes on from a state that was saved ([`StagingQemu::go_on`]), and does not boot.
    pub goes_on: bool,
}

impl StagingMachine {
    /// QEMU's arguments, without the program's name. QMP is on descriptor 4.
    #[must_use]
    pub fn arguments(&self) -> Vec<String> {
        let file = |path: &Path| escape(path);
        let memory =
            format!("memory-backend-file,id=ram,size={}M,mem-path={},share=on", self.memory_mib, file(&self.memory));
        let cpus = format!("{},sockets={}", self.vcpus, self.vcpus);
        let words = [
            ["-name", "futon-stage"],
            ["-machine", "pc,acpi=off,hpet=off,usb=off,vmport=off,smm=off,memory-backend=ram"],
            ["-object", &memory],
            ["-m", &format!("{}M", self.memory_mib)],
            ["-smp", &cpus],
            // The guest knows the machine by this name.
            ["-cpu", &format!("{CPU},model-id={}", futon_stage::BRAND)],
            ["-bios", &self.rom.display().to_string()],
            // As gem5's: version 0x20 has a register more, which Linux would use.
            ["-global", "ioapic.version=0x11"],
            ["-global", "apic-common.vapic=off"],
            ["-display", "none"],
            ["-chardev", &format!("file,id=console0,path={}", file(&self.console))],
            ["-serial", "chardev:console0"],
            ["-chardev", "socket,id=qmp0,fd=4"],
            ["-mon", "chardev=qmp0,mode=control"],
            // gem5's power-on time.
            ["-rtc", "base=2026-01-01T00:00:00,clock=vm"],
            // The guest's write to the device of this name stops the machine in that very instruction.
            ["-action", "panic=pause,reboot=shutdown,shutdown=poweroff"],
            ["-icount", "shift=0,sleep=off"],
            ["-device", &format!("pvpanic-pci,addr={:#x},events=1", self.stop_slot)],
        ];
        let mut words: Vec<String> = words.iter().flatten().map(|word| (*word).to_owned()).collect();
        words.extend(["-nodefaults", "-no-user-config"].map(str::to_owned));
        if self.goes_on {
            words.extend(["-incoming", "defer"].map(str::to_owned));
        }
        words
    }

    /// The arguments as they are on every host, for the keys of what is staged.
    #[must_use]
    pub fn shape(&self) -> String {
        let bare = |file: &Path| file.file_name().map(PathBuf::from).unwrap_or_default();
        let (memory, rom, console) = (bare(&self.memory), bare(&self.rom), bare(&self.console));
        Self { memory, rom, console, ..self.clone() }.arguments().join(" ")
    }

    /// Starts it.
    ///
    /// # Errors
    /// When QEMU cannot be started.
    pub async fn start(&self) -> Result<StagingQemu> {
        match self.try_to_start(true).await? {
            Some(running) => Ok(running),
            None => self.try_to_start(false).await?.ok_or_else(|| Error::infra("QEMU ended when it began")),
        }
    }

    /// Nothing where QEMU cannot filter its own system calls.
    async fn try_to_start(&self, sandbox: bool) -> Result<Option<StagingQemu>> {
        let (ours, theirs) = UnixStream::pair().context(|| "cannot make a socket pair".into())?;
        let mut command = vec![QEMU.to_owned()];
        command.extend(self.arguments());
        if sandbox {
            command.extend(["-sandbox".to_owned(), SANDBOX.to_owned()]);
        }
        process::record_command(&self.folder.join("qemu.command"), &command)?;
        let log = self.folder.join("qemu.log");
        // The rule for a file needs the file. A folder is not among them: QEMU makes no file, and no link to one.
        File::create(&self.console).context(|| format!("cannot write {}", self.console.display()))?;
        let confinement = Confinement {
            write: vec![self.memory.clone(), self.console.clone()],
            read: Some([vec![self.rom.clone()], qemus_own()].concat()),
            // It has no network card.
            connect: Some(Vec::new()),
            best_effort: true,
        };
        let arguments =
            GuardArguments { log: log.clone(), command, confinement: Some(confinement), ..GuardArguments::default() };
        let mut guarded = match process::start(arguments, vec![theirs.into()]).await? {
            Start::Running(guarded) => *guarded,
            Start::Refused(why) => return Err(Error::infra(format!("cannot start {QEMU}: {why}"))),
        };
        ours.set_nonblocking(true).context(|| "cannot set up QMP's socket".into())?;
        let ours = tokio::net::UnixStream::from_std(ours).context(|| "cannot set up QMP's socket".into())?;
        let (said, heard) = unbounded_channel();
        let (mut qmp, _) = qmp::connect(ours, said);
        if let Err(e) = qmp.negotiate().await {
            guarded.end().await;
            let said = last_lines(&log, 1);
            if sandbox && is_of_sandbox(&said) {
                return Ok(None);
            }
            return Err(if said.is_empty() { e } else { Error::infra(format!("{QEMU}: {said}")) });
        }
        let mut remarks = Vec::new();
        if let Some(why) = guarded.unconfined.take() {
            remarks.push(format!("the staging QEMU is not confined to its own files: {why}"));
        }
        if !sandbox {
            remarks.push("the staging QEMU does not filter its system calls: this QEMU cannot".to_owned());
        }
        let core = match one_core(&mut qmp, guarded.pid).await {
            Ok(core) => Some(core),
            Err(why) => {
                remarks.push(format!(
                    "the staging QEMU's threads cannot be kept on one processor, so a second run of this seed may come to another \
                     state: {why}"
                ));
                None
            }
        };
        Ok(Some(StagingQemu { guarded, qmp, heard, _core: core, stops: 0, again: 0, remarks }))
    }
}

/// A staging machine that runs.
#[derive(Debug)]
pub struct StagingQemu {
    guarded: Guarded,
    qmp: Qmp,
    heard: UnboundedReceiver<EventKind>,
    /// The host's processor that it runs on, where it keeps to one.
    _core: Option<Core>,
    /// The stops that were looked at.
    stops: u64,
    again: u32,
    /// Remarks on how it was started, for the report.
    pub remarks: Vec<String>,
}

/// What a look at the machine shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// It runs.
    Running,
    /// The guest has stopped it, and the other processors are idle.
    Stopped,
}

impl StagingQemu {
    /// Waits for the process's end in the background; at most once.
    pub fn ended(&mut self) -> impl Future<Output = Ended> + Send + 'static {
        self.guarded.ended()
    }

    /// Looks whether the guest has stopped the machine. QEMU stops the processor that asks for it at once, and the others a little
    /// later: if one of them was not idle, the state would depend on the host's load, and so the machine goes on. The guest then stops
    /// it again.
    ///
    /// A machine that runs is asked nothing: QEMU's main loop, awake at a moment of the host's choice, may deliver a timer's interrupt in
    /// place of the processors' thread, and then the processors take turns in another order.
    ///
    /// # Errors
    /// When QEMU does not answer, or the other processors never rest.
    pub async fn look(&mut self) -> Result<Seen> {
        let stops = self.qmp.stops();
        if stops == std::mem::replace(&mut self.stops, stops) {
            return Ok(Seen::Running);
        }
        let status = self.qmp.execute("query-status", &json!({})).await?;
        if status.get("running").and_then(Value::as_bool) == Some(true)
            || status.get("status").and_then(Value::as_str) != Some("guest-panicked")
        {
            return Ok(Seen::Running);
        }
        let registers = json!({ "command-line": "info registers -a" });
        let registers = self.qmp.execute("human-monitor-command", &registers).await?;
        if others_are_halted(registers.as_str().unwrap_or_default()) {
            return Ok(Seen::Stopped);
        }
        if self.again == STOPS {
            return Err(Error::infra(format!(
                "the guest stopped the staging machine {STOPS} times, and never with its other processors idle"
            ))
            .hint(
                "does the function compute without pause between calls? --boot-machine gem5 does not need the pause",
            ));
        }
        if self.again == 0 {
            self.remarks.push(
                "another processor computed when the guest stopped the staging machine: a second run of this seed may come to \
                 another state"
                    .to_owned(),
            );
        }
        self.again += 1;
        self.qmp.execute("cont", &json!({})).await?;
        Ok(Seen::Running)
    }

    /// Has a machine that waits go on from a state, whose memory is the machine's own already.
    ///
    /// # Errors
    /// When QEMU does not take the state.
    pub async fn go_on(&mut self, from: File) -> Result<()> {
        self.qmp.ignore_shared_memory().await?;
        self.qmp.load_state(from, SAVE_LIMIT).await?;
        self.qmp.execute("cont", &json!({})).await.map(|_| ())
    }

    /// Writes the stopped machine's state, without its memory.
    ///
    /// # Errors
    /// When QEMU cannot, or the file cannot be written.
    pub async fn save(&mut self, to: File) -> Result<()> {
        self.qmp.ignore_shared_memory().await?;
        self.qmp.save_state(to, SAVE_LIMIT).await
    }

    /// Why the guest has ended the machine, where it has.
    pub fn shutdown(&mut self) -> Option<ShutdownReason> {
        while let Ok(event) = self.heard.try_recv() {
            if let EventKind::MachineShutdown { reason } = event {
                return Some(reason);
            }
        }
        None
    }

    /// Ends it.
    pub async fn end(&mut self) {
        self.guarded.end().await;
    }
}

/// Puts the threads of a staging QEMU onto one processor of the host's ([`super::host_core`]).
async fn one_core(qmp: &mut Qmp, pid: i32) -> Result<Core> {
    let processors = qmp.execute("query-cpus-fast", &json!({})).await?;
    // One thread plays them all.
    let thread = processors.pointer("/0/thread-id").and_then(Value::as_i64).and_then(|id| i32::try_from(id).ok());
    let thread = thread.ok_or_else(|| Error::infra("QEMU does not say which thread plays the processors"))?;
    Core::take(pid, thread).context(|| "the system refuses it".into())
}

/// Whether all processors but the first are halted, in the monitor's words.
fn others_are_halted(registers: &str) -> bool {
    let halted: Vec<&str> = registers.split("HLT=").skip(1).filter_map(|rest| rest.get(..1)).collect();
    !halted.is_empty() && halted.iter().skip(1).all(|flag| *flag == "1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_processor_may_run_and_no_other() {
        let registers = |flags: &[&str]| -> String {
            flags.iter().map(|flag| format!("CPU#0\nRAX=0 II=0 A20=1 SMM=0 HLT={flag}\nES=0")).collect()
        };
        assert!(others_are_halted(&registers(&["0", "1"])) && others_are_halted(&registers(&["0"])));
        assert!(others_are_halted(&registers(&["1", "1", "1"])));
        assert!(!others_are_halted(&registers(&["0", "1", "0"])) && !others_are_halted(""));
    }

    #[test]
    fn its_shape_does_not_depend_on_the_folder() {
        let shape = |folder: &str| {
            let file = |name| PathBuf::from(folder).join(name);
            let (memory, rom, console) = (file("mem"), file("rom"), file("console"));
            let folder = folder.into();
            StagingMachine { folder, memory, memory_mib: 1100, rom, console, vcpus: 2, stop_slot: 0x1e, goes_on: false }
                .shape()
        };
        assert_eq!(shape("/a"), shape("/b/c"));
        assert!(shape("/a").contains("-icount shift=0,sleep=off") && !shape("/a").contains("/a"), "{}", shape("/a"));
    }
}
