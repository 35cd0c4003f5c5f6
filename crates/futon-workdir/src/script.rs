//! Run scripts from their templates.

use futon_model::Plan;
use sha2::{Digest, Sha256};

use super::env::guest_limit;

/// Text in a run script's template that stands for the function image.
pub const IMAGE_PLACEHOLDER: &str = "<__IMAGE_NAME__>";

/// Text in a run script's template that stands for the limit of the step `fetch`, in which the other files are fetched.
const FETCH_PLACEHOLDER: &str = "<__LIMIT_FETCH__>";

/// futon's own template, `test/run_test.template.sh`.
pub const DEFAULT_TEMPLATE: &str = include_str!("../../../test/run_test.template.sh");

/// futon's own template for the lean guest, `test/run_lean.template.sh`.
pub const LEAN_TEMPLATE: &str = include_str!("../../../test/run_lean.template.sh");

const EXEC_TEMPLATE: &str = include_str!("../../../test/run_exec.template.sh");

/// The run script that runs a user's script, whose exit status is the verdict (`test/run_exec.template.sh`).
#[must_use]
pub fn exec_script(script: &str) -> String {
    // No line of the user's script may be the end marker.
    let end = format!("END-{}", &hex::encode(Sha256::digest(script))[..16]);
    EXEC_TEMPLATE.replace("<__END__>", &end).replace("<__SCRIPT__>", script.trim_end_matches('\n'))
}

/// The run script: its template with what the plan says.
pub(super) fn script(template: &str, plan: &Plan) -> String {
    let image = plan.images.first().map_or("", |i| i.reference.written());
    template.replace(IMAGE_PLACEHOLDER, image).replace(FETCH_PLACEHOLDER, &guest_limit(plan.limits.fetch))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;

    use super::*;

    /// The part of the script that runs the user's script, which is put where it looks for it.
    fn run_exec(script: &str) -> (String, Option<i32>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("script");
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let text = exec_script(script);
        let (from, to) = (text.find("run_script() {").unwrap(), text.find("\nrun_script ").unwrap());
        let part = format!("set -u; folder={}\n{}\nrun_script", folder.path().display(), &text[from..to]);
        // As the guest's: a shell that is no bash.
        let output = std::process::Command::new("/bin/sh").arg0("sh").args(["-c", &part]).output().unwrap();
        (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.code())
    }

    #[test]
    fn a_script_of_the_users_runs_as_a_shell_would_start_it() {
        // vSwarm-μ's own template begins with a blank line.
        let bash = "\n#!/bin/bash\na=(1 2); [[ ${a[1]} == 2 ]] && echo \"bash $0\"; exit 7\n";
        let (said, status) = run_exec(bash);
        assert!(said.starts_with("bash /") && status == Some(7), "{said} {status:?}");
        assert_eq!(run_exec("a=(1 2); echo ${a[1]}\n"), ("2\n".into(), Some(0)));
        assert_eq!(run_exec("#!/bin/sh -e\nfalse\necho no\n"), (String::new(), Some(1)));
        assert_eq!(run_exec("#! /usr/bin/env python3\nprint(3)\n"), ("3\n".into(), Some(0)));
        let (said, status) = run_exec("#!/opt/none/bash\necho hi; exit 4\n");
        assert_eq!((said.lines().last(), status), (Some("hi"), Some(4)), "{said}");
        assert!(said.starts_with("futon: there is no /opt/none/bash here"), "{said}");
        assert_ne!(run_exec("#!/opt/none/python3\nprint(3)\n").1, Some(0));
    }

    #[test]
    fn the_template_of_the_repository_has_its_placeholders() {
        assert!(DEFAULT_TEMPLATE.starts_with("#!/bin/sh\n"));
        assert!(DEFAULT_TEMPLATE.contains(IMAGE_PLACEHOLDER));
        assert!(DEFAULT_TEMPLATE.contains(futon_model::TOKEN_PLACEHOLDER));
    }
}
