//! The resources folder of a job: this host's own, if it has the same files, else one that is made of the job's.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use futon_common::{Context, Error, Result, sha256_bytes, stamp};
use futon_job::{Blob, Form, JobFolder, verify};
use futon_qemu::unpack_disk;
use futon_resources::{Manifest, Resource, own_folder};
use futon_terminal::Ui;

use futon_prepare::places::digests;

/// Folders of resources that are kept for the next run of the same job.
const KEPT: usize = 3;

/// A folder with the resources of a job, kept from others while this lives.
pub struct JobResources {
    /// The folder.
    pub folder: PathBuf,
    /// Whether it is this host's own.
    pub is_own: bool,
    /// Files that the machine's flags are to name.
    pub given: BTreeMap<String, PathBuf>,
    _in_use: Option<File>,
}

/// Finds or makes the resources of a job.
///
/// # Errors
/// When one is neither here nor in the job, or is damaged.
pub async fn resources_of(job: &JobFolder, here: &Path, ui: &mut Ui) -> Result<JobResources> {
    let wanted = Wanted { resources: &job.job.resources, given: &job.job.given };
    find_or_make(wanted, &[job], here, ui).await
}

/// Files of resources that a machine needs.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    /// By name.
    pub resources: &'a BTreeMap<String, Blob>,
    /// By the flag that is to name them.
    pub given: &'a BTreeMap<String, Blob>,
}

/// The same for resources of several jobs.
///
/// # Errors
/// As for [`resources_of`].
pub async fn find_or_make(
    wanted: Wanted<'_>,
    jobs_with_them: &[&JobFolder],
    here: &Path,
    ui: &mut Ui,
) -> Result<JobResources> {
    let local = digests(here)?;
    let same = |name: &str, blob: &Blob| {
        let path = here.join(name);
        (path.is_file() && local.of(&path).is_ok_and(|digest| digest == blob.digest)).then_some(path)
    };
    let all = wanted.resources;
    if wanted.given.is_empty() && all.iter().all(|(name, blob)| same(name, blob).is_some()) {
        return Ok(JobResources { folder: here.to_owned(), is_own: true, given: BTreeMap::new(), _in_use: None });
    }
    let names: Vec<String> =
        all.iter().chain(wanted.given).map(|(name, blob)| format!("{name}\0{}\0", blob.digest)).collect();
    let jobs = own_folder(here)?.join("jobs");
    let folder = jobs.join(&sha256_bytes(names.concat())[..16]);
    fs::create_dir_all(&jobs).context(|| format!("cannot make {}", jobs.display()))?;
    if !folder.is_dir() {
        ui.start("unpacking the job's resources (kept for its next run)");
        let made = make(wanted, jobs_with_them, &jobs, &same).await;
        ui.stop();
        // Another run may have been faster: its folder is the same.
        let _ = fs::rename(made?.keep(), &folder);
    }
    let in_use = File::open(&folder).ok().filter(|file| file.try_lock_shared().is_ok());
    let _ = File::open(&folder).and_then(|file| file.set_modified(SystemTime::now()));
    prune(&jobs);
    let given = wanted.given.keys().map(|flag| (flag.clone(), folder.join(given_name(flag)))).collect();
    Ok(JobResources { folder, is_own: false, given, _in_use: in_use })
}

fn given_name(flag: &str) -> String {
    format!("given-{flag}")
}

async fn make(
    wanted: Wanted<'_>,
    with_them: &[&JobFolder],
    jobs: &Path,
    here: &impl Fn(&str, &Blob) -> Option<PathBuf>,
) -> Result<tempfile::TempDir> {
    let folder = tempfile::Builder::new().prefix(".new-").tempdir_in(jobs);
    let folder = folder.context(|| format!("cannot make a folder in {}", jobs.display()))?;
    let mut manifest = Manifest::default();
    let given = wanted.given.iter().map(|(flag, blob)| (given_name(flag), blob));
    let resources = wanted.resources.iter().map(|(name, blob)| (name.clone(), blob));
    for (name, blob) in resources.chain(given) {
        let to = folder.path().join(&name);
        let job = with_them.iter().find(|job| job.stored(&name, blob).is_ok()).or_else(|| with_them.first());
        match here(&name, blob) {
            // It stays what it is, even if the resources are built again: they are replaced, never written.
            Some(own) if fs::hard_link(&own, &to).is_ok() => {}
            Some(own) => {
                fs::copy(&own, &to).context(|| format!("cannot copy {}", own.display()))?;
            }
            None => match job {
                Some(job) if blob.form == Form::Qcow2 => {
                    unpack_disk(&job.stored(&name, blob)?, &to).await?;
                    verify(&name, blob, &to)?;
                }
                Some(job) => job.extract(&name, blob, &to)?,
                None => return Err(Error::infra(format!("no job has {name}"))),
            },
        }
        let (size, mtime_ns) = stamp(&to).context(|| format!("cannot read {}", to.display()))?;
        let sha256 = blob.hex()?.to_owned();
        manifest
            .resources
            .insert(name, Resource { sha256, size, mtime_ns, made: "from a job".into(), inputs: BTreeMap::new() });
    }
    manifest.write(folder.path())?;
    futon_common::shared(folder.path()).context(|| "cannot open the job's resources to others".into())?;
    Ok(folder)
}

/// Removes the folders that were used longest ago, but for those in use.
fn prune(jobs: &Path) {
    let Ok(entries) = fs::read_dir(jobs) else { return };
    let mut known: Vec<(SystemTime, PathBuf)> =
        entries.flatten().filter_map(|e| Some((e.metadata().ok()?.modified().ok()?, e.path()))).collect();
    known.sort_by_key(|(used, _)| std::cmp::Reverse(*used));
    for (_, folder) in known.into_iter().skip(KEPT) {
        if File::open(&folder).is_ok_and(|file| file.try_lock().is_ok()) {
            let _ = fs::remove_dir_all(folder);
        }
    }
}
