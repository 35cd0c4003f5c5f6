//! Sample functions' images: built by the recipe, taken into the store.

use std::path::Path;

use futon_common::{Context, Error, Result};
use futon_functions::Compose;
use futon_model::ImageReference;
use image_store::ImageStore;
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

use super::build::run_recipe;
use super::source_root;

/// The compose files of futon's own functions.
const FILES: [&str; 2] = ["functions/functions.yaml", "functions/samples.yaml"];

/// What the recipe builds for futon's own functions and their companions: its name there, and the image's. `compose` is the program that
/// reads their compose files.
///
/// # Errors
/// When the source is not there, or a file cannot be read.
pub fn sample_images(compose: &Path) -> Result<Vec<(String, ImageReference)>> {
    let root = source_root()?;
    let mut images: Vec<(String, ImageReference)> = Vec::new();
    for file in FILES {
        let file = Compose::read(&root.join(file), compose)?;
        for service in file.names() {
            let image = file.image(service)?;
            if images.iter().all(|(_, known)| *known != image) {
                images.push((image.base_name().to_owned(), image));
            }
        }
    }
    Ok(images)
}

/// Builds sample functions' images with `images/functions/build.sh`, below `folder`, and adds them to the store. `compose` is the program
/// that reads their compose file. Returns the image names.
///
/// # Errors
/// When the recipe fails or is interrupted, or an image is no image.
pub async fn build_function_images(
    folder: &Path,
    compose: &Path,
    store: &ImageStore,
    functions: &[String],
    cancel: &CancellationToken,
    progress: &mut (dyn FnMut(&str) + Send),
) -> Result<Vec<String>> {
    let root = source_root()?;
    let absolute = |path: &Path| std::path::absolute(path).context(|| format!("path of {}", path.display()));
    let (work, out) = (absolute(&folder.join(".work/functions"))?, absolute(&folder.join(".work/layouts"))?);
    for folder in [&work, &out] {
        std::fs::create_dir_all(folder).context(|| format!("cannot make {}", folder.display()))?;
    }
    let mut command = Command::new("sh");
    command.arg(root.join("images/functions/build.sh")).arg("--work").arg(&work).arg("--out").arg(&out).args(functions);
    run_recipe(command, "images/functions/build.sh", cancel, progress).await?;

    let samples = sample_images(compose)?;
    let mut names = Vec::new();
    for function in functions {
        let reference = match samples.iter().find(|(name, _)| name == function) {
            Some((_, image)) => image.clone(),
            // Images of the fault tests have no service of their own name.
            None => format!("vhiveease/{function}:latest")
                .parse::<ImageReference>()
                .map_err(|e| Error::usage(e.to_string()))?,
        };
        store.add_oci_layout(&out.join(function), &reference)?;
        names.push(reference.to_string());
    }
    Ok(names)
}
