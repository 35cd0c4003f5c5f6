//! Side by side: how many machines there is room for, and which functions begin.

use std::cmp::Reverse;
use std::fs;

use futon_cli::TestArgs;
use futon_common::Result;
use futon_machine::namespace_works;
use futon_model::Network;
use futon_terminal::Ui;

use super::project::Project;

/// The places of functions with these weights in the order in which they begin.
pub fn order(weights: &[u64], jobs: usize) -> Vec<usize> {
    if jobs == 1 { (0..weights.len()).collect() } else { largest_first(weights) }
}

/// The places of weights, the largest first, so that side by side none of the long ones is left over for the end. Those of one weight stay in
/// their order.
fn largest_first(weights: &[u64]) -> Vec<usize> {
    let mut places: Vec<usize> = (0..weights.len()).collect();
    places.sort_by_key(|place| Reverse(weights[*place]));
    places
}

/// How many machines run side by side: what was asked for, else one a processor as far as free memory goes. Where all share the host's
/// network there is one exchange, and so one machine.
pub fn jobs(args: &TestArgs, project: &Project, on_qemu: bool) -> usize {
    let machine = &project.config.machine;
    if on_qemu && machine.network == Network::Host {
        return 1;
    }
    let asked = args.jobs.map(|jobs| usize::try_from(jobs).unwrap_or(1));
    asked.unwrap_or_else(|| {
        let memory = available_memory_mib().saturating_sub(1024) / u64::from(machine.memory_mib.max(1));
        processors().min(usize::try_from(memory).unwrap_or(1)).max(1)
    })
}

/// Processors that this program may use.
pub fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Without network namespaces all machines share the host's port, and so there is one at a time.
pub async fn side_by_side(jobs: usize, on_qemu: bool, ui: &Ui) -> Result<usize> {
    if jobs > 1
        && on_qemu
        && let Err(why) = namespace_works().await?
    {
        ui.line(&format!("one machine at a time: the host provides no network namespace ({why})"));
        return Ok(1);
    }
    Ok(jobs)
}

/// Memory that programs could still have, MiB (`MemAvailable` of proc(5)).
pub fn available_memory_mib() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or_default() / 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_begin_first_and_equals_stay_in_order() {
        assert_eq!(largest_first(&[10, 61, 88, 61]), [2, 1, 3, 0]);
    }
}
