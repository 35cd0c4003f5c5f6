//! Which flags were on the command line: a default does not express what the user wants.

use std::collections::BTreeSet;

use clap::ArgMatches;
use clap::parser::ValueSource;

use super::{Command, ConfigCommand, Gem5Command, MachineArgs, WarmCommand};

/// The ids of the arguments that the command line of the innermost command has.
fn on_the_command_line(matches: &ArgMatches) -> BTreeSet<String> {
    let mut inner = matches;
    while let Some((_, next)) = inner.subcommand() {
        inner = next;
    }
    let given = |id: &&str| inner.value_source(id) == Some(ValueSource::CommandLine);
    // Groups, which derived parsers make of each struct, have ids but no value sources of their own.
    let ids = inner.ids().map(clap::Id::as_str).filter(|id| inner.try_contains_id(id).is_ok());
    ids.filter(given).map(str::to_owned).collect()
}

/// Notes in the machine's flags of a command which of them were given.
pub fn note(command: &mut Command, matches: &ArgMatches) {
    if let Some(machine) = machine(command) {
        machine.explicit = on_the_command_line(matches);
        machine.typed = machine.explicit.clone();
    }
}

/// The machine's flags of a command that has them.
fn machine(command: &mut Command) -> Option<&mut MachineArgs> {
    Some(match command {
        Command::Build(args) => &mut args.machine,
        Command::Run(args) => &mut args.machine,
        Command::Test(args) | Command::Setup(args) | Command::Evaluate(args) => &mut args.machine,
        Command::List(args) => &mut args.machine,
        Command::Plan(args) => &mut args.test.machine,
        Command::Measure(args) => &mut args.test.machine,
        Command::Config(ConfigCommand::Show(args)) => &mut args.test.machine,
        Command::Load(args) => &mut args.machine,
        Command::Gem5(Gem5Command::Selftest(args)) => &mut args.machine,
        Command::Exec(args) => &mut args.machine,
        Command::Describe(args) => &mut args.look.machine,
        Command::Scaffold(args) => &mut args.look.machine,
        Command::Shell(args) => &mut args.machine,
        Command::Warm(WarmCommand::Make(args)) => &mut args.machine,
        Command::Warm(WarmCommand::List { .. } | WarmCommand::Rm { .. })
        | Command::Images(_)
        | Command::Calls(_)
        | Command::Doctor(_)
        | Command::Resources(_)
        | Command::Check(_)
        | Command::Merge(_)
        | Command::Rerun(_)
        | Command::Investigate(_)
        | Command::Stats(_)
        | Command::Report(_)
        | Command::Config(ConfigCommand::Schema)
        | Command::Sweep(_)
        | Command::Serve(_)
        | Command::Completions { .. }
        | Command::Guard(_)
        | Command::Shim(_)
        | Command::Manual { .. } => return None,
    })
}
