//! The lean guest: no engine, no service manager. This tool is its init, and starts the containers of a bundle with crun.

mod bundle;
mod container;
mod disk;
mod health;
mod init;
mod names;
pub(crate) mod net;
mod output;
mod pull;
mod supervise;

use std::io;

use guest_net::Result;

pub(crate) use init::run as init;

use crate::{cli::ContainerVerb, cmdline::CommandLine, files, runlog::RunLog};

/// Whether this command line boots the lean guest.
pub(crate) fn is_named_in(cmdline: &CommandLine) -> bool {
    cmdline.has("futon.lean")
}

/// Does it with the containers of the bundle.
pub(crate) fn run(verb: &ContainerVerb, log: &RunLog) -> Result<()> {
    match verb {
        ContainerVerb::Pull { images } => pull::run(images),
        ContainerVerb::Up(wanted) => container::up(wanted, log),
        ContainerVerb::Container { name } => {
            let bundle = bundle::read()?;
            let container = bundle::find(&bundle, name)?;
            container::say_image(container);
            container::report_image(container, log);
            Ok(())
        }
        ContainerVerb::Ready(wanted) => container::wait_until_ready(wanted, log),
        ContainerVerb::State { name } => {
            container::report_state(name, log);
            Ok(())
        }
        ContainerVerb::Logs { name, limit } => container::write_log(name, *limit, &mut io::stdout().lock()).map(drop),
        // The bundle knows the containers beside it.
        ContainerVerb::Log { name, file, limit, .. } => {
            container::save_companions(name, *limit, log);
            container::report_state(name, log);
            files::save(file, log, |out| container::write_log(name, *limit, out))
        }
        ContainerVerb::Stop { name, freeze: true } => container::freeze(name),
        ContainerVerb::Stop { name, freeze: false } => container::stop(name, log),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Verb};

    #[test]
    fn the_lean_guests_own_command_line_names_it_and_no_other_does() {
        let named = |text: &str| is_named_in(&CommandLine::parse(text));
        assert!(named(include_str!("../../../../images/lean/cmdline")));
        assert!(!named(include_str!("../../../../images/base/cmdline")));
        assert!(!named("root=/dev/vda futon.lean=0 note=\"a futon.lean\""));
    }

    #[test]
    fn requests_to_an_engine_are_refused() {
        let Verb::Containers(verb) = Cli::parse_from(["futon-guest", "up", "service.json"]).verb else { panic!() };
        let error = run(&verb, &RunLog::from_env()).unwrap_err().to_string();
        assert!(error.ends_with("service.json is for an engine"), "{error}");
    }
}
