//! `get` and `put`: files from and to the exchange, streamed.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use guest_net::{
    Context, Error, Result,
    http::{Multipart, Payload, Request, percent_encode},
};

use crate::exchange::{Exchange, TRANSFER};

const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_millis(500);

/// Files that are programs: the exchange does not say so.
const PROGRAMS: [&str; 2] = ["futon-guest", "test-client"];

/// Why one attempt failed, and whether another makes sense.
enum Failure {
    Final(Error),
    Passing(Error),
}

/// What came of one attempt.
enum Fetched {
    /// The file is here, with the tag by which the exchange knows its content.
    All(Option<String>),
    /// It is the one that was fetched before.
    Nothing,
}

/// Fetches `name` into `folder` under its last component; what was there before is replaced when all has arrived.
/// A program stays where it is the same: a fork has those that its warm base fetched.
pub(crate) fn get(exchange: &Exchange, name: &str, folder: &Path) -> Result<()> {
    let last = name.rsplit('/').next().unwrap_or(name);
    if matches!(last, "" | "." | "..") {
        return Err(Error::new(format!("{name:?} is not a file name")));
    }
    let path: String = name.split('/').flat_map(|part| ["/".to_owned(), percent_encode(part)]).collect();
    let goal = folder.join(last);
    let partial = folder.join(format!(".{last}.part"));
    let mode = if PROGRAMS.contains(&last) { 0o755 } else { 0o644 };
    let tag = folder.join(format!(".{last}.tag"));
    let known = if goal.is_file() { fs::read_to_string(&tag).ok() } else { None };
    let result = again(|| get_once(exchange, &path, &partial, mode, known.as_deref())).and_then(|fetched| {
        let Fetched::All(new) = fetched else { return Ok(()) };
        // From here on the tag would be another file's.
        let _ = fs::remove_file(&tag);
        fs::rename(&partial, &goal).context(format_args!("cannot store {}", goal.display()))?;
        if let Some(new) = new.filter(|_| PROGRAMS.contains(&last)) {
            // Without one it is fetched again next time.
            let _ = fs::write(&tag, new);
        }
        Ok(())
    });
    if result.is_err() {
        // Nothing half-done stays; it may not be there at all.
        let _ = fs::remove_file(&partial);
    }
    result.context(format_args!("cannot get {name} from {}", exchange.target()))
}

fn get_once(
    exchange: &Exchange,
    path: &str,
    partial: &Path,
    mode: u32,
    known: Option<&str>,
) -> std::result::Result<Fetched, Failure> {
    let mut request = Request::get(path);
    if let Some(known) = known {
        request = request.header("If-None-Match", known);
    }
    let mut response = exchange.send(TRANSFER, request).map_err(passing)?;
    if response.status == 304 && known.is_some() {
        return Ok(Fetched::Nothing);
    }
    check(response.status, &[200])?;
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(partial)
        .and_then(|file| file.set_permissions(fs::Permissions::from_mode(mode)).map(|()| file))
        .map_err(|error| Failure::Final(Error::new(format!("cannot write {}: {error}", partial.display()))))?;
    io::copy(&mut response.body, &mut file).map_err(passing)?;
    Ok(Fetched::All(response.header("etag").map(ToOwned::to_owned)))
}

/// Uploads a file under `name`: as much as it holds now, should it grow meanwhile.
pub(crate) fn put(exchange: &Exchange, file: &Path, name: &str) -> Result<()> {
    again(|| put_once(exchange, file, name)).context(format_args!(
        "cannot put {} to {}",
        file.display(),
        exchange.target()
    ))
}

fn put_once(exchange: &Exchange, file: &Path, name: &str) -> std::result::Result<(), Failure> {
    let unreadable = |error: io::Error| Failure::Final(Error::new(format!("cannot read {}: {error}", file.display())));
    let source = File::open(file).map_err(unreadable)?;
    let length = source.metadata().map_err(unreadable)?.len();
    let form = Multipart::file(name, salt());
    let mut body = form.around(source.take(length));
    let request = Request::post("/upload", Payload::Sized(form.length(length), &mut body))
        .header("Content-Type", form.content_type());
    let response = exchange.send(TRANSFER, request).map_err(passing)?;
    check(response.status, &[200, 201, 204])
}

/// A number that no two uploads share by chance.
fn salt() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs() ^ u64::from(since.subsec_nanos()) << 32)
}

fn passing(error: io::Error) -> Failure {
    Failure::Passing(error.into())
}

/// A server that is there and refuses will refuse again; one in trouble may recover.
fn check(status: u16, good: &[u16]) -> std::result::Result<(), Failure> {
    let error = Error::new(format!("status {status}"));
    match status {
        status if good.contains(&status) => Ok(()),
        500 | 502..=504 => Err(Failure::Passing(error)),
        _ => Err(Failure::Final(error)),
    }
}

fn again<T>(mut attempt: impl FnMut() -> std::result::Result<T, Failure>) -> Result<T> {
    let mut tries = 1;
    loop {
        match attempt() {
            Ok(done) => return Ok(done),
            Err(Failure::Final(error)) => return Err(error),
            Err(Failure::Passing(error)) if tries >= TRIES => {
                return Err(Error::new(format!("{error} (tried {tries} times)")));
            }
            Err(Failure::Passing(_)) => {
                thread::sleep(PAUSE * tries);
                tries += 1;
            }
        }
    }
}

#[cfg(test)]
#[path = "transfer_tests.rs"]
mod tests;
