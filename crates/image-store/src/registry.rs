//! Images from registries, through skopeo: one request for the manifest, one copy pinned by digest.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use futon_model::{Digest, ImageReference};

use super::StoreError;
use super::blobs::digest_bytes;
use super::choice::candidates;
use super::import::{Candidate, Import, USUAL, in_skopeo_folder};
use super::layout::{NESTED, is_index};
use super::manifest::{Descriptor, Document, MAX_DOCUMENT};
use super::platform::Platform;
use super::source::{Folder, Source};

/// How to contact a registry.
#[derive(Debug, Clone)]
pub struct RegistryOptions {
    /// Whether the registry must speak TLS with a certificate that the host trusts.
    pub tls_verify: bool,
    /// Limit for one run of skopeo.
    pub limit: Duration,
    /// The program, found along `PATH` unless it is a path.
    pub skopeo: PathBuf,
}

impl Default for RegistryOptions {
    fn default() -> Self {
        Self { tls_verify: true, limit: Duration::from_secs(1800), skopeo: PathBuf::from("skopeo") }
    }
}

/// The fetched images: a folder in skopeo's `dir:` format for each.
#[derive(Debug)]
pub(super) struct Fetched {
    index: Option<(Descriptor, Vec<u8>)>,
    images: Vec<Image>,
}

/// An image of a platform: its manifest's descriptor, and its folder.
type Image = (Option<Platform>, Descriptor, Fresh);

/// A folder that skopeo made.
#[derive(Debug)]
pub(super) struct Fresh {
    folder: Folder,
    /// The manifest has a special name there.
    manifest: Digest,
}

impl Source for Fresh {
    fn describe(&self) -> String {
        self.folder.describe()
    }

    fn again(&self) -> &'static str {
        "fetch it again"
    }

    fn open(&self, name: &str) -> Result<Option<Box<dyn Read>>, StoreError> {
        self.folder.open(if name == self.manifest.hex() { "manifest.json" } else { name })
    }
}

impl Fetched {
    /// The import of the fetched images; can be repeated.
    pub fn import<'a>(&'a self) -> Import<'a, Fresh> {
        let candidate = |(platform, manifest, source): &'a Image| Candidate {
            source,
            platform: platform.clone(),
            manifest: manifest.clone(),
        };
        let candidates: Vec<_> = self.images.iter().map(candidate).collect();
        Import { blob: in_skopeo_folder, index: self.index.clone(), several: candidates.len() > 1, candidates }
    }
}

/// Fetches a name's images that futon's machines can run into `staging`, manifests and index byte for byte.
pub(super) fn fetch(
    reference: &ImageReference,
    options: &RegistryOptions,
    staging: &Path,
    progress: &mut dyn FnMut(&str),
) -> Result<Fetched, StoreError> {
    let what = reference.to_string();
    progress(&format!("asking {} for {reference}", reference.registry()));
    // A name may hold a tag and a digest; skopeo takes only one, and the digest decides.
    let repository = format!("{}/{}", reference.registry(), reference.repository());
    let name = match (reference.digest(), reference.tag()) {
        (Some(digest), _) => format!("docker://{repository}@{digest}"),
        (None, tag) => format!("docker://{repository}:{}", tag.unwrap_or("latest")),
    };
    let tls = |side: &str| format!("--{side}tls-verify={}", options.tls_verify);
    let inspect = |name: &str| run(reference, options, &["inspect", "--raw", &tls(""), name], &mut |_| {});
    let raw = inspect(&name)?;
    let digest = digest_bytes(&raw)?;
    if let Some(expected) = reference.digest().filter(|d| **d != digest) {
        return Err(StoreError::Digest { what, expected: expected.clone(), found: digest });
    }
    let size = raw.len() as u64;
    let (outermost, found) = match Document::parse(&what, &raw)? {
        Document::Manifest(manifest) => {
            // Refuse what is not an image before fetching it.
            manifest.check(&what)?;
            (None, vec![(None, Descriptor { media_type: String::new(), digest, size })])
        }
        Document::Index { media_type, entries } => {
            let best = candidates(&what, &entries, USUAL)?;
            if best.first().is_some_and(|first| is_index(&first.media_type)) {
                return Err(StoreError::not_an_image(what, NESTED));
            }
            let found = best.into_iter().map(|e| (e.platform.clone(), e.descriptor())).collect();
            (Some((Descriptor { media_type, digest, size }, raw)), found)
        }
    };
    let mut images = Vec::new();
    for (number, (platform, descriptor)) in found.into_iter().enumerate() {
        let folder = staging.join(format!("pulled-{number}"));
        let (from, to) = (format!("docker://{repository}@{}", descriptor.digest), format!("dir:{}", folder.display()));
        let copy = ["copy", "--preserve-digests", "--retry-times=2", &tls("src-"), &from, &to];
        run(reference, options, &copy, progress)?;
        let folder = Folder(folder);
        let bytes =
            folder.read("manifest.json")?.ok_or_else(|| StoreError::not_an_image(&what, "skopeo wrote no manifest"))?;
        check_manifest(&what, &descriptor.digest, &bytes)?;
        let manifest = descriptor.digest.clone();
        images.push((platform, descriptor, Fresh { folder, manifest }));
    }
    if images.is_empty() {
        return Err(StoreError::not_an_image(what, "an index that leads to no image"));
    }
    Ok(Fetched { index: outermost, images })
}

fn check_manifest(what: &str, expected: &Digest, bytes: &[u8]) -> Result<(), StoreError> {
    let found = digest_bytes(bytes)?;
    if found == *expected {
        return Ok(());
    }
    Err(StoreError::Digest { what: what.to_owned(), expected: expected.clone(), found })
}

/// Runs skopeo, which ends with this thread; returns its standard output, and passes its lines to `progress`.
fn run(
    reference: &ImageReference,
    options: &RegistryOptions,
    arguments: &[&str],
    progress: &mut dyn FnMut(&str),
) -> Result<Vec<u8>, StoreError> {
    let failed = |why: String| StoreError::Registry { reference: reference.to_string(), why };
    let mut command = Command::new(&options.skopeo);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let die_with_parent = || nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGTERM).map_err(Into::into);
    // SAFETY: between fork and exec the closure makes one system call and touches no memory of this process.
    unsafe { command.pre_exec(die_with_parent) };
    let mut child = command
        .spawn()
        .map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => failed(format!(
                "{} is not installed (hint: apt install skopeo, or bring the image as a file: docker save … and add the archive)",
                options.skopeo.display()
            )),
            _ => failed(format!("cannot start {}: {e}", options.skopeo.display())),
        })?;
    let result = watch(&mut child, options.limit, progress);
    if result.is_err() {
        // In any case skopeo does not outlive this call.
        let _ = child.kill();
        let _ = child.wait();
    }
    let (ok, stdout, stderr) = result.map_err(failed)?;
    if ok { Ok(stdout) } else { Err(failed(explain(&stderr))) }
}

type Ended = (bool, Vec<u8>, String);

fn watch(child: &mut Child, limit: Duration, progress: &mut dyn FnMut(&str)) -> Result<Ended, String> {
    enum Said {
        Line(String),
        Output(Vec<u8>),
    }
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (sender, receiver) = std::sync::mpsc::channel();
    let lines = sender.clone();
    std::thread::spawn(move || {
        for line in stderr.into_iter().flat_map(|s| BufReader::new(s.take(MAX_DOCUMENT)).lines()).map_while(Result::ok)
        {
            let _ = lines.send(Said::Line(line));
        }
    });
    std::thread::spawn(move || {
        let mut output = Vec::new();
        if let Some(stream) = stdout {
            let _ = stream.take(MAX_DOCUMENT + 1).read_to_end(&mut output);
        }
        let _ = sender.send(Said::Output(output));
    });
    let end = Instant::now() + limit;
    let (mut stdout, mut stderr) = (Vec::new(), String::new());
    loop {
        match receiver.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(Said::Line(line)) => {
                progress(&line);
                stderr.push_str(&line);
                stderr.push('\n');
            }
            Ok(Said::Output(output)) => stdout = output,
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => break,
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {
                let last = stderr.lines().last().unwrap_or("nothing").to_owned();
                return Err(format!("skopeo did not end within {} s; its last output: {last}", limit.as_secs()));
            }
        }
    }
    let status = child.wait().map_err(|e| format!("cannot wait for skopeo: {e}"))?;
    Ok((status.success(), stdout, stderr))
}

/// skopeo's last message, with a hint.
fn explain(stderr: &str) -> String {
    let last = stderr.lines().rev().find(|l| !l.trim().is_empty()).unwrap_or("skopeo failed without a message");
    // Its log lines look like `time="…" level=fatal msg="…"`.
    let said = last.split_once("msg=").map_or(last, |(_, said)| said.trim_matches('"')).replace("\\\"", "\"");
    let has = |words: &[&str]| words.iter().any(|w| stderr.contains(w));
    let hint = if has(&["manifest unknown", "not found", "MANIFEST_UNKNOWN", "NAME_UNKNOWN", "name unknown"]) {
        "the registry has no such image: check the name and the tag"
    } else if has(&["toomanyrequests", "too many requests"]) {
        "the registry limits anonymous pulls: wait, or log in with skopeo login"
    } else if has(&["unauthorized", "denied", "authentication required"]) {
        "check the name; for a private image log in with skopeo login"
    } else if has(&["policy.json"]) {
        "skopeo misses its policy file: install the package that holds /etc/containers/policy.json"
    } else if has(&["server gave HTTP response to HTTPS client", "x509", "tls:", "certificate"]) {
        "the registry does not speak TLS that this host trusts (--insecure takes it all the same)"
    } else if has(&[
        "dial tcp",
        "no such host",
        "i/o timeout",
        "connection refused",
        "network is unreachable",
        "failure in name resolution",
        "proxyconnect",
    ]) {
        "no way to the registry: check network and proxy, or bring the image as a file (docker save) and add the archive"
    } else if has(&["no space left"]) {
        "free some disk space"
    } else {
        "skopeo's own words above say why"
    };
    format!("{said} (hint: {hint})")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn try_with(options: &RegistryOptions, name: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        fetch(&name.parse().unwrap(), options, folder.path(), &mut |_| {}).unwrap_err().to_string()
    }

    #[test]
    fn a_missing_skopeo_is_said_with_a_hint() {
        let options = RegistryOptions { skopeo: PathBuf::from("/nowhere/skopeo"), ..Default::default() };
        let error = try_with(&options, "x/y");
        assert!(error.contains("not installed") && error.contains("hint:"), "{error}");
    }

    #[test]
    fn a_hanging_skopeo_is_ended() {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("skopeo");
        std::fs::write(&script, "#!/bin/sh\nexec sleep 600\n").unwrap();
        std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let options = RegistryOptions { skopeo: script, limit: Duration::from_millis(300), ..Default::default() };
        let start = Instant::now();
        assert!(try_with(&options, "x/y").contains("did not end"));
        assert!(start.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn what_skopeo_says_gets_a_hint() {
        let network = explain("time=\"x\" level=fatal msg=\"dial tcp: lookup y: no such host\"\n");
        assert!(network.starts_with("dial tcp") && network.contains("docker save"), "{network}");
        assert!(explain("level=fatal msg=\"reading manifest: manifest unknown\"").contains("no such image"));
        assert!(explain("").contains("without a message"));
    }
}
