//! What a compose service mounts, and where it comes from.

use std::path::PathBuf;

use compose_model::{Mount, Project, Service, ServiceFile};
use futon_functions::{Handover, Origin};

use super::refused_key::{RefusedKey, refuse};
use super::settings::{MountSource, ServiceMount};

/// The mounts of a service, as the compose file has them.
pub(super) fn mounts(
    project: &Project,
    service: &Service,
    handover: &Handover,
) -> Result<Vec<ServiceMount>, RefusedKey> {
    let mut made = Vec::new();
    for written in &service.tmpfs {
        let (target, options) = written.split_once(':').unwrap_or((written, ""));
        made.push(ServiceMount { target: target.into(), source: MountSource::Tmpfs(options.into()), read_only: false });
    }
    for mount in &service.volumes {
        made.push(ServiceMount {
            target: mount.target.clone(),
            source: source(project, mount, handover)?,
            read_only: mount.read_only,
        });
    }
    for (key, files, folder, known) in [
        ("configs", &service.configs, "/", &project.configs),
        ("secrets", &service.secrets, "/run/secrets/", &project.secrets),
    ] {
        for file in files {
            let object = known.get(&file.source);
            let object = object.ok_or_else(|| refuse(key, format!("there is no {} in the file", file.source)))?;
            if object.external {
                return Err(refuse(key, format!("{} is external, and nothing creates it in the guest", file.source)));
            }
            let id = |id: &Option<String>| {
                let id = id.as_deref().map_or(Ok(0), str::parse);
                id.map_err(|_| refuse(key, format!("{}: its owner is not a number", file.source)))
            };
            let (uid, gid) = (id(&file.uid)?, id(&file.gid)?);
            let text =
                |text: &str| MountSource::Text { content: text.as_bytes().to_vec(), mode: file_mode(file), uid, gid };
            let (source, read_only) = if let Some(path) = &object.file {
                (MountSource::Host(PathBuf::from(path)), true)
            } else if let Some(content) = &object.content {
                (text(content), false)
            } else if let Some(variable) = &object.environment {
                let value = std::env::var(variable)
                    .map_err(|_| refuse(key, format!("{}: the variable {variable} is not set", file.source)))?;
                (text(&value), false)
            } else {
                return Err(refuse(key, format!("{} has neither a file nor content", file.source)));
            };
            let target = file.target.clone().unwrap_or_else(|| file.source.clone());
            let target = if target.starts_with('/') { target } else { format!("{folder}{target}") };
            made.push(ServiceMount { target, source, read_only });
        }
    }
    Ok(made)
}

/// Mode of a file that Compose copies into a container.
fn file_mode(file: &ServiceFile) -> u32 {
    file.mode.unwrap_or(0o444) & 0o7777
}

fn source(project: &Project, mount: &Mount, handover: &Handover) -> Result<MountSource, RefusedKey> {
    let bad = |why: String| refuse("volumes", format!("{}: {why}", mount.target));
    match mount.kind.as_str() {
        "volume" if mount.source.is_empty() => Ok(MountSource::Anonymous),
        "volume" => {
            let known = project.volumes.get(&mount.source);
            if let Some(volume) = known {
                if volume.external {
                    return Err(bad(format!(
                        "the volume {} is external, and nothing creates it in the guest",
                        mount.source
                    )));
                }
                if !volume.driver_opts.is_empty()
                    || volume.driver.as_deref().is_some_and(|d| !matches!(d, "" | "local"))
                {
                    return Err(bad(format!("the volume {} needs a driver", mount.source)));
                }
            }
            let options = mount.volume.clone().unwrap_or_default();
            if options.subpath.is_some_and(|path| !path.is_empty()) {
                return Err(bad("a part of a volume".into()));
            }
            Ok(MountSource::Volume { name: mount.source.clone(), copy: !options.nocopy })
        }
        "tmpfs" => {
            let options = mount.tmpfs.clone().unwrap_or_default();
            let mut words = Vec::new();
            if let Some(mode) = options.mode.filter(|mode| *mode != 0) {
                words.push(format!("mode={mode:o}"));
            }
            if let Some(size) = options.size.filter(|size| *size != 0) {
                words.push(format!("size={}", short_size(size)));
            }
            Ok(MountSource::Tmpfs(words.join(",")))
        }
        "bind" => {
            let propagation = mount.bind.clone().unwrap_or_default().propagation.unwrap_or_default();
            if !matches!(propagation.as_str(), "" | "private" | "rprivate") {
                return Err(bad(format!("propagation {propagation}")));
            }
            match handover.origin(&mount.source) {
                // Looked at when it was handed over.
                Some(Origin::Path(path)) => Ok(MountSource::Host(path.clone())),
                Some(Origin::NewFolder) => Ok(MountSource::NewFolder),
                Some(Origin::Text { text, mode, uid, gid }) => {
                    Ok(MountSource::Text { content: text.as_bytes().to_vec(), mode: *mode, uid: *uid, gid: *gid })
                }
                None => Err(bad(format!("the lean guest has no {} that could be mounted", mount.source))),
            }
        }
        other => Err(bad(format!("a mount of the type {other}"))),
    }
}

/// A size as the engine writes it.
fn short_size(bytes: i64) -> String {
    [(30, 'g'), (20, 'm'), (10, 'k')]
        .into_iter()
        .find(|(bits, _)| bytes % (1 << bits) == 0)
        .map_or_else(|| bytes.to_string(), |(bits, suffix)| format!("{}{suffix}", bytes >> bits))
}
