//! Why a function does not serve, as the guest found out, and the messages for it.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::Code;

/// Why a container does not serve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Unready {
    /// Its first process has ended.
    Exited {
        /// Exit status as a shell counts it: 128 and the signal's number, where a signal ended it.
        status: i64,
        /// Whether the kernel's out-of-memory killer struck in it.
        oom_killed: bool,
        /// The kernel's line about a process that crashed.
        kernel_said: Option<String>,
        /// Why the container runtime could not execute the program.
        runtime_said: Option<String>,
    },
    /// It ends and is started again.
    Restarts {
        /// How often it was started again.
        times: u64,
        /// Its last exit status.
        status: Option<i64>,
    },
    /// Nothing in it listens on any TCP port.
    NotListening {
        /// The port in the container that is called.
        port: u16,
    },
    /// It listens on the port that is called, but only on a loopback address of its own.
    LoopbackOnly {
        /// Where it listens.
        at: Vec<SocketAddr>,
    },
    /// It listens on the port that is called, but takes no connections of IPv4 there.
    Ipv6Only {
        /// Where it listens.
        at: Vec<SocketAddr>,
    },
    /// It listens on other ports than the one that is called.
    OtherPort {
        /// The port in the container that is called.
        port: u16,
        /// Where it listens.
        at: Vec<SocketAddr>,
    },
    /// What answers speaks HTTP/1.
    SpeaksHttp1 {
        /// The port that was called.
        port: u16,
        /// The status line that came back.
        line: String,
    },
    /// What answers speaks TLS.
    WantsTls {
        /// The port that was called.
        port: u16,
    },
    /// It accepts connections and says nothing.
    Silent {
        /// The port that was called.
        port: u16,
    },
    /// It closes each connection without an answer.
    Closes {
        /// The port that was called.
        port: u16,
    },
    /// Something else.
    Other {
        /// The port that was called.
        port: u16,
        /// What was seen last.
        seen: String,
    },
}

impl Unready {
    /// The reason for programs.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Exited { oom_killed: true, .. } => Code::OutOfMemory,
            Self::Exited { runtime_said: Some(_), .. } => Code::NotExecutable,
            Self::Exited { status, .. } if *status == ILLEGAL_INSTRUCTION => Code::IllegalInstruction,
            Self::Exited { .. } => Code::ContainerExited,
            Self::Restarts { .. } => Code::ContainerRestarts,
            Self::NotListening { .. } => Code::NotListening,
            Self::LoopbackOnly { .. } => Code::ListensOnLoopback,
            Self::OtherPort { .. } => Code::ListensOnOtherPort,
            Self::SpeaksHttp1 { .. } => Code::SpeaksHttp1,
            Self::WantsTls { .. } => Code::WantsTls,
            Self::Silent { .. } => Code::AnswersNothing,
            Self::Closes { .. } => Code::ClosesConnections,
            Self::Other { .. } | Self::Ipv6Only { .. } => Code::NeverReady,
        }
    }

    /// The reason for people: what the container does.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Exited { status, oom_killed, kernel_said, runtime_said } => {
                let mut text = match runtime_said {
                    Some(said) => format!("its program could not be executed: {said} (exit status {status})"),
                    None => format!("it exited with {}", exit_words(*status)),
                };
                if *oom_killed {
                    text.push_str(", out of memory");
                }
                if let Some(line) = kernel_said {
                    text.push_str(&format!(" (kernel: {line})"));
                }
                text
            }
            Self::Restarts { times, status } => {
                let last = status.map_or_else(String::new, |status| format!(", last with {}", exit_words(status)));
                let times = if *times == 1 { "once".to_owned() } else { format!("{times} times") };
                format!("it keeps exiting and was restarted {times}{last}")
            }
            Self::NotListening { port } => format!("nothing in it listens on TCP port {port} or any other"),
            Self::LoopbackOnly { at } => {
                format!("it listens only on {}, which cannot be reached from outside the container", list(at))
            }
            Self::Ipv6Only { at } => format!("it listens only for IPv6, on {}, and futon calls it by IPv4", list(at)),
            Self::OtherPort { port, at } => format!("it listens on {}, not on port {port}", list(at)),
            Self::SpeaksHttp1 { port, line } => {
                format!("port {port} answers {line:?}: it speaks HTTP/1, and gRPC needs HTTP/2")
            }
            Self::WantsTls { port } => format!("port {port} expects TLS"),
            Self::Silent { port } => format!("port {port} accepts connections and does not answer"),
            Self::Closes { port } => format!("port {port} accepts connections and closes each without an answer"),
            Self::Other { port, seen } => format!("port {port}: {seen}"),
        }
    }

    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Exited { oom_killed: true, .. } => {
                "raise mem_limit of the service, or give the machine more memory with --memory MIB".to_owned()
            }
            Self::Exited { runtime_said: Some(said), .. } => not_executable(said).to_owned(),
            Self::Exited { status, .. } if *status == ILLEGAL_INSTRUCTION => {
                "the program uses an instruction that this machine's processor lacks (AVX-512, for example): \
                 build it for an older processor, or use KVM on a host that has the instruction"
                    .to_owned()
            }
            Self::Exited { .. } | Self::Restarts { .. } => format!("the function's output is in {CONTAINER_LOG}"),
            Self::NotListening { port } => format!(
                "the function's output is in {CONTAINER_LOG}; does it serve gRPC on port {port}? \
                 Raise the wait with --limit ready=DURATION if it needs longer"
            ),
            Self::LoopbackOnly { at } => {
                let port = at.first().map_or(0, SocketAddr::port);
                format!("let the function listen on 0.0.0.0:{port}")
            }
            Self::Ipv6Only { at } => {
                let port = at.first().map_or(0, SocketAddr::port);
                format!("let the function listen on 0.0.0.0:{port}, or on [::]:{port} for both (without IPV6_V6ONLY)")
            }
            Self::OtherPort { port, at } => {
                let other = at.iter().find(|address| !is_loopback(address.ip())).or_else(|| at.first());
                let other = other.map_or(0, SocketAddr::port);
                format!(
                    "publish port {other} instead of {port} (`ports` of the service), or let the function listen on {port}"
                )
            }
            Self::SpeaksHttp1 { .. } => {
                "is it a gRPC server? A server for HTTP/1 and HTTP/2 must accept HTTP/2 without TLS (h2c)".to_owned()
            }
            Self::WantsTls { .. } => {
                "declare calls with `tls` (docs/calls.md), or let the function serve without it".to_owned()
            }
            Self::Silent { .. } | Self::Closes { .. } | Self::Other { .. } => {
                format!("the function's output is in {CONTAINER_LOG}; does it serve the called protocol, without TLS?")
            }
        }
    }
}

/// File of a results folder that hints name.
const CONTAINER_LOG: &str = "container.log";

/// Exit status of a process that met an illegal instruction (SIGILL is signal 4).
const ILLEGAL_INSTRUCTION: i64 = 128 + 4;

/// Hint for a program that could not be executed, by the system's message.
fn not_executable(said: &str) -> &'static str {
    let said = said.to_ascii_lowercase();
    if said.contains("no such file") {
        "the program or its interpreter is not in the image: a dynamic loader, or the program in a script's first line \
         (if that line ends in CR LF, its name is wrong)"
    } else if said.contains("exec format") {
        "the file is not a program for this processor: it is for another architecture, or a script without a first line such as #!/bin/sh"
    } else if said.contains("argument list too long") {
        "the service's environment and arguments are larger than the kernel allows (128 KiB for each string)"
    } else {
        "check the entrypoint of the image and of the service"
    }
}

/// An exit status, with the signal that it stands for.
#[must_use]
pub fn exit_words(status: i64) -> String {
    match signal_name(status - 128) {
        Some(name) => format!("status {status} ({name})"),
        None => format!("status {status}"),
    }
}

/// Names of the signals that end programs (signal(7), x86 and Arm).
fn signal_name(number: i64) -> Option<&'static str> {
    Some(match number {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL, illegal instruction",
        5 => "SIGTRAP",
        6 => "SIGABRT, aborted",
        7 => "SIGBUS, bus error",
        8 => "SIGFPE, arithmetic error",
        9 => "SIGKILL",
        11 => "SIGSEGV, segmentation fault",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        31 => "SIGSYS, bad system call",
        _ => return None,
    })
}

/// Whether only programs in the same container reach an address.
#[must_use]
pub fn is_loopback(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_loopback(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.to_ipv4_mapped().is_some_and(|v4| v4.is_loopback()),
    }
}

fn list(addresses: &[SocketAddr]) -> String {
    /// Addresses that a sentence names.
    const SHOWN: usize = 4;
    let mut words: Vec<String> = addresses.iter().take(SHOWN).map(ToString::to_string).collect();
    if addresses.len() > SHOWN {
        words.push(format!("{} more", addresses.len() - SHOWN));
    }
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exited(status: i64) -> Unready {
        Unready::Exited { status, oom_killed: false, kernel_said: None, runtime_said: None }
    }

    #[test]
    fn a_signal_is_named() {
        assert_eq!(exited(1).words(), "it exited with status 1");
        assert_eq!(exited(139).words(), "it exited with status 139 (SIGSEGV, segmentation fault)");
        assert_eq!(exited(132).code(), Code::IllegalInstruction);
        assert!(exited(132).hint().contains("instruction"));
    }

    #[test]
    fn the_runtimes_reason_has_its_own_hint() {
        let with = |said: &str| Unready::Exited {
            status: 1,
            oom_killed: false,
            kernel_said: None,
            runtime_said: Some(said.into()),
        };
        assert_eq!(with("exec `/s`: Exec format error").code(), Code::NotExecutable);
        for (said, word) in [
            ("Exec format error", "architecture"),
            ("No such file or directory", "CR LF"),
            ("Argument list too long", "128 KiB"),
        ] {
            assert!(with(said).hint().contains(word), "{said}");
            assert!(with(said).words().contains(said));
        }
    }

    #[test]
    fn listeners_are_named_and_the_hint_has_the_port() {
        let loopback = Unready::LoopbackOnly { at: vec!["127.0.0.1:50051".parse().unwrap()] };
        assert!(loopback.words().starts_with("it listens only on 127.0.0.1:50051"), "{}", loopback.words());
        assert_eq!(loopback.hint(), "let the function listen on 0.0.0.0:50051");
        let v6 = Unready::Ipv6Only { at: vec!["[::]:8080".parse().unwrap()] };
        assert_eq!(v6.words(), "it listens only for IPv6, on [::]:8080, and futon calls it by IPv4");
        assert!(v6.hint().starts_with("let the function listen on 0.0.0.0:8080"), "{}", v6.hint());
        let at = ["127.0.0.1:1", "0.0.0.0:8080", "[::]:9"].map(|a| a.parse().unwrap()).to_vec();
        let other = Unready::OtherPort { port: 50051, at };
        assert_eq!(other.words(), "it listens on 127.0.0.1:1, 0.0.0.0:8080, [::]:9, not on port 50051");
        assert!(other.hint().starts_with("publish port 8080 instead of 50051"), "{}", other.hint());
    }
}
