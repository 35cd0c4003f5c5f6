//! The fake machine: a scripted guest that talks to the real exchange, for tests of the engine in milliseconds.
//! It never stands in for a real machine where the main job is to be proved; reports name it `fake`.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use futon_model::{
    Accelerator, Alarm, ClientFailure, ClientFailureKind, ClientReport, EventKind, GuestEvent, MachineKind,
    MachineReport, Phase, PhaseCount, Plan, SEEN, ShutdownReason, TOKEN_HEADER, steps,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use futon_common::{Context, Error, Result};
use futon_machine::{Launch, Machine, MachineInputs, Running};

/// Names a file with what a scripted guest sees of its function.
const SEEN_FILE: &str = "FUTON_TEST_SEEN";

/// What the scripted guest does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scenario {
    /// All that a good guest does.
    Pass,
    /// The same, but the calls take so long.
    Takes(Duration),
    /// Ends the whole program in a step, as a fault of futon's own would.
    Abort(String),
    /// Never asks for its run script.
    NoBoot,
    /// A step exits with status 1.
    Fail(String),
    /// Goes quiet in a step.
    Hang(String),
    /// Powers off in a step.
    PowerOff(String),
    /// The kernel panics in a step.
    Panic(String),
    /// The machine's process is killed in a step.
    Killed(String),
    /// The fourth call gets a wrong reply.
    WrongReply,
    /// The fourth call gets no reply in time.
    SlowCall,
    /// Another image runs.
    WrongImage,
    /// The results log does not arrive.
    NoLog,
    /// Events and a log without the token, and a power-off in the middle.
    Forge,
}

impl FromStr for Scenario {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (word, step) = text.split_once(':').unwrap_or((text, steps::INVOKE));
        let step = step.to_owned();
        Ok(match word {
            "pass" => Self::Pass,
            "takes" => Self::Takes(Duration::from_millis(step.parse().map_err(|_| no_scenario(text))?)),
            "abort" => Self::Abort(step),
            "no-boot" => Self::NoBoot,
            "fail" => Self::Fail(step),
            "hang" => Self::Hang(step),
            "power-off" => Self::PowerOff(step),
            "panic" => Self::Panic(step),
            "killed" => Self::Killed(step),
            "wrong-reply" => Self::WrongReply,
            "slow-call" => Self::SlowCall,
            "wrong-image" => Self::WrongImage,
            "no-log" => Self::NoLog,
            "forge" => Self::Forge,
            _ => return Err(no_scenario(text)),
        })
    }
}

fn no_scenario(text: &str) -> Error {
    Error::usage(format!("the fake machine has no scenario {text:?}")).hint(
        "pass, takes:MILLISECONDS, no-boot, fail:STEP, hang:STEP, power-off:STEP, panic:STEP, killed:STEP, abort:STEP, wrong-reply, slow-call, wrong-image, no-log, forge",
    )
}

/// A machine that is a script.
#[derive(Debug, Clone)]
pub struct FakeMachine {
    /// What the guest does.
    pub scenario: Scenario,
}

#[async_trait]
impl Machine for FakeMachine {
    fn report(&self) -> MachineReport {
        MachineReport {
            kind: MachineKind::Fake,
            version: "fake: no machine ran".into(),
            accelerator: Accelerator::None,
            accelerator_reason: "the fake machine executes nothing".into(),
            vcpus: 0,
            memory_mib: 0,
            base_image: "none".into(),
            kernel: "none".into(),
            fork: None,
        }
    }

    fn inputs(&self) -> MachineInputs {
        MachineInputs::default().value("machine", "fake").value("scenario", format!("{:?}", self.scenario))
    }

    /// Its guest keeps no limits: the host's strike at once.
    fn guest_first(&self) -> Duration {
        Duration::ZERO
    }

    async fn make_disk(&self, disk: &Path) -> Result<()> {
        std::fs::write(disk, "").context(|| format!("cannot write {}", disk.display()))
    }

    async fn start(&self, launch: &Launch, events: UnboundedSender<EventKind>) -> Result<Box<dyn Running>> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context(|| "cannot listen on loopback".into())?;
        let address = listener.local_addr().context(|| "cannot listen on loopback".into())?;
        let stop = CancellationToken::new();
        let guest = Guest {
            scenario: self.scenario.clone(),
            plan: launch.plan.clone(),
            address,
            token: None,
            stop: stop.clone(),
        };
        let _ = events.send(EventKind::MachineStarted { accelerator: Accelerator::None });
        let task = tokio::spawn(guest.live(events));
        Ok(Box::new(RunningFake { listener: Some(listener), stop, task: Some(task) }))
    }
}

struct RunningFake {
    listener: Option<TcpListener>,
    stop: CancellationToken,
    task: Option<JoinHandle<()>>,
}

#[async_trait]
impl Running for RunningFake {
    fn take_listener(&mut self) -> Option<TcpListener> {
        self.listener.take()
    }

    async fn end(&mut self) {
        self.stop.cancel();
        if let Some(task) = self.task.take() {
            let _ = task.await;
        }
    }
}

struct Guest {
    scenario: Scenario,
    plan: Plan,
    address: SocketAddr,
    token: Option<String>,
    stop: CancellationToken,
}

/// How the scripted guest ends.
enum End {
    PowerOff,
    Panic,
    Killed,
}

impl Guest {
    async fn live(mut self, events: UnboundedSender<EventKind>) {
        let stop = self.stop.clone();
        let end = tokio::select! {
            end = self.act() => end.unwrap_or(End::Killed),
            () = stop.cancelled() => End::Killed,
        };
        // The receiver goes away only when the run is over.
        let say = |event| drop(events.send(event));
        let signal = match end {
            End::PowerOff => {
                say(EventKind::MachineShutdown { reason: ShutdownReason::GuestShutdown });
                None
            }
            End::Panic => {
                let line = "[    1.000000] Kernel panic - not syncing: scripted".into();
                say(EventKind::ConsoleAlarm { alarm: Alarm::KernelPanic, line });
                say(EventKind::MachineShutdown { reason: ShutdownReason::GuestReset });
                None
            }
            End::Killed => Some(libc::SIGKILL),
        };
        say(EventKind::MachineExited { status: signal.is_none().then_some(0), signal, stderr: String::new() });
    }

    async fn act(&mut self) -> Result<End> {
        if self.scenario == Scenario::NoBoot {
            std::future::pending::<()>().await;
        }
        let (status, script) = self.request("GET", "/run.sh", b"").await?;
        if status != 200 {
            // The service ends and the boot goes on.
            std::future::pending::<()>().await;
        }
        self.token =
            script.lines().find_map(|l| l.strip_prefix("FUTON_TOKEN=")).map(|t| t.trim_matches('\'').to_owned());
        let mut failed = 0;
        for step in steps::GUEST {
            if failed != 0 && step != steps::LOG && step != steps::STOP {
                continue;
            }
            self.event(&GuestEvent::StepStarted { name: step.into() }).await?;
            self.hang_in(step).await;
            match &self.scenario {
                Scenario::PowerOff(at) if at == step => return Ok(End::PowerOff),
                Scenario::Panic(at) if at == step => return Ok(End::Panic),
                Scenario::Killed(at) if at == step => return Ok(End::Killed),
                Scenario::Takes(time) if step == steps::INVOKE => tokio::time::sleep(*time).await,
                Scenario::Abort(at) if at == step => std::process::abort(),
                Scenario::Forge if step == steps::INVOKE => {
                    self.forge().await?;
                    return Ok(End::PowerOff);
                }
                _ => {}
            }
            let status = self.step(step).await?;
            failed = failed.max(status);
        }
        self.hang_in(steps::UPLOAD).await;
        if self.scenario != Scenario::NoLog {
            let line = if failed == 0 { "SUCCESS: All commands completed successfully" } else { "FAIL: a step failed" };
            self.request("PUT", "/results.log", format!("{line}\n").as_bytes()).await?;
        }
        self.event(&GuestEvent::Finish { status: failed }).await?;
        self.hang_in(steps::SHUTDOWN).await;
        Ok(End::PowerOff)
    }

    async fn hang_in(&self, step: &str) {
        if self.scenario == Scenario::Hang(step.to_owned()) {
            std::future::pending::<()>().await;
        }
    }

    async fn step(&self, step: &str) -> Result<i32> {
        if step == steps::START {
            let planned = self.plan.images.first();
            let id = planned.and_then(|i| i.config.as_ref()).map(ToString::to_string).unwrap_or_default();
            let image_id =
                if self.scenario == Scenario::WrongImage { format!("sha256:{}", "0".repeat(64)) } else { id };
            let image = planned.map(|i| i.reference.to_string()).unwrap_or_default();
            let name = self.plan.client.as_ref().map(|c| c.container.clone()).unwrap_or_default();
            self.event(&GuestEvent::Container { name, image, image_id, repo_digests: Vec::new() }).await?;
        }
        let wrong = matches!(self.scenario, Scenario::WrongReply | Scenario::SlowCall) && step == steps::INVOKE;
        let describes = self.plan.client.as_ref().is_some_and(|client| client.describes);
        if step == steps::INVOKE && describes {
            let seen = std::env::var_os(SEEN_FILE).map(std::fs::read).transpose().context(|| SEEN_FILE.into())?;
            self.request("PUT", &format!("/{SEEN}"), &seen.unwrap_or_default()).await?;
        } else if step == steps::INVOKE {
            let report = serde_json::to_vec(&self.client_report(wrong)).context(|| "client report".into())?;
            self.request("PUT", "/client.json", &report).await?;
        }
        let status = i32::from(wrong || matches!(&self.scenario, Scenario::Fail(at) if at == step));
        self.event(&GuestEvent::StepEnded {
            name: step.into(),
            exit_status: Some(status),
            signal: None,
            timed_out: false,
            duration_ms: 1,
            tail: format!("scripted {step}\n"),
        })
        .await?;
        Ok(status)
    }

    fn client_report(&self, wrong: bool) -> ClientReport {
        let client = self.plan.client.as_ref();
        let planned = client.map_or(0, |c| c.invocations);
        ClientReport {
            schema: "futon.client/1".into(),
            function: client.map(|c| c.function_name.clone()).unwrap_or_default(),
            service: "fibonacci".into(),
            method: "SayHello".into(),
            seed: 0,
            planned,
            verified: if wrong { 2 } else { planned },
            failed: u64::from(wrong),
            not_made: 0,
            warmup: PhaseCount { planned: 0, verified: client.map_or(0, |c| c.warmup), failed: 0 },
            greeting: futon_model::Greeting::Verified,
            connect_ms: Some(1.0),
            first_failure: wrong.then(|| ClientFailure {
                call: 4,
                phase: Phase::Measured,
                invocation: Some(3),
                kind: if self.scenario == Scenario::SlowCall {
                    ClientFailureKind::Deadline
                } else {
                    ClientFailureKind::WrongReply
                },
                status: None,
                expected: Some("right".into()),
                got: Some("wrong".into()),
                message: "wrong reply".into(),
            }),
            latency_ms: None,
            latencies_ms: Vec::new(),
            histogram: Vec::new(),
        }
    }

    async fn forge(&mut self) -> Result<()> {
        self.token = None;
        self.request("GET", "/run.sh", b"").await?;
        self.event(&GuestEvent::Finish { status: 0 }).await?;
        self.request("PUT", "/results.log", b"SUCCESS: All commands completed successfully\n").await?;
        Ok(())
    }

    async fn event(&self, event: &GuestEvent) -> Result<()> {
        let body = serde_json::to_vec(event).context(|| "guest event".into())?;
        self.request("POST", "/_futon/events", &body).await.map(drop)
    }

    /// One HTTP/1.1 request on a connection of its own.
    async fn request(&self, method: &str, path: &str, body: &[u8]) -> Result<(u16, String)> {
        let talk = async {
            let mut stream = TcpStream::connect(self.address).await?;
            let token = self.token.as_deref().map(|t| format!("{TOKEN_HEADER}: {t}\r\n")).unwrap_or_default();
            let head = format!(
                "{method} {path} HTTP/1.1\r\nhost: exchange\r\nconnection: close\r\n{token}content-length: {}\r\n\r\n",
                body.len()
            );
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(body).await?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await?;
            Ok::<_, std::io::Error>(answer)
        };
        let answer = tokio::time::timeout(Duration::from_secs(10), talk)
            .await
            .map_err(|_| Error::infra("the exchange did not answer within 10 s"))?
            .context(|| "the exchange stopped".into())?;
        let text = String::from_utf8_lossy(&answer).into_owned();
        let status = text.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
        let body = text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
        Ok((status, body))
    }
}
