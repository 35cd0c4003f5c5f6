//! Docker's seccomp profile, resolved for one container: the profile says which rules go with which architecture, capabilities
//! and kernels; a runtime wants the rules alone.

use serde::Deserialize;
use serde_json::{Value, json};

/// The one architecture of the filter. The profile names x86 and x32 as well, whose calls the lean kernel does not have (`IA32_EMULATION`,
/// `X86_X32_ABI`): their rules would only triple the work of making the filter, which a simulated core feels.
const ARCHITECTURE: &str = "SCMP_ARCH_X86_64";

/// A profile in Docker's form.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Profile {
    default_action: String,
    #[serde(default)]
    default_errno_ret: Option<u32>,
    #[serde(default)]
    syscalls: Vec<Rule>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    names: Vec<String>,
    action: String,
    #[serde(default)]
    errno_ret: Option<u32>,
    #[serde(default)]
    args: Option<Vec<Value>>,
    #[serde(default)]
    includes: Condition,
    #[serde(default)]
    excludes: Condition,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Condition {
    arches: Vec<String>,
    caps: Vec<String>,
    min_kernel: Option<String>,
}

/// `linux.seccomp` for a container with these capabilities on x86-64. The kernel is taken to be newer than any that a profile asks for.
///
/// # Errors
/// What is wrong with the profile.
pub fn seccomp_of_profile(profile: &str, capabilities: &[&str]) -> Result<Value, String> {
    let profile: Profile = serde_json::from_str(profile).map_err(|e| e.to_string())?;
    let has = |cap: &String| capabilities.contains(&cap.as_str());
    let here = |arch: &String| arch == "amd64";
    let applies = |rule: &&Rule| {
        let (with, without) = (&rule.includes, &rule.excludes);
        (with.arches.is_empty() || with.arches.iter().any(here))
            && with.caps.iter().all(has)
            && !without.arches.iter().any(here)
            && !without.caps.iter().any(has)
            && without.min_kernel.is_none()
    };
    let rules: Vec<Value> = profile.syscalls.iter().filter(applies).map(rule).collect();
    let mut seccomp =
        json!({"defaultAction": profile.default_action, "architectures": [ARCHITECTURE], "syscalls": rules});
    if let Some(errno) = profile.default_errno_ret {
        seccomp["defaultErrnoRet"] = errno.into();
    }
    Ok(seccomp)
}

fn rule(rule: &Rule) -> Value {
    let mut made = json!({"names": rule.names, "action": rule.action});
    if let Some(errno) = rule.errno_ret {
        made["errnoRet"] = errno.into();
    }
    if let Some(args) = rule.args.as_ref().filter(|args| !args.is_empty()) {
        made["args"] = args.clone().into();
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROFILE: &str = r#"{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 1,
        "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]},
                    {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": null}],
        "syscalls": [
          {"names": ["read"], "action": "SCMP_ACT_ALLOW"},
          {"names": ["ptrace"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "4.8"}},
          {"names": ["modify_ldt"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["amd64", "x32"]}},
          {"names": ["s390"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["s390"]}},
          {"names": ["chroot"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_CHROOT"]}},
          {"names": ["mount"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}},
          {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38, "excludes": {"caps": ["CAP_SYS_ADMIN"]}},
          {"names": ["clone"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}],
           "excludes": {"arches": ["s390"]}}]}"#;

    fn names(capabilities: &[&str]) -> Vec<String> {
        let made = seccomp_of_profile(PROFILE, capabilities).unwrap();
        made["syscalls"].as_array().unwrap().iter().map(|r| r["names"][0].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn rules_follow_architecture_and_capabilities() {
        assert_eq!(names(&["CAP_SYS_CHROOT"]), ["read", "ptrace", "modify_ldt", "chroot", "clone3", "clone"]);
        assert_eq!(names(&["CAP_SYS_ADMIN"]), ["read", "ptrace", "modify_ldt", "mount", "clone"]);
    }

    #[test]
    fn what_a_rule_says_is_kept() {
        let made = seccomp_of_profile(PROFILE, &[]).unwrap();
        assert_eq!(made["architectures"], json!(["SCMP_ARCH_X86_64"]));
        assert_eq!((&made["defaultErrnoRet"], &made["defaultAction"]), (&json!(1), &json!("SCMP_ACT_ERRNO")));
        let rules = made["syscalls"].as_array().unwrap();
        assert_eq!(rules[3], json!({"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}));
        assert_eq!(rules[4]["args"][0]["op"], "SCMP_CMP_EQ");
        assert!(seccomp_of_profile("{}", &[]).is_err());
    }
}
