//! What a service needs, and in which order it all starts.

use std::collections::BTreeSet;

use crate::Project;

/// Why a service and what it needs have no order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OrderError {
    /// There is no such service.
    #[error("there is no service {0}")]
    Unknown(String),
    /// A service needs one that is not there.
    #[error("service {service} depends on {needed}, which is not in the file")]
    Missing {
        /// The service.
        service: String,
        /// What it needs.
        needed: String,
    },
    /// A service needs one whose profile is not active.
    #[error("service {service} depends on {needed}, whose profile is not active")]
    Inactive {
        /// The service.
        service: String,
        /// What it needs.
        needed: String,
    },
    /// Services need each other.
    #[error("services depend on each other: {}", .0.join(" -> "))]
    Cycle(Vec<String>),
}

impl Project {
    /// A service and all it depends on, in the order in which they start: the service itself last.
    ///
    /// # Errors
    /// When something that it needs is missing or not active, or services need each other.
    pub fn start_order(&self, service: &str) -> Result<Vec<&str>, OrderError> {
        let (name, asked) =
            self.services.get_key_value(service).ok_or_else(|| OrderError::Unknown(service.to_owned()))?;
        let mut walk = Walk { project: self, profiles: &asked.profiles, done: Vec::new(), open: Vec::new() };
        walk.visit(name)?;
        Ok(walk.done)
    }

    /// All services that `docker compose up` starts, in the order in which they start: `service` as late as those allow that need it.
    /// Profiles of `service` are active.
    ///
    /// # Errors
    /// As [`start_order`](Self::start_order), for any of them.
    pub fn start_order_of_all(&self, service: &str) -> Result<Vec<&str>, OrderError> {
        let (name, asked) =
            self.services.get_key_value(service).ok_or_else(|| OrderError::Unknown(service.to_owned()))?;
        let mut walk = Walk { project: self, profiles: &asked.profiles, done: Vec::new(), open: Vec::new() };
        let active: Vec<&str> =
            self.services.keys().map(String::as_str).filter(|other| walk.is_active(other)).collect();
        let (later, before): (Vec<_>, Vec<_>) = active.into_iter().partition(|other| self.needs(other, name));
        for other in before.into_iter().chain([name.as_str()]).chain(later) {
            walk.visit(other)?;
        }
        Ok(walk.done)
    }

    /// Whether a service depends on another one, or is it.
    fn needs(&self, service: &str, other: &str) -> bool {
        let (mut open, mut seen) = (vec![service], BTreeSet::new());
        while let Some(name) = open.pop() {
            if seen.insert(name) {
                let needed = self.services.get(name).into_iter().flat_map(|service| service.depends_on.keys());
                open.extend(needed.map(String::as_str));
            }
        }
        seen.contains(other)
    }
}

struct Walk<'a> {
    project: &'a Project,
    /// Asking for a service makes its profiles active.
    profiles: &'a [String],
    done: Vec<&'a str>,
    open: Vec<&'a str>,
}

impl<'a> Walk<'a> {
    fn visit(&mut self, name: &'a str) -> Result<(), OrderError> {
        if self.done.contains(&name) {
            return Ok(());
        }
        if let Some(at) = self.open.iter().position(|open| *open == name) {
            return Err(OrderError::Cycle(self.open[at..].iter().chain([&name]).map(|n| (*n).to_owned()).collect()));
        }
        self.open.push(name);
        for (needed, how) in self.project.services.get(name).into_iter().flat_map(|service| &service.depends_on) {
            let missing = |inactive: bool| {
                let (service, needed) = (name.to_owned(), needed.clone());
                if inactive {
                    OrderError::Inactive { service, needed }
                } else {
                    OrderError::Missing { service, needed }
                }
            };
            match self.project.services.get_key_value(needed) {
                Some((needed, _)) if self.is_active(needed) => self.visit(needed)?,
                found if how.required => return Err(missing(found.is_some())),
                _ => {}
            }
        }
        self.open.pop();
        self.done.push(name);
        Ok(())
    }

    fn is_active(&self, name: &str) -> bool {
        let profiles = self.project.services.get(name).map_or(&[][..], |service| &service.profiles);
        !self.project.inactive.contains(name) || profiles.iter().any(|profile| self.profiles.contains(profile))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn project(needs: &[(&str, &[&str])]) -> Project {
        let services: serde_json::Map<_, _> = needs
            .iter()
            .map(|(name, needed)| {
                let on: serde_json::Map<_, _> =
                    needed.iter().map(|n| ((*n).to_owned(), json!({"condition": "service_started"}))).collect();
                ((*name).to_owned(), json!({"image": "x", "depends_on": on}))
            })
            .collect();
        Project::from_json(json!({"name": "p", "services": services}).to_string().as_bytes()).unwrap()
    }

    #[test]
    fn dependencies_start_first_and_once() {
        let project = project(&[("a", &["b", "c"]), ("b", &["d"]), ("c", &["d"]), ("d", &[]), ("other", &[])]);
        assert_eq!(project.start_order("a").unwrap(), ["d", "b", "c", "a"]);
        assert_eq!(project.start_order("d").unwrap(), ["d"]);
    }

    #[test]
    fn a_whole_file_starts_the_function_as_late_as_it_may() {
        let mut project = project(&[("a", &["b"]), ("b", &[]), ("front", &["a"]), ("zipkin", &[]), ("debug", &[])]);
        project.inactive.insert("debug".into());
        assert_eq!(project.start_order_of_all("zipkin").unwrap(), ["b", "a", "front", "zipkin"]);
        assert_eq!(project.start_order_of_all("a").unwrap(), ["b", "zipkin", "a", "front"]);
        assert_eq!(project.start_order_of_all("front").unwrap(), ["b", "a", "zipkin", "front"]);
        for name in ["debug", "zipkin"] {
            project.services.entry(name.into()).or_default().profiles = vec!["p".into()];
        }
        assert_eq!(project.start_order_of_all("zipkin").unwrap(), ["b", "a", "debug", "front", "zipkin"]);
        assert!(project.start_order_of_all("none").is_err());
    }

    #[test]
    fn what_cannot_start_is_named() {
        let words = |needs: &[(&str, &[&str])]| project(needs).start_order("a").unwrap_err().to_string();
        assert_eq!(words(&[("a", &["b"]), ("b", &["c"]), ("c", &["b"])]), "services depend on each other: b -> c -> b");
        assert_eq!(words(&[("a", &["b"])]), "service a depends on b, which is not in the file");
        assert_eq!(words(&[("b", &[])]), "there is no service a");
        let mut profiles = project(&[("a", &["b"]), ("b", &[])]);
        profiles.inactive.insert("b".into());
        assert!(matches!(profiles.start_order("a"), Err(OrderError::Inactive { .. })));
        if let Some(a) = profiles.services.get_mut("a") {
            a.depends_on.values_mut().for_each(|d| d.required = false);
        }
        assert_eq!(profiles.start_order("a").unwrap(), ["a"]);
        for name in ["a", "b"] {
            profiles.services.entry(name.into()).or_default().profiles = vec!["p".into()];
        }
        assert_eq!(profiles.start_order("a").unwrap(), ["b", "a"]);
    }
}
