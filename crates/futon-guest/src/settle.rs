//! `settle`: clock and entropy from the host. On a simulator both are the run's, not the moment's.

use std::{fs::OpenOptions, os::fd::AsRawFd};

use guest_net::{Context, Error, Result};

/// `RNDADDENTROPY` of linux/random.h: `_IOW('R', 3, int[2])`.
const ADD_ENTROPY: libc::Ioctl = 0x4008_5203;
/// Most bytes of a seed.
const SEED_MAX: usize = 512;

/// `struct rand_pool_info`.
#[repr(C)]
struct PoolInfo {
    bits: libc::c_int,
    bytes: libc::c_int,
    data: [u8; SEED_MAX],
}

/// Sets what is given.
pub(crate) fn run(time: Option<i64>, seed: Option<&str>) -> Result<()> {
    if let Some(seed) = seed {
        add_entropy(&bytes_of(seed)?)?;
    }
    if let Some(time) = time {
        set_clock(time)?;
    }
    Ok(())
}

/// Mixes a seed in and counts it as good: a simulated machine has no other source, and programs would wait for one.
fn add_entropy(seed: &[u8]) -> Result<()> {
    let bytes = i32::try_from(seed.len()).context("seed")?;
    let mut pool = PoolInfo { bits: bytes * 8, bytes, data: [0; SEED_MAX] };
    pool.data[..seed.len()].copy_from_slice(seed);
    let device = OpenOptions::new().write(true).open("/dev/urandom").context("cannot open /dev/urandom")?;
    // SAFETY: the structure is as the kernel wants it, and no shorter than it says.
    let done = unsafe { libc::ioctl(device.as_raw_fd(), ADD_ENTROPY, &raw const pool) };
    if done == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()).context("cannot add entropy") }
}

fn set_clock(seconds: i64) -> Result<()> {
    let time = libc::timespec { tv_sec: seconds, tv_nsec: 0 };
    // SAFETY: the time is alive.
    let done = unsafe { libc::clock_settime(libc::CLOCK_REALTIME, &raw const time) };
    if done == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()).context("cannot set the clock") }
}

fn bytes_of(hexadecimal: &str) -> Result<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        hexadecimal.chars().map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    match digits {
        Some(digits) if digits.len() % 2 == 0 && digits.len() / 2 <= SEED_MAX => {
            Ok(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
        }
        _ => Err(Error::new(format!("a seed is at most {SEED_MAX} bytes in hexadecimal digits, not {hexadecimal:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_make_bytes() {
        assert_eq!(bytes_of("00ffA1").unwrap(), [0, 255, 0xa1]);
        for bad in ["0", "0g", &"0".repeat(2 * SEED_MAX + 2)] {
            assert!(bytes_of(bad).is_err());
        }
    }

    #[test]
    fn the_ioctls_number_is_the_kernels() {
        // Direction write, size of two ints, type R, number 3 (asm-generic/ioctl.h).
        assert_eq!(ADD_ENTROPY, 1 << 30 | 8 << 16 | u64::from(b'R') << 8 | 3);
    }
}
