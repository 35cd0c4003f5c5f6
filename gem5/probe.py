"""Says what this gem5 is: one `futon-event` line. futon asks before it starts a simulation."""

import json
import sys

import _m5.core
import m5.defines

sys.dont_write_bytecode = True

build = m5.defines.buildEnv
print(
    "futon-event: "
    + json.dumps(
        {
            "event": "probe",
            "version": str(getattr(_m5.core, "gem5Version", "unknown")),
            # v23 and later; before that one build had one instruction set, under another name.
            "x86": bool(build.get("USE_X86_ISA", False)) or build.get("TARGET_ISA") == "x86",
            "kvm": bool(build.get("USE_KVM", False)),
            "ruby": bool(build.get("RUBY", False)) or bool(build.get("PROTOCOL", "None") not in ("None", "")),
        }
    ),
    flush=True,
)
