//! `futon resources`.

use futon_cli::{DISK_SIZE, ResourcePart, ResourcesCommand};
use futon_common::{Context, Result, installed_root};
use futon_model::ExitCode;
use futon_resources::{
    BASE_IMAGE, BaseOptions, Built, COMPOSE, IMAGES, LeanPart, Manifest, build_base, build_compose, build_lean_part,
    gem5_resources, install_tools, writable,
};
use futon_terminal::Ui;
use tokio_util::sync::CancellationToken;

use futon_prepare::places::store;

/// Builds, lists or verifies resources.
pub async fn resources(command: ResourcesCommand, ui: &mut Ui, cancel: &CancellationToken) -> Result<ExitCode> {
    match command {
        ResourcesCommand::Build { parts, resources, disk_size, force, tools_only } => {
            let folder = &resources.resources;
            writable(folder)?;
            let replaced = install_tools(folder)?;
            if replaced.is_empty() {
                ui.line("guest tools: up to date");
            } else {
                ui.line(&format!("guest tools: new {}", replaced.join(" and ")));
            }
            let parts = match (tools_only, parts.is_empty()) {
                (true, _) => Vec::new(),
                (false, true) => vec![ResourcePart::Base],
                (false, false) => parts,
            };
            // Nothing is read without it.
            let compose = (!tools_only && !parts.contains(&ResourcePart::Compose)).then_some(ResourcePart::Compose);
            for part in parts.into_iter().chain(compose) {
                build_part(part, folder, &disk_size, force, ui, cancel).await?;
            }
            Ok(ExitCode::Passed)
        }
        ResourcesCommand::List { resources, json } => {
            let manifest = Manifest::read(&resources.resources)?;
            if json {
                ui.out(&serde_json::to_string_pretty(&manifest).unwrap_or_default())?;
                return Ok(ExitCode::Passed);
            }
            if manifest.resources.is_empty() {
                ui.line(&format!("no resources in {} (hint: `futon resources build`)", resources.resources.display()));
            }
            for (name, resource) in &manifest.resources {
                let state =
                    manifest.check(&resources.resources, name).map_or_else(|| "ok".to_owned(), |p| p.to_string());
                ui.out(&format!(
                    "{name:22} {:>8}  {}  {state}; {}",
                    size(resource.size),
                    &resource.sha256[..12],
                    resource.made
                ))?;
            }
            Ok(ExitCode::Passed)
        }
        ResourcesCommand::ExportGem5 { resources, output } => {
            let list = gem5_resources(&resources.resources)?;
            let text = serde_json::to_string_pretty(&list).context(|| "cannot write the list".into())?;
            match output {
                Some(path) => {
                    std::fs::write(&path, text + "\n").context(|| format!("cannot write {}", path.display()))?;
                }
                None => ui.out(&text)?,
            }
            Ok(ExitCode::Passed)
        }
        ResourcesCommand::Verify { resources } => verify(&resources.resources, ui),
    }
}

/// An installed futon has no `make` before it: what a first test needs and nobody has made yet it makes by its own recipes, and says so. Its
/// guest tools go with the program, also after an upgrade.
///
/// # Errors
/// When a recipe fails.
pub async fn first_use(folder: &std::path::Path, base: bool, ui: &mut Ui, cancel: &CancellationToken) -> Result<()> {
    if installed_root().is_none() || writable(folder).is_err() {
        return Ok(());
    }
    install_tools(folder)?;
    let manifest = Manifest::read(folder)?;
    let missing = |name: &str| !manifest.resources.contains_key(name);
    let parts = [(base && missing(BASE_IMAGE), ResourcePart::Base), (missing(COMPOSE), ResourcePart::Compose)];
    for part in parts.into_iter().filter_map(|(missing, part)| missing.then_some(part)) {
        if part == ResourcePart::Base {
            let folder = folder.display();
            ui.line(&format!(
                "{folder} has no base image yet: building it from Debian's packages takes a few minutes, once"
            ));
        }
        build_part(part, folder, DISK_SIZE, false, ui, cancel).await?;
    }
    Ok(())
}

async fn build_part(
    part: ResourcePart,
    folder: &std::path::Path,
    disk_size: &str,
    force: bool,
    ui: &mut Ui,
    cancel: &CancellationToken,
) -> Result<()> {
    let name = match part {
        ResourcePart::Base => "docker base",
        ResourcePart::Kernel => LeanPart::Kernel.name(),
        ResourcePart::Lean => LeanPart::Guest.name(),
        ResourcePart::Compose => "docker compose",
    };
    ui.start(&format!("{name}: looking"));
    let shown: &Ui = ui;
    let mut progress = |line: &str| shown.update(&progress_line(part, name, line));
    let built = match part {
        ResourcePart::Base => {
            let options = BaseOptions { disk_size: disk_size.to_owned(), force };
            build_base(folder, &options, cancel, &mut progress).await
        }
        ResourcePart::Kernel => build_lean_part(folder, LeanPart::Kernel, force, cancel, &mut progress).await,
        ResourcePart::Lean => build_lean_part(folder, LeanPart::Guest, force, cancel, &mut progress).await,
        ResourcePart::Compose => build_compose(folder, force, cancel, &mut progress).await,
    };
    ui.stop();
    match built? {
        Built::UpToDate => ui.line(&format!("{name}: up to date")),
        Built::Made(why) => ui.line(&format!("{name}: built ({why})")),
    }
    Ok(())
}

/// A line of a recipe's, under the part's name once: recipes say their own names, too.
fn progress_line(part: ResourcePart, name: &str, line: &str) -> String {
    let own = match part {
        ResourcePart::Base => "base image",
        ResourcePart::Kernel => "kernel",
        ResourcePart::Lean | ResourcePart::Compose => name,
    };
    let line = line.strip_prefix(own).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(line);
    format!("{name}: {line}")
}

fn verify(folder: &std::path::Path, ui: &mut Ui) -> Result<ExitCode> {
    let manifest = Manifest::read(folder)?;
    let mut bad = 0;
    for name in manifest.resources.keys() {
        ui.start(&format!("hashing {name}"));
        let problem = manifest.verify(folder, name)?;
        ui.stop();
        bad += usize::from(problem.is_some());
        ui.out(&format!("{name:22} {}", problem.map_or_else(|| "ok".to_owned(), |p| p.to_string())))?;
    }
    if folder.join(IMAGES).is_dir() {
        ui.start("hashing function images");
        let verification = store(folder)?.verify();
        ui.stop();
        let verification = verification?;
        for problem in &verification.problems {
            bad += 1;
            ui.out(&format!(
                "{IMAGES:22} {}: {} (needed by {})",
                problem.digest.short(),
                problem.what,
                problem.images.join(", ")
            ))?;
        }
        if verification.problems.is_empty() {
            ui.out(&format!("{IMAGES:22} ok"))?;
        }
    }
    if manifest.resources.is_empty() {
        return Err(futon_common::Error::nothing_to_run(format!("no resources in {}", folder.display()))
            .hint("`futon resources build` makes them"));
    }
    if bad > 0 {
        ui.line("hint: `futon resources build --force` and `futon images build` make them again");
        return Ok(ExitCode::Infra);
    }
    Ok(ExitCode::Passed)
}

/// A size for people.
pub fn size(bytes: u64) -> String {
    let mib = bytes.div_ceil(1 << 20);
    if bytes < 1 << 20 { format!("{} KiB", bytes.div_ceil(1 << 10)) } else { format!("{mib} MiB") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipe_says_its_name_once() {
        let compose = "docker compose: fetching docker-compose from Debian trixie";
        assert_eq!(progress_line(ResourcePart::Compose, "docker compose", compose), compose);
        assert_eq!(progress_line(ResourcePart::Base, "docker base", "base image: packing"), "docker base: packing");
        assert_eq!(progress_line(ResourcePart::Kernel, "lean kernel", "kernel: packing"), "lean kernel: packing");
        // What a program within says keeps its words.
        assert_eq!(progress_line(ResourcePart::Lean, "lean guest", "I: success"), "lean guest: I: success");
    }
}
