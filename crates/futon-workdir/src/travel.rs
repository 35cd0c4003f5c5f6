//! What a working directory needs on another machine.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futon_common::{Context, Error, Result};
use futon_model::{Cell, Plan};
use image_store::ImageStore;
use lean_bundle::BundleRecipe;

use super::carried::Carried;
use super::dir::{WorkDir, clear, make_executable};
use super::names::{BUNDLE, CALLS, CELL, HANDOVER, RECIPE, REGISTRY, SHEET};

/// Files that go along as they are.
const ALONG: [&str; 8] = ["run.sh", "run.env", "functions.yaml", "service.json", CALLS, SHEET, HANDOVER, BUNDLE];

impl WorkDir {
    /// Makes the archives of images again that were removed after the run, from the same images.
    ///
    /// # Errors
    /// When the store has other images now, or they cannot be read.
    pub fn refill(&self, store: &Arc<ImageStore>, profile: Option<&Path>) -> Result<()> {
        for image in &self.plan().images {
            let now = store.resolve(&image.reference)?.map(|found| found.manifest.digest);
            if now != image.manifest {
                let words = |digest: &Option<futon_model::Digest>| {
                    digest
                        .as_ref()
                        .map_or_else(|| "no such image".to_owned(), |digest| format!("{:.19}", digest.as_str()))
                };
                return Err(Error::usage(format!(
                    "{}: the run had {}, the store has {}",
                    image.reference,
                    words(&image.manifest),
                    words(&now)
                ))
                .hint("add that image again with `futon images add`"));
            }
        }
        if let Some(path) = self.lost(BUNDLE) {
            let recipe = self.root().join(RECIPE);
            let text = fs::read(&recipe).context(|| format!("cannot read {}", recipe.display()))?;
            let recipe: BundleRecipe =
                serde_json::from_slice(&text).context(|| format!("malformed {}", recipe.display()))?;
            let profile = profile.ok_or_else(|| Error::infra("the lean guest's seccomp profile is missing"))?;
            recipe.bundle(Arc::clone(store), profile.to_owned()).write(create(path)?)?;
        }
        if let Some(path) = self.lost(REGISTRY) {
            let carried = Carried::gather(store, self.plan().images.iter().map(|image| &image.reference))?;
            carried.write(store, create(path)?)?;
        }
        Ok(())
    }

    /// The path of a file for the guest that is not there any more.
    fn lost(&self, name: &str) -> Option<&Path> {
        self.served().get(name).filter(|path| !path.is_file()).map(PathBuf::as_path)
    }

    /// Files of the folder that another machine needs, by name.
    #[must_use]
    pub fn to_carry(&self) -> Vec<(&'static str, PathBuf)> {
        let files = ALONG.iter().chain([&REGISTRY]).map(|name| (*name, self.root().join(name)));
        files.filter(|(_, path)| path.is_file()).collect()
    }

    /// Makes a working directory from what was carried: `put` writes the files into the folder.
    ///
    /// # Errors
    /// When the folder holds other things, or cannot be written.
    pub fn restore(
        root: &Path,
        plan: &Plan,
        cell: &Cell,
        served: BTreeMap<String, PathBuf>,
        put: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<Self> {
        let root = std::path::absolute(root).context(|| format!("path of {}", root.display()))?;
        clear(&root)?;
        put(&root)?;
        make_executable(&root.join("run.sh"))?;
        let dir = Self::with(root, plan.clone(), served);
        dir.write_plan()?;
        dir.write_json(CELL, cell)?;
        Ok(dir)
    }
}

fn create(path: &Path) -> Result<BufWriter<File>> {
    let file = File::create(path).context(|| format!("cannot write {}", path.display()))?;
    Ok(BufWriter::with_capacity(1 << 20, file))
}
