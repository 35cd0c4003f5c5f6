//! `futon doctor`: what this host or a base image has, what is missing, and how to get it.

use futon_cli::{DoctorArgs, DoctorFor};
use futon_common::{Context, Result, Setup};
use futon_doctor::{BaseImage, Finding, Host, State};
use futon_model::ExitCode;
use futon_terminal::{Ui, columns, wrap};

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
        for line in findings.iter().flat_map(|finding| shown(finding, columns())) {
            ui.out(&line)?;
        }
    }
    let missing = findings.iter().filter(|f| f.state == State::Missing).count();
    if missing > 0 {
        ui.line(&match Setup::here() {
            _ if args.base_image.is_some() => {
                format!("{missing} missing (hint: docs/base-images.md says what an image needs)")
            }
            setup if gem5 => {
                let make = if setup == Setup::Source { "make lean" } else { "futon resources build kernel lean" };
                format!("{missing} missing (hint: docs/gem5.md says how to get gem5, `{make}` builds the guest)")
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

/// Columns before a detail.
const INDENT: usize = 32;

/// A finding in lines of at most `columns`: its detail beside its name, or below where there is little room.
fn shown(finding: &Finding, columns: usize) -> Vec<String> {
    let begin = format!("{:8} {}", finding.state.word(), finding.name);
    if columns < 2 * INDENT {
        let detail = wrap(&finding.detail, columns.saturating_sub(4));
        return std::iter::once(begin).chain(detail.into_iter().map(|line| format!("    {line}"))).collect();
    }
    let detail = wrap(&finding.detail, columns.saturating_sub(INDENT));
    let mut begin = Some(begin);
    let line = |text: String| format!("{:31} {text}", begin.take().unwrap_or_default());
    detail.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_fit_the_terminal() {
        let finding = Finding { name: "kernel".into(), state: State::Note, detail: "a word and others ".repeat(6) };
        for columns in [40, 63, 64, 80, 160] {
            let lines = shown(&finding, columns);
            assert!(lines.iter().all(|line| line.chars().count() <= columns), "{columns}: {lines:#?}");
            assert!(lines[0].starts_with("note     kernel"), "{lines:#?}");
        }
        assert!(shown(&finding, 80)[1].starts_with(&" ".repeat(INDENT)));
    }
}
