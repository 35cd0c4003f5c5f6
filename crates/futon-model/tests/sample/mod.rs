//! A plan for tests, shared by the crates that follow from one.
#![allow(dead_code, clippy::unwrap_used, reason = "tests; each uses a part of it")]

use futon_model::{
    Base, ClientPlan, Limits, MachineKind, MachinePlan, Network, Plan, PlannedImage, PlannedStep, ScriptKind, steps,
};

pub(crate) const CONFIG: &str = "sha256:1111111111111111111111111111111111111111111111111111111111111111";
pub(crate) const MANIFEST: &str = "sha256:2222222222222222222222222222222222222222222222222222222222222222";

pub(crate) fn plan() -> Plan {
    Plan {
        schema: "futon.plan/1".into(),
        function: "fibonacci-go".into(),
        script: ScriptKind::Own,
        images: vec![PlannedImage {
            reference: "vhiveease/fibonacci-go:latest".parse().unwrap(),
            index: None,
            manifest: Some(MANIFEST.parse().unwrap()),
            config: Some(CONFIG.parse().unwrap()),
            near: Vec::new(),
        }],
        client: Some(ClientPlan {
            function_name: "fibonacci-go".into(),
            method: "0".into(),
            input: "1".into(),
            gen_type: futon_model::GenType::Unique,
            invocations: 20,
            warmup: 0,
            seed: None,
            address: "127.0.0.1".into(),
            port: 50000,
            authority: None,
            find: None,
            container: "function".into(),
            service: "fibonacci-go".into(),
            declared: None,
            no_greeting: false,
            describes: false,
            turns: Vec::new(),
            probe: futon_model::Probe::default(),
            load: None,
        }),
        machine: MachinePlan {
            kind: MachineKind::Qemu,
            base: Base::Docker,
            vcpus: 2,
            memory_mib: 2048,
            network: Network::Isolated,
            base_image: "base-disk-image.img".into(),
            kernel: "kernel".into(),
        },
        steps: steps::GUEST.iter().map(|s| PlannedStep { name: (*s).into() }).collect(),
        limits: Limits::default(),
        companions: Vec::new(),
        published: Vec::new(),
        powers: Vec::new(),
        checks: Vec::new(),
        expect_failure: None,
        remarks: Vec::new(),
    }
}
