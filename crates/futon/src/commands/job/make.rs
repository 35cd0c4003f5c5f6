//! From working directories to a job.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futon_cli::{ContentArgs, MachineArgs};
use futon_common::{Context, Error, Result};
use futon_job::{Blob, Form, JOB_SCHEMA, Job, JobFunction, JobWriter, Recorded, Served};
use futon_model::{Base, MachineKind};
use futon_qemu::{Whose, pack_disk, probe_image};
use futon_resources::{
    BASE_IMAGE, CMDLINE, Digests, FUTON_GUEST, INITRD, KERNEL, LEAN_CMDLINE, LEAN_INITRD, LEAN_KERNEL, LEAN_PACKAGES,
    PACKAGES, SECCOMP, TEST_CLIENT,
};
use futon_terminal::Ui;
use futon_workdir::WorkDir;
use image_store::ImageStore;

use futon_prepare::prepared::Prepared;

/// What a job is made of.
pub struct Parts<'a> {
    /// Working directories, with how their runs ended.
    pub functions: Vec<(WorkDir, Option<Recorded>)>,
    /// The machine's flags.
    pub machine: &'a MachineArgs,
    /// The machine.
    pub prepared: &'a Prepared,
    /// The resources folder.
    pub resources: &'a Path,
    /// The images.
    pub store: &'a Arc<ImageStore>,
    /// Digests of files.
    pub digests: &'a Digests,
    /// What of it is inside.
    pub content: &'a ContentArgs,
}

/// Says that a job was made.
pub fn say_made(target: &Path, size: u64, ui: &Ui) {
    ui.line(&format!("{}: {} MiB; next: futon run {0}", target.display(), size.div_ceil(1 << 20)));
}

/// Makes a job of them at `target`; returns its size in bytes.
///
/// # Errors
/// When something is missing, or the job cannot be written.
pub async fn pack(parts: Parts<'_>, target: &Path, ui: &mut Ui) -> Result<u64> {
    let writer = JobWriter::create(target, parts.content.blobs.as_deref())?;
    ui.start("packing the job");
    let job = gather(&parts, &writer).await;
    let written = job.and_then(|job| writer.finish(&job));
    ui.stop();
    written
}

async fn gather(parts: &Parts<'_>, writer: &JobWriter) -> Result<Job> {
    let packer = Packer { parts, writer };
    let mut functions = Vec::new();
    for (workdir, recorded) in &parts.functions {
        functions.push(packer.function(workdir, recorded.clone())?);
    }
    let mut resources = BTreeMap::new();
    for name in needed(parts) {
        let path = parts.resources.join(name);
        if path.is_file() {
            let inside = [FUTON_GUEST, TEST_CLIENT].contains(&name) || !parts.content.reference;
            resources.insert(name.to_owned(), packer.file(&path, inside).await?);
        }
    }
    let mut machine = parts.machine.clone();
    let mut given = BTreeMap::new();
    for (flag, path) in [
        ("base_image", &mut machine.base_image),
        ("kernel", &mut machine.kernel),
        ("initrd", &mut machine.initrd),
        ("gem5_config", &mut machine.gem5.gem5_config),
    ] {
        if let Some(path) = path.take() {
            given.insert(flag.to_owned(), packer.file(&path, true).await?);
        }
    }
    // Each host has its own.
    machine.gem5.gem5 = None;
    Ok(Job {
        schema: JOB_SCHEMA.into(),
        futon: env!("CARGO_PKG_VERSION").into(),
        functions,
        machine: serde_json::to_value(&machine).context(|| "the machine's flags".into())?,
        given,
        resources,
        programs: programs(parts.prepared, parts.digests)?,
    })
}

/// Programs of the host that a job needs, and what they are here.
pub(super) fn programs(prepared: &Prepared, digests: &Digests) -> Result<BTreeMap<String, String>> {
    let inputs = prepared.machine.inputs();
    let mut programs = BTreeMap::new();
    match inputs.files.get(GEM5) {
        Some(path) => {
            programs.insert(GEM5.to_owned(), digests.of(path)?);
            let staged_in = inputs.values.get(STAGED_IN).cloned();
            programs.extend(staged_in.map(|version| (STAGED_IN.to_owned(), version)));
        }
        None => {
            programs.insert("QEMU".to_owned(), prepared.machine.report().version);
        }
    }
    Ok(programs)
}

/// Names of the programs on which a simulator's figures depend.
pub(super) const GEM5: &str = "gem5's program";
pub(super) const STAGED_IN: &str = "staged in";

/// Names of the resources that a machine and its guests need.
fn needed(parts: &Parts<'_>) -> Vec<&'static str> {
    let args = parts.machine;
    let (image, kernel, initrd) = (args.base_image.is_none(), args.kernel.is_none(), args.initrd.is_none());
    let of_the_base: Vec<(&str, bool)> = match parts.prepared.base {
        Base::Docker => vec![
            (BASE_IMAGE, image),
            (KERNEL, kernel),
            (INITRD, kernel && initrd),
            (CMDLINE, kernel),
            (PACKAGES, image),
        ],
        Base::Lean => vec![
            (LEAN_KERNEL, kernel),
            (LEAN_INITRD, initrd),
            (LEAN_CMDLINE, true),
            (SECCOMP, true),
            (LEAN_PACKAGES, initrd),
        ],
    };
    let tools = [(FUTON_GUEST, true), (TEST_CLIENT, true)];
    of_the_base.into_iter().chain(tools).filter(|(_, wanted)| *wanted).map(|(name, _)| name).collect()
}

struct Packer<'a> {
    parts: &'a Parts<'a>,
    writer: &'a JobWriter,
}

impl Packer<'_> {
    fn function(&self, workdir: &WorkDir, recorded: Option<Recorded>) -> Result<JobFunction> {
        let plan = workdir.plan();
        let cell = workdir.cell().ok_or_else(|| {
            Error::usage(format!("{} does not know what shaped its run", workdir.root().display()))
                .hint("it is a script's, or an older futon made it: test the function again")
        })?;
        workdir.refill(self.parts.store, self.parts.prepared.seccomp.as_deref())?;
        let mut files = BTreeMap::new();
        for (name, path) in workdir.to_carry() {
            files.insert(name.to_owned(), self.writer.add(&path, &sha256(&path)?)?);
        }
        let mut served = BTreeMap::new();
        for (name, path) in workdir.served() {
            let from = if path.starts_with(workdir.root()) {
                Served::File(file_name(path))
            } else if [FUTON_GUEST, TEST_CLIENT].contains(&name.as_str()) {
                Served::Resource(name.clone())
            } else {
                // A file of the user's, under a name that no file of ours has.
                let own = format!("file-{name}");
                files.insert(own.clone(), self.writer.add(path, &sha256(path)?)?);
                Served::File(own)
            };
            served.insert(name.clone(), from);
        }
        // A guest on a simulator has its images in an archive; the exchange's registry tells the others what there is.
        let there: Vec<_> = plan.images.iter().filter(|image| image.manifest.is_some()).collect();
        if plan.machine.kind != MachineKind::Gem5 && !there.is_empty() {
            let images = ImageStore::open(self.writer.images())?;
            for image in there {
                images.adopt(self.parts.store, &image.reference)?;
            }
        }
        let mut plan = plan.clone();
        // Where they are here is of no use elsewhere.
        plan.machine.base_image = name_alone(&plan.machine.base_image);
        plan.machine.kernel = name_alone(&plan.machine.kernel);
        Ok(JobFunction { cell, plan, files, served, recorded })
    }

    async fn file(&self, path: &Path, inside: bool) -> Result<Blob> {
        let digest = self.parts.digests.of(path)?;
        if !inside {
            return Ok(self.writer.place(path, &digest, Form::Outside)?.0);
        }
        // A disk is mostly holes.
        let is_disk = self.parts.prepared.machine.inputs().files.get("base image").is_some_and(|image| image == path);
        let whose = if path.starts_with(self.parts.resources) { Whose::Futons } else { Whose::Users };
        if !is_disk || probe_image(path, whose).await? != "raw" {
            return self.writer.add(path, &digest);
        }
        let (blob, place) = self.writer.place(path, &digest, Form::Qcow2)?;
        if let Some(place) = place {
            pack_disk(path, place.path()).await?;
            place.keep()?;
        }
        Ok(blob)
    }
}

fn sha256(path: &Path) -> Result<String> {
    Ok(format!("sha256:{}", futon_common::sha256_file(path)?))
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn name_alone(path: &str) -> String {
    file_name(&PathBuf::from(path))
}
