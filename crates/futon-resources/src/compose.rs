//! Docker Compose, by which compose files are read: Debian's program, brought by a recipe.

use std::path::{Path, PathBuf};

use futon_common::{Error, Result};
use tokio_util::sync::CancellationToken;

use super::build::{Built, Made, Recipe, recipe_files};
use super::{COMPOSE, Manifest};

/// What helps where it is missing or damaged.
const HINT: &str = "`futon resources build compose` installs it";

const MADE: &[Made] = &[(COMPOSE, COMPOSE)];
const FOR_PEOPLE: &[Made] =
    &[("docker-compose-version", "docker-compose-version"), ("docker-compose-copyright", "docker-compose-copyright")];

/// Brings Docker Compose into a resources folder unless it is up to date.
///
/// # Errors
/// When the recipe fails or is interrupted; the folder then holds what it held before.
pub async fn build_compose(
    resources: &Path,
    force: bool,
    cancel: &CancellationToken,
    progress: &mut (dyn FnMut(&str) + Send),
) -> Result<Built> {
    let recipe = Recipe {
        what: "docker compose",
        folder: "images/compose",
        made: MADE,
        for_people: FOR_PEOPLE,
        arguments: Vec::new(),
    };
    recipe.build(resources, |root| recipe_files(root, "images/compose"), force, cancel, progress).await
}

/// Docker Compose in a resources folder, checked against the manifest by size and time stamp.
///
/// # Errors
/// When it is missing or has changed since it was brought.
pub fn find_compose(resources: &Path) -> Result<PathBuf> {
    let path = resources.join(COMPOSE);
    match Manifest::read(resources)?.check(resources, COMPOSE) {
        Some(problem) => Err(Error::infra(format!("{}: {problem}", path.display())).hint(HINT)),
        None if !path.is_file() => {
            Err(Error::infra(format!("{} is missing: futon needs it to read the compose file", path.display()))
                .hint(HINT))
        }
        None => Ok(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_the_machines_fault() {
        let folder = tempfile::tempdir().unwrap();
        let error = find_compose(folder.path()).unwrap_err();
        assert_eq!(error.exit_code(), futon_model::ExitCode::Infra);
        assert!(error.to_string().contains("docker-compose is missing"), "{error}");
        assert_eq!(error.hint_text(), Some(HINT));
        std::fs::write(folder.path().join(COMPOSE), "x").unwrap();
        assert!(find_compose(folder.path()).is_ok());
    }
}
