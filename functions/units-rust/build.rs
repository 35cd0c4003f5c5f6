//! Makes the code of the messages, and the descriptors that reflection gives, of `units.proto`: protox compiles it, no protoc is needed.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message;

fn main() -> Result<(), Box<dyn Error>> {
    let proto = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../proto");
    println!("cargo::rerun-if-changed={}", proto.join("units.proto").display());
    let files = protox::compile(["units.proto"], [proto])?;
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("units.pb"), files.encode_to_vec())?;
    tonic_prost_build::configure().build_client(false).compile_fds(files)?;
    Ok(())
}
