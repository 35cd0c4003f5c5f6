//! Containers that wait for others before they start: the conditions of `depends_on`, with the words of `docker compose` where one does not
//! come true. As under Compose, who waits keeps nobody else from starting: what it waits for may need them.

use std::{collections::BTreeSet, thread, time::Duration};

use futon_model::{StartAfter, StartCondition};
use guest_net::{Error, Result};

/// A container that is to be started.
#[derive(Debug)]
pub(crate) struct Pending<'a, T> {
    /// Its name.
    pub(crate) name: &'a str,
    /// What it waits for.
    pub(crate) after: &'a [StartAfter],
    /// What is to be started.
    pub(crate) what: T,
}

/// How it is with a container that was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct State {
    /// Its exit status, if it has ended.
    pub(crate) ended: Option<i64>,
    /// What its healthcheck says, in the engine's words, if it has one.
    pub(crate) health: Option<String>,
}

/// Starts containers, those that may first, in their order; `state` tells how it is with a started one. The step's limit is what ends a wait
/// without end.
pub(crate) fn start_all<T>(
    mut pending: Vec<Pending<'_, T>>,
    pause: Duration,
    state: impl Fn(&StartAfter) -> Result<State>,
    mut start: impl FnMut(&Pending<'_, T>) -> Result<()>,
) -> Result<()> {
    let mut left_out = BTreeSet::new();
    let mut said = None;
    while !pending.is_empty() {
        let (mut next, mut blocked) = (None, None);
        for (at, one) in pending.iter().enumerate() {
            match open_need(one, &pending, &state, &mut left_out)? {
                Need::None => {
                    next = Some(at);
                    break;
                }
                Need::Start => {}
                Need::State(words) => blocked = blocked.or(Some(words)),
            }
        }
        match next {
            Some(at) => {
                start(&pending.remove(at))?;
                said = None;
            }
            None => {
                // What a wait without end leaves as the step's last line: the verdict names the dependency by it.
                if blocked.is_some() && said != blocked {
                    println!("{}", blocked.as_deref().unwrap_or_default());
                    said = blocked;
                }
                thread::sleep(pause);
            }
        }
    }
    Ok(())
}

/// What keeps a container from starting.
enum Need {
    None,
    /// Another one is not started yet.
    Start,
    /// Another one has not come far enough: in words.
    State(String),
}

fn open_need<'a, T>(
    one: &Pending<'a, T>,
    pending: &[Pending<'_, T>],
    state: &impl Fn(&StartAfter) -> Result<State>,
    left_out: &mut BTreeSet<(&'a str, &'a str)>,
) -> Result<Need> {
    for after in one.after {
        if pending.iter().any(|other| other.name == after.container) {
            return Ok(Need::Start);
        }
        if after.condition == StartCondition::Started || left_out.contains(&(one.name, after.container.as_str())) {
            continue;
        }
        match progress(after, &state(after)?) {
            Progress::There => {}
            Progress::OnItsWay => return Ok(Need::State(waiting(after))),
            Progress::Failed(why) if after.required => {
                return Err(Error::new(format!("the container {} was not started: {why}", one.name)));
            }
            Progress::Failed(why) => {
                println!("the optional dependency {} is left out: {why}", after.service);
                left_out.insert((one.name, &after.container));
            }
        }
    }
    Ok(Need::None)
}

fn waiting(after: &StartAfter) -> String {
    let how_far = if after.condition == StartCondition::Healthy { "is healthy" } else { "has completed" };
    format!("waiting until {} {how_far}", after.service)
}

/// How far a dependency has come.
#[derive(Debug, PartialEq, Eq)]
enum Progress {
    There,
    OnItsWay,
    Failed(String),
}

fn progress(after: &StartAfter, state: &State) -> Progress {
    let name = &after.container;
    let failed = |how: String| Progress::Failed(format!("dependency failed to start: container {name} {how}"));
    match (after.condition, state.ended, state.health.as_deref()) {
        (StartCondition::Started, ..)
        | (StartCondition::Completed, Some(0), _)
        | (StartCondition::Healthy, None, Some("healthy")) => Progress::There,
        (StartCondition::Completed, Some(status), _) => {
            Progress::Failed(format!("service {:?} didn't complete successfully: exit {status}", after.service))
        }
        (StartCondition::Healthy, Some(status), _) => failed(format!("exited ({status})")),
        (StartCondition::Healthy, None, Some("unhealthy")) => failed("is unhealthy".to_owned()),
        (StartCondition::Healthy, None, None | Some("none")) => failed("has no healthcheck configured".to_owned()),
        (StartCondition::Healthy, None, Some(_)) | (StartCondition::Completed, None, _) => Progress::OnItsWay,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    fn after(container: &str, condition: StartCondition, required: bool) -> StartAfter {
        StartAfter { service: format!("the {container}"), container: container.to_owned(), condition, required }
    }

    fn state(ended: Option<i64>, health: Option<&str>) -> State {
        State { ended, health: health.map(str::to_owned) }
    }

    #[test]
    fn what_failed_is_told_in_composes_words() {
        let failed = |why: &str| Progress::Failed(why.to_owned());
        for (condition, now, word) in [
            (StartCondition::Completed, state(None, None), Progress::OnItsWay),
            (StartCondition::Completed, state(Some(0), None), Progress::There),
            (
                StartCondition::Completed,
                state(Some(7), None),
                failed("service \"the db\" didn't complete successfully: exit 7"),
            ),
            (StartCondition::Healthy, state(None, Some("starting")), Progress::OnItsWay),
            (StartCondition::Healthy, state(None, Some("healthy")), Progress::There),
            (
                StartCondition::Healthy,
                state(None, Some("unhealthy")),
                failed("dependency failed to start: container db is unhealthy"),
            ),
            (
                StartCondition::Healthy,
                state(Some(1), Some("healthy")),
                failed("dependency failed to start: container db exited (1)"),
            ),
            (
                StartCondition::Healthy,
                state(None, None),
                failed("dependency failed to start: container db has no healthcheck configured"),
            ),
            (
                StartCondition::Healthy,
                state(None, Some("none")),
                failed("dependency failed to start: container db has no healthcheck configured"),
            ),
        ] {
            assert_eq!(progress(&after("db", condition, true), &now), word);
        }
    }

    /// The order in which containers start; `now` tells of a container, given what was started before.
    fn order(
        needs: &[(&str, &[StartAfter])],
        now: impl Fn(&str, &[String]) -> State,
    ) -> std::result::Result<Vec<String>, String> {
        let started = RefCell::new(Vec::new());
        let pending = needs.iter().map(|(name, after)| Pending { name, after, what: () }).collect();
        let tell = |after: &StartAfter| Ok(now(&after.container, &started.borrow()));
        start_all(pending, Duration::from_millis(1), tell, |one| {
            started.borrow_mut().push(one.name.to_owned());
            Ok(())
        })
        .map_err(|error| error.to_string())?;
        Ok(started.into_inner())
    }

    #[test]
    fn who_waits_keeps_nobody_from_starting() {
        let healthy = |container: &str| after(container, StartCondition::Healthy, true);
        let started = |container: &str| after(container, StartCondition::Started, true);
        // `db` becomes healthy when `disk` is there, on which nobody but the function depends.
        let needs: [(&str, &[StartAfter]); 4] =
            [("db", &[]), ("cache", &[healthy("db")]), ("disk", &[]), ("f", &[started("cache"), started("disk")])];
        let when_disk = |_: &str, there: &[String]| {
            state(None, Some(if there.iter().any(|one| one == "disk") { "healthy" } else { "starting" }))
        };
        assert_eq!(order(&needs, when_disk).unwrap(), ["db", "disk", "cache", "f"]);
        // Where nobody has to wait their order is the list's.
        assert_eq!(order(&needs, |_, _| state(None, Some("healthy"))).unwrap(), ["db", "cache", "disk", "f"]);
        let why = order(&needs, |_, _| state(Some(3), None)).unwrap_err();
        assert_eq!(why, "the container cache was not started: dependency failed to start: container db exited (3)");
    }

    #[test]
    fn an_optional_dependency_may_fail() {
        let needs: [(&str, &[StartAfter]); 2] = [("db", &[]), ("f", &[after("db", StartCondition::Completed, false)])];
        assert_eq!(order(&needs, |_, _| state(Some(1), None)).unwrap(), ["db", "f"]);
    }
}
