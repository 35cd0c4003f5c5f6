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

    let compose = Compose::read(&root.join("functions/functions.yaml"), compose)?;
    let mut names = Vec::new();
    for function in functions {
        let reference = match compose.project.services.contains_key(function) {
            true => compose.image(function)?,
            // Images of the fault tests have no service of their own name.
            false => format!("vhiveease/{function}:latest")
                .parse::<ImageReference>()
                .map_err(|e| Error::usage(e.to_string()))?,
        };
        store.add_oci_layout(&out.join(function), &reference)?;
        names.push(reference.to_string());
    }
    Ok(names)
}
