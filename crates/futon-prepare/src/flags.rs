//! The command line's flags over the project's settings.

use std::collections::BTreeMap;

use futon_cli::{ClientArgs, MachineArgs, ProjectArgs};
use futon_common::{Error, Result};
use futon_functions::Compose;
use futon_workdir::config::Config;

use super::given::{set_client, set_limits, settings};

/// Flags, and the settings below them.
#[derive(Debug)]
pub struct Flags<'a> {
    /// What is tested.
    pub project: &'a ProjectArgs,
    /// How it is called.
    pub client: &'a ClientArgs,
    /// Where it runs.
    pub machine: &'a MachineArgs,
}

impl Flags<'_> {
    /// The settings of one function or of all, with the flags over them: those that are in effect in a run.
    ///
    /// # Errors
    /// When flags contradict each other or the machine, or there would be no invocation.
    pub fn over(&self, function: Option<&str>) -> Result<Config> {
        super::gem5::require_gem5_for_its_flags(self.machine)?;
        let mut config = settings(self.machine, function)?;
        set_limits(&mut config.limits, &self.project.limits);
        super::machine::apply(self.machine, &mut config);
        set_client(&mut config.client, self.client);
        super::gem5::apply_client(self.machine, self.client, &mut config)?;
        if config.client.invocations == 0 {
            return Err(Error::usage("0 invocations prove nothing").hint("-n takes a number of at least 1"));
        }
        Ok(config)
    }

    /// The same of each function that has settings of its own. One that is not there is a mistake, but where another compose file than the
    /// project's is named.
    ///
    /// # Errors
    /// As those of [`over`](Self::over), and when there is no such function.
    pub fn of_functions(&self, compose: &Compose) -> Result<BTreeMap<String, Config>> {
        let mut own = BTreeMap::new();
        let Some(settings) = &self.machine.settings else { return Ok(own) };
        for (name, place) in settings.functions() {
            if self.project.functions.is_none() && !compose.names().any(|known| known == name) {
                let file = compose.path.display();
                return Err(Error::usage(format!("{place}: {file} has no service {name}"))
                    .hint("settings of a function stand under the name of its compose service"));
            }
            own.insert(name.to_owned(), self.over(Some(name))?);
        }
        Ok(own)
    }
}

/// Refuses what is said of one function where several take turns.
///
/// # Errors
/// Which flag.
pub fn require_nothing_else_in_turn(args: &ProjectArgs, client: &ClientArgs, machine: &MachineArgs) -> Result<()> {
    if machine.gem5.interleave.is_empty() {
        return Ok(());
    }
    let given = [
        ("--client", client.client.is_some()),
        ("--call", client.calls.call.is_some()),
        ("--calls", client.calls.calls.is_some()),
        ("--accept", client.calls.accept),
        ("--whole", args.whole),
    ];
    match given.iter().find(|(_, given)| *given) {
        Some((flag, _)) => Err(Error::usage(format!("{flag} is for one function, and --interleave names several"))
            .hint("declare the calls in the compose file, with `x-futon` (docs/calls.md)")),
        None => Ok(()),
    }
}
