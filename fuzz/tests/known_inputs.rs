//! Each target over its seeds and over the inputs that once broke a promise, without libFuzzer.

use std::path::Path;

#[test]
fn every_target_holds_its_promises_on_what_is_known() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let mut found = 0;
    for (name, target) in futon_fuzz::TARGETS {
        let seeds = futon_fuzz::seeds::of(name);
        assert!(!seeds.is_empty(), "{name} has no seeds");
        for seed in seeds {
            target(&seed);
        }
        let Ok(inputs) = std::fs::read_dir(corpus.join(name)) else { continue };
        for input in inputs {
            target(&std::fs::read(input.expect("an input").path()).expect("an input"));
            found += 1;
        }
    }
    assert!(found > 0, "no input was found in {}", corpus.display());
}

#[test]
fn each_folder_of_the_corpus_is_one_of_a_target() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for folder in std::fs::read_dir(corpus).expect("the corpus") {
        let name = folder.expect("a folder").file_name().into_string().expect("a name");
        assert!(futon_fuzz::TARGETS.iter().any(|(known, _)| *known == name), "no target is called {name}");
    }
}
