//! A process is frozen and goes on in another one: it has two threads, a file of its own, a pipe's worth of state in the kernel, and a
//! word on its heap.

use std::fs;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

use super::*;

/// Counts in one thread, writes the count and a word in the other; answers SIGUSR1 with a mark.
const PROGRAM: &str = r#"
import fcntl, mmap, os, select, signal, struct, sys, threading, time
count = 0
def counting():
    global count
    while True:
        count += 1
        time.sleep(0.01)
marks = 0
def mark(*_):
    global marks
    marks += 1
signal.signal(signal.SIGUSR1, mark)
word = os.urandom(8).hex()
shared = mmap.mmap(os.open(sys.argv[2], os.O_RDWR), 4096)
epoll, event = select.epoll(), os.eventfd(7) if hasattr(os, "eventfd") else None
out = open(sys.argv[1], "w", buffering=1)
copy = os.dup(out.fileno())
F_OFD_SETLK = 37
fcntl.fcntl(out, F_OFD_SETLK, struct.pack("@hhqqi4x", fcntl.F_WRLCK, 0, 100, 2, 0))
threading.Thread(target=counting, daemon=True).start()
while True:
    shared[0] = (shared[0] + 1) % 256
    os.write(out.fileno(), f"{word} {count} ".encode())
    # At the same file's same place.
    os.write(copy, f"{marks} {sys.stdin.readline().strip() if marks else '-'}\n".encode())
    time.sleep(0.02)
"#;

fn close_on_exec_from(first: libc::c_uint) {
    // SAFETY: the system call takes no pointers, and closes nothing now.
    unsafe { libc::close_range(first, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC.cast_signed()) };
}

fn spawn(words: &[&str], input: Stdio, traced: bool) -> Child {
    let mut command = Command::new("python3");
    command.args(words).stdin(input).stdout(Stdio::null()).stderr(Stdio::null());
    // SAFETY: nothing but system calls between fork and exec.
    unsafe {
        command.pre_exec(move || {
            close_on_exec_from(3);
            same_addresses()?;
            if traced {
                ptrace::traceme()?;
            }
            Ok(())
        });
    }
    command.spawn().unwrap()
}

/// Waits for a line of the file that is as wanted: its words.
fn line_of(file: &Path, wanted: impl Fn(&[String]) -> bool) -> Vec<String> {
    let begin = Instant::now();
    loop {
        let text = fs::read_to_string(file).unwrap_or_default();
        // The last one may be half written.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let words = whole.lines().rev().map(|line| line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        if let Some(found) = words.into_iter().find(|words| wanted(words)) {
            return found;
        }
        assert!(begin.elapsed() < Duration::from_secs(20), "{text}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A program that makes a folder when it has done its work, and then waits. A folder is never open, as a file might still be.
fn then_wait(program: &str, ready: &Path) -> String {
    format!("{program}\nimport os, time\nos.mkdir({ready:?})\ntime.sleep(60)")
}

fn wait_for(ready: &Path) {
    let begin = Instant::now();
    while !ready.exists() {
        assert!(begin.elapsed() < Duration::from_secs(20), "{}", ready.display());
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Whether some other open file has locked this byte.
fn is_locked(file: &Path, place: i64) -> bool {
    let file = fs::File::options().read(true).write(true).open(file).unwrap();
    let exclusive = i16::try_from(libc::F_WRLCK).unwrap();
    let lock = libc::flock { l_type: exclusive, l_whence: 0, l_start: place, l_len: 1, l_pid: 0 };
    // SAFETY: the kernel reads a live structure.
    let answer = unsafe { libc::fcntl(std::os::fd::AsRawFd::as_raw_fd(&file), libc::F_OFD_SETLK, &raw const lock) };
    answer == -1
}

fn count_of(words: &[String]) -> u64 {
    words[1].parse().unwrap()
}

fn end(mut child: Child) {
    child.kill().unwrap();
    while waitpid(Pid::from_raw(child.id().cast_signed()), Some(WaitPidFlag::__WALL)).is_ok() {}
}

#[test]
fn a_process_goes_on_where_it_was_twice() {
    let folder = tempfile::tempdir().unwrap();
    let folder = fs::canonicalize(folder.path()).unwrap();
    let (first, memory) = (folder.join("first"), folder.join("memory"));
    fs::write(&memory, [0; 4096]).unwrap();
    let frozen = spawn(&["-c", PROGRAM, first.to_str().unwrap(), memory.to_str().unwrap()], Stdio::null(), false);
    let pid = frozen.id().cast_signed();
    let before = line_of(&first, |words| count_of(words) > 20);
    freeze(pid, &folder, &memory, &[0, 1, 2]).unwrap();
    // It goes on itself, too.
    let after = line_of(&first, |words| count_of(words) > count_of(&before) + 20);
    assert_eq!(after[0], before[0]);
    end(frozen);
    let shared = fs::read(&memory).unwrap();
    assert_ne!(shared[0], 0);

    for name in ["second", "third"] {
        let own = folder.join(name);
        let order =
            Thaw { folder: folder.clone(), moved: vec![Moved { from: first.clone(), to: own.clone(), own: true }] };
        let child = spawn(&["-c", "thawed"], Stdio::piped(), true);
        let pid = Pid::from_raw(child.id().cast_signed());
        thaw(pid, &order, &["python3".into(), "thawed".into()]).unwrap();
        let words = line_of(&own, |words| count_of(words) > count_of(&before) + 20);
        // Its file is locked where the first one's was.
        assert_eq!([99, 100, 101, 102].map(|place| is_locked(&own, place)), [false, true, true, false]);
        // Its memory is that of the first one, its other thread counts on, and its file is its own.
        assert_eq!((&words[0], words[2].as_str()), (&before[0], "0"));
        assert!(count_of(&line_of(&own, |_| true)) >= count_of(&before));
        // Its handlers of signals are there, and what it inherited is what it was given.
        let mut child = child;
        kill(pid, Signal::SIGUSR1).unwrap();
        child.stdin.take().unwrap().write_all(b"hello\n").unwrap();
        assert_eq!(line_of(&own, |words| words[2] == "1")[3], "hello");
        let listed = fs::read(format!("/proc/{pid}/cmdline")).unwrap();
        assert_eq!(listed, b"python3\0thawed\0");
        let slack = |pid: &str| fs::read_to_string(format!("/proc/{pid}/timerslack_ns")).unwrap();
        assert_eq!(slack(&pid.to_string()), slack("self"));
        end(child);
        // What it shared is its own now.
        assert_eq!(fs::read(&memory).unwrap(), shared);
    }
}

#[test]
fn what_cannot_be_carried_over_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |program: &str, random: bool| {
        // One of each program's own.
        let ready = folder.path().join(program.len().to_string());
        let program = then_wait(program, &ready);
        let child = if random {
            Command::new("python3").args(["-c", &program]).spawn().unwrap()
        } else {
            spawn(&["-c", &program], Stdio::null(), false)
        };
        wait_for(&ready);
        let why = freeze(child.id().cast_signed(), folder.path(), Path::new("/none"), &[0, 1, 2]).unwrap_err();
        end(child);
        why
    };
    assert_eq!(refused("pass", true), "the system does not allow a fixed address layout");
    let busy = refused(
        "import threading\nthreading.Thread(target=lambda: [0 for _ in iter(int, 1)], daemon=True).start()",
        false,
    );
    assert_eq!(busy, "its threads did not come to rest");
    let pipe = refused("import os; os.pipe()", false);
    assert!(pipe.starts_with("it has pipe:[") && pipe.ends_with("open, which cannot be saved"), "{pipe}");
    let connected = "import socket\na = socket.socket(); a.bind(('127.0.0.1', 0)); a.listen()\n\
                     b = socket.create_connection(a.getsockname()); c = a.accept()";
    assert!(refused(connected, false).starts_with("it has socket:["));
    let locked = refused("import fcntl, sys; f = open('/proc/self/exe', 'rb'); fcntl.flock(f, fcntl.LOCK_SH)", false);
    assert!(locked.starts_with("it has locked "), "{locked}");
    let timer = refused("import signal; signal.setitimer(signal.ITIMER_VIRTUAL, 1000)", false);
    assert_eq!(timer, "it has an interval timer");
    let shared = refused("import mmap; m = mmap.mmap(-1, 4096)", false);
    assert!(shared.starts_with("it shares memory"), "{shared}");
}

#[test]
fn another_host_and_another_library_are_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let ready = folder.path().join("ready");
    let frozen = spawn(&["-c", &then_wait("pass", &ready)], Stdio::null(), false);
    wait_for(&ready);
    freeze(frozen.id().cast_signed(), folder.path(), Path::new("/none"), &[0, 1, 2]).unwrap();
    end(frozen);
    let about = folder.path().join(ABOUT);
    let whole: serde_json::Value = serde_json::from_slice(&fs::read(&about).unwrap()).unwrap();
    let refused = |key: &str, value: serde_json::Value| {
        let mut changed = whole.clone();
        *changed.pointer_mut(key).unwrap() = value;
        fs::write(&about, changed.to_string()).unwrap();
        let child = spawn(&["-c", "thawed"], Stdio::null(), true);
        let order = Thaw { folder: folder.path().to_owned(), moved: Vec::new() };
        let why = thaw(Pid::from_raw(child.id().cast_signed()), &order, &[]).unwrap_err();
        end(child);
        why
    };
    assert_eq!(
        refused("/host", "6.0\nmodel name: 486".into()),
        "the host's kernel or processor changed, or it was booted again"
    );
    let library = whole["programs"][0]["path"].as_str().unwrap();
    assert_eq!(refused("/programs/0/mtime_ns", 1.into()), format!("{library} changed"));
    assert_eq!(refused("/kernel_code", "0f05".into()), "the kernel's own pages are laid out differently");
}
