//! What runs a run script: as a shell that starts it would.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;

use guest_net::{Context, Result};

/// Shells, the one that people write for first. A file that names no interpreter is for the shell that starts it.
const SHELLS: [&str; 3] = ["/bin/bash", "/usr/bin/bash", "/bin/sh"];

/// How much of a file the kernel looks at for its first line.
const FIRST_LINE: usize = 256;

/// The command that runs a script. It names the interpreter: the file itself may be where nothing may be executed.
///
/// # Errors
/// When the script cannot be read.
pub(crate) fn command(path: &Path) -> Result<Command> {
    let mut beginning = Vec::with_capacity(FIRST_LINE);
    File::open(path)
        .and_then(|file| file.take(FIRST_LINE as u64).read_to_end(&mut beginning))
        .context(format_args!("cannot read {}", path.display()))?;
    let runner = runner(&beginning, |program| Path::new(program).exists());
    let mut command = match runner {
        Runner::Itself => return Ok(Command::new(path)),
        Runner::Interpreter { program, argument } => {
            let mut command = Command::new(program);
            command.args(argument);
            command
        }
        Runner::Shell { shell, missing } => {
            if let Some(missing) = missing {
                println!("futon: there is no {} here: {shell} runs the script", missing.display());
            }
            Command::new(shell)
        }
    };
    command.arg(path);
    Ok(command)
}

/// What runs a file that begins so.
#[derive(Debug, PartialEq, Eq)]
enum Runner<'a> {
    /// The kernel, by itself.
    Itself,
    /// The program that the first line names, with its one argument, if any.
    Interpreter { program: &'a OsStr, argument: Option<&'a OsStr> },
    /// A shell: the file names no interpreter, or one that is a shell and not there.
    Shell { shell: &'static str, missing: Option<&'a Path> },
}

fn runner(beginning: &[u8], exists: impl Fn(&OsStr) -> bool) -> Runner<'_> {
    if beginning.starts_with(b"\x7fELF") {
        return Runner::Itself;
    }
    let shell = SHELLS.into_iter().find(|shell| exists(OsStr::new(shell))).unwrap_or("/bin/sh");
    let first = beginning.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let Some(line) = first.strip_prefix(b"#!").map(<[u8]>::trim_ascii).filter(|line| !line.is_empty()) else {
        // Also where a blank line comes before one that looks like the first.
        return Runner::Shell { shell, missing: None };
    };
    let end = line.iter().position(u8::is_ascii_whitespace).unwrap_or(line.len());
    let (program, argument) = (OsStr::from_bytes(&line[..end]), line[end..].trim_ascii());
    let is_shell =
        Path::new(program).file_name().is_some_and(|name| ["sh", "bash", "dash", "ash"].iter().any(|s| name == *s));
    if is_shell && !exists(program) {
        return Runner::Shell { shell, missing: Some(Path::new(program)) };
    }
    Runner::Interpreter { program, argument: (!argument.is_empty()).then(|| OsStr::from_bytes(argument)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERYTHING: fn(&OsStr) -> bool = |_| true;
    const LEAN: fn(&OsStr) -> bool = |program| program == "/bin/sh";

    #[test]
    fn a_file_that_names_no_interpreter_is_for_bash_where_there_is_one() {
        for script in [&b"\n#!/bin/bash\n[[ a ]]"[..], b"echo hi\n", b"", b"#!\n", b" #!/bin/dash\n"] {
            assert_eq!(runner(script, EVERYTHING), Runner::Shell { shell: "/bin/bash", missing: None });
            assert_eq!(runner(script, LEAN), Runner::Shell { shell: "/bin/sh", missing: None });
        }
        assert_eq!(runner(b"\x7fELF\x02", EVERYTHING), Runner::Itself);
    }

    #[test]
    fn the_first_line_names_the_interpreter() {
        let named = |program, argument: Option<&'static str>| Runner::Interpreter {
            program: OsStr::new(program),
            argument: argument.map(OsStr::new),
        };
        for (script, expected) in [
            (&b"#!/bin/bash\n"[..], named("/bin/bash", None)),
            (b"#! /bin/sh -e -u \necho", named("/bin/sh", Some("-e -u"))),
            (b"#!/usr/bin/env\tpython3\n", named("/usr/bin/env", Some("python3"))),
            (b"#!/bin/dash", named("/bin/dash", None)),
        ] {
            assert_eq!(runner(script, EVERYTHING), expected);
        }
        // A shell that is not there has one in its place; another program has none.
        let bash = Some(Path::new("/bin/bash"));
        assert_eq!(runner(b"#!/bin/bash -e\n", LEAN), Runner::Shell { shell: "/bin/sh", missing: bash });
        assert_eq!(runner(b"#!/usr/bin/python3\n", LEAN), named("/usr/bin/python3", None));
    }

    #[test]
    fn a_script_runs_where_nothing_may_be_executed() {
        use std::io::Write;
        let path = std::env::temp_dir().join(format!("futon-script-{}", std::process::id()));
        // Without any permission to execute.
        File::create(&path).and_then(|mut file| file.write_all(b"\n#!/bin/bash\na=(1 2); echo ${a[1]} $0\n")).unwrap();
        let output = command(&path).unwrap().output().unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), format!("2 {}\n", path.display()), "{output:?}");
    }
}
