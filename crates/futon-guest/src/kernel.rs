//! What the kernel says of processes that crash.

use std::{fs, io::Read, os::unix::fs::OpenOptionsExt};

/// The kernel's last line about a process that crashed, where an exit status says that a signal ended the process.
pub(crate) fn word_on(status: i64) -> Option<String> {
    if status > 128 { last_fault(&log()) } else { None }
}

/// What the kernel has said so far (`/dev/kmsg`), a record a line. Empty where it cannot be read: then less is known.
fn log() -> String {
    let file = fs::File::options().read(true).custom_flags(libc::O_NONBLOCK).open("/dev/kmsg");
    let Ok(mut file) = file else { return String::new() };
    let (mut all, mut record) = (String::new(), [0_u8; 8192]);
    loop {
        match file.read(&mut record) {
            Ok(length) if length > 0 => all.push_str(&String::from_utf8_lossy(&record[..length])),
            // Records that were overwritten while this one was read.
            Err(error) if error.raw_os_error() == Some(libc::EPIPE) => {}
            _ => return all,
        }
    }
}

/// The last fault of a process in the kernel's log: `name[pid]: segfault at …`, `traps: name[pid] trap invalid opcode ip:…`
/// (arch/x86/mm/fault.c, arch/x86/kernel/traps.c).
fn last_fault(log: &str) -> Option<String> {
    let mut messages = log.lines().filter_map(|line| line.split_once(';')).map(|(_, message)| message.trim());
    messages.rfind(|m| m.contains("]: segfault at ") || m.starts_with("traps: ")).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::last_fault;

    #[test]
    fn the_kernels_word_on_a_crash_is_found() {
        let log = "6,300,900,-;traps: a[3] trap invalid opcode ip:1 sp:2 error:0\n6,301,1000,-;python3[77]: segfault at 0 ip 1 sp 2 error 4 in libx.so\n SUBSYSTEM=x\n4,302,1,-;other\n";
        assert_eq!(last_fault(log).unwrap(), "python3[77]: segfault at 0 ip 1 sp 2 error 4 in libx.so");
        assert_eq!(last_fault("6,1,2,-;Linux version 6.12\n"), None);
    }
}
