//! One program for all targets, since linking takes longer than fuzzing finds: `FUTON_FUZZ_TARGET` says which one it is.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
static TARGET: std::sync::OnceLock<futon_fuzz::Target> = std::sync::OnceLock::new();

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(
    init: {
        let name = std::env::var("FUTON_FUZZ_TARGET").unwrap_or_default();
        let Some((_, target)) = futon_fuzz::TARGETS.iter().find(|(known, _)| *known == name) else {
            for (known, _) in futon_fuzz::TARGETS {
                println!("{known}");
            }
            std::process::exit(2);
        };
        futon_fuzz::seeds::write(&name);
        let _ = TARGET.set(*target);
    },
    |data: &[u8]| if let Some(target) = TARGET.get() { target(data) }
);

#[cfg(not(fuzzing))]
fn main() {
    eprintln!("error: built without libFuzzer: 'make fuzz' builds this with it");
    std::process::exit(2);
}
