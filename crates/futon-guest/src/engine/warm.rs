//! `warm-up`: one container that nobody needs, so that what the engine reads to start one is in memory before the machine is saved.

use std::{fs, io::Read, thread, time::Duration};

use serde_json::json;

use super::Engine;
use crate::error::{Context, Result};

const ENGINE_LIMIT: Duration = Duration::from_secs(120);
const NAME: &str = "futon-warm-up";

/// Loads an image of this very program, starts a container of it with a network and a port, and removes all of it.
pub(crate) fn warm_up(engine: &Engine) -> Result<()> {
    engine.wait(ENGINE_LIMIT)?;
    let program = fs::read("/proc/self/exe").context("cannot read this program")?;
    let archive = archive(&program);
    engine.import_image(NAME, &mut archive.as_slice(), &mut |_| ())?;
    let network = format!("{NAME}_default");
    engine.create_network(&json!({ "Name": network }))?;
    let id = engine.create_container(
        NAME,
        &json!({
            "Image": NAME,
            "Entrypoint": ["/futon-guest", "idle"],
            "ExposedPorts": { "50051/tcp": {} },
            "HostConfig": { "NetworkMode": network, "PortBindings": { "50051/tcp": [{ "HostIp": "", "HostPort": "50000" }] } },
        }),
    )?;
    engine.start(&id)?;
    engine.container(NAME)?;
    // It has said nothing; what matters is that the engine has looked.
    engine.log(NAME)?.read_to_end(&mut Vec::new()).context("no log")?;
    thread::sleep(Duration::from_millis(500));
    engine.stop(NAME)?;
    engine.remove(NAME)?;
    engine.remove_image(NAME)?;
    engine.remove_network(&network)?;
    super::pull::remember(engine)
}

/// A tar archive with one file, `futon-guest`: header (POSIX.1-1988 ustar), content, padding, two blocks of zeroes.
fn archive(content: &[u8]) -> Vec<u8> {
    const BLOCK: usize = 512;
    let mut header = [0_u8; BLOCK];
    let mut put = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, "futon-guest");
    put(100, "0000755");
    put(108, "0000000");
    put(116, "0000000");
    put(124, &format!("{:011o}", content.len()));
    put(136, "00000000000");
    put(148, "        ");
    put(156, "0");
    put(257, "ustar");
    put(263, "00");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let padding = content.len().next_multiple_of(BLOCK) - content.len();
    [&header, content, &vec![0; padding + 2 * BLOCK]].concat()
}

/// Does nothing until it is told to end.
pub(crate) fn idle() -> Result<()> {
    use nix::sys::signal::{SigSet, Signal};
    let mut ends = SigSet::empty();
    ends.add(Signal::SIGTERM);
    ends.add(Signal::SIGINT);
    ends.thread_block().and_then(|()| ends.wait()).context("cannot wait for a signal")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn tar_reads_the_archive() {
        let folder = std::env::temp_dir().join(format!("futon-warm-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let content = vec![7; 1000];
        fs::write(folder.join("a.tar"), archive(&content)).unwrap();
        let status = Command::new("tar").arg("-C").arg(&folder).arg("-xf").arg(folder.join("a.tar")).status().unwrap();
        assert!(status.success());
        assert_eq!(fs::read(folder.join("futon-guest")).unwrap(), content);
        fs::remove_dir_all(&folder).unwrap();
    }
}
