//! `m5`: the command line of gem5's own guest tool, on the library.

use std::{
    ffi::OsStr,
    fs::File,
    io::{self, Write},
    path::Path,
};

use futon_stage::guest::Window;
use guest_net::{Context, Error, Result};
use m5ops::{Form, M5};

use crate::gem5::{self, Outlet};

const USAGE: &str = "usage: m5 [--inst | --addr[=ADDRESS]] COMMAND: exit [DELAY] | fail CODE [DELAY] | sum A [B C D E F] | \
    readfile | writefile FILE [NAME] | checkpoint [DELAY [PERIOD]] | resetstats … | dumpstats … | dumpresetstats … | \
    workbegin ID THREAD | workend ID THREAD | switchcpu | rpns (times in ns)";

/// A command, read.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Command {
    Exit(u64),
    Fail { code: i32, delay: u64 },
    Sum([u64; 6]),
    ReadFile,
    WriteFile { file: String, name: String },
    Checkpoint(u64, u64),
    ResetStats(u64, u64),
    DumpStats(u64, u64),
    DumpResetStats(u64, u64),
    WorkBegin(u64, u64),
    WorkEnd(u64, u64),
    SwitchCpu,
    SimulatedNs,
}

/// Runs the tool.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let (form, command) = parse(arguments)?;
    if let Some(window) = gem5::window()? {
        return on_stage(&window, &command);
    }
    let m5 = M5::open_form(form)?;
    match command {
        Command::Exit(delay) => m5.exit(delay),
        Command::Fail { code, delay } => m5.fail(delay, code),
        Command::Sum(numbers) => println!("Sum is {}.", m5.sum(numbers)),
        Command::ReadFile => {
            let mut out = io::stdout().lock();
            m5.read_file_to(&mut out)?;
            out.flush()?;
        }
        Command::WriteFile { file, name } => {
            let mut source = File::open(&file).context(format_args!("cannot read {file}"))?;
            let written = m5.write_file(&name, &mut source)?;
            eprintln!("{written} bytes written to {name}");
        }
        Command::Checkpoint(delay, period) => m5.checkpoint(delay, period),
        Command::ResetStats(delay, period) => m5.reset_stats(delay, period),
        Command::DumpStats(delay, period) => m5.dump_stats(delay, period),
        Command::DumpResetStats(delay, period) => m5.dump_reset_stats(delay, period),
        Command::WorkBegin(id, thread) => m5.work_begin(id, thread),
        Command::WorkEnd(id, thread) => m5.work_end(id, thread),
        Command::SwitchCpu => m5.switch_cpu(),
        Command::SimulatedNs => println!("{}", m5.simulated_ns()),
    }
    Ok(())
}

/// The same on a staging machine, as far as it makes sense before the simulator: what is measured, and the end, come later.
fn on_stage(window: &Window, command: &Command) -> Result<()> {
    match command {
        Command::Fail { code, .. } => window.point(*code)?,
        Command::ReadFile => drop(io::copy(&mut window.payload(0), &mut io::stdout().lock())?),
        Command::WriteFile { file, name } => {
            let mut source = File::open(file).context(format_args!("cannot read {file}"))?;
            window.write(name, 0, &mut source)?;
        }
        _ => return Err(Error::new("m5: not on a staging machine: this command is for the simulator")),
    }
    Ok(())
}

fn parse(arguments: &[String]) -> Result<(Form, Command)> {
    let mut form = Form::Address;
    let mut words = arguments.iter().map(String::as_str);
    let name = loop {
        match words.next() {
            Some("--inst") => form = Form::Instruction,
            Some("--addr") => form = Form::Address,
            // The library knows the one address that each architecture has.
            Some(word) if word.starts_with("--addr=") => form = Form::Address,
            Some(word) if !word.starts_with('-') => break word,
            Some(word) => return Err(Error::new(format!("m5: {word:?} is not known; {USAGE}"))),
            None => return Err(Error::new(USAGE)),
        }
    };
    let rest: Vec<&str> = words.collect();
    command(name, &rest).map(|command| (form, command)).context("m5")
}

fn command(name: &str, rest: &[&str]) -> Result<Command> {
    let count = |least: usize, most: usize| {
        if (least..=most).contains(&rest.len()) {
            Ok(())
        } else {
            Err(Error::new(format!("{name}: wrong number of arguments; {USAGE}")))
        }
    };
    // Absent optional numbers are zero.
    let at = |index: usize| rest.get(index).map_or(Ok(0), |text| number(text));
    let times = |make: fn(u64, u64) -> Command| {
        count(0, 2)?;
        Ok(make(at(0)?, at(1)?))
    };
    let work = |make: fn(u64, u64) -> Command| {
        count(2, 2)?;
        Ok(make(at(0)?, at(1)?))
    };
    match name {
        "exit" => count(0, 1).and_then(|()| Ok(Command::Exit(at(0)?))),
        "fail" => {
            count(1, 2)?;
            let text = rest.first().copied().unwrap_or_default();
            let code = text.parse().or_else(|_| number(text).and_then(|n| i32::try_from(n).context(text)))?;
            Ok(Command::Fail { code, delay: at(1)? })
        }
        "sum" => {
            count(1, 6)?;
            Ok(Command::Sum([at(0)?, at(1)?, at(2)?, at(3)?, at(4)?, at(5)?]))
        }
        "readfile" => count(0, 0).map(|()| Command::ReadFile),
        "writefile" => {
            count(1, 2)?;
            let file = rest.first().copied().unwrap_or_default();
            let last = Path::new(file).file_name().and_then(OsStr::to_str).unwrap_or_default();
            let name = rest.get(1).copied().unwrap_or(last);
            Ok(Command::WriteFile { file: file.to_owned(), name: name.to_owned() })
        }
        "checkpoint" => times(Command::Checkpoint),
        "resetstats" => times(Command::ResetStats),
        "dumpstats" => times(Command::DumpStats),
        "dumpresetstats" => times(Command::DumpResetStats),
        "workbegin" => work(Command::WorkBegin),
        "workend" => work(Command::WorkEnd),
        "switchcpu" => count(0, 0).map(|()| Command::SwitchCpu),
        "rpns" => count(0, 0).map(|()| Command::SimulatedNs),
        _ => Err(Error::new(format!("{name:?} is not known; {USAGE}"))),
    }
}

/// A number as C programs take it: decimal, or hexadecimal after `0x`.
fn number(text: &str) -> Result<u64> {
    let parsed = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.context(format_args!("{text:?} is not a number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<(Form, Command)> {
        parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn fail_takes_the_code_first() {
        assert_eq!(read("fail 20 5").unwrap(), (Form::Address, Command::Fail { code: 20, delay: 5 }));
        assert_eq!(read("fail -1").unwrap().1, Command::Fail { code: -1, delay: 0 });
        assert_eq!(read("fail 0x1f").unwrap().1, Command::Fail { code: 31, delay: 0 });
    }

    #[test]
    fn forms_and_optional_numbers() {
        assert_eq!(read("--inst exit").unwrap(), (Form::Instruction, Command::Exit(0)));
        assert_eq!(read("--addr=0xffff0000 checkpoint 1 2").unwrap().1, Command::Checkpoint(1, 2));
        assert_eq!(read("sum 1 2 3").unwrap().1, Command::Sum([1, 2, 3, 0, 0, 0]));
        assert_eq!(read("workbegin 101 0").unwrap().1, Command::WorkBegin(101, 0));
    }

    #[test]
    fn writefile_names_the_file_by_its_last_component() {
        let write = |file: &str, name: &str| Command::WriteFile { file: file.to_owned(), name: name.to_owned() };
        assert_eq!(read("writefile /run/futon/results.log").unwrap().1, write("/run/futon/results.log", "results.log"));
        assert_eq!(read("writefile a b").unwrap().1, write("a", "b"));
    }

    #[test]
    fn nonsense_is_refused() {
        for line in
            ["", "frobnicate", "fail", "fail x", "exit 1 2", "workbegin 1", "--semi exit", "readfile x", "exit -1"]
        {
            assert!(read(line).is_err(), "{line:?}");
        }
    }

    #[test]
    fn on_another_machine_nothing_is_done() {
        let error = run(&["exit".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("not gem5"), "{error}");
    }
}
