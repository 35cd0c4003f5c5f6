//! A real Slurm of a test's own: munged, slurmctld and slurmd in a temporary folder, on ports that are free, on the loopback alone.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::common::text;
use crate::support::kill;

/// Tasks of an array, at most; smaller than Slurm's default, so that arrays are split.
pub const ARRAY: usize = 15;

/// Ends all that it has started when it goes, whatever happens.
pub struct Lab {
    folder: tempfile::TempDir,
}

impl Lab {
    pub fn start() -> Self {
        let lab = Self { folder: tempfile::tempdir().unwrap() };
        for name in ["", "run", "log", "state", "spool"] {
            fs::create_dir_all(lab.path(name)).unwrap();
            fs::set_permissions(lab.path(name), PermissionsExt::from_mode(0o755)).unwrap();
        }
        let mut key = vec![0; 128];
        getrandom_key(&mut key);
        fs::write(lab.path("key"), key).unwrap();
        fs::set_permissions(lab.path("key"), PermissionsExt::from_mode(0o600)).unwrap();
        fs::write(lab.conf(), lab.configuration()).unwrap();
        let file = |name: &str| lab.path(name).display().to_string();
        let munged = lab
            .command("munged")
            .arg("--force")
            .arg(format!("--socket={}", file("run/munge.sock")))
            .arg(format!("--key-file={}", file("key")))
            .arg(format!("--pid-file={}", file("run/munged.pid")))
            .arg(format!("--log-file={}", file("log/munged.log")))
            .arg(format!("--seed-file={}", file("run/munged.seed")))
            .output()
            .unwrap();
        assert!(munged.status.success(), "munged: {}", text(&munged));
        lab.start_daemon("slurmctld");
        lab.start_daemon("slurmd");
        lab.until("an idle node", || {
            let output = lab.command("sinfo").args(["--noheader", "--format=%T"]).output().unwrap();
            String::from_utf8_lossy(&output.stdout).trim() == "idle"
        });
        lab
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The configuration's file.
    pub fn conf(&self) -> PathBuf {
        self.path("slurm.conf")
    }

    /// `shared/reference/slurm.md`, with short waits.
    fn configuration(&self) -> String {
        let dir = self.folder.path().display();
        let host = nix::unistd::gethostname().unwrap().into_string().unwrap();
        let host = host.split('.').next().unwrap();
        let ports: Vec<TcpListener> = (0..2).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let [ctld, d] = [0, 1].map(|at| ports[at].local_addr().unwrap().port());
        let user = nix::unistd::User::from_uid(nix::unistd::getuid()).unwrap().unwrap().name;
        format!(
            "ClusterName=lab\nSlurmctldHost={host}(127.0.0.1)\nAuthType=auth/munge\n\
             AuthInfo=socket={dir}/run/munge.sock,cred_expire=5\nSlurmUser={user}\nSlurmdUser={user}\n\
             StateSaveLocation={dir}/state\nSlurmdSpoolDir={dir}/spool\nSlurmctldPidFile={dir}/run/slurmctld.pid\n\
             SlurmdPidFile={dir}/run/slurmd.pid\nSlurmctldLogFile={dir}/log/slurmctld.log\nSlurmdLogFile={dir}/log/slurmd.log\n\
             ProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\nSelectType=select/cons_tres\n\
             SelectTypeParameters=CR_CPU_Memory\nJobAcctGatherType=jobacct_gather/none\n\
             AccountingStorageType=accounting_storage/none\nMpiDefault=none\n\
             CommunicationParameters=NoCtldInAddrAny,NoInAddrAny\nSlurmctldPort={ctld}\nSlurmdPort={d}\n\
             MessageTimeout=5\nSlurmdTimeout=30\nKillWait=3\nReturnToService=2\nSlurmdParameters=config_overrides\nMaxArraySize={ARRAY}\n\
             SchedulerParameters=sched_interval=1,batch_sched_delay=0\n\
             NodeName={host} NodeAddr=127.0.0.1 CPUs=4 RealMemory=20000 State=UNKNOWN\n\
             PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP\n"
        )
    }

    /// One of Slurm's programs, in this Slurm.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("SLURM_CONF", self.conf()).stdin(Stdio::null());
        command
    }

    pub fn start_daemon(&self, name: &str) {
        let output: Output = self.command(name).arg("-f").arg(self.conf()).output().unwrap();
        assert!(output.status.success(), "{name}: {}", text(&output));
    }

    /// Waits until the controller has written down what was handed over: it takes its time, and forgets the rest if it is killed.
    pub fn until_saved(&self) {
        let begun = std::time::SystemTime::now();
        let saved = || fs::metadata(self.path("state/job_state")).and_then(|data| data.modified());
        self.until("the controller's state", || saved().is_ok_and(|at| at > begun));
    }

    /// Kills a daemon; it says nothing to anybody any more.
    pub fn kill_daemon(&self, name: &str) {
        if let Some(pid) = self.pid(name) {
            kill(pid, Signal::SIGKILL);
            self.until("the daemon's end", || !Path::new(&format!("/proc/{pid}")).exists());
        }
    }

    fn pid(&self, name: &str) -> Option<u32> {
        let pid = fs::read_to_string(self.path(&format!("run/{name}.pid"))).ok()?.trim().parse().ok()?;
        let program = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
        (program.trim() == name).then_some(pid)
    }

    /// Tasks in the queue, as `%F_%K %T`.
    pub fn queue(&self) -> Vec<(String, String)> {
        let output = self.command("squeue").args(["--noheader", "--array", "--format=%F_%K %T"]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().filter_map(|line| line.split_once(' ')).map(|(id, state)| (id.into(), state.into())).collect()
    }

    /// What an administrator does when the controller takes a node out: one that was killed may start a job anew that the node still knows
    /// ("Duplicate jobid"), and drains it.
    pub fn revive(&self) {
        let output = self.command("sinfo").args(["--noheader", "--Node", "--format=%N %T"]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if let Some((node, _)) =
            text.trim().split_once(' ').filter(|(_, state)| state.contains("drain") || state.contains("down"))
        {
            let node = format!("NodeName={node}");
            let _ = self.command("scontrol").args(["update", &node, "State=RESUME"]).output().unwrap();
        }
    }

    /// For messages: the queue, the node, and the controller's last words.
    pub fn state(&self) -> String {
        let said = |program: &str, words: &[&str]| text(&self.command(program).args(words).output().unwrap());
        let log = fs::read_to_string(self.path("log/slurmctld.log")).unwrap_or_default();
        let last: Vec<&str> = log.lines().rev().take(40).collect();
        let (queue, node) = (said("squeue", &["--array"]), said("sinfo", &["--long", "--Node"]));
        format!("{queue}\n{node}\n{}", last.into_iter().rev().collect::<Vec<_>>().join("\n"))
    }

    pub fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        let begun = Instant::now();
        while !is_so() {
            assert!(begun.elapsed() < Duration::from_secs(40), "waited for {what}: {}", self.state());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Processes that this Slurm has started, and those that they have started: all have its configuration in their environment.
    fn processes(&self) -> Vec<u32> {
        let ours = format!("SLURM_CONF={}\0", self.conf().display());
        let has = |pid: &u32| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.windows(ours.len()).any(|part| part == ours.as_bytes())
        };
        let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
        pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(has).collect()
    }
}

fn getrandom_key(key: &mut [u8]) {
    use std::io::Read;
    fs::File::open("/dev/urandom").unwrap().read_exact(key).unwrap();
}

impl Drop for Lab {
    fn drop(&mut self) {
        for name in ["slurmctld", "slurmd", "munged"] {
            if let Some(pid) = self.pid(name) {
                kill(pid, Signal::SIGTERM);
            }
        }
        let begun = Instant::now();
        while !self.processes().is_empty() && begun.elapsed() < Duration::from_secs(3) {
            std::thread::sleep(Duration::from_millis(50));
        }
        for pid in self.processes() {
            kill(pid, Signal::SIGKILL);
        }
    }
}
