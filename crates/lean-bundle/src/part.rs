//! One container of a bundle: its settings, its files, its root.

use futon_common::{Context, Error, Result};
use futon_model::{
    ImageReference, LeanAttachment, LeanBundle, LeanCheck, LeanContainer, LeanHost, LeanRefusal, StartAfter,
    StartCondition,
};
use image_store::rootfs::{Rootfs, RootfsError, Tree};
use image_store::{ImageStore, StoredImage, architecture_word};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::config::{ContainerConfig, ContainerPlace, oci_config, working_dir};
use super::furnish::{add_engine_files, find, make_working_dir};
use super::image::{ImageHealthcheck, ImageSettings};
use super::names::{Neighbour, hosts, known, resolv_conf};
use super::settings::{Limits, ServiceSettings};
use super::signal::{signal_number, stop_signal};
use super::users::find_user;
use super::volumes::{Container, Source, Volumes};

/// How long Docker waits for a container to stop.
const STOP_GRACE_MS: u64 = 10_000;
/// The guest's own host name.
const GUEST: &str = "futon";
/// What the engine takes where a healthcheck does not say it (moby, `daemon/health.go`), milliseconds.
const CHECK_INTERVAL_MS: u64 = 30_000;
const CHECK_TIMEOUT_MS: u64 = 30_000;
const CHECK_RETRIES: u32 = 3;

/// A container of a bundle.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BundleContainer {
    /// Compose service, under which the others find it.
    pub service: String,
    /// Name of the container.
    pub name: String,
    /// Name of the image.
    pub image: ImageReference,
    /// Settings of the service.
    pub settings: ServiceSettings,
    /// Whether its healthcheck runs although nobody waits for it: it must not fail.
    #[serde(default)]
    pub checked: bool,
}

/// One container, ready to be written.
pub(super) struct Part {
    pub(super) about: LeanContainer,
    /// What is written of it; nothing of one that an engine would not have.
    pub(super) body: Option<Body>,
}

/// What is written of a container.
pub(super) struct Body {
    pub(super) files: Vec<(&'static str, Vec<u8>)>,
    pub(super) sources: Vec<Source>,
    pub(super) tree: Tree,
    pub(super) rootfs: Rootfs,
}

/// What a part is made from.
pub(super) struct Making<'a> {
    pub(super) store: &'a ImageStore,
    pub(super) containers: &'a [BundleContainer],
    pub(super) attachments: &'a [std::result::Result<LeanAttachment, String>],
    /// The engine's names of all networks, by their numbers; none of the engine's own.
    pub(super) networks: Vec<Option<&'a str>>,
    pub(super) profile: &'a str,
    /// How many processors the guest has, where that is known.
    pub(super) processors: Option<u32>,
    /// Processors of the container where its service sets none.
    pub(super) cpus: Option<String>,
}

impl Making<'_> {
    /// Makes the part at `index`, or says why an engine would not pull its image.
    pub(super) fn part(&self, index: usize, volumes: &mut Volumes) -> Result<std::result::Result<Part, LeanRefusal>> {
        let container = &self.containers[index];
        let image = self.store.resolve(&container.image)?.ok_or_else(|| {
            Error::infra(format!("the image {} is not in the store", container.image))
                .hint("`futon images add` or `futon images build` adds it")
        })?;
        let refused = |why: String| Ok(Err(LeanRefusal { image: container.image.written().to_owned(), why }));
        let path = self.store.blob_path(&image.config.digest);
        let text =
            std::fs::read(&path).context(|| format!("configuration {} of {}", image.config.digest, image.reference))?;
        let settings = match ImageSettings::read(&text) {
            Ok(settings) => settings,
            Err(why) => return refused(why),
        };
        let rootfs = match Rootfs::open(self.store, &image) {
            Err(error @ RootfsError::Refused { .. }) => return refused(error.to_string()),
            Err(error @ RootfsError::Unsupported { .. }) => {
                return Err(Error::usage(format!("{}: {error}", image.reference)).hint(
                    "use --base docker, which has an engine; docs/lean.md and docs/config.md list what the lean guest supports",
                ));
            }
            other => other.context(|| format!("cannot make the file system of {}", image.reference))?,
        };
        let mut about = self.about(container, &image, index);
        let written = container.settings.stop_signal.as_ref().filter(|written| !written.is_empty());
        about.stop_signal = stop_signal(written.unwrap_or(&settings.stop_signal));
        Ok(Ok(match self.body(index, &image, &settings, rootfs, volumes) {
            Ok((body, check, hosts)) => Part { about: LeanContainer { check, hosts, ..about }, body: Some(body) },
            Err(why) => Part { about: LeanContainer { refused: Some(why), ..about }, body: None },
        }))
    }

    fn about(&self, container: &BundleContainer, image: &StoredImage, index: usize) -> LeanContainer {
        let name_of = |service: &String| {
            self.containers.iter().find(|other| other.service == *service).map(|other| other.name.clone())
        };
        let after = container.settings.waits.iter().filter_map(|(service, condition, required)| {
            let container = name_of(service)?;
            Some(StartAfter { service: service.clone(), container, condition: *condition, required: *required })
        });
        LeanContainer {
            name: container.name.clone(),
            service: container.service.clone(),
            image: container.image.written().to_owned(),
            image_id: image.config.digest.as_str().to_owned(),
            repo_digests: vec![format!("{}@{}", repository(&container.image), image.manifest.digest)],
            network: self.attachments[index].clone().unwrap_or(LeanAttachment::None),
            stop_signal: libc::SIGTERM,
            stop_grace_ms: container.settings.stop_grace_ms.unwrap_or(STOP_GRACE_MS),
            refused: None,
            after: after.collect(),
            check: None,
            restart: container.settings.restart,
            hosts: Vec::new(),
        }
    }

    /// All that is written of a container, or why an engine would not make or start it.
    fn body(
        &self,
        index: usize,
        image: &StoredImage,
        settings: &ImageSettings,
        rootfs: Rootfs,
        volumes: &mut Volumes,
    ) -> std::result::Result<(Body, Option<LeanCheck>, Vec<LeanHost>), String> {
        let (container, service) = (&self.containers[index], &self.containers[index].settings);
        let network = self.attachments[index].clone()?;
        validate(container)?;
        if let Some(wanted) = service.platform.as_ref().filter(|wanted| !wanted.is_empty()) {
            made_for(container.image.written(), wanted, &settings.architecture)?;
        }
        if let Some(processors) = self.processors {
            enough_processors(&service.limits, processors)?;
        }
        let mut tree = rootfs.tree().clone();
        add_engine_files(&mut tree);
        let written = working_dir(settings, service);
        make_working_dir(&mut tree, &written)?;
        let plan =
            volumes.plan(&Container { number: index, name: &container.name, image: settings, service, tree: &tree })?;
        let wanted = service.user.as_ref().filter(|user| !user.is_empty()).unwrap_or(&settings.user);
        let looked_for = if wanted.is_empty() { "0" } else { wanted.as_str() };
        let passwd =
            read(&rootfs, &tree, "etc/passwd").map_err(|why| format!("unable to find user {looked_for}: {why}"))?;
        let group = read(&rootfs, &tree, "etc/group")
            .map_err(|why| format!("unable to find groups for spec {wanted}: {why}"))?;
        let user = find_user(wanted, &passwd, &group, &service.groups)?;
        let hostname = self.hostname(index, image);
        let place = ContainerPlace { name: container.name.clone(), hostname, cpus: self.cpus.clone(), network };
        let config = ContainerConfig {
            image: settings,
            service,
            place: &place,
            user: &user,
            profile: self.profile,
            mounts: &plan.mounts,
        };
        let made = oci_config(&config)?;
        let hostname = config.hostname();
        let mut files = vec![("config.json", made.to_string().into_bytes())];
        let check = self.check(index, settings, &made, &mut files);
        let owner = self.network_owner(index);
        let neighbours: Vec<Neighbour<'_>> = self.neighbours();
        let found = known(&neighbours, owner);
        let resolver = resolv_conf(&self.containers[owner].settings, !found.is_empty());
        let serves_names = if owner == index { settings.serves_names() } else { self.serves_names(owner) };
        let (in_file, by_server) = if serves_names { (found, Vec::new()) } else { (Vec::new(), found) };
        files.extend([
            ("hosts", hosts(&neighbours[owner], &hostname, &in_file).into_bytes()),
            ("hostname", format!("{hostname}\n").into_bytes()),
            ("resolv.conf", resolver.into_bytes()),
        ]);
        // The network's owner has its name server.
        let served = if owner == index { by_server } else { Vec::new() };
        Ok((Body { files, sources: plan.sources, tree, rootfs }, check, served))
    }

    /// The healthcheck, where somebody waits for it or it must not fail, and there is one.
    fn check(
        &self,
        index: usize,
        image: &ImageSettings,
        config: &Value,
        files: &mut Vec<(&'static str, Vec<u8>)>,
    ) -> Option<LeanCheck> {
        let container = &self.containers[index];
        let waited_for = self
            .containers
            .iter()
            .flat_map(|other| &other.settings.waits)
            .any(|(service, until, _)| *service == container.service && *until == StartCondition::Healthy);
        let check = merged(container.settings.healthcheck.as_ref(), image.healthcheck.as_ref())
            .filter(|_| waited_for || container.checked)?;
        let command = match check.test.split_first() {
            Some((kind, words)) if kind == "CMD" => words.to_vec(),
            Some((kind, words)) if kind == "CMD-SHELL" => {
                let shell = ["/bin/sh".to_owned(), "-c".to_owned()];
                shell.into_iter().chain(words.iter().cloned()).collect()
            }
            _ => return None,
        };
        files.push((LeanBundle::CHECK, ContainerConfig::check_process(config, &command).to_string().into_bytes()));
        let milliseconds = |nanoseconds: i64, otherwise: u64| {
            if nanoseconds > 0 { u64::try_from(nanoseconds).unwrap_or(0).div_ceil(1_000_000) } else { otherwise }
        };
        let interval_ms = milliseconds(check.interval, CHECK_INTERVAL_MS);
        Some(LeanCheck {
            interval_ms,
            timeout_ms: milliseconds(check.timeout, CHECK_TIMEOUT_MS),
            start_period_ms: milliseconds(check.start_period, 0),
            start_interval_ms: milliseconds(check.start_interval, interval_ms),
            retries: u32::try_from(check.retries).ok().filter(|n| *n > 0).unwrap_or(CHECK_RETRIES),
        })
    }

    fn neighbours(&self) -> Vec<Neighbour<'_>> {
        let attachments = self.attachments.iter().map(|a| a.as_ref().unwrap_or(&LeanAttachment::None));
        let short_id = |index: usize, container: &BundleContainer| {
            if container.settings.hostname.as_deref().is_some_and(|name| !name.is_empty()) {
                return None;
            }
            let image = self.store.resolve(&container.image).ok().flatten()?;
            Some(self.hostname(index, &image))
        };
        self.containers
            .iter()
            .enumerate()
            .zip(attachments)
            .map(|((index, container), attachment)| Neighbour {
                service: &container.service,
                name: &container.name,
                settings: &container.settings,
                short_id: short_id(index, container),
                attachment,
                networks: &self.networks,
            })
            .collect()
    }

    /// Whether the image at `index` says that it serves names: where it listens, at every address of its own, the guest's name server would
    /// be in its way.
    fn serves_names(&self, index: usize) -> bool {
        let image = self.store.resolve(&self.containers[index].image).ok().flatten();
        let text = image.and_then(|image| std::fs::read(self.store.blob_path(&image.config.digest)).ok());
        text.and_then(|text| ImageSettings::read(&text).ok()).is_some_and(|settings| settings.serves_names())
    }

    /// Whose network a container has: its own, or that of the one it joins.
    fn network_owner(&self, index: usize) -> usize {
        match &self.attachments[index] {
            Ok(LeanAttachment::Container(other)) => {
                self.containers.iter().position(|container| container.name == *other).unwrap_or(index)
            }
            _ => index,
        }
    }

    /// The host name of a container that sets none.
    fn hostname(&self, index: usize, image: &StoredImage) -> String {
        let owner = self.network_owner(index);
        if let Some(set) = &self.containers[owner].settings.hostname {
            return set.clone();
        }
        if self.attachments[index] == Ok(LeanAttachment::Host) {
            return GUEST.to_owned();
        }
        // Docker takes the first twelve digits of a container's random id; this one is the same in every run.
        let hash = hex::encode(Sha256::digest(format!("{} {}", image.config.digest, self.containers[owner].name)));
        hash[..12].to_owned()
    }
}

/// What the engine refuses of a service before it looks at the image.
fn validate(container: &BundleContainer) -> std::result::Result<(), String> {
    let service = &container.settings;
    if let Some(why) = &service.refused {
        return Err(why.clone());
    }
    if let Some(written) = service.stop_signal.as_ref().filter(|written| !written.is_empty())
        && signal_number(written).is_none()
    {
        return Err(format!("invalid signal: {written}"));
    }
    match service.working_dir.as_ref().filter(|dir| !dir.is_empty()) {
        Some(dir) if !dir.starts_with('/') => {
            Err(format!("the working directory '{dir}' is invalid, it needs to be an absolute path"))
        }
        _ => Ok(()),
    }
}

/// What the engine says of an image that is made for another platform than its service wants.
fn made_for(image: &str, wanted: &str, architecture: &str) -> std::result::Result<(), String> {
    let normal = |architecture: &str| match architecture {
        "" => "amd64".to_owned(),
        written => architecture_word(written),
    };
    let refused = |why: &str| Err(format!("{why}: invalid argument"));
    if wanted.split('/').count() > 3 {
        return refused(&format!("{wanted:?}: cannot parse platform specifier"));
    }
    let is_word =
        |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
    if let Some(part) = wanted.split('/').find(|part| !is_word(part)) {
        let must = "platform specifier component must match \"^[A-Za-z0-9_-]+$\"";
        return refused(&format!("{part:?} is an invalid component of {wanted:?}: {must}"));
    }
    let mut parts = wanted.split('/');
    let (first, second) = (parts.next().unwrap_or_default().to_ascii_lowercase(), parts.next());
    let (system, processor) = match (first.as_str(), second) {
        (system, Some(processor)) => (system.to_owned(), normal(processor)),
        // One word is a system, or a processor on this one.
        ("linux" | "windows" | "darwin" | "freebsd", None) => (first.clone(), "amd64".to_owned()),
        (processor, None) => ("linux".to_owned(), normal(processor)),
    };
    let actual = normal(architecture);
    if system == "linux" && processor == actual {
        return Ok(());
    }
    Err(format!(
        "image with reference {image} was found but does not match the specified platform: wanted {system}/{processor}, \
         actual: linux/{actual}"
    ))
}

/// What the engine says of processors that its machine has not.
fn enough_processors(limits: &Limits, there: u32) -> std::result::Result<(), String> {
    if limits.nano_cpus.is_some_and(|wanted| !(0..=i64::from(there) * 1_000_000_000).contains(&wanted)) {
        return Err(format!("Range of CPUs is from 0.01 to {there}.00, as there are only {there} CPUs available"));
    }
    let Some(wanted) = limits.cpuset.as_deref().filter(|wanted| !wanted.is_empty()) else { return Ok(()) };
    let mut highest = 0;
    for part in wanted.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        match (first.trim().parse::<u32>(), last.trim().parse::<u32>()) {
            (Ok(first), Ok(last)) if first <= last => highest = highest.max(last),
            _ => return Err(format!("Invalid value {wanted} for cpuset cpus")),
        }
    }
    if highest < there {
        return Ok(());
    }
    let available = if there > 1 { format!("0-{}", there - 1) } else { "0".to_owned() };
    Err(format!("Requested CPUs are not available - requested {wanted}, available: {available}"))
}

/// A service's healthcheck over its image's (moby, `daemon/commit.go`, `merge`).
fn merged(service: Option<&ImageHealthcheck>, image: Option<&ImageHealthcheck>) -> Option<ImageHealthcheck> {
    let (service, image) = match (service, image) {
        (Some(service), Some(image)) => (service, image),
        (one, other) => return one.or(other).cloned(),
    };
    let or = |own: i64, images: i64| if own == 0 { images } else { own };
    Some(ImageHealthcheck {
        test: if service.test.is_empty() { image.test.clone() } else { service.test.clone() },
        interval: or(service.interval, image.interval),
        timeout: or(service.timeout, image.timeout),
        start_period: or(service.start_period, image.start_period),
        start_interval: or(service.start_interval, image.start_interval),
        retries: or(service.retries, image.retries),
    })
}

/// A file of a container's, as the engine finds it: through links, within the root. Nothing where it cannot be opened; a directory
/// can be opened, and not be read.
fn read(rootfs: &Rootfs, tree: &Tree, path: &str) -> std::result::Result<Vec<u8>, String> {
    use image_store::rootfs::Kind;
    use std::io::Read as _;

    let content = match find(tree, path.as_bytes()).map(|node| &node.kind) {
        Some(Kind::File(content)) => content,
        Some(Kind::Directory) => return Err(format!("read /{path}: is a directory")),
        _ => return Ok(Vec::new()),
    };
    let mut text = Vec::new();
    let read = rootfs.reader(content).and_then(|mut reader| reader.read_to_end(&mut text));
    Ok(if read.is_ok() { text } else { Vec::new() })
}

/// The name as it is written, without tag and digest.
fn repository(image: &ImageReference) -> String {
    let name = image.written().split('@').next().unwrap_or_default();
    match name.rsplit_once(':') {
        // A colon before a slash belongs to a registry's port.
        Some((name, tag)) if !tag.contains('/') => name.to_owned(),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_services_healthcheck_goes_over_the_images() {
        let image =
            ImageHealthcheck { test: vec!["CMD".into(), "a".into()], interval: 5, retries: 9, ..Default::default() };
        let service = ImageHealthcheck { interval: 7, ..Default::default() };
        let made = merged(Some(&service), Some(&image)).unwrap();
        assert_eq!((made.test.len(), made.interval, made.retries), (2, 7, 9));
        assert_eq!(merged(None, Some(&image)), Some(image));
        assert_eq!(merged(None, None), None);
    }

    #[test]
    fn an_image_of_another_platform_is_refused_as_the_engine_refuses_it() {
        for (wanted, architecture) in [
            ("linux/amd64", "amd64"),
            ("linux/x86_64", ""),
            ("amd64", "x86_64"),
            ("linux", "amd64"),
            ("linux/386", "386"),
        ] {
            assert_eq!(made_for("x", wanted, architecture), Ok(()), "{wanted}");
        }
        for (wanted, said) in
            [("linux/arm64", "linux/arm64"), ("arm64", "linux/arm64"), ("windows/amd64", "windows/amd64")]
        {
            let why = made_for("me/x:1", wanted, "amd64").unwrap_err();
            assert!(why.starts_with("image with reference me/x:1 was found"), "{why}");
            assert!(why.ends_with(&format!("wanted {said}, actual: linux/amd64")), "{why}");
        }
        for (wanted, said) in [
            ("linux/amd64/v2/x", r#""linux/amd64/v2/x": cannot parse platform specifier: invalid argument"#),
            (
                "linux/",
                r#""" is an invalid component of "linux/": platform specifier component must match "^[A-Za-z0-9_-]+$": invalid argument"#,
            ),
        ] {
            assert_eq!(made_for("me/x:1", wanted, "amd64").unwrap_err(), said);
        }
    }

    #[test]
    fn processors_that_are_not_there_are_refused_as_the_engine_refuses_them() {
        let tried = |nano_cpus: i64, cpuset: &str, there: u32| {
            let limits = Limits { nano_cpus: Some(nano_cpus), cpuset: Some(cpuset.into()), ..Limits::default() };
            enough_processors(&limits, there)
        };
        assert_eq!(tried(2_000_000_000, "0-1", 2), Ok(()));
        assert_eq!(tried(500_000_000, "", 1), Ok(()));
        for (nano_cpus, cpuset, there, why) in [
            (-1, "", 2, "Range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available"),
            (2_500_000_000, "", 2, "Range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available"),
            (0, "0,2-3", 2, "Requested CPUs are not available - requested 0,2-3, available: 0-1"),
            (0, "1", 1, "Requested CPUs are not available - requested 1, available: 0"),
            (0, "a", 1, "Invalid value a for cpuset cpus"),
        ] {
            assert_eq!(tried(nano_cpus, cpuset, there).unwrap_err(), why);
        }
    }

    #[test]
    fn a_repository_is_a_name_without_tag_and_digest() {
        for (written, name) in [("a/b:1", "a/b"), ("r:5000/a", "r:5000/a"), ("r:5000/a:t", "r:5000/a")] {
            assert_eq!(repository(&written.parse().unwrap()), name);
        }
    }
}
