//! Prints the checkpoint that a stopped machine becomes: `convert STATE TEMPLATE CORES MIB`, where STATE is what QEMU's `migrate` wrote and
//! TEMPLATE the `m5.cpt` that gem5 wrote at power-on.

use std::error::Error;
use std::{env, fs};

use qemu_to_gem5::{Checkpoint, Machine, Stream, Target, convert};

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = env::args().skip(1).collect();
    let [state, template, cores, mib] = words.as_slice() else {
        return Err("usage: convert STATE TEMPLATE CORES MIB".into());
    };
    let cpus = cores.parse()?;
    let machine = Machine::from_stream(&Stream::parse(&fs::read(state)?)?, cpus)?;
    let template = Checkpoint::parse(&fs::read_to_string(template)?)?;
    let target = Target { cpus, period_ps: 1000, memory_bytes: mib.parse::<u64>()? << 20 };
    print!("{}", convert(&machine, &template, &target)?.to_text());
    Ok(())
}
