//! Instructions that gem5's X86 gets wrong, looked for in a function's programs before it runs there.
//!
//! Known: PUNPCKHQDQ with an operand relative to the instruction pointer. gem5 reads what lies 8 bytes behind the instruction, whatever the
//! displacement (macro-op `PUNPCKHQDQ_XMM_P`, seen in v24.0.0.1). Compilers make it when they copy tables of pointers; grpcio's extension
//! module has it from 1.71 on, and crashes.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use memchr::memmem;

const ELF: &[u8] = b"\x7fELF";
/// PUNPCKHQDQ: 66 [REX] 0F 6D /r (Intel SDM, volume 2B).
const OPCODE: &[u8] = &[0x0f, 0x6d];
/// What may stand before the opcode.
const BEFORE: usize = 2;
/// How much of a file is looked at at once, bytes.
const CHUNK: usize = 1 << 20;

/// The programs and libraries of a bundle that have such instructions, each with their number.
pub(super) fn wrong_instructions(bundle: &Path) -> io::Result<Vec<(String, usize)>> {
    let mut archive = tar::Archive::new(BufReader::with_capacity(CHUNK, File::open(bundle)?));
    let mut found = Vec::new();
    for entry in archive.entries()? {
        let entry = entry?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let path = entry.path()?.display().to_string();
        let count = count(entry)?;
        if count > 0 {
            // Below the container's root, as the function sees it.
            let path = path.split_once("/rootfs").map_or(path.as_str(), |(_, inside)| inside);
            found.push((path.to_owned(), count));
        }
    }
    Ok(found)
}

fn count(mut file: impl Read) -> io::Result<usize> {
    let mut window = Vec::new();
    let mut count = 0;
    loop {
        // The last bytes of the window before: an instruction may lie across the border.
        let kept = window.len().min(BEFORE + OPCODE.len());
        window.drain(..window.len() - kept);
        if (&mut file).take(CHUNK as u64).read_to_end(&mut window)? == 0 {
            return Ok(count);
        }
        if kept == 0 && !window.starts_with(ELF) {
            return Ok(0);
        }
        count += memmem::find_iter(&window, OPCODE).filter(|at| is_wrong(&window, *at)).count();
    }
}

/// Whether the opcode at a place is one with the operand prefix, and its operand `[rip + displacement]`: mod 00, r/m 101.
fn is_wrong(bytes: &[u8], at: usize) -> bool {
    let Some([first, second]) = at.checked_sub(BEFORE).and_then(|from| bytes.get(from..at)) else { return false };
    let prefixed = *second == 0x66 || (*first == 0x66 && second & 0xf0 == 0x40);
    prefixed && bytes.get(at + OPCODE.len()).is_some_and(|modrm| modrm & 0xc7 == 0x05)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(code: &[u8], at: usize) -> Vec<u8> {
        let mut bytes = [ELF, &vec![0; at - ELF.len()]].concat();
        bytes.extend(code);
        bytes.extend([0; 16]);
        bytes
    }

    #[test]
    fn the_instruction_is_found_wherever_it_lies() {
        let plain = [0x66, 0x0f, 0x6d, 0x05, 0x2a, 0x7d, 0xf3, 0x00];
        let rex = [0x66, 0x44, 0x0f, 0x6d, 0x0d, 0, 0, 0, 0];
        let border = (CHUNK - 6..CHUNK + 2).chain([64, 2 * CHUNK - 3]);
        for at in border {
            assert_eq!(count(&program(&plain, at)[..]).unwrap(), 1, "at {at}");
            assert_eq!(count(&program(&rex, at)[..]).unwrap(), 1, "at {at}");
        }
        assert_eq!(count(&program(&[plain, plain].concat(), 64)[..]).unwrap(), 2);
    }

    #[test]
    fn its_other_forms_and_other_files_are_right() {
        let registers = [0x66, 0x0f, 0x6d, 0xc0];
        let mmx = [0x90, 0x0f, 0x6d, 0x05, 0, 0, 0, 0];
        for code in [&registers[..], &mmx] {
            assert_eq!(count(&program(code, 64)[..]).unwrap(), 0);
        }
        assert_eq!(count(&[0x66, 0x0f, 0x6d, 0x05, 0, 0, 0, 0][..]).unwrap(), 0, "no program");
    }

    #[test]
    fn a_bundle_tells_which_of_its_files() {
        let mut archive = tar::Builder::new(tempfile::NamedTempFile::new().unwrap());
        for (name, bytes) in [
            ("function/rootfs/usr/lib/bad.so", program(&[0x66, 0x0f, 0x6d, 0x05], 64)),
            ("function/rootfs/bin/good", program(&[], 64)),
        ] {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            archive.append_data(&mut header, name, &bytes[..]).unwrap();
        }
        let file = archive.into_inner().unwrap();
        assert_eq!(wrong_instructions(file.path()).unwrap(), [("/usr/lib/bad.so".to_owned(), 1)]);
    }
}
