//! Who runs this guest's containers: the Docker Engine, or in the lean guest this tool itself. Run scripts use the same verbs for both.

use guest_net::Result;

use crate::{
    cli::{ContainerVerb, Up},
    cmdline,
    engine::{self, Engine},
    lean, prepare,
    runlog::RunLog,
};

/// Does it by the one that is here. Nothing that a container or an image brings decides which that is, but the word on the kernel's command
/// line by which init became the lean guest's.
pub(crate) fn run(verb: &ContainerVerb, log: &RunLog) -> Result<()> {
    if let ContainerVerb::Up(Up { needs, .. }) = verb {
        prepare(needs, log)?;
    }
    if lean::is_named_in(&cmdline::read()) { lean::run(verb, log) } else { engine::run(&Engine::local(), verb, log) }
}
