//! `futon doctor`: what this host or a base image has, what is missing, and how to get it.

use futon_cli::{DoctorArgs, DoctorFor};
use futon_common::{Context, Result, Setup};
use futon_doctor::{BaseImage, Host, State};
use futon_model::ExitCode;
use futon_terminal::Ui;

/// Prints what is there and what is missing; anything missing is a failure.
pub async fn doctor(args: &DoctorArgs, ui: &mut Ui) -> Result<ExitCode> {
    let resources = &*args.resources.resources;
    let gem5 = args.machine == DoctorFor::Gem5;
    let findings = match &args.base_image {
        Some(image) => {
            let (kernel, initrd, root) = (args.kernel.as_deref(), args.initrd.as_deref(), args.root.as_deref());
            futon_doctor::base_image(&BaseImage { image, kernel, initrd, root, resources, gem5 }, ui).await?
        }
        None if gem5 => futon_doctor::gem5(resources).await,
        None => futon_doctor::qemu(&Host { resources, host_only: args.host_only, probe: args.probe }, ui).await?,
    };
    if args.json {
        ui.out(&serde_json::to_string_pretty(&findings).context(|| "cannot write the findings".into())?)?;
    } else {
        for f in &findings {
            ui.out(&format!("{:8} {:22} {}", f.state.word(), f.name, f.detail))?;
        }
    }
    let missing = findings.iter().filter(|f| f.state == State::Missing).count();
    if missing > 0 {
        ui.line(&match Setup::here() {
            _ if args.base_image.is_some() => {
                format!("{missing} missing (hint: docs/base-images.md says what an image needs)")
            }
            Setup::Source => {
                format!("{missing} missing (hint: `make setup` installs packages, `make resources` builds the rest)")
            }
            Setup::Installed => {
                format!("{missing} missing (hint: `futon resources build` builds resources; packages are named above)")
            }
        });
        return Ok(ExitCode::Infra);
    }
    Ok(ExitCode::Passed)
}
