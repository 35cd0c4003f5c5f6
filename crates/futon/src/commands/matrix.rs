//! `futon plan --matrix`: the jobs of a suite's shards, as a workflow of GitHub's reads them.

use std::time::Duration;

use futon_cells::{Unit, assign};
use futon_cli::{MatrixArgs, TestArgs};
use futon_common::{Error, Result};
use futon_model::ExitCode;
use futon_terminal::Ui;
use serde_json::json;

use futon_prepare::project::Project;
use futon_prepare::suite::SuiteParts;

/// The most jobs that GitHub makes of a matrix.
const MOST_JOBS: u32 = 256;

/// Characters of a job's name; GitHub cuts longer ones.
const NAME: usize = 80;

/// Prints the matrix.
pub fn matrix(args: &MatrixArgs, test: &TestArgs, ui: &Ui) -> Result<ExitCode> {
    let resources = &test.resources.resources;
    if test.shards.shard.is_some() {
        return Err(Error::usage("--matrix makes the shards: it takes no --shard").hint("leave --shard out"));
    }
    let project = Project::read(&test.project, &test.client, &test.machine, resources)?;
    let names = project.names(&test.chosen.names, &test.chosen, &test.client)?;
    let mut parts = SuiteParts::new(&project, &names, &test.shards, &test.machine, resources, ui)?;
    let shards = shards(args, &parts)?;
    parts.cut(shards);
    let jobs: Vec<_> = (1..=shards).map(|shard| job(&parts, shard, shards)).collect();
    ui.out(&json!({ "include": jobs }).to_string())?;
    Ok(ExitCode::Passed)
}

fn job(parts: &SuiteParts, index: u32, shards: u32) -> serde_json::Value {
    let functions: Vec<&str> = parts.of(index).into_iter().map(|(name, _)| name).collect();
    let shard = format!("{index}/{shards}");
    json!({"shard": shard, "functions": functions.join(" "), "name": title(&shard, &functions)})
}

/// A name for people: the shard, and as many of its functions as there is room for.
fn title(shard: &str, functions: &[&str]) -> String {
    let mut title = shard.to_owned();
    for (at, function) in functions.iter().enumerate() {
        let sign = if at == 0 { ": " } else { ", " };
        if title.chars().count() + sign.len() + function.chars().count() > NAME - 12 {
            return format!("{title}{} {} more", if at == 0 { ":" } else { " and" }, functions.len() - at);
        }
        title = format!("{title}{sign}{function}");
    }
    title
}

/// The number of shards: as many as are wanted, but none without a function.
fn shards(args: &MatrixArgs, parts: &SuiteParts) -> Result<u32> {
    let functions = u32::try_from(parts.count()).unwrap_or(u32::MAX);
    let wanted = match (args.shards, args.target_duration) {
        (Some(shards), _) => shards.min(functions),
        (None, Some(target)) => {
            if parts.weights.unit != Unit::Milliseconds {
                return Err(Error::usage("--target-duration: nobody knows yet how long these functions take").hint(
                    "give their durations with --timings FILE (`futon test --record-timings FILE` writes them), or --shards N",
                ));
            }
            fewest(&parts.weighed(), target)
        }
        (None, None) => {
            return Err(Error::usage("--matrix: into how many shards?").hint("--shards N, or --target-duration 10m"));
        }
    };
    if wanted > MOST_JOBS {
        return Err(Error::usage(format!("{wanted} shards: GitHub makes at most {MOST_JOBS} jobs of a matrix"))
            .hint("take fewer shards, or a longer --target-duration"));
    }
    Ok(wanted)
}

/// The least number of shards none of which takes longer than the target, as far as that is possible: no shard is shorter than its longest
/// function.
fn fewest(functions: &[(&str, u64)], target: Duration) -> u32 {
    let longest = functions.iter().map(|(_, ms)| *ms).max().unwrap_or(0);
    let target = u64::try_from(target.as_millis()).unwrap_or(u64::MAX).max(longest).max(1);
    let total: u64 = functions.iter().map(|(_, ms)| *ms).fold(0, u64::saturating_add);
    let most = u32::try_from(functions.len()).unwrap_or(u32::MAX).max(1);
    let least = u32::try_from(total.div_ceil(target)).unwrap_or(u32::MAX).clamp(1, most);
    // Beyond what can be made anyway, the number no longer matters.
    (least..=most).find(|shards| *shards > MOST_JOBS || fullest(functions, *shards) <= target).unwrap_or(most)
}

fn fullest(functions: &[(&str, u64)], shards: u32) -> u64 {
    let mut loads = vec![0u64; shards as usize];
    for ((_, ms), shard) in functions.iter().zip(assign(functions, shards)) {
        if let Some(load) = loads.get_mut(shard as usize - 1) {
            *load = load.saturating_add(*ms);
        }
    }
    loads.into_iter().max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_few_shards_as_the_target_allows() {
        let functions = [("a", 4000), ("b", 3000), ("c", 3000), ("d", 2000)];
        for (seconds, shards) in [(12, 1), (11, 2), (6, 2), (5, 3), (4, 4), (1, 4)] {
            assert_eq!(fewest(&functions, Duration::from_secs(seconds)), shards, "{seconds}");
        }
        assert_eq!(fewest(&[], Duration::from_secs(1)), 1);
    }

    #[test]
    fn a_title_has_room_for_some_functions_only() {
        assert_eq!(title("1/4", &["a", "b"]), "1/4: a, b");
        assert_eq!(title("4/4", &[]), "4/4");
        let long: Vec<String> = (0..40).map(|n| format!("function-{n}")).collect();
        let long: Vec<&str> = long.iter().map(String::as_str).collect();
        let title = title("1/4", &long);
        assert!(title.chars().count() <= NAME && title.ends_with(" more"), "{title}");
    }
}
