//! `futon images`.

use std::path::Path;

use futon_cli::ImagesCommand;
use futon_common::{Context, Error, Result};
use futon_functions::parse_list;
use futon_model::{ExitCode, ImageReference};
use futon_resources::{build_function_images, find_compose, own_folder, sample_images, source_root};
use futon_terminal::Ui;
use image_store::{ImageStore, RegistryOptions};
use tokio_util::sync::CancellationToken;

use super::resources::size;
use super::stored_images;
use futon_prepare::given::read_text;
use futon_prepare::places::{store, store_to_add_to};

/// Builds, adds, lists or removes function images.
pub async fn images(command: ImagesCommand, ui: &mut Ui, cancel: &CancellationToken) -> Result<ExitCode> {
    match command {
        ImagesCommand::Build { functions, all, resources } => {
            let names = sample_names(functions, all, &resources.resources)?;
            ui.start("function images: checking");
            let shown: &Ui = ui;
            let store = store_to_add_to(&resources.resources)?;
            let (folder, compose) = (own_folder(&resources.resources)?, find_compose(&resources.resources)?);
            let built =
                build_function_images(&folder, &compose, &store, &names, cancel, &mut |line| shown.update(line)).await;
            ui.stop();
            for name in built? {
                ui.line(&format!("{name}: in the store"));
            }
            Ok(ExitCode::Passed)
        }
        ImagesCommand::Add { source, name, insecure, resources } => {
            let registry = RegistryOptions { tls_verify: !insecure, ..RegistryOptions::default() };
            let named = name.as_deref().map(str::parse).transpose()?;
            add(&source, named, registry, store_to_add_to(&resources.resources)?, ui).await?;
            let own = own_folder(&resources.resources)?;
            if own != resources.resources {
                let shared = resources.resources.display();
                ui.line(&format!("{shared} is read-only: the image is in {}, only for you", own.display()));
            }
            Ok(ExitCode::Passed)
        }
        ImagesCommand::List { resources, json } => list(&store(&resources.resources)?, json, ui),
        ImagesCommand::Show { name, resources, json } => {
            stored_images::show(&store(&resources.resources)?, &name, json, ui)
        }
        ImagesCommand::Rm { names, resources, json } => {
            stored_images::remove(&store(&resources.resources)?, &names, json, ui)
        }
        ImagesCommand::Prune { resources, json } => stored_images::prune(&store(&resources.resources)?, json, ui),
    }
}

/// Sample functions to build: those named, else those of the samples' list.
fn sample_names(given: Vec<String>, all: bool, resources: &Path) -> Result<Vec<String>> {
    let folder = source_root()?.join("functions");
    let samples = || -> Result<Vec<String>> {
        Ok(sample_images(&find_compose(resources)?)?.into_iter().map(|(name, _)| name).collect())
    };
    if all {
        return samples();
    }
    if given.is_empty() {
        return Ok(parse_list(&read_text(&folder.join("functions.list"), "name functions on the command line")?));
    }
    let samples = samples()?;
    let known = |name: &String| samples.contains(name) || folder.join(name).is_dir();
    match given.iter().find(|name| !known(name)) {
        Some(unknown) => Err(Error::usage(format!("there is no sample function {unknown:?}"))
            .hint(format!("the samples are: {}", samples.join(", ")))),
        None => Ok(given),
    }
}

/// Replaces image archives among the functions to test: adds their images to the store, and returns the names.
///
/// # Errors
/// When an archive cannot be added.
pub async fn with_archives(names: &[String], resources: &Path, ui: &mut Ui) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for name in names {
        if !is_archive(name) {
            all.push(name.clone());
            continue;
        }
        let added = add(name, None, RegistryOptions::default(), store_to_add_to(resources)?, ui).await?;
        all.extend(added.iter().map(ImageReference::to_string));
    }
    Ok(all)
}

/// Whether a name means an archive: a path, or a file with an archive's ending. A service can have the same name as a file.
pub fn is_archive(name: &str) -> bool {
    let path = Path::new(name);
    let is_called_one = [".tar", ".tgz", ".tbz2", ".txz"].iter().any(|part| name.contains(part));
    is_path(name) || is_called_one && path.is_file()
}

/// Whether a name begins as a path does.
fn is_path(name: &str) -> bool {
    ["/", "./", "../"].iter().any(|start| name.starts_with(start))
}

/// Whether a source that is not there was meant to be a file: a path, a name with an archive's ending, or one in another tool's words.
fn means_a_file(source: &str) -> bool {
    let other_tools = ["docker-archive:", "oci-archive:", "oci:", "dir:", "containers-storage:", "docker-daemon:"];
    let endings = [".tar", ".tgz", ".tbz2", ".txz", ".tar.gz", ".tar.xz", ".tar.bz2", ".tar.zst", ".oci", ".zip"];
    is_path(source)
        || source.starts_with('~')
        || source.contains('\\')
        || source == "-"
        || other_tools.iter().any(|start| source.starts_with(start))
        || endings.iter().any(|ending| source.ends_with(ending))
}

/// Adds an image and prints the names it has now.
async fn add(
    source: &str,
    name: Option<ImageReference>,
    registry: RegistryOptions,
    store: ImageStore,
    ui: &mut Ui,
) -> Result<Vec<ImageReference>> {
    let path = Path::new(source).to_owned();
    ui.start(&format!("adding {source}"));
    let source_text = source.to_owned();
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    // Hashing and copying would hold up the runtime.
    let adding = tokio::task::spawn_blocking(move || -> Result<Vec<image_store::Added>> {
        if path.is_dir() {
            if !path.join("index.json").is_file() {
                return Err(Error::usage(format!("{source_text} is no OCI layout: there is no index.json in it")).hint(
                    "name an archive (docker save, podman save, buildah push) or an OCI layout (`skopeo copy … oci:FOLDER`)",
                ));
            }
            return Ok(match name {
                Some(name) => vec![store.add_oci_layout(&path, &name)?],
                None => store.add_named_oci_layout(&path)?,
            });
        }
        if path.is_file() {
            return Ok(store.add_docker_archive(&path, name.as_ref())?);
        }
        if path.exists() {
            return Err(Error::usage(format!("{source_text} is neither a file nor a folder"))
                .hint("write the archive to a file first"));
        }
        if means_a_file(&source_text) {
            return Err(Error::usage(format!("there is no file or folder {source_text}"))
                .hint("an image of a registry is written HOST/NAME:TAG, and one of Docker Hub NAME:TAG"));
        }
        // As skopeo and others write it.
        let written = source_text.strip_prefix("docker://").unwrap_or(&source_text);
        let reference: ImageReference = written.parse().map_err(|e: futon_model::ReferenceError| {
            Error::usage(format!("{source_text} is not a file or a folder, and {e}"))
        })?;
        let progress = &mut |line: &str| _ = tell.send(line.to_owned());
        Ok(vec![store.add_registry(&reference, name.as_ref(), &registry, progress)?])
    });
    while let Some(line) = told.recv().await {
        ui.update(&line);
    }
    let added = adding.await.context(|| "adding was interrupted".into());
    ui.stop();
    let added: Vec<_> = added??.into_iter().map(|added| added.image).collect();
    for image in &added {
        ui.line(&format!("{} is {}", image.reference, image.manifest.digest));
    }
    Ok(added.into_iter().map(|image| image.reference).collect())
}

fn list(store: &ImageStore, json: bool, ui: &Ui) -> Result<ExitCode> {
    let images = store.list()?;
    if json {
        ui.out(&serde_json::to_string_pretty(&images).context(|| "cannot write the list".into())?)?;
        return Ok(ExitCode::Passed);
    }
    if images.is_empty() {
        ui.line("no images (hint: `futon images build` makes the samples, `futon images add` takes yours)");
    }
    for image in &images {
        ui.out(&format!(
            "{:45} {}  {:>8}  {}",
            image.reference.to_string(),
            &image.manifest.digest.as_str()[..19],
            size(image.size()),
            image.source
        ))?;
    }
    Ok(ExitCode::Passed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_are_told_from_names() {
        for archive in ["./fn", "/tmp/fn.tar", "../x.oci"] {
            assert!(is_archive(archive), "{archive}");
        }
        for file in ["./x", "~/x.oci", "fn.tar", "a/b.tar.gz", "docker-archive:x", "-", "C:\\x"] {
            assert!(means_a_file(file), "{file}");
        }
        // The last is no file here.
        for name in ["fibonacci-go", "me/fn:v1", "localhost:5000/a/b", "src", "fn.tar"] {
            assert!(!is_archive(name), "{name}");
        }
    }
}
