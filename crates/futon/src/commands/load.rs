//! `futon load`: a test of one function, with many calls at once or at given times.

use futon_cli::{LoadArgs, On};
use futon_common::{Error, Result};
use futon_gem5::Goal;
use futon_model::ExitCode;
use futon_terminal::Ui;
use tokio_util::sync::CancellationToken;

use super::test::test;

/// Puts a load on a function.
pub async fn load(args: LoadArgs, ui: &mut Ui, cancel: CancellationToken) -> Result<ExitCode> {
    if args.machine.on == On::Gem5 {
        return Err(Error::usage("a load makes calls for seconds, and gem5 simulates only milliseconds")
            .hint("`futon test --on gem5` measures single calls, in cycles"));
    }
    if args.calls.accept {
        return Err(Error::usage("--accept is for single calls").hint("`futon test --accept` saves the replies"));
    }
    if args.project.template.is_some() {
        return Err(Error::usage("--template: a load uses futon's own run script"));
    }
    test(&args.test(), Goal::Test, ui, cancel).await
}
