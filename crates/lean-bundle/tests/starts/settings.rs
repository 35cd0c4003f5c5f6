//! A container's settings as a flat map, so that those of an engine and those of a bundle can be laid side by side: what has to differ
//! (names, places, order where order means nothing) is taken away.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

/// Value by path.
pub type Flat = BTreeMap<String, Value>;

/// Settings as a flat map.
pub fn flat(config: &Value) -> Flat {
    let mut made = Flat::new();
    let process = &config["process"];
    for (path, value) in [
        ("/process/args", &process["args"]),
        ("/process/cwd", &process["cwd"]),
        ("/process/user/uid", &process["user"]["uid"]),
        ("/process/user/gid", &process["user"]["gid"]),
        ("/process/oomScoreAdj", &process["oomScoreAdj"]),
    ] {
        made.insert(path.into(), value.clone());
    }
    set(&mut made, "/process/user/additionalGids", &process["user"]["additionalGids"]);
    for kind in ["bounding", "effective", "permitted", "inheritable", "ambient"] {
        set(&mut made, &format!("/process/capabilities/{kind}"), &process["capabilities"][kind]);
    }
    flag(&mut made, "/process/noNewPrivileges", &process["noNewPrivileges"]);
    flag(&mut made, "/process/terminal", &process["terminal"]);
    flag(&mut made, "/root/readonly", &config["root"]["readonly"]);
    // A name that is made up differs in each container.
    let hostname = config["hostname"].as_str().unwrap_or_default();
    let made_up = hostname.len() == 12 && hostname.bytes().all(|byte| byte.is_ascii_hexdigit());
    let name = |text: &str| if made_up && text == hostname { "made up".to_owned() } else { text.to_owned() };
    made.insert("/hostname".into(), name(hostname).into());
    for assignment in process["env"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        let (key, value) = assignment.split_once('=').unwrap();
        made.insert(format!("/process/env/{key}"), name(value).into());
    }
    for limit in process["rlimits"].as_array().into_iter().flatten() {
        let kind = limit["type"].as_str().unwrap();
        made.insert(format!("/process/rlimits/{kind}"), json!([limit["soft"], limit["hard"]]));
    }
    for mount in config["mounts"].as_array().into_iter().flatten() {
        let to = mount["destination"].as_str().unwrap();
        let kind = mount["type"].as_str().unwrap();
        let source = if kind == "bind" { "" } else { mount["source"].as_str().unwrap() };
        made.insert(format!("/mounts/{to}"), json!([kind, source, mount["options"]]));
    }
    linux(&mut made, &config["linux"]);
    if !config["annotations"].is_null() {
        made.insert("/annotations".into(), config["annotations"].clone());
    }
    made
}

fn linux(made: &mut Flat, linux: &Value) {
    let kinds: BTreeSet<_> =
        linux["namespaces"].as_array().into_iter().flatten().map(|n| n["type"].to_string()).collect();
    made.insert("/linux/namespaces".into(), json!(kinds));
    set(made, "/linux/maskedPaths", &linux["maskedPaths"]);
    set(made, "/linux/readonlyPaths", &linux["readonlyPaths"]);
    for (name, value) in linux["sysctl"].as_object().into_iter().flatten() {
        made.insert(format!("/linux/sysctl/{name}"), value.clone());
    }
    for part in ["cpu", "memory", "pids", "blockIO"] {
        for (name, value) in linux["resources"][part].as_object().into_iter().flatten() {
            made.insert(format!("/linux/resources/{part}/{name}"), value.clone());
        }
    }
    // The engine writes its rules twice over.
    let rules: BTreeSet<_> =
        linux["resources"]["devices"].as_array().into_iter().flatten().map(Value::to_string).collect();
    made.insert("/linux/resources/devices".into(), json!(rules));
    set(made, "/linux/devices", &linux["devices"]);
    let seccomp = &linux["seccomp"];
    if seccomp.is_null() {
        return;
    }
    made.insert("/linux/seccomp/default".into(), json!([seccomp["defaultAction"], seccomp["defaultErrnoRet"]]));
    // Which calls, under which conditions: how they are put together does not matter.
    let mut calls = BTreeMap::<String, BTreeSet<String>>::new();
    for rule in seccomp["syscalls"].as_array().into_iter().flatten() {
        let action = json!([rule["action"], rule["errnoRet"], conditions(&rule["args"])]).to_string();
        for call in rule["names"].as_array().unwrap() {
            calls.entry(action.clone()).or_default().insert(call.as_str().unwrap().to_owned());
        }
    }
    for (action, names) in calls {
        made.insert(format!("/linux/seccomp/{action}"), names.into_iter().collect::<Vec<_>>().join(" ").into());
    }
}

/// Conditions on arguments; 0 is as good as nothing.
fn conditions(args: &Value) -> Value {
    let list = args.as_array().into_iter().flatten();
    list.map(|arg| json!([arg["index"], arg["value"], arg["valueTwo"].as_u64().unwrap_or(0), arg["op"]])).collect()
}

/// A list whose order means nothing; an empty one is none.
fn set(made: &mut Flat, path: &str, list: &Value) {
    let unique: BTreeSet<String> = list.as_array().into_iter().flatten().map(Value::to_string).collect();
    if !unique.is_empty() {
        made.insert(path.into(), json!(unique));
    }
}

fn flag(made: &mut Flat, path: &str, value: &Value) {
    if value == true {
        made.insert(path.into(), true.into());
    }
}

/// What two have differently: both values by path, `null` for one that is not there.
pub fn differences(one: &Flat, other: &Flat) -> BTreeMap<String, (Value, Value)> {
    let paths: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    let of = |flat: &Flat, path: &String| flat.get(path).cloned().unwrap_or(Value::Null);
    paths
        .into_iter()
        .map(|path| (path.clone(), (of(one, path), of(other, path))))
        .filter(|(_, (one, other))| one != other)
        .collect()
}
