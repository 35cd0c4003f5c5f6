//! `init`: what gem5.service runs after boot. Finds the run script, runs it as root, and ends quickly where there is none.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{self, BufRead, BufReader, Write},
    os::unix::{fs::DirBuilderExt, fs::OpenOptionsExt, fs::PermissionsExt, process::ExitStatusExt},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::{Duration, Instant},
};

use futon_stage::guest::Window;
use guest_net::{
    Context, Error, Result,
    http::{self, Limits, Request, Target},
    route,
};
use m5ops::M5;

use crate::{
    cmdline,
    engine::{self, Engine},
    exchange::{addresses, target},
    gem5, script,
};

pub(crate) const FOLDER: &str = "/run/futon";
pub(crate) const SCRIPT: &str = "run.sh";
/// Ends the script of a payload: behind it are archives, `run.sh` in one of them.
const PAYLOAD_MARK: &[u8] = b"\n#--futon-payload--\n";
/// Begins the lines of that script that say where they are: bytes before the archive, and where it is to be unpacked.
const PAYLOAD_ARCHIVE: &str = "#futon-archive ";
/// Bytes of a staging machine's payload that are read at once.
const PIECE: usize = 1 << 16;
const HOSTS: &str = "/etc/hosts";

/// Ends the lines of `/etc/hosts` that keep the engine from registries outside.
const HOSTS_MARK: &str = "# futon";

const ROUTE_LIMIT: Duration = Duration::from_secs(3);
/// Together with [`ROUTE_LIMIT`] the longest time without a run script.
const SEARCH_LIMIT: Duration = Duration::from_secs(5);
const LIMITS: Limits =
    Limits { connect: Duration::from_secs(1), io: Duration::from_secs(15), whole: Duration::from_secs(120) };

/// Runs the service. Its exit status is the script's.
pub(crate) fn run() -> Result<u8> {
    let cmdline = cmdline::read();
    if cmdline.value("futon.network") == Some("host") {
        open_the_outside(Path::new(HOSTS));
    }
    prepare_folder(Path::new(FOLDER))?;
    crate::ports::reserve_convention();
    match M5::open() {
        Ok(m5) => {
            if cmdline.value("futon.park") == Some("1") {
                // Where the simulator is to save the guest that waits for work. What follows comes after the restore, or straight on.
                m5.checkpoint(0, 0);
            }
            on_gem5(&Source::Simulator(m5))
        }
        Err(m5ops::Error::NotGem5 { .. }) => match gem5::window()? {
            Some(window) => {
                if cmdline.value("futon.park") != Some("1") {
                    return on_gem5(&Source::Stage(window));
                }
                // A base from which many stages go on: what follows comes with the payload of one.
                engine::settle(&Engine::local())?;
                gem5::wait_for_payload()?;
                on_gem5(&Source::Stage(gem5::window()?.unwrap_or(window)))
            }
            None => on_other(),
        },
        Err(error) => {
            println!("futon: {error}");
            on_other()
        }
    }
}

/// Where a payload is from: the simulator's `readfile`, or the window of a staging machine.
enum Source {
    Simulator(M5),
    Stage(Window),
}

impl Source {
    /// The payload from byte `skip` on, without a copy of it in between.
    fn reader(&self, skip: u64) -> Result<Box<dyn BufRead + '_>> {
        Ok(match self {
            Self::Simulator(m5) => Box::new(m5.file_reader(skip)?),
            Self::Stage(window) => Box::new(BufReader::with_capacity(PIECE, window.payload(skip))),
        })
    }

    fn words(&self) -> &'static str {
        match self {
            Self::Simulator(_) => "on gem5, from readfile",
            Self::Stage(_) => "on a staging machine, from its window",
        }
    }
}

/// Runs the payload of a simulator, or of the machine from which the guest goes on in one.
fn on_gem5(source: &Source) -> Result<u8> {
    let folder = Path::new(FOLDER);
    let path = folder.join(SCRIPT);
    let mut reader = source.reader(0)?;
    let beginning = reader.fill_buf().context("cannot read the simulator's run script")?;
    // futon's own payload is a short script with archives behind it: they are unpacked straight from the simulator.
    let archives = archives_of(beginning)?;
    if archives.is_empty() {
        let mut file = create_script(&path)?;
        let length = io::copy(&mut reader, &mut file).context("cannot store the simulator's run script")?;
        if length == 0 {
            println!("futon: {}: no run script, nothing to do", source.words());
            return Ok(0);
        }
        println!("futon: {}: run script of {length} bytes", source.words());
    } else {
        drop(reader);
        let _ = fs::remove_file(&path);
        for (skip, target) in &archives {
            let mut archive = source.reader(*skip)?;
            guest_unpack::unpack(&mut archive, &folder.join(target))
                .context("cannot unpack the simulator's payload")?;
        }
        println!("futon: {}: run script and {} archives", source.words(), archives.len());
    }
    gem5::forget(folder);
    let status = exec(&path, &From::Simulator)?;
    nix::unistd::sync();
    let code = code_of(status);
    // Wherever the guest is now: a staged one has come to the simulator meanwhile, or ends with its machine.
    match M5::open() {
        Ok(m5) if code == 0 => m5.exit(0),
        Ok(m5) => m5.fail(0, i32::from(code)),
        Err(error) => {
            println!("futon: the run script ended with status {code}, and no simulator is there to hear it: {error}");
        }
    }
    Ok(code)
}

fn on_other() -> Result<u8> {
    let path = Path::new(FOLDER).join(SCRIPT);
    let began = Instant::now();
    let gateway = route::wait_for_gateway(ROUTE_LIMIT);
    let mut reasons = Vec::new();
    for candidate in addresses(gateway).into_iter().map(target) {
        let left = SEARCH_LIMIT.saturating_sub(began.elapsed());
        match fetch(&candidate, &path, left) {
            Ok(length) => {
                println!("futon: run script of {length} bytes from {candidate}/{SCRIPT}");
                let status = exec(&path, &From::Exchange(&candidate))?;
                let code = code_of(status);
                println!("futon: run script ended with status {code}");
                return Ok(code);
            }
            Err(reason) => reasons.push(format!("{candidate}: {reason}")),
        }
    }
    println!("futon: no run script found, nothing to do ({})", reasons.join("; "));
    Ok(0)
}

/// Stores the run script of an exchange and returns its length, bytes. Who listens may take a little longer than who does not.
fn fetch(from: &Target, path: &Path, left: Duration) -> Result<u64> {
    let limits = Limits { connect: LIMITS.connect.min(left.max(Duration::from_millis(100))), ..LIMITS };
    let mut response = http::send(from, limits, Request::get("/run.sh")).context("no answer")?;
    if response.status != 200 {
        return Err(Error::new(format!("status {}", response.status)));
    }
    let partial = path.with_extension("part");
    let mut file = create_script(&partial)?;
    let length = io::copy(&mut response.body, &mut file).context("fetching the run script was interrupted")?;
    drop(file);
    fs::rename(&partial, path).context("cannot store the run script")?;
    Ok(length)
}

fn prepare_folder(folder: &Path) -> Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .and_then(|()| fs::set_permissions(folder, fs::Permissions::from_mode(0o700)))
        .context(format_args!("cannot make {}", folder.display()))
}

/// The script may hold the run's token: it is for root's eyes alone from its first byte.
pub(crate) fn create_script(path: &Path) -> Result<fs::File> {
    let _ = fs::remove_file(path);
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o700)
        .open(path)
        .context(format_args!("cannot write {}", path.display()))
}

/// The archives of a payload: bytes before each, and its folder. None where it is a run script like any other.
fn archives_of(beginning: &[u8]) -> Result<Vec<(u64, PathBuf)>> {
    let Some(end) = beginning.windows(PAYLOAD_MARK.len()).position(|bytes| bytes == PAYLOAD_MARK) else {
        return Ok(Vec::new());
    };
    let mut archives = Vec::new();
    for line in String::from_utf8_lossy(&beginning[..end]).lines() {
        let Some(rest) = line.strip_prefix(PAYLOAD_ARCHIVE) else { continue };
        let (skip, target) = rest.split_once(' ').ok_or_else(|| Error::new(format!("payload: {line:?}")))?;
        archives.push((skip.parse().context(format_args!("payload: {line:?}"))?, PathBuf::from(target)));
    }
    Ok(archives)
}

/// Where a run script is from, which it is told by its environment.
enum From<'a> {
    /// An exchange.
    Exchange(&'a Target),
    /// The simulator.
    Simulator,
}

fn exec(path: &Path, from: &From<'_>) -> Result<ExitStatus> {
    let mut command = script::command(path)?;
    command.current_dir(FOLDER).stdin(Stdio::null());
    for (name, value) in
        [("HOME", "/root"), ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"), ("USER", "root")]
    {
        if std::env::var_os(name).is_none() {
            command.env(name, value);
        }
    }
    match from {
        From::Exchange(target) => command.env("FUTON_URL", target.to_string()),
        From::Simulator => command.env(gem5::VARIABLE, "1"),
    };
    io::stdout().flush()?;
    command.status().context(format_args!("cannot run {}", path.display()))
}

/// Exit status as a shell counts it.
pub(crate) fn code_of(status: ExitStatus) -> u8 {
    let number = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    u8::try_from(number).unwrap_or(u8::MAX)
}

/// Lets the engine look up registries again. A failure costs only that.
fn open_the_outside(hosts: &Path) {
    let result = fs::read_to_string(hosts).and_then(|text| fs::write(hosts, without_marked_lines(&text)));
    if let Err(error) = result {
        println!("futon: cannot change {}: {error}", hosts.display());
    }
}

fn without_marked_lines(text: &str) -> String {
    text.lines().filter(|line| !line.trim_end().ends_with(HOSTS_MARK)).flat_map(|line| [line, "\n"]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_marked_lines_go() {
        let text = "127.0.0.1 localhost\n127.0.0.1 registry-1.docker.io # futon\n# futon is a tool\n";
        assert_eq!(without_marked_lines(text), "127.0.0.1 localhost\n# futon is a tool\n");
    }

    #[test]
    fn a_payload_says_where_its_archives_are_and_other_scripts_have_none() {
        let payload = b"#!/bin/sh\n#futon-archive 0000000099 .\n#futon-archive 0000000200 bundle\nexec ./run.sh\n\
            #--futon-payload--\n\0archive\n#futon-archive 1 behind\n";
        assert_eq!(archives_of(payload).unwrap(), [(99, ".".into()), (200, "bundle".into())]);
        assert!(archives_of(b"#futon-archive x .\n#--futon-payload--\n").is_err());
        assert_eq!(archives_of(b"#!/bin/sh\n#futon-archive 1 .\nm5 exit\n").unwrap(), []);
        assert_eq!(archives_of(b"").unwrap(), []);
    }

    #[test]
    fn a_signal_counts_as_shells_count_it() {
        assert_eq!(code_of(ExitStatus::from_raw(3 << 8)), 3);
        assert_eq!(code_of(ExitStatus::from_raw(9)), 137);
    }

    #[test]
    fn the_script_is_fetched_private_and_replaces_an_old_one() {
        use std::net::TcpListener;
        let folder = std::env::temp_dir().join(format!("futon-service-{}", std::process::id()));
        prepare_folder(&folder).unwrap();
        let path = folder.join("run.sh");
        fs::write(&path, "old").unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let from = Target::Tcp(listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            for answer in ["404 Not Found\r\nContent-Length: 0", "200 OK\r\nContent-Length: 8"] {
                let (mut stream, _) = listener.accept().unwrap();
                let mut buffer = [0; 1024];
                let _ = io::Read::read(&mut stream, &mut buffer).unwrap();
                stream.write_all(format!("HTTP/1.1 {answer}\r\n\r\necho hi\n").as_bytes()).unwrap();
            }
        });
        let left = Duration::from_secs(5);
        assert!(fetch(&from, &path, left).unwrap_err().to_string().contains("status 404"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(fetch(&from, &path, left).unwrap(), 8);
        assert_eq!(fs::read_to_string(&path).unwrap(), "echo hi\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
        server.join().unwrap();
        fs::remove_dir_all(&folder).unwrap();
    }
}
