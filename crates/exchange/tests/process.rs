//! What is true of the whole process: memory that does not grow, a disk that is full.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "exchange/support.rs"]
mod support;

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use exchange::ExchangeConfig;
use futon_model::EventKind;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigHandler, Signal, signal};
use support::{Server, curl, curl_in};

/// Both tests look at or change the whole process: one at a time.
static PROCESS: Mutex<()> = Mutex::new(());

const SIZE: u64 = 512 << 20;

fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn memory_does_not_grow_with_the_size_of_a_file() {
    let _guard = PROCESS.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let server = Server::start(|scratch, events| {
        // Room in memory rather than on the disk, where there is some: the test is about the exchange.
        let uploads = scratch.join("served");
        std::fs::create_dir(&uploads).unwrap();
        std::fs::File::create(uploads.join("zeros")).unwrap().set_len(SIZE).unwrap();
        ExchangeConfig::folder(uploads, events)
    });
    let _warm =
        (curl(&[&server.url("/")]), curl_in(&server.served(""), &["-T", "/etc/hostname", &server.url("/warm")]));
    let before = peak_kib();
    assert_eq!(curl_in(&server.served(""), &["-T", "zeros", &server.url("/put")]).status, 201);
    assert_eq!(curl_in(&server.served(""), &["-F", "files=@zeros;filename=form", &server.url("/upload")]).status, 204);
    let zeros = Command::new("curl").args(["-s", &server.url("/zeros")]).stdout(Stdio::piped()).spawn();
    let mut child = zeros.unwrap();
    let (mut total, mut buffer) = (0, vec![0; 1 << 20]);
    let mut stdout = child.stdout.take().unwrap();
    loop {
        let n = stdout.read(&mut buffer).unwrap();
        if n == 0 {
            break;
        }
        total += n as u64;
    }
    assert!(child.wait().unwrap().success());
    assert_eq!(total, SIZE);
    let grown = peak_kib() - before;
    eprintln!("peak memory grew by {grown} KiB");
    assert!(grown < 32 << 10, "peak memory grew by {grown} KiB");
    for name in ["put", "form"] {
        assert_eq!(std::fs::metadata(server.served(name)).unwrap().len(), SIZE);
    }
}

#[test]
fn a_full_disk_is_said_and_leaves_nothing() {
    let _guard = PROCESS.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut server = Server::start(|scratch, events| ExchangeConfig::run([].into(), scratch.join("served"), events));
    let here = server.scratch.path().to_owned();
    std::fs::write(here.join("large"), vec![b'x'; 3 << 20]).unwrap();
    std::fs::write(here.join("small"), "small").unwrap();
    // The limit on the size of files stands for the end of the disk: the system says no in the same place.
    // SAFETY: the handler is the system's own "ignore".
    unsafe { signal(Signal::SIGXFSZ, SigHandler::SigIgn) }.unwrap();
    let (soft, hard) = getrlimit(Resource::RLIMIT_FSIZE).unwrap();
    setrlimit(Resource::RLIMIT_FSIZE, 1 << 20, hard).unwrap();
    // curl's own files are under the limit too, and small.
    let put = curl_in(&here, &["-T", "large", &server.url("/large")]);
    let form = curl_in(&here, &["-F", "files=@small", "-F", "files=@large", &server.url("/upload")]);
    let small = curl_in(&here, &["-T", "small", &server.url("/small")]);
    setrlimit(Resource::RLIMIT_FSIZE, soft, hard).unwrap();
    std::io::stderr().flush().unwrap();
    assert_eq!((put.status, form.status, small.status), (507, 507, 201), "{put:?} {form:?}");
    assert!(put.text().contains("no space left on the host") && put.text().contains("hint:"), "{}", put.text());
    let names: Vec<_> = support::tree(&server.served("")).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["small"]);
    let failed =
        server.events().into_iter().filter(|e| matches!(e, EventKind::UploadFailed { status: 507, .. })).count();
    assert_eq!(failed, 3, "the form fails with both of its files");
}
