//! The payload: what the guest's `readfile` gives. One executable file: a shell header, an archive with the run script and its
//! files, an archive with the image's bundle.
//!
//! It carries the run's token, and a container may ask for it, too: `m5` instructions need no privilege on a simulated core. So the
//! guest gets it once: when the run script has begun, an empty file takes its place ([`take_back`]).

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use futon_common::{Context, Result};
use futon_model::{Base, CarriedRegistry, TOKEN_PLACEHOLDER};
use futon_workdir::WorkDir;
use tar::{Builder, EntryType, Header};

use super::Seed;
use super::settings::Gem5Settings;

/// Where run scripts run in the guest.
const FOLDER: &str = "/run/futon";

/// The image's bundle, as the working directory has it.
pub(super) const BUNDLE: &str = "bundle.tar";

/// Images as archives of the working directory's, and where they lie in the guest: a bundle, or the registry of a guest with an engine.
const IMAGES: [(&str, &str); 2] = [(BUNDLE, "bundle"), ("registry.tar", CarriedRegistry::FOLDER)];

/// Tools that the lean guest has already.
const TOOLS: [&str; 2] = ["futon-guest", "test-client"];

/// Lines for `run.env` that only a simulated guest needs.
pub(super) fn environment(settings: &Gem5Settings, seed: &Seed) -> String {
    let checkpoint = settings.stage.is_some() || settings.has_region_of_interest() && !settings.cold;
    // Nothing is measured after the calls: a container's stop, at a million instructions a second, would take longer than they.
    let stop = if settings.has_region_of_interest() { "FUTON_STOP=--freeze\n" } else { "" };
    // An engine is told in the guest which processor is the function's; a bundle says it itself.
    let cpus = if settings.root_image.is_some() && settings.cpus > 1 { "FUTON_CPUS=1\n" } else { "" };
    format!(
        "FUTON_MACHINE=gem5\nFUTON_SIM_SEED={}\nFUTON_TIME={}\n{cpus}{stop}FUTON_ROI_CHECKPOINT={}\nexport FUTON_ROI_CHECKPOINT\n",
        seed.entropy(),
        seed.time(),
        u8::from(checkpoint)
    )
}

/// Writes the payload of a run.
pub(super) fn write_payload(target: &Path, workdir: &WorkDir, settings: &Gem5Settings, seed: &Seed) -> Result<()> {
    let failed = || format!("cannot write {}", target.display());
    let files = archive(workdir, settings, seed)?;
    let images = IMAGES.iter().find_map(|(name, folder)| Some((*folder, workdir.served().get(*name)?)));
    let mut out = BufWriter::with_capacity(1 << 20, File::create(target).context(failed)?);
    out.write_all(header(FOLDER, files.len(), images.map(|(folder, _)| folder)).as_bytes()).context(failed)?;
    out.write_all(&files).context(failed)?;
    if let Some((_, images)) = images {
        let mut source = File::open(images).context(|| format!("cannot read {}", images.display()))?;
        io::copy(&mut source, &mut out).context(failed)?;
    }
    out.flush().context(failed)
}

/// Puts an empty file in the payload's place and keeps the payload beside it.
pub(super) fn take_back(payload: &Path) -> io::Result<()> {
    let given = given(payload);
    if given.exists() {
        return Ok(());
    }
    fs::rename(payload, given)?;
    File::create(payload).map(drop)
}

/// Where a payload is once it was given.
pub(super) fn given(payload: &Path) -> PathBuf {
    payload.with_extension("given")
}

/// The run script, its settings and the user's files. They are small: the image is not among them.
fn archive(workdir: &WorkDir, settings: &Gem5Settings, seed: &Seed) -> Result<Vec<u8>> {
    let lean = workdir.plan().machine.base == Base::Lean;
    let mut archive = Builder::new(Vec::new());
    let mut folders = BTreeSet::new();
    for (name, path) in workdir.served() {
        if IMAGES.iter().any(|(images, _)| images == name) || (lean && TOOLS.contains(&name.as_str())) {
            continue;
        }
        let mut content = fs::read(path).context(|| format!("cannot read {}", path.display()))?;
        match name.as_str() {
            "run.sh" => {
                let text = String::from_utf8_lossy(&content).replace(TOKEN_PLACEHOLDER, &seed.token(workdir.plan()));
                content = text.into_bytes();
            }
            "run.env" => content.extend(environment(settings, seed).into_bytes()),
            _ => {}
        }
        let packing = || format!("cannot pack {name}");
        // The outermost folder first. `a/b` has the ancestors `a/b`, `a` and the empty one.
        let parents = Path::new(name).ancestors().skip(1).filter(|parent| !parent.as_os_str().is_empty());
        for parent in parents.collect::<Vec<_>>().into_iter().rev() {
            if folders.insert(parent.to_owned()) {
                archive.append_data(&mut head(EntryType::Directory, 0), parent, io::empty()).context(packing)?;
            }
        }
        let mut head = head(EntryType::Regular, content.len());
        archive.append_data(&mut head, name, content.as_slice()).context(packing)?;
    }
    archive.into_inner().context(|| "cannot pack the payload".into())
}

fn head(kind: EntryType, size: usize) -> Header {
    let mut head = Header::new_gnu();
    head.set_entry_type(kind);
    head.set_size(size as u64);
    head.set_mode(0o755);
    head.set_mtime(0);
    head.set_uid(0);
    head.set_gid(0);
    head
}

/// The header: unpacks what is behind it into `folder` and runs `run.sh` from there. futon's own service in the guest reads from its
/// comments where the archives are and unpacks them straight from the simulator; any other guest runs it, with `tail` and `tar`.
fn header(folder: &str, files: usize, images: Option<&str>) -> String {
    // The offsets are part of the text that they measure: of fixed width.
    let text = |first: usize| {
        let second = first + files;
        let (mut where_it_is, mut by_hand) = (String::new(), String::new());
        if let Some(images) = images {
            where_it_is = format!("#futon-archive {second:010} {images}\n");
            by_hand = format!("mkdir -p {images}\ntail -c +{:010} payload | tar -C {images} -xpf -\n", second + 1);
        }
        format!(
            "#!/bin/sh\n#futon-archive {first:010} .\n{where_it_is}set -eu\numask 077\nmkdir -p {folder}\n\
             # The archive brings a run.sh of its own.\n\
             mv \"$0\" {folder}/payload\ncd {folder}\n\
             tail -c +{:010} payload | tar -xpf -\n{by_hand}rm payload\nexec ./run.sh\n#--futon-payload--\n",
            first + 1
        )
    };
    text(text(0).len())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::sample::plan;
    use futon_workdir::{Contents, GuestTools};
    use gem5_stats::CoreModel;

    #[test]
    fn a_shell_unpacks_both_archives_and_runs_the_script() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for tool in TOOLS {
            fs::write(path(tool), "tool").unwrap();
        }
        let mut inner = Builder::new(Vec::new());
        let mut head = Header::new_gnu();
        head.set_size(4);
        head.set_mode(0o644);
        inner.append_data(&mut head, "lean.json", &b"{}\n\n"[..]).unwrap();
        fs::write(path("bundle"), inner.into_inner().unwrap()).unwrap();
        let mut plan = plan();
        plan.machine.base = Base::Lean;
        let script = "#!/bin/sh\nFUTON_TOKEN='<__FUTON_TOKEN__>'\n. ./run.env\necho \"$FUTON_TOKEN $FUTON_MACHINE $FUTON_ROI_CHECKPOINT\"\nls . bundle\ncat data/in/x\n";
        let tools = GuestTools { futon_guest: path("futon-guest"), test_client: path("test-client") };
        let contents = Contents {
            compose: Some("services: {}\n"),
            files: &[(BUNDLE.to_owned(), path("bundle")), ("data/in/x".to_owned(), path("test-client"))],
            ..Contents::of_script(&plan, script, &tools)
        };
        let workdir = WorkDir::create(&path("w"), &contents).unwrap();
        let (settings, seed): (_, Seed) = (testing::settings(CoreModel::O3), "7".parse().unwrap());
        let payload = path("payload");
        write_payload(&payload, &workdir, &settings, &seed).unwrap();

        // As a guest without futon's tool would run it, in a folder of the test's.
        let here = path("guest");
        fs::create_dir(&here).unwrap();
        let bytes = fs::read(&payload).unwrap();
        let mark = b"#--futon-payload--\n";
        let end = bytes.windows(mark.len()).position(|w| w == mark).unwrap() + mark.len();
        let bundle = fs::metadata(path("bundle")).unwrap().len();
        let files = bytes.len() - end - usize::try_from(bundle).unwrap();
        assert_eq!(String::from_utf8_lossy(&bytes[..end]), header(FOLDER, files, Some("bundle")));
        let moved = header(&here.display().to_string(), files, Some("bundle"));
        fs::write(here.join("run.sh"), [moved.as_bytes(), &bytes[end..]].concat()).unwrap();
        let output = Command::new("sh").arg(here.join("run.sh")).env("PATH", "/usr/bin:/bin").output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.starts_with(&format!("{} gem5 1\n", seed.token(workdir.plan()))), "{text} {output:?}");
        assert!(text.ends_with("tool"), "a file in folders of its own: {text}");
        assert!(text.contains("lean.json") && text.contains("run.env") && !text.contains("payload"), "{text}");
        assert!(!text.contains("futon-guest"), "the lean guest has its tools: {text}");
    }

    #[test]
    fn only_after_measured_calls_a_container_is_frozen() {
        let seed: Seed = "7".parse().unwrap();
        let freezes = |core| environment(&testing::settings(core), &seed).contains("FUTON_STOP=--freeze\n");
        assert!(freezes(CoreModel::O3) && freezes(CoreModel::Timing) && !freezes(CoreModel::Atomic));
        // Nor where nothing is measured after a stage.
        let staged = Gem5Settings { stage: Some("QEMU 7.2".into()), ..testing::settings(CoreModel::Atomic) };
        assert!(!environment(&staged, &seed).contains("FUTON_STOP"));
    }

    #[test]
    fn it_is_given_once() {
        let folder = tempfile::tempdir().unwrap();
        let payload = folder.path().join("payload");
        fs::write(&payload, "secret").unwrap();
        take_back(&payload).unwrap();
        take_back(&payload).unwrap();
        assert_eq!(fs::read(&payload).unwrap(), b"");
        assert_eq!(fs::read(given(&payload)).unwrap(), b"secret");
    }
}

#[cfg(test)]
pub(super) mod testing {
    use super::super::binary::Gem5;
    use super::super::script::ConfigScript;
    use super::super::settings::{BootCore, Gem5Settings, Goal, Watchdogs};
    use super::super::state::CoreState;
    use gem5_stats::CoreModel;

    pub(in super::super) fn settings(core: CoreModel) -> Gem5Settings {
        Gem5Settings {
            gem5: Gem5 { path: "/opt/gem5.fast".into(), version: "24.0".into(), kvm: false, identity: "1-2".into() },
            config: ConfigScript::Own,
            system: "skylake".into(),
            params: vec!["l2.size=2MiB".into()],
            boot_core: BootCore::Atomic,
            core,
            cpus: 2,
            memory_mib: 1024,
            kernel: "/r/vmlinux".into(),
            initrd: Some("/r/initramfs".into()),
            disk: None,
            base_image: None,
            root_image: None,
            recommended: "console=ttyS0 quiet".into(),
            cmdline: None,
            root: None,
            append: None,
            uarch_warmup: 2,
            state: CoreState::Warm,
            seed: None,
            work_items: None,
            cold: false,
            goal: Goal::Test,
            watchdogs: Watchdogs::default(),
            unconfined: false,
            stage: None,
            checkpoints: "/r/checkpoints".into(),
            shared_checkpoints: None,
        }
    }
}
