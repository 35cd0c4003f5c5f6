//! Variables of the environment that stand for flags.

use std::env;
use std::ffi::OsString;

use clap::Command;

/// Removes those that are set to nothing. CI sets a variable to nothing where an input is not given, and the parser would take that
/// for a value. Only while the program has one thread.
pub fn forget_empty(command: impl FnOnce() -> Command) {
    let empty: Vec<OsString> = env::vars_os().filter(|(_, value)| value.is_empty()).map(|(name, _)| name).collect();
    if empty.is_empty() {
        return;
    }
    let known = names(&command());
    for name in empty.iter().filter(|name| known.contains(name)) {
        // SAFETY: there is one thread, and so nobody reads the environment at the same time.
        unsafe { env::remove_var(name) };
    }
}

/// The variables that a command and its subcommands know.
fn names(command: &Command) -> Vec<OsString> {
    let own = command.get_arguments().filter_map(|argument| argument.get_env().map(OsString::from));
    own.chain(command.get_subcommands().flat_map(names)).collect()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::Cli;

    #[test]
    fn the_variables_of_all_commands_are_known() {
        let names = names(&Cli::command());
        for name in ["FUTON_PROFILE", "GEM5", "RESOURCES", "WORKING_DIR"] {
            assert!(names.iter().any(|known| known == name), "{name}");
        }
    }
}
