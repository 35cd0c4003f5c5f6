//! Requests to the engine and what is needed of its answers.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read},
    path::PathBuf,
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use guest_net::{
    Context, Error, Result,
    http::{self, Limits, Payload, Request, Response, Target, percent_encode},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

const SOCKET: &str = "/var/run/docker.sock";
const PAUSE: Duration = Duration::from_millis(200);

/// Longest answer that is read whole, bytes.
const LARGEST: u64 = 4 * 1024 * 1024;

const SHORT: Limits =
    Limits { connect: Duration::from_secs(5), io: Duration::from_secs(30), whole: Duration::from_secs(60) };

/// Pulling and loading are silent while a layer is unpacked; the step's own limit is the one that counts.
const LONG: Limits =
    Limits { connect: Duration::from_secs(5), io: Duration::from_secs(900), whole: Duration::from_secs(3600) };

/// The engine.
#[derive(Debug)]
pub(crate) struct Engine {
    target: Target,
}

/// What `/info` says about registries.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Info {
    #[serde(rename = "RegistryConfig", default)]
    registries: Option<Registries>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Registries {
    #[serde(rename = "Mirrors", default)]
    mirrors: Option<Vec<String>>,
}

impl Info {
    /// Whether the engine asks `base` (an address as `http://10.0.2.2:3003`) before its default registry.
    pub(crate) fn has_mirror(&self, base: &str) -> bool {
        let mirrors = self.registries.iter().flat_map(|registries| &registries.mirrors).flatten();
        mirrors.into_iter().any(|mirror| mirror.trim_end_matches('/') == base.trim_end_matches('/'))
    }
}

/// A container as the engine describes it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Container {
    #[serde(rename = "Image")]
    pub(crate) image_id: String,
    #[serde(rename = "Config")]
    pub(crate) config: ContainerConfig,
    #[serde(rename = "State")]
    pub(crate) state: State,
    #[serde(rename = "RestartCount", default)]
    pub(crate) restarts: u64,
    #[serde(rename = "HostConfig", default)]
    pub(crate) host: HostConfig,
    /// A file of the engine's in the folder that it has of the container.
    #[serde(rename = "HostnamePath", default)]
    pub(crate) hostname_path: PathBuf,
    /// The file in which the driver `json-file` keeps what the container prints.
    #[serde(rename = "LogPath", default)]
    pub(crate) log_path: PathBuf,
    #[serde(rename = "NetworkSettings", default)]
    pub(crate) network: NetworkSettings,
}

/// What a container asked of its host.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub(crate) struct HostConfig {
    #[serde(rename = "NetworkMode", default)]
    pub(crate) network_mode: String,
    #[serde(rename = "LogConfig", default)]
    pub(crate) log: LogConfig,
}

/// How a container's log is kept.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub(crate) struct LogConfig {
    #[serde(rename = "Type", default)]
    pub(crate) driver: String,
    #[serde(rename = "Config", default)]
    pub(crate) options: Option<BTreeMap<String, String>>,
}

/// A container's networks and published ports.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub(crate) struct NetworkSettings {
    #[serde(rename = "Ports", default)]
    pub(crate) ports: BTreeMap<String, Option<Vec<PortBinding>>>,
    #[serde(rename = "Networks", default)]
    pub(crate) networks: BTreeMap<String, Option<Endpoint>>,
}

impl NetworkSettings {
    /// The TCP port in the container that is published as `port`.
    pub(crate) fn inner_port(&self, port: u16) -> Option<u16> {
        let published = |bindings: &Option<Vec<PortBinding>>| {
            bindings.iter().flatten().any(|binding| binding.host_port.parse() == Ok(port))
        };
        let mut ports = self.ports.iter();
        let (inner, _) = ports.find(|(inner, bindings)| inner.ends_with("/tcp") && published(bindings))?;
        inner.strip_suffix("/tcp")?.parse().ok()
    }
}

/// A port of the host that leads to a container's.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct PortBinding {
    #[serde(rename = "HostIp", default)]
    pub(crate) host_ip: String,
    #[serde(rename = "HostPort", default)]
    pub(crate) host_port: String,
}

/// A container in a network.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Endpoint {
    #[serde(rename = "IPAddress", default)]
    pub(crate) ip_address: String,
}

/// What the engine's checks of a container say.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Health {
    #[serde(rename = "Status", default)]
    pub(crate) status: String,
}

/// What a container was made from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct ContainerConfig {
    #[serde(rename = "Image")]
    pub(crate) image: String,
    /// Seconds that a stop may take; the engine's default where absent.
    #[serde(rename = "StopTimeout", default)]
    pub(crate) stop_timeout: Option<u64>,
    /// The signal that stops it, as the image or the service has it.
    #[serde(rename = "StopSignal", default)]
    pub(crate) stop_signal: Option<String>,
}

/// State of a container.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct State {
    #[serde(rename = "Status")]
    pub(crate) status: String,
    #[serde(rename = "ExitCode", default)]
    pub(crate) exit_code: i64,
    #[serde(rename = "OOMKilled", default)]
    pub(crate) oom_killed: bool,
    /// Its first process, while it runs.
    #[serde(rename = "Pid", default)]
    pub(crate) pid: i32,
    #[serde(rename = "Health", default)]
    pub(crate) health: Option<Health>,
}

impl State {
    /// True when the container's process is gone for good.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.status.as_str(), "exited" | "dead" | "removing")
    }
}

#[derive(Debug, Default, Deserialize)]
struct Image {
    #[serde(rename = "RepoDigests", default)]
    repo_digests: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
struct Created {
    #[serde(rename = "Id")]
    id: String,
    #[serde(rename = "Warnings", default)]
    warnings: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
struct Failure {
    message: String,
}

/// One line of a progress stream.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Progress {
    status: Option<String>,
    stream: Option<String>,
    id: Option<String>,
    error: Option<String>,
}

impl Engine {
    /// The engine of this machine.
    pub(crate) fn local() -> Self {
        Self { target: Target::Unix(PathBuf::from(SOCKET)) }
    }

    /// The engine at `target`.
    #[cfg(test)]
    pub(crate) fn at(target: Target) -> Self {
        Self { target }
    }

    /// Waits until the engine answers.
    pub(crate) fn wait(&self, limit: Duration) -> Result<()> {
        let began = Instant::now();
        loop {
            let left = limit.saturating_sub(began.elapsed());
            let why = match http::send(&self.target, Limits { whole: left, ..SHORT }, Request::get("/_ping")) {
                Ok(response) if response.status == 200 => return Ok(()),
                Ok(response) => format!("status {}", response.status),
                Err(error) => error.to_string(),
            };
            if began.elapsed() >= limit {
                return Err(Error::new(format!(
                    "the container engine at {} does not answer within {}: {why}; hint: journalctl -u docker",
                    self.target,
                    humantime::format_duration(limit)
                )));
            }
            thread::sleep(PAUSE);
        }
    }

    /// The engine's settings.
    pub(crate) fn info(&self) -> Result<Info> {
        self.object("/info")?.ok_or_else(|| Error::new("the engine reports no information about itself"))
    }

    /// A container by its name, if there is one.
    pub(crate) fn container(&self, name: &str) -> Result<Option<Container>> {
        self.container_within(name, SHORT)
    }

    /// The same, but asked no longer than `limits` allow: the engine answers late while it starts or stops that container.
    pub(crate) fn container_within(&self, name: &str, limits: Limits) -> Result<Option<Container>> {
        self.object_within(&format!("/containers/{}/json", percent_encode(name)), limits)
    }

    /// The digests under which an image was pulled.
    pub(crate) fn repo_digests(&self, image: &str) -> Result<Vec<String>> {
        let image: Option<Image> = self.object(&format!("/images/{}/json", percent_encode(image)))?;
        Ok(image.unwrap_or_default().repo_digests.unwrap_or_default())
    }

    /// Has the engine pull an image; what it says goes to `say`.
    pub(crate) fn create_image(&self, repository: &str, tag: &str, say: &mut dyn FnMut(&str)) -> Result<()> {
        let path = format!("/images/create?fromImage={}&tag={}", percent_encode(repository), percent_encode(tag));
        let response = http::send(&self.target, LONG, Request::post(&path, Payload::None)).context("no answer")?;
        follow(response, say)
    }

    /// Has the engine load a `docker save` archive.
    pub(crate) fn load_image(&self, archive: &mut dyn Read, say: &mut dyn FnMut(&str)) -> Result<()> {
        let request = Request::post("/images/load?quiet=1", Payload::Chunked(archive))
            .header("Content-Type", "application/x-tar");
        follow(http::send(&self.target, LONG, request).context("sending the archive failed")?, say)
    }

    /// A container's log so far, or since then, both streams, in the engine's frames.
    pub(crate) fn log(&self, name: &str, since: Option<SystemTime>) -> Result<impl Read> {
        let mut path = format!("/containers/{}/logs?stdout=1&stderr=1", percent_encode(name));
        if let Some(since) = since.and_then(|since| since.duration_since(UNIX_EPOCH).ok()) {
            path.push_str(&format!("&since={}.{:09}", since.as_secs(), since.subsec_nanos()));
        }
        let mut response = http::send(&self.target, SHORT, Request::get(&path)).context("no answer")?;
        match response.status {
            200 => Ok(response.body),
            _ => Err(Error::new(message(&response.body.text(LARGEST)?))),
        }
    }

    /// Removes an image; one that is not there is well, too.
    pub(crate) fn remove_image(&self, name: &str) -> Result<()> {
        self.act("DELETE", &format!("/images/{}", percent_encode(name)), &[200, 404])
    }

    /// Removes a network; one that is not there is well, too.
    pub(crate) fn remove_network(&self, name: &str) -> Result<()> {
        self.act("DELETE", &format!("/networks/{}", percent_encode(name)), &[204, 404])
    }

    /// Makes a network; one of that name that is there already will do.
    pub(crate) fn create_network(&self, body: &Value) -> Result<()> {
        self.post_json("/networks/create", body, &[201, 409]).map(|_| ())
    }

    /// Makes a volume; one of that name that is there already will do.
    pub(crate) fn create_volume(&self, body: &Value) -> Result<()> {
        self.post_json("/volumes/create", body, &[200, 201]).map(|_| ())
    }

    /// Makes a container and returns its id.
    pub(crate) fn create_container(&self, name: &str, body: &Value) -> Result<String> {
        let path = format!("/containers/create?name={}", percent_encode(name));
        let made: Created =
            serde_json::from_str(&self.post_json(&path, body, &[201])?).context("no id in the answer")?;
        made.warnings.iter().flatten().for_each(|warning| println!("the engine warns: {warning}"));
        Ok(made.id)
    }

    /// Starts a container.
    pub(crate) fn start(&self, id: &str) -> Result<()> {
        self.act("POST", &format!("/containers/{}/start", percent_encode(id)), &[204, 304])
    }

    /// Stops a container, and returns whether it had ended already.
    pub(crate) fn stop(&self, name: &str) -> Result<bool> {
        Ok(self.ask("POST", &format!("/containers/{}/stop", percent_encode(name)), &[204, 304])? == 304)
    }

    /// Kills and removes a container with its anonymous volumes; one that is not there is well, too.
    pub(crate) fn discard(&self, name: &str) -> Result<()> {
        self.act("DELETE", &format!("/containers/{}?force=1&v=1", percent_encode(name)), &[204, 404])
    }

    /// Removes a container with its anonymous volumes.
    pub(crate) fn remove(&self, name: &str) -> Result<()> {
        self.act("DELETE", &format!("/containers/{}?v=1", percent_encode(name)), &[204])
    }

    fn act(&self, method: &str, path: &str, wanted: &[u16]) -> Result<()> {
        self.ask(method, path, wanted).map(drop)
    }

    /// The status of the answer, where it is one of those.
    fn ask(&self, method: &str, path: &str, wanted: &[u16]) -> Result<u16> {
        let request = Request { method, ..Request::post(path, Payload::None) };
        let mut response = http::send(&self.target, LONG, request).context("no answer")?;
        if wanted.contains(&response.status) {
            return Ok(response.status);
        }
        Err(Error::new(message(&response.body.text(LARGEST)?)))
    }

    fn post_json(&self, path: &str, body: &Value, wanted: &[u16]) -> Result<String> {
        let body = body.to_string();
        let request = Request::post(path, Payload::Bytes(body.as_bytes())).header("Content-Type", "application/json");
        let mut response = http::send(&self.target, LONG, request).context("no answer")?;
        let text = response.body.text(LARGEST)?;
        if wanted.contains(&response.status) { Ok(text) } else { Err(Error::new(message(&text))) }
    }

    /// A JSON answer; none for status 404.
    fn object<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>> {
        self.object_within(path, SHORT)
    }

    fn object_within<T: DeserializeOwned>(&self, path: &str, limits: Limits) -> Result<Option<T>> {
        let asked = format!("cannot ask the engine for {path}");
        let mut response = http::send(&self.target, limits, Request::get(path)).context(&asked)?;
        let text = response.body.text(LARGEST).context(&asked)?;
        match response.status {
            200 => serde_json::from_str(&text).map(Some).context(&asked),
            404 => Ok(None),
            status => Err(Error::new(format!("{asked}: status {status}: {}", message(&text)))),
        }
    }
}

/// The engine's own words about a failure.
fn message(text: &str) -> String {
    serde_json::from_str::<Failure>(text).map_or_else(|_| text.trim().to_owned(), |failure| failure.message)
}

/// Reads a progress stream to its end: an error in it is the operation's, whatever the status said.
fn follow(mut response: Response, say: &mut dyn FnMut(&str)) -> Result<()> {
    if response.status != 200 {
        return Err(Error::new(message(&response.body.text(LARGEST)?)));
    }
    let mut lines = BufReader::new(response.body);
    let mut line = Vec::new();
    loop {
        line.clear();
        if lines.by_ref().take(LARGEST).read_until(b'\n', &mut line).context("the engine ended its answer early")? == 0
        {
            return Ok(());
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let progress: Progress = serde_json::from_slice(&line).context("cannot parse the engine's progress")?;
        if let Some(error) = progress.error {
            return Err(Error::new(error.trim().to_owned()));
        }
        if let Some(words) = quiet(&progress) {
            say(&words);
        }
    }
}

/// What of a progress line is worth a line in a log: no bars, no layer by layer.
fn quiet(progress: &Progress) -> Option<String> {
    if let Some(stream) = &progress.stream {
        return Some(stream.trim().to_owned()).filter(|words| !words.is_empty());
    }
    match (&progress.id, &progress.status) {
        (None, Some(status)) => Some(status.trim().to_owned()),
        (Some(id), Some(status)) if status.starts_with("Pulling from") => Some(format!("{id}: {status}")),
        _ => None,
    }
}

#[cfg(test)]
#[path = "api_tests.rs"]
pub(super) mod tests;
