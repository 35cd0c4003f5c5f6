//! Runs in the guest: has the engine load each image of an archive, and writes down the tree it made of it, or why it refused.
//!
//! `engine-trees CASES.tar ANSWERS PART OF`: the cases are archives of `docker save`; an answer is one line of JSON. The trees are those
//! of the image's own layers, mounted as the engine mounts them, without a container's. Each of several processes takes every OF-th case:
//! the engine's work on one image keeps one processor busy.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use differential::line::Answer;
use differential::walk::walk;
use nix::mount::{MsFlags, mount, umount};
use serde_json::Value;

/// Where the engine listens.
const SOCKET: &str = "/var/run/docker.sock";
/// Where its layers are.
const LAYERS: &str = "/var/lib/docker/overlay2";

fn main() -> io::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let usage = || io::Error::other("usage: engine-trees CASES.tar ANSWERS PART OF");
    let [cases, answers, part, of] = words.as_slice() else { return Err(usage()) };
    let (Ok(part), Ok(of)) = (part.parse::<usize>(), of.parse::<usize>()) else { return Err(usage()) };
    let work = PathBuf::from(format!("/run/engine-trees-{part}"));
    for folder in ["top", "tree"] {
        fs::create_dir_all(work.join(folder))?;
    }
    let mut out = BufWriter::new(File::create(answers)?);
    for (number, entry) in tar::Archive::new(File::open(cases)?).entries()?.enumerate() {
        let mut entry = entry?;
        if number % of != part {
            continue;
        }
        let name = entry.path()?.display().to_string();
        let mut archive = Vec::new();
        entry.read_to_end(&mut archive)?;
        let answer = match ask(&name, &archive, &work) {
            Ok(answer) => answer,
            Err(error) => Answer { name, refused: Some(format!("engine-trees: {error}")), lines: Vec::new() },
        };
        serde_json::to_writer(&mut out, &answer)?;
        out.write_all(b"\n")?;
    }
    out.flush()
}

fn ask(name: &str, archive: &[u8], work: &Path) -> io::Result<Answer> {
    let loaded = String::from_utf8_lossy(&request("POST", "/images/load?quiet=1", archive)?).into_owned();
    let error = loaded.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).find_map(|line| {
        let said = line["error"].as_str().or_else(|| line["message"].as_str())?;
        Some(said.to_owned())
    });
    if error.is_some() {
        return Ok(Answer { name: name.to_owned(), refused: error, lines: Vec::new() });
    }
    let about = request("GET", &format!("/images/{name}:latest/json"), b"")?;
    let about: Value = serde_json::from_slice(&about)?;
    let data = &about["GraphDriver"]["Data"];
    let folders = [&data["UpperDir"], &data["LowerDir"]];
    let mut lower = vec![work.join("top").display().to_string()];
    for folder in folders.iter().filter_map(|folders| folders.as_str()).flat_map(|folders| folders.split(':')) {
        // The short name of a layer: a mount's options have 4 KiB at most.
        let link = fs::read_to_string(Path::new(folder).with_file_name("link"))?;
        lower.push(format!("l/{link}"));
    }
    std::env::set_current_dir(LAYERS)?;
    let options = format!("index=off,lowerdir={}", lower.join(":"));
    let tree = work.join("tree");
    mount(Some("overlay"), &tree, Some("overlay"), MsFlags::MS_RDONLY, Some(options.as_str()))?;
    // Paths may be as long as a system call takes: none before them.
    std::env::set_current_dir(&tree)?;
    let lines = walk(Path::new("."));
    std::env::set_current_dir("/")?;
    umount(&tree)?;
    Ok(Answer { name: name.to_owned(), refused: None, lines: lines? })
}

/// Asks the engine; HTTP/1.0 has the answer end with the connection.
fn request(method: &str, path: &str, body: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = UnixStream::connect(SOCKET)?;
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.0\r\nHost: docker\r\nContent-Type: application/x-tar\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.ok_or_else(|| io::Error::other("the engine's answer has no end of its head"))?;
    Ok(answer.split_off(end + 4))
}
