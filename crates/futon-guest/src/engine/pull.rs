//! `pull`: brings images to the engine: through its mirror where the exchange is one, where a name has a digest by a mirror or a detour for as
//! long as it takes, else by `docker load` from the exchange, else from wherever the engine finds them.

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    thread,
    time::{Duration, Instant, SystemTime},
};

use futon_model::ImageReference;
use guest_net::{
    Context, Error, Result,
    http::{Request, Target, percent_encode},
};
use nix::sys::statvfs::statvfs;

use super::{
    Engine,
    api::Info,
    carried::Carried,
    detour::Detour,
    journal::{first_turn, journal},
    mirror::Mirror,
};
use crate::{
    exchange::{Exchange, SHORT, TRANSFER},
    gem5,
};

/// How long the engine itself may take to start.
pub(super) const ENGINE_LIMIT: Duration = Duration::from_secs(120);

/// Pulls images by their names from the registry that a payload has brought, on a machine without a network.
pub(super) fn pull_carried(engine: &Engine, folder: &Path, names: &[String]) -> Result<()> {
    let carried = Carried::serve(folder)?;
    pull(engine, &Exchange::at(Target::Tcp(carried.address())), names)?;
    // It is in the guest's memory, and the engine has it now.
    fs::remove_dir_all(folder).context(format_args!("cannot remove {}", folder.display()))
}

/// Pulls images by their names.
pub(super) fn pull(engine: &Engine, exchange: &Exchange, names: &[String]) -> Result<()> {
    pull_all(engine, exchange, names).map_err(|error| for_want_of_room(error, room_left()))
}

fn pull_all(engine: &Engine, exchange: &Exchange, names: &[String]) -> Result<()> {
    engine.wait(ENGINE_LIMIT)?;
    let mirrored = info(engine)?.has_mirror(&exchange.target().to_string());
    for name in names {
        let reference: ImageReference = name.parse().map_err(|error| Error::new(format!("{error}")))?;
        println!("pull {name}");
        pull_one(engine, exchange, &reference, mirrored).context(format_args!("cannot pull {name}"))?;
    }
    Ok(())
}

/// Says so where the disk is or was full, and how large it is: the engine may not have started for it, tells only of the last registry
/// that it tried, and takes away at once what it could not unpack.
fn for_want_of_room(error: Error, room: Option<Room>) -> Error {
    match room {
        Some(Room { free, size }) if free <= LITTLE_ROOM => Error::new(format!(
            "no space left on device: {} KiB of {} MiB are free in {STORAGE}; {error}",
            free >> 10,
            size >> 20
        )),
        Some(Room { size, .. }) if error.to_string().contains("no space left on device") => {
            Error::new(format!("{error} (the disk of {STORAGE} has {} MiB)", size >> 20))
        }
        _ => error,
    }
}

/// Where the engine keeps images.
const STORAGE: &str = "/var/lib/docker";

/// A disk with less has no room for an image, bytes.
const LITTLE_ROOM: u64 = 64 << 20;

/// Room on a disk, bytes.
#[derive(Debug, Clone, Copy)]
struct Room {
    free: u64,
    size: u64,
}

/// The room where the engine keeps images.
fn room_left() -> Option<Room> {
    let about = statvfs(STORAGE).ok()?;
    let block = about.fragment_size();
    Some(Room { free: about.blocks_available() * block, size: about.blocks() * block })
}

/// What the engine said about its registries before the machine was saved, written there by `forget`. Asking anew makes it run its
/// runtime for a version first.
const REMEMBERED: &str = "/run/futon/engine.json";

/// The engine's settings: what it said before they changed is worth nothing.
const SETTINGS: &str = "/etc/docker/daemon.json";

/// What a guest may still be doing when its engine answers; it costs a staging machine nothing to let it.
const SETTLING: Duration = Duration::from_secs(3);

/// Waits until the engine answers, and the guest has come to rest.
pub(crate) fn settle(engine: &Engine) -> Result<()> {
    engine.wait(ENGINE_LIMIT)?;
    remember(engine)?;
    thread::sleep(SETTLING);
    Ok(())
}

/// Keeps what the engine says for the forks of this machine.
pub(super) fn remember(engine: &Engine) -> Result<()> {
    let text = serde_json::to_vec(&engine.info()?).context("no JSON")?;
    fs::write(REMEMBERED, text).context(format_args!("cannot write {REMEMBERED}"))
}

fn info(engine: &Engine) -> Result<Info> {
    recall(Path::new(REMEMBERED), Path::new(SETTINGS)).map_or_else(|| engine.info(), Ok)
}

fn recall(remembered: &Path, settings: &Path) -> Option<Info> {
    let modified = |path: &Path| fs::metadata(path).and_then(|about| about.modified()).ok();
    if modified(settings) > modified(remembered) {
        return None;
    }
    serde_json::from_slice(&fs::read(remembered).ok()?).ok()
}

fn pull_one(engine: &Engine, exchange: &Exchange, reference: &ImageReference, mirrored: bool) -> Result<()> {
    if mirrored && reference.is_default_registry() {
        let began = SystemTime::now();
        return create(engine, reference).map_err(|error| match manifest_status(exchange, reference) {
            // The engine tells of the last registry it tried; the first one is what matters.
            Some(status) if status != 200 => Error::new(format!(
                "{} does not have it (status {status}); the engine then: {error}; hint: futon images add",
                exchange.target()
            )),
            _ => first_reason(journal(Some(began)).as_deref(), error),
        });
    }
    // A registry that a payload has brought has no archives, and all that the run needs.
    if let Target::Tcp(address) = exchange.target()
        && (gem5::is_wanted() || reference.digest().is_some() && manifest_status(exchange, reference) == Some(200))
    {
        return pull_led(engine, exchange, *address, reference);
    }
    match load(engine, exchange, reference)? {
        Loaded::Yes => Ok(()),
        Loaded::NotThere(status) => {
            println!("{} has no archive of it (status {status}): asking the engine", exchange.target());
            create(engine, reference)
        }
    }
}

/// Leads the engine to the exchange and has it pull. An engine knows a name with a digest only of what it pulled: to load an archive of
/// it is of no use.
fn pull_led(engine: &Engine, exchange: &Exchange, address: SocketAddr, reference: &ImageReference) -> Result<()> {
    let registry = reference.registry();
    let unled = || {
        format!(
            "the engine cannot use the exchange for {registry}, and an archive has no digest (hint: use the image's tag)"
        )
    };
    if reference.is_default_registry() {
        let _mirror = Mirror::begin(engine, &exchange.target().to_string(), Path::new(SETTINGS)).context(unled())?;
        return create(engine, reference);
    }
    let _detour = Detour::begin(registry, address).context(unled())?;
    create_soon(engine, reference)
}

/// The engine's first reason of this pull, where its journal has one; its answer is about the last registry that it tried.
fn first_reason(journal: Option<&str>, answer: Error) -> Error {
    journal.and_then(first_turn).map_or(answer, Error::new)
}

/// How long an engine remembers what `/etc/hosts` said, and some more.
const HOSTS_REMEMBERED: Duration = Duration::from_secs(7);

/// Has the engine pull an image from a registry whose name has just changed its meaning.
fn create_soon(engine: &Engine, reference: &ImageReference) -> Result<()> {
    let began = Instant::now();
    loop {
        match create(engine, reference) {
            Err(error) if began.elapsed() < HOSTS_REMEMBERED && is_of_the_way(&error) => thread::sleep(PAUSE),
            result => return result,
        }
    }
}

/// Between two tries.
const PAUSE: Duration = Duration::from_secs(1);

/// True when a registry was not found, whatever it would have said.
fn is_of_the_way(error: &Error) -> bool {
    let error = error.to_string();
    ["lookup ", "dial tcp", "no such host", "i/o timeout", "deadline exceeded"].iter().any(|w| error.contains(w))
}

/// What the exchange's registry says about an image.
fn manifest_status(exchange: &Exchange, reference: &ImageReference) -> Option<u16> {
    let (repository, version) = engine_names(reference);
    let path = format!("/v2/{repository}/manifests/{version}");
    let request = Request { method: "HEAD", ..Request::get(&path) };
    exchange.send_plain(SHORT, request).ok().map(|response| response.status)
}

enum Loaded {
    Yes,
    NotThere(u16),
}

fn load(engine: &Engine, exchange: &Exchange, reference: &ImageReference) -> Result<Loaded> {
    let path = format!("/_futon/image.tar?ref={}", percent_encode(reference.written()));
    let mut response = exchange.send_plain(TRANSFER, Request::get(&path)).context("the exchange does not answer")?;
    match response.status {
        200 => engine.load_image(&mut response.body, &mut say).map(|()| Loaded::Yes),
        404 | 405 | 501 => Ok(Loaded::NotThere(response.status)),
        status => Err(Error::new(format!("{} answered with status {status}", exchange.target()))),
    }
}

fn create(engine: &Engine, reference: &ImageReference) -> Result<()> {
    let (repository, version) = engine_names(reference);
    engine.create_image(&repository, &version, &mut say)
}

/// What the engine wants apart: the name without tag, and the digest where there is one, else the tag.
fn engine_names(reference: &ImageReference) -> (String, String) {
    let repository = if reference.is_default_registry() {
        reference.repository().to_owned()
    } else {
        format!("{}/{}", reference.registry(), reference.repository())
    };
    let version = match reference.digest() {
        Some(digest) => digest.as_str(),
        None => reference.tag().unwrap_or("latest"),
    };
    (repository, version.to_owned())
}

fn say(line: &str) {
    println!("{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_engine_said_is_remembered_until_its_settings_change() {
        let folder = std::env::temp_dir().join(format!("futon-recall-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (remembered, settings) = (folder.join("engine.json"), folder.join("daemon.json"));
        assert!(recall(&remembered, &settings).is_none());
        let said: Info = serde_json::from_str(r#"{"RegistryConfig":{"Mirrors":["http://10.0.2.2:3003/"]}}"#).unwrap();
        fs::write(&remembered, serde_json::to_vec(&said).unwrap()).unwrap();
        assert!(recall(&remembered, &settings).unwrap().has_mirror("http://10.0.2.2:3003"));
        let later = fs::metadata(&remembered).unwrap().modified().unwrap() + Duration::from_secs(1);
        fs::File::create(&settings).unwrap().set_modified(later).unwrap();
        assert!(recall(&remembered, &settings).is_none());
        fs::remove_file(&settings).unwrap();
        fs::write(&remembered, "{").unwrap();
        assert!(recall(&remembered, &settings).is_none());
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn the_first_reason_of_this_pull_is_the_reason() {
        let said = |journal| first_reason(journal, Error::new("connection refused")).to_string();
        let journal = "x msg=\"Attempting next endpoint for pull after error: max depth exceeded\" y=z";
        assert_eq!(said(Some(journal)), "max depth exceeded");
        assert_eq!(said(Some("nothing of that")), "connection refused");
        assert_eq!(said(None), "connection refused");
    }

    #[test]
    fn only_a_registry_that_is_not_found_is_asked_again() {
        let again = |text: &str| is_of_the_way(&Error::new(text));
        assert!(again("Get \"https://ghcr.io/v2/\": dial tcp: lookup ghcr.io: no such host"));
        assert!(!again("failed to register layer: max depth exceeded"));
        assert!(!again("manifest unknown"));
    }

    #[test]
    fn a_full_disk_is_named_and_no_other() {
        let said = |free: Option<u64>, error: &str| {
            let room = free.map(|free| Room { free, size: 8 << 30 });
            for_want_of_room(Error::new(error), room).to_string()
        };
        let full = said(Some(3 << 20), "the engine does not answer");
        assert_eq!(
            full,
            "no space left on device: 3072 KiB of 8192 MiB are free in /var/lib/docker; the engine does not answer"
        );
        assert_eq!(said(Some(1 << 30), "the engine does not answer"), "the engine does not answer");
        assert_eq!(said(None, "the engine does not answer"), "the engine does not answer");
        let was_full = said(Some(1 << 30), "write /big: no space left on device");
        assert_eq!(was_full, "write /big: no space left on device (the disk of /var/lib/docker has 8192 MiB)");
    }

    #[test]
    fn names_are_taken_apart_for_the_engine() {
        let names = |text: &str| {
            let (repository, version) = engine_names(&text.parse().unwrap());
            format!("{repository} {version}")
        };
        assert_eq!(names("vhiveease/fibonacci-go:v2"), "vhiveease/fibonacci-go v2");
        assert_eq!(names("vhiveease/fibonacci-go"), "vhiveease/fibonacci-go latest");
        assert_eq!(names("ghcr.io/a/b:1"), "ghcr.io/a/b 1");
        let digest = format!("sha256:{}", "a".repeat(64));
        assert_eq!(names(&format!("x/y:1@{digest}")), format!("x/y {digest}"));
    }
}
