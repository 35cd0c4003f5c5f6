//! What the end-to-end tests share: a project in a temporary folder, and the real program.
#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// A project and resources in a temporary folder.
pub struct Project {
    folder: tempfile::TempDir,
}

impl Project {
    /// A project with a compose file of two functions, dummy guest tools, and both images in the store.
    pub fn new() -> Self {
        let project = Self { folder: tempfile::tempdir().unwrap() };
        let compose = "services:\n  fibonacci-go:\n    image: vhiveease/fibonacci-go:latest\n    container_name: function\n    \
                       ports: [\"50000:50051\"]\n  aes-go:\n    image: vhiveease/aes-go:latest\n    container_name: function\n    \
                       ports: [\"50000:50051\"]\n";
        project.write("functions.yaml", compose);
        project.write("functions.list", "fibonacci-go\naes-go\n");
        fs::create_dir(project.path("resources")).unwrap();
        project.write("resources/futon-guest", "guest tool");
        project.write("resources/test-client", "client");
        std::os::unix::fs::symlink(docker_compose(), project.path("resources/docker-compose")).unwrap();
        for name in ["fibonacci-go", "aes-go"] {
            oci_layout(&project.path("layout"), name);
            let output = project.futon(&["images", "add", "layout", "--name", &format!("vhiveease/{name}:latest")]);
            assert!(output.status.success(), "{}", text(&output));
        }
        project
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, content: &str) {
        fs::write(self.path(name), content).unwrap();
    }

    /// A call of the real program in this project.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_futon"));
        command.args(args).current_dir(self.folder.path()).env_remove("RESOURCES").env_remove("WORKING_DIR");
        command.env("FUTON_TEST_FAKE_MACHINE", "proves nothing");
        command
    }

    pub fn futon(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// `futon test` on the fake machine: exit code and report.
    pub fn fake(&self, scenario: &str, args: &[&str]) -> (Option<i32>, Value) {
        let on = format!("fake:{scenario}");
        let mut words = vec!["test", "--on", &on, "--json", "--out", "out"];
        words.extend(args);
        let output = self.futon(&words);
        let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", text(&output)));
        assert_eq!(beyond_the_schema(&report), [""; 0], "{report:#}");
        (output.status.code(), report)
    }
}

/// Where a report is not as the published schema has it.
pub fn beyond_the_schema(report: &Value) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/schema/report-1.json");
    let schema: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    validator.iter_errors(report).map(|e| format!("{}: {e}", e.instance_path())).collect()
}

/// Docker Compose, which reads the compose files.
pub fn docker_compose() -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../resources/docker-compose");
    assert!(path.is_file(), "{} is missing: `futon resources build compose` installs it", path.display());
    path
}

/// Standard output and error of a call.
pub fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Writes a tiny OCI layout, different for each name.
pub fn oci_layout(folder: &Path, name: &str) {
    // Two blocks of zeroes are an empty archive.
    oci_layout_of(folder, name, &[0; 1024]);
}

/// Writes an OCI layout with one layer.
pub fn oci_layout_of(folder: &Path, name: &str, tar: &[u8]) {
    let blobs = folder.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    let blob = |content: &[u8], kind: &str| {
        let hash = hex::encode(Sha256::digest(content));
        fs::write(blobs.join(&hash), content).unwrap();
        json!({"mediaType": kind, "digest": format!("sha256:{hash}"), "size": content.len()})
    };
    let layer = blob(tar, "application/vnd.oci.image.layer.v1.tar");
    let config = json!({
        "architecture": "amd64", "os": "linux", "author": name, "config": {"Entrypoint": ["/server"]},
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]}
    });
    let config = blob(config.to_string().as_bytes(), "application/vnd.oci.image.config.v1+json");
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let manifest = json!({"schemaVersion": 2, "mediaType": kind, "config": config, "layers": [layer]});
    let manifest = blob(manifest.to_string().as_bytes(), kind);
    fs::write(folder.join("index.json"), json!({"schemaVersion": 2, "manifests": [manifest]}).to_string()).unwrap();
    fs::write(folder.join("oci-layout"), json!({"imageLayoutVersion": "1.0.0"}).to_string()).unwrap();
}
