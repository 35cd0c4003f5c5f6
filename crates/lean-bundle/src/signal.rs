//! Signals by name or number, as the Docker Engine takes them.

/// First and last real-time signal as the engine counts them: the C library keeps two for itself.
const RTMIN: i32 = 34;
const RTMAX: i32 = 64;

/// Names without `SIG` (`github.com/moby/sys/signal`, Linux).
const NAMES: [(&str, i32); 36] = [
    ("ABRT", libc::SIGABRT),
    ("ALRM", libc::SIGALRM),
    ("BUS", libc::SIGBUS),
    ("CHLD", libc::SIGCHLD),
    ("CLD", libc::SIGCHLD),
    ("CONT", libc::SIGCONT),
    ("FPE", libc::SIGFPE),
    ("HUP", libc::SIGHUP),
    ("ILL", libc::SIGILL),
    ("INT", libc::SIGINT),
    ("IO", libc::SIGIO),
    ("IOT", libc::SIGABRT),
    ("KILL", libc::SIGKILL),
    ("PIPE", libc::SIGPIPE),
    ("POLL", libc::SIGIO),
    ("PROF", libc::SIGPROF),
    ("PWR", libc::SIGPWR),
    ("QUIT", libc::SIGQUIT),
    ("SEGV", libc::SIGSEGV),
    ("STKFLT", libc::SIGSTKFLT),
    ("STOP", libc::SIGSTOP),
    ("SYS", libc::SIGSYS),
    ("TERM", libc::SIGTERM),
    ("TRAP", libc::SIGTRAP),
    ("TSTP", libc::SIGTSTP),
    ("TTIN", libc::SIGTTIN),
    ("TTOU", libc::SIGTTOU),
    ("URG", libc::SIGURG),
    ("USR1", libc::SIGUSR1),
    ("USR2", libc::SIGUSR2),
    ("VTALRM", libc::SIGVTALRM),
    ("WINCH", libc::SIGWINCH),
    ("XCPU", libc::SIGXCPU),
    ("XFSZ", libc::SIGXFSZ),
    ("RTMIN", RTMIN),
    ("RTMAX", RTMAX),
];

/// The number of a signal: a number other than 0, or a name in any case, with or without `SIG`. None for what is no signal.
#[must_use]
pub fn signal_number(written: &str) -> Option<i32> {
    if let Ok(number) = written.parse::<i64>() {
        return i32::try_from(number).ok().filter(|number| *number != 0);
    }
    let upper = written.to_uppercase();
    let short = upper.strip_prefix("SIG").unwrap_or(&upper);
    if let Some((_, number)) = NAMES.iter().find(|(name, _)| *name == short) {
        return Some(*number);
    }
    let offset = |text: &str, sign: char| -> Option<i32> {
        let digits = text.strip_prefix(sign)?;
        // As the engine's table has them: no zero in front, none that leaves its half of the range.
        let number: i32 = digits.parse().ok().filter(|number: &i32| *number >= 1 && number.to_string() == digits)?;
        Some(number)
    };
    if let Some(above) = short.strip_prefix("RTMIN") {
        return offset(above, '+').filter(|n| *n <= 15).map(|n| RTMIN + n);
    }
    short.strip_prefix("RTMAX").and_then(|below| offset(below, '-')).filter(|n| *n <= 14).map(|n| RTMAX - n)
}

/// The signal that stops a container whose settings say `written`: SIGTERM where they say nothing, 0 where they name no signal, which
/// the engine finds out when it stops the container.
#[must_use]
pub fn stop_signal(written: &str) -> i32 {
    if written.is_empty() {
        libc::SIGTERM
    } else {
        signal_number(written).filter(|n| (1..=RTMAX).contains(n)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_in_all_forms() {
        for (written, number) in [
            ("SIGINT", 2),
            ("INT", 2),
            ("int", 2),
            ("sigTerm", 15),
            ("2", 2),
            ("37", 37),
            ("SIGCLD", 17),
            ("SIGRTMIN+3", 37),
            ("RTMIN", 34),
            ("SIGRTMAX-14", 50),
            ("RTMIN+15", 49),
            ("100", 100),
        ] {
            assert_eq!(signal_number(written), Some(number), "{written}");
        }
        for written in ["SIGNOPE", "0", "RTMIN+16", "RTMAX-15", "RTMAX+1", "RTMIN-1", "RTMIN+03", "", " SIGTERM", "15 "]
        {
            assert_eq!(signal_number(written), None, "{written}");
        }
    }

    #[test]
    fn nothing_is_sigterm_and_nonsense_is_none() {
        assert_eq!((stop_signal(""), stop_signal("SIGNOPE"), stop_signal("65"), stop_signal("-1")), (15, 0, 0, 0));
        assert_eq!((stop_signal("9"), stop_signal("int")), (9, 2));
    }
}
