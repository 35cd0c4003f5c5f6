//! Remarks on what was unusual in a run, whatever its verdict.

use futon_model::{EventKind, GuestEvent, ScriptKind};

use super::judge::Witnesses;

/// Other remarks: above all, attempts to forge the guest's reports.
pub(super) fn oddities(w: &Witnesses<'_>) -> Vec<String> {
    let count = |pick: &dyn Fn(&EventKind) -> bool| w.events.iter().filter(|e| pick(&e.kind)).count();
    let own = w.plan.script == ScriptKind::Own;
    let mut remarks = Vec::new();
    let events = count(&|e| {
        matches!(e, EventKind::Guest { authentic: false, .. } | EventKind::MalformedGuestEvent { authentic: false, .. })
    });
    if own && events > 0 {
        remarks.push(format!("forgery: {events} guest events came without the run's token and were not believed"));
    }
    let uploads: Vec<String> = w
        .events
        .iter()
        .filter_map(|e| match &e.kind {
            EventKind::Uploaded { name, stored_as, authentic: false, .. } if own => {
                Some(format!("{name} (kept as {stored_as})"))
            }
            _ => None,
        })
        .collect();
    if !uploads.is_empty() {
        remarks.push(format!(
            "forgery: uploads without the run's token were kept and not believed: {}",
            uploads.join(", ")
        ));
    }
    let scripts = count(&|e| matches!(e, EventKind::RunScriptRequested { status: 200, .. }));
    if scripts > 1 {
        remarks.push(format!("run.sh was fetched {scripts} times; only the first answer carried the token"));
    }
    let mut seen: Vec<&str> = Vec::new();
    for event in w.events {
        if let EventKind::Uploaded { name, stored_as, authentic, .. } = &event.kind
            && (*authentic || !own)
        {
            if seen.contains(&name.as_str()) {
                remarks.push(format!("{name} was uploaded more than once; this one was kept as {stored_as}"));
            }
            seen.push(name);
        }
    }
    for event in w.events {
        if let EventKind::Guest { authentic: true, guest: GuestEvent::Stopped { name, grace_ms, killed: true, .. } } =
            &event.kind
            && own
        {
            remarks.push(format!(
                "the container {name} did not stop within its grace period of {} and was killed",
                futon_common::text::duration(*grace_ms)
            ));
        }
    }
    for event in w.events {
        if let EventKind::Guest { authentic: true, guest: GuestEvent::LogNotWhole { file, why } } = &event.kind {
            remarks.push(format!("{file} is not the container's whole log: {why}"));
        }
    }
    if let Some(EventKind::Guest { guest: GuestEvent::ContainerState { oom_killed: true, name, .. }, .. }) =
        w.events.iter().map(|e| &e.kind).find(|e| {
            matches!(
                e,
                EventKind::Guest { authentic: true, guest: GuestEvent::ContainerState { oom_killed: true, .. } }
            )
        })
    {
        remarks.push(format!("the engine reports that the container {name} was killed because memory ran out"));
    }
    remarks
}
