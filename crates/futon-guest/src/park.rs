//! `park`: waits for work, as the guest of a warm base does. The machine is saved while it waits; what goes on is a copy, whose
//! exchange has a run script for it. The copy's clock and random numbers must not be those of its siblings.

use std::{
    convert::Infallible,
    fs::{self, File},
    io,
    os::unix::process::CommandExt,
    path::Path,
    thread,
    time::Duration,
};

use futon_model::{ENTROPY_HEADER, PARK_HEADER, TIME_HEADER};
use guest_net::{
    Context, Result,
    http::{Request, Response},
};
use nix::{
    sys::time::TimeSpec,
    time::{ClockId, clock_settime},
};

use crate::{
    exchange::{Exchange, SHORT},
    ports, script, service,
};

/// Between two questions. The host saves the machine in such a pause; a fork begins with what is left of it.
const PAUSE: Duration = Duration::from_millis(100);

/// Random bytes that an answer may bring, as the kernel wants them: count of bits, count of bytes, bytes.
#[repr(C)]
struct Pool {
    bits: libc::c_int,
    length: libc::c_int,
    bytes: [u8; 64],
}

// Linux, include/uapi/linux/random.h: RNDADDENTROPY is declared with the two counts alone, RNDRESEEDCRNG without an argument.
nix::ioctl_write_ptr_bad!(add_entropy, nix::request_code_write!(b'R', 0x03, size_of::<[libc::c_int; 2]>()), Pool);
nix::ioctl_none!(reseed, b'R', 0x07);

/// Asks for work until there is some, and becomes it.
pub(crate) fn park() -> Result<Infallible> {
    ports::reserve_convention();
    let exchange = Exchange::find()?;
    println!("futon: parked");
    loop {
        let request = Request::get("/run.sh").header(PARK_HEADER, "1");
        // An exchange that is not there yet will be: the host's limits are the ones that count.
        if let Ok(mut response) = exchange.send_plain(SHORT, request)
            && response.status == 200
        {
            let path = Path::new(service::FOLDER).join(service::SCRIPT);
            let partial = path.with_extension("part");
            let mut file = service::create_script(&partial)?;
            wake(&response);
            let length = io::copy(&mut response.body, &mut file).context("fetching the run script was interrupted")?;
            drop(file);
            fs::rename(&partial, &path).context("cannot store the run script")?;
            println!("futon: run script of {length} bytes from {}/run.sh", exchange.target());
            let error = script::command(&path)?
                .current_dir(service::FOLDER)
                .env("FUTON_URL", exchange.target().to_string())
                .env("FUTON_FORK", "1")
                .env_remove("FUTON_TOKEN")
                .env_remove("FUTON_LOG")
                .exec();
            return Err(error).context(format_args!("cannot run {}", path.display()));
        }
        thread::sleep(PAUSE);
    }
}

/// Sets the clock and renews the random numbers. What fails is told, and the run goes on.
fn wake(answer: &Response) {
    if let Some(nanoseconds) = answer.header(TIME_HEADER).and_then(|text| text.parse::<u64>().ok()) {
        let time = TimeSpec::from_duration(Duration::from_nanos(nanoseconds));
        if let Err(error) = clock_settime(ClockId::CLOCK_REALTIME, time) {
            println!("futon: the clock is not set: {error}");
        }
    }
    let Some(pool) = answer.header(ENTROPY_HEADER).and_then(pool_of) else { return };
    if let Err(error) = renew(&pool) {
        println!("futon: the random number generator is not reseeded: {error}");
    }
}

fn renew(pool: &Pool) -> io::Result<()> {
    use std::os::fd::AsRawFd;
    let device = File::options().write(true).open("/dev/urandom")?;
    // SAFETY: the descriptor is open, and the kernel reads no more of the pool than its length says, which is that of its bytes.
    unsafe { add_entropy(device.as_raw_fd(), pool) }?;
    // SAFETY: the descriptor is open; the request has no argument.
    unsafe { reseed(device.as_raw_fd()) }?;
    Ok(())
}

/// 64 bytes in hexadecimal digits.
fn pool_of(text: &str) -> Option<Pool> {
    let mut bytes = [0; 64];
    if text.len() != 2 * bytes.len() || !text.is_ascii() {
        return None;
    }
    for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(text.get(at..at + 2)?, 16).ok()?;
    }
    Some(Pool { bits: 512, length: 64, bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pool_is_read_whole_or_not_at_all() {
        let pool = pool_of(&"0aff".repeat(32)).unwrap();
        assert_eq!((pool.bits, pool.length, pool.bytes[0], pool.bytes[63]), (512, 64, 0x0a, 0xff));
        assert!(pool_of("0a").is_none());
        assert!(pool_of(&"zz".repeat(64)).is_none());
        assert!(pool_of(&"é".repeat(64)).is_none());
    }
}
