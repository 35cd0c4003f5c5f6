//! The trees that futon makes of images' layers, and those of the engine in the guest.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod place;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Seek, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use differential::image::Case;
use differential::line::{Answer, differences, of_rootfs};
use differential::{crafted, generated, member::Member};
use image_store::rootfs::{Rootfs, RootfsError};
use place::{futon, kept, resources, root};

/// Before what futon alone refuses, by name.
const BY_NAME: &str = "futon alone: ";

/// How many images are generated.
const GENERATED: u64 = 1000;
/// How many are put to one guest, so that its disk and its limits suffice.
const BATCH: usize = 700;

/// What futon makes of a case.
fn ours(case: &Case) -> Answer {
    let layers = case.blobs().unwrap().into_iter().enumerate().map(|(number, blob)| {
        let open = move || -> std::io::Result<File> {
            let mut file = tempfile::tempfile()?;
            file.write_all(&blob)?;
            file.rewind()?;
            Ok(file)
        };
        (number.to_string(), open)
    });
    let (refused, lines) = match Rootfs::of_layers(layers) {
        Ok(rootfs) => (None, of_rootfs(&rootfs).unwrap()),
        Err(RootfsError::Refused { why, .. }) => (Some(why), Vec::new()),
        Err(error @ RootfsError::Unsupported { .. }) => (Some(format!("{BY_NAME}{error}")), Vec::new()),
        Err(error) => panic!("{}: {error}", case.name),
    };
    Answer { name: case.name.clone(), refused, lines }
}

/// What the engine in the guest makes of cases, all in one guest.
fn engines(cases: &[Case]) -> BTreeMap<String, Answer> {
    let kept = kept(&format!("{}-{}.jsonl", cases[0].name, cases.len()));
    if let Some(text) = kept.as_ref().and_then(|file| fs::read_to_string(file).ok()) {
        return answers(&text);
    }
    let folder = tempfile::Builder::new().prefix("futon-trees-").tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let mut archive = File::create(path("cases.tar")).unwrap();
    for case in cases {
        let saved = Member::new(b'0', &case.name).data(case.save().unwrap());
        archive.write_all(&saved.bytes()).unwrap();
    }
    archive.write_all(&[0; 1024]).unwrap();
    drop(archive);
    fs::copy(env!("CARGO_BIN_EXE_engine-trees"), path("engine-trees")).unwrap();
    let script = "set -e\nfor file in engine-trees cases.tar; do futon-guest get $file; done\nchmod 755 engine-trees\n\
                  ./engine-trees cases.tar 0.jsonl 0 2 & ./engine-trees cases.tar 1.jsonl 1 2; wait\n\
                  cat 0.jsonl 1.jsonl >answers.jsonl\nfuton-guest put answers.jsonl\n";
    fs::write(path("trees.sh"), script).unwrap();
    let futon = futon();
    let mut command = Command::new(&futon);
    command.arg("exec").arg(path("trees.sh")).arg("--file").arg(path("engine-trees"));
    command.arg("--file").arg(path("cases.tar")).arg("--out").arg(path("out")).args(["--limit", "run=30m"]);
    command.current_dir(root()).env("RESOURCES", resources()).stdin(Stdio::null());
    let output = command.output().unwrap_or_else(|e| panic!("{}: {e}: build it first", futon.display()));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = fs::read_to_string(path("out/answers.jsonl")).unwrap();
    kept.iter().for_each(|file| fs::write(file, &text).unwrap());
    answers(&text)
}

fn answers(text: &str) -> BTreeMap<String, Answer> {
    let answers = text.lines().map(|line| serde_json::from_str::<Answer>(line).unwrap());
    answers.map(|answer| (answer.name.clone(), answer)).collect()
}

/// Puts cases to both, prints what differs and how many agree, and fails when one does not.
fn compare(what: &str, cases: &[Case]) {
    let begun = Instant::now();
    let mut wrong = Vec::new();
    let (mut refused, mut by_name, mut paths) = (0, 0, 0);
    for batch in cases.chunks(BATCH) {
        let engines = engines(batch);
        for case in batch {
            let ours = ours(case);
            let Some(theirs) = engines.get(&case.name) else {
                wrong.push(format!("{}: no answer of the engine's", case.name));
                continue;
            };
            refused += usize::from(theirs.refused.is_some());
            paths += theirs.lines.len();
            // The signs of overlays, which docs/lean.md names.
            if ours
                .refused
                .as_ref()
                .is_some_and(|why| why.starts_with(BY_NAME) && why.contains("which belongs to overlayfs"))
            {
                by_name += 1;
                continue;
            }
            wrong.extend(differences(&ours, theirs).into_iter().map(|line| format!("{}: {line}", case.name)));
        }
    }
    println!(
        "{what}: {} images, {refused} of them refused by the engine, {by_name} by futon alone, {paths} paths, {} disagreements, {:.0} s",
        cases.len(),
        wrong.len(),
        begun.elapsed().as_secs_f64()
    );
    if let Some(folder) = std::env::var_os("FUTON_DIFFERENCES") {
        fs::write(Path::new(&folder).join(format!("{what}.txt")), wrong.join("\n")).unwrap();
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
#[ignore = "asks the engine in a virtual machine: make test runs it"]
fn crafted_images_make_the_engines_trees() {
    // Some by hand, while something is being changed: those whose names begin so.
    let begin = std::env::var("FUTON_CASES").unwrap_or_default();
    let cases: Vec<Case> = crafted::cases().into_iter().filter(|case| case.name.starts_with(&begin)).collect();
    compare("crafted", &cases);
}

#[test]
#[ignore = "takes long: make differential runs it"]
fn generated_images_make_the_engines_trees() {
    // Fewer by hand, while something is being changed.
    let count = std::env::var("FUTON_GENERATED").ok().and_then(|count| count.parse().ok()).unwrap_or(GENERATED);
    let cases: Vec<Case> = (0..count).map(generated::case).collect();
    compare("generated", &cases);
}

#[test]
fn no_case_is_beyond_futon() {
    let cases: Vec<Case> = crafted::cases().into_iter().chain((0..GENERATED).map(generated::case)).collect();
    let refused = cases.iter().filter(|case| ours(case).refused.is_some()).count();
    // Neither side of the question may die out.
    assert!(refused * 10 > cases.len() && refused * 2 < cases.len(), "{refused} of {}", cases.len());
}
