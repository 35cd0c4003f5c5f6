//! `futon images show`, `rm` and `prune`: shows what the store has, and removes what it need not keep.

use futon_common::text::counted;
use futon_common::{Context, Error, Result};
use futon_model::{ExitCode, ImageReference};
use futon_terminal::Ui;
use image_store::{ImageConfig, ImageStore, Removed, StoredImage, Variant};
use serde_json::json;

use super::resources::size;

/// Shows an image: digests, platforms, layers, and how it is run.
pub fn show(store: &ImageStore, name: &str, json: bool, ui: &Ui) -> Result<ExitCode> {
    let image = find(store, &read(name)?)?;
    let bytes = std::fs::read(store.blob_path(&image.config.digest))
        .context(|| format!("cannot read the configuration of {name}"))?;
    let text = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).unwrap_or_default();
    if json {
        let value = json!({"image": image, "size": image.size(), "config": text(&bytes)});
        ui.out(&serde_json::to_string_pretty(&value).context(|| "cannot write the image".into())?)?;
        return Ok(ExitCode::Passed);
    }
    let run = ImageConfig::parse(name, &bytes)?.config;
    let mut rows =
        vec![("name", image.reference.canonical()), ("added", format!("{} from {}", image.added, image.source))];
    rows.extend(image.index.as_ref().map(|index| ("index", index.digest.to_string())));
    rows.push(("manifest", image.manifest.digest.to_string()));
    rows.push(("config", image.config.digest.to_string()));
    rows.extend(image.variants.iter().map(|variant| ("variant", about(variant, &image))));
    rows.extend(image.layers.iter().map(|layer| ("layer", format!("{} {:>8}", layer.digest, size(layer.size)))));
    rows.push(("size", size(image.size())));
    let words = |words: Option<Vec<String>>| words.map(|words| json!(words).to_string());
    rows.extend(words(run.entrypoint).map(|words| ("entrypoint", words)));
    rows.extend(words(run.cmd).map(|words| ("command", words)));
    rows.extend([("user", run.user), ("folder", run.working_dir)].into_iter().filter(|(_, value)| !value.is_empty()));
    rows.extend(run.env.into_iter().map(|assignment| ("env", assignment)));
    rows.extend(run.exposed_ports.into_keys().map(|port| ("port", port)));
    rows.extend(run.volumes.into_keys().map(|volume| ("volume", volume)));
    for (what, value) in rows {
        ui.out(&format!("{what:<10} {value}"))?;
    }
    Ok(ExitCode::Passed)
}

fn about(variant: &Variant, image: &StoredImage) -> String {
    let platform = variant.platform.as_deref().unwrap_or("no platform");
    let usual = if variant.manifest == image.manifest { ", used by QEMU without KVM" } else { "" };
    format!("{platform}: {}{usual}", variant.manifest.digest)
}

/// Removes images by their names. All of them must be there, or none is removed.
pub fn remove(store: &ImageStore, names: &[String], json: bool, ui: &Ui) -> Result<ExitCode> {
    let mut references: Vec<ImageReference> = Vec::new();
    for name in names {
        let reference = read(name)?;
        if !references.contains(&reference) {
            references.push(reference);
        }
    }
    for reference in &references {
        find(store, reference)?;
        if let (false, Some(folder)) = (store.is_own(reference)?, store.kept_by_others(reference)?) {
            return Err(Error::usage(format!("{reference} is in {}, which you cannot write", folder.display()))
                .hint("only the folder's owner can remove it; your own image with the same name takes precedence"));
        }
    }
    let mut all = Removed { found: true, blobs: 0, bytes: 0 };
    for reference in &references {
        let removed = store.remove(reference)?;
        all = Removed { found: true, blobs: all.blobs + removed.blobs, bytes: all.bytes + removed.bytes };
        let mut done = if removed.found { "removed" } else { "already removed by another futon" }.to_owned();
        if let Some(folder) = store.kept_by_others(reference)? {
            done.push_str(&format!("; the image with that name in {} takes effect now", folder.display()));
        }
        if json {
            ui.line(&format!("{reference}: {done}"));
        } else {
            ui.out(&format!("{reference}: {done}"))?;
        }
    }
    tell(all, names, json, ui)
}

/// Removes blobs that no image needs.
pub fn prune(store: &ImageStore, json: bool, ui: &Ui) -> Result<ExitCode> {
    tell(store.prune()?, &[], json, ui)
}

fn tell(removed: Removed, names: &[String], json: bool, ui: &Ui) -> Result<ExitCode> {
    let text = if json {
        json!({"images": names, "blobs": removed.blobs, "bytes": removed.bytes}).to_string()
    } else {
        format!("{} removed, {} freed", counted(removed.blobs, "blob"), size(removed.bytes))
    };
    ui.out(&text)?;
    Ok(ExitCode::Passed)
}

fn read(name: &str) -> Result<ImageReference> {
    Ok(name.parse()?)
}

fn find(store: &ImageStore, reference: &ImageReference) -> Result<StoredImage> {
    if let Some(image) = store.resolve(reference)? {
        return Ok(image);
    }
    let hint = match &store.near(reference)?[..] {
        [] => "`futon images list` lists the images".to_owned(),
        near => format!("the store has {}", near.join(", ")),
    };
    Err(Error::usage(format!("no image {reference} in the store")).hint(hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_not_there_is_a_usage_error_and_removes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let store = ImageStore::open(folder.path()).unwrap();
        let error = find(&store, &read("me/fn").unwrap()).unwrap_err();
        assert_eq!(error.exit_code(), ExitCode::Usage);
        assert!(error.hint_text().unwrap().contains("futon images list"));
        assert!(read("Me/Fn").unwrap_err().to_string().contains("must be lowercase"));
    }
}
