//! A process of its own that works on a store: this test program, started again for the one test [`works`].

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use futon_model::ImageReference;
use image_store::ImageStore;
use sha2::{Digest as _, Sha256};

/// Tells the process which store, and what to do.
const STORE: &str = "FUTON_TEST_STORE";
const WORK: &str = "FUTON_TEST_WORK";
/// Has it stop before its work, for the process that started it to look on.
const TRACED: &str = "FUTON_TEST_TRACED";

/// What a process does to a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Adds image `content` under the name `name`.
    Add { name: u8, content: u8 },
    /// Removes the name `name`, and blobs that nothing refers to.
    Remove { name: u8 },
}

impl Step {
    fn word(self) -> String {
        match self {
            Self::Add { name, content } => format!("add:{name}:{content}"),
            Self::Remove { name } => format!("remove:{name}:0"),
        }
    }

    fn read(word: &str) -> Self {
        let parts: Vec<&str> = word.split(':').collect();
        let number = |at: usize| parts[at].parse::<u8>().unwrap();
        match parts[0] {
            "add" => Self::Add { name: number(1), content: number(2) },
            _ => Self::Remove { name: number(1) },
        }
    }
}

/// A folder with a store in it, and the archives that are added.
pub struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for content in 0..4 {
            write_archive(&archive(folder.path(), content), content);
        }
        Self { folder }
    }

    pub fn store(&self) -> ImageStore {
        ImageStore::open(self.folder.path().join("store")).unwrap()
    }

    /// Does a step in this process.
    pub fn work(&self, step: Step) {
        work(self.folder.path(), step).unwrap();
    }

    /// The command that does these steps in a process of its own.
    pub fn process(&self, steps: &[Step]) -> Command {
        let words: Vec<String> = steps.iter().map(|s| s.word()).collect();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "child::works", "--test-threads=1", "--nocapture"]);
        command.env(STORE, self.folder.path()).env(WORK, words.join(","));
        command.stdout(std::process::Stdio::null());
        command
    }

    /// The same, of a process that waits to be traced before it begins.
    pub fn traced(&self, steps: &[Step]) -> Command {
        let mut command = self.process(steps);
        command.env(TRACED, "1");
        command
    }

    /// Names and the digests that they lead to; panics where the store is not sound.
    pub fn sound(&self) -> Vec<(String, String)> {
        let store = self.store();
        let found = store.verify().unwrap();
        assert!(found.problems.is_empty(), "{:?}", found.problems);
        let images = store.list().unwrap();
        images.iter().map(|i| (i.reference.to_string(), i.manifest.digest.to_string())).collect()
    }

    /// Files of the store that are no blob that an image needs: names of them, below the store's folder.
    pub fn leftovers(&self) -> Vec<String> {
        let store = self.store();
        let needed: Vec<PathBuf> = store
            .list()
            .unwrap()
            .iter()
            .flat_map(|image| image.descriptors().map(|d| store.blob_path(&d.digest)).collect::<Vec<_>>())
            .collect();
        let mut left = Vec::new();
        for folder in ["blobs/sha256", "tmp", "."] {
            for entry in fs::read_dir(store.folder().join(folder)).into_iter().flatten().flatten() {
                let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
                let own = ["blobs", "tmp", "names.json", ".lock"].contains(&name.as_str());
                if !own && !needed.contains(&path) {
                    left.push(format!("{folder}/{name}"));
                }
            }
        }
        left
    }
}

fn archive(folder: &Path, content: u8) -> PathBuf {
    folder.join(format!("{content}.tar"))
}

pub fn name(name: u8) -> ImageReference {
    format!("some/image-{name}:1").parse().unwrap()
}

fn work(folder: &Path, step: Step) -> Result<(), image_store::StoreError> {
    let store = ImageStore::open(folder.join("store"))?;
    match step {
        Step::Add { name: n, content } => store.add_docker_archive(&archive(folder, content), Some(&name(n))).map(drop),
        Step::Remove { name: n } => store.remove(&name(n)).map(drop),
    }
}

/// An image of two layers: one that all have, and one of its own.
fn write_archive(path: &Path, content: u8) {
    let layers = [vec![0; 1024], [b"own ", [content; 4].as_slice()].concat().repeat(5000)];
    let hex = |bytes: &[u8]| hex::encode(Sha256::digest(bytes));
    let ids: Vec<String> = layers.iter().map(|l| format!("sha256:{}", hex(l))).collect();
    let config = serde_json::json!({"architecture": "amd64", "os": "linux", "config": {"Labels": {"n": content.to_string()}},
        "rootfs": {"type": "layers", "diff_ids": ids}});
    let config = config.to_string();
    let config_name = format!("{}.json", hex(config.as_bytes()));
    let manifest =
        serde_json::json!([{"Config": config_name, "RepoTags": ["a:1"], "Layers": ["0/layer.tar", "1/layer.tar"]}]);
    let manifest = manifest.to_string();
    let mut tar = tar::Builder::new(File::create(path).unwrap());
    for (name, bytes) in [
        ("0/layer.tar", &layers[0][..]),
        ("1/layer.tar", &layers[1]),
        (&config_name, config.as_bytes()),
        ("manifest.json", manifest.as_bytes()),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, bytes).unwrap();
    }
    tar.finish().unwrap();
}

/// The work of a process that another test has started; nothing otherwise.
#[test]
fn works() {
    let (Ok(folder), Ok(steps)) = (std::env::var(STORE), std::env::var(WORK)) else { return };
    if std::env::var_os(TRACED).is_some() {
        nix::sys::ptrace::traceme().unwrap();
        nix::sys::signal::raise(nix::sys::signal::Signal::SIGSTOP).unwrap();
    }
    for step in steps.split(',') {
        work(Path::new(&folder), Step::read(step)).unwrap();
    }
}
