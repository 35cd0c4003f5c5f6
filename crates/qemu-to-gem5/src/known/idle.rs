//! Devices that the guest never uses, or that gem5 has in its own way. They must be idle, and stay in gem5 as the template has them.

use super::rule::Rule::{Bits, Ignored, Is, Subsection, Zero};
use super::rule::{Field, Known, Times};

pub(super) const SECTIONS: &[Known] = &[
    Known { section: "fw_cfg", versions: &[2], times: Times::AtMost(1), fields: FW_CFG },
    Known { section: "PCIHost", versions: &[1], times: Times::AtMost(1), fields: PCI_HOST },
    Known { section: "PCIBUS", versions: &[1], times: Times::AtMost(1), fields: PCI_BUS },
    Known { section: "I440FX", versions: &[3], times: Times::AtMost(1), fields: I440FX },
    Known { section: "PIIX3", versions: &[3], times: Times::AtMost(1), fields: PIIX3 },
    Known { section: "pvpanic-pci", versions: &[1], times: Times::AtMost(1), fields: PVPANIC },
    Known { section: "dma", versions: &[1], times: Times::AtMost(2), fields: DMA },
    Known { section: "pcspk", versions: &[1], times: Times::AtMost(1), fields: SPEAKER },
    Known { section: "fdc", versions: &[2], times: Times::AtMost(1), fields: FLOPPY },
    Known { section: "ps2kbd", versions: &[3], times: Times::AtMost(1), fields: KEYBOARD },
    Known { section: "ps2mouse", versions: &[2], times: Times::AtMost(1), fields: MOUSE },
    Known { section: "pckbd", versions: &[3], times: Times::AtMost(1), fields: I8042 },
    Known { section: "port92", versions: &[1], times: Times::AtMost(1), fields: PORT_92 },
    Known { section: "ide", versions: &[3], times: Times::AtMost(1), fields: IDE },
];

const NOT_SEEN: &str = "the guest sees no PCI (pci=off)";
const UNUSED: &str = "the guest never uses it";
const QUIET: &str = "no PCI interrupt is raised";

const FW_CFG: &[Field] = &[
    Field("cur_entry", Ignored, UNUSED),
    Field("cur_offset[1]", Ignored, UNUSED),
    Field("fw_cfg/dma", Subsection(0), UNUSED),
    Field("fw_cfg/dma.dma_addr", Zero, "no transfer is under way"),
];

const PCI_HOST: &[Field] = &[Field("config_reg", Ignored, "the boot ROM was the last to write it")];

const PCI_BUS: &[Field] = &[Field("nirq", Ignored, NOT_SEEN), Field("irq_count[]", Zero, QUIET)];

const I440FX: &[Field] = &[
    Field("parent_obj.version_id", Ignored, NOT_SEEN),
    Field("parent_obj.config[0]", Ignored, NOT_SEEN),
    Field("parent_obj.irq_state", Zero, QUIET),
];

const PIIX3: &[Field] = &[
    Field("dev.version_id", Ignored, NOT_SEEN),
    Field("dev.config[0]", Ignored, NOT_SEEN),
    Field("dev.irq_state", Zero, QUIET),
    Field("pci_irq_levels_vmstate[]", Zero, QUIET),
];

const PVPANIC: &[Field] = &[
    Field("dev.version_id", Ignored, "gem5 has no such device; its page is never touched again"),
    Field("dev.config[0]", Ignored, "gem5 has no such device; its page is never touched again"),
    Field("dev.irq_state", Zero, QUIET),
];

const DMA: &[Field] = &[
    Field("command", Zero, UNUSED),
    Field("mask", Is(0xFF), "all channels are shut"),
    Field("flip_flop", Ignored, UNUSED),
    Field("dshift", Ignored, "says which of the two it is"),
    Field("regs[].now[]", Zero, UNUSED),
    Field("regs[].base[]", Zero, UNUSED),
    Field("regs[].mode", Zero, UNUSED),
    Field("regs[].page", Zero, UNUSED),
    Field("regs[].pageh", Zero, UNUSED),
    Field("regs[].dack", Zero, UNUSED),
    Field("regs[].eop", Zero, UNUSED),
];

const SPEAKER: &[Field] =
    &[Field("data_on", Zero, "silent"), Field("dummy_refresh_clock", Ignored, "a bit that toggles at each read")];

const FLOPPY: &[Field] = &[
    Field("state.sra", Ignored, UNUSED),
    Field("state.srb", Ignored, UNUSED),
    Field("state.dor_vmstate", Ignored, UNUSED),
    Field("state.tdr", Ignored, UNUSED),
    Field("state.dsr", Ignored, UNUSED),
    Field("state.msr", Is(0x80), "the controller waits for a command"),
    Field("state.status0", Ignored, UNUSED),
    Field("state.status1", Ignored, UNUSED),
    Field("state.status2", Ignored, UNUSED),
    Field("state.fifo[]", Ignored, UNUSED),
    Field("state.data_pos", Zero, "no command is under way"),
    Field("state.data_len", Ignored, UNUSED),
    Field("state.data_state", Zero, "no command is under way"),
    Field("state.data_dir", Ignored, UNUSED),
    Field("state.eot", Ignored, UNUSED),
    Field("state.timer0", Ignored, UNUSED),
    Field("state.timer1", Ignored, UNUSED),
    Field("state.precomp_trk", Ignored, UNUSED),
    Field("state.config", Ignored, UNUSED),
    Field("state.lock", Ignored, UNUSED),
    Field("state.pwrd", Ignored, UNUSED),
    Field("state.num_floppies", Ignored, UNUSED),
    Field("state.drives[].head", Ignored, UNUSED),
    Field("state.drives[].track", Ignored, UNUSED),
    Field("state.drives[].sect", Ignored, UNUSED),
    Field("state.drives[].fdrive/media_rate", Subsection(1), UNUSED),
    Field("state.drives[].fdrive/media_rate.media_rate", Ignored, UNUSED),
];

const KEYBOARD: &[Field] = &[
    Field("parent_obj.write_cmd", Ignored, UNUSED),
    Field("parent_obj.queue.rptr", Ignored, UNUSED),
    Field("parent_obj.queue.wptr", Ignored, UNUSED),
    Field("parent_obj.queue.count", Zero, "no key waits"),
    Field("parent_obj.queue.data", Ignored, "no key waits"),
    Field("scan_enabled", Ignored, UNUSED),
    Field("translate", Ignored, UNUSED),
    Field("scancode_set", Ignored, UNUSED),
];

const MOUSE: &[Field] = &[
    Field("parent_obj.write_cmd", Ignored, UNUSED),
    Field("parent_obj.queue.rptr", Ignored, UNUSED),
    Field("parent_obj.queue.wptr", Ignored, UNUSED),
    Field("parent_obj.queue.count", Zero, "no movement waits"),
    Field("parent_obj.queue.data", Ignored, "no movement waits"),
    Field("mouse_status", Ignored, UNUSED),
    Field("mouse_resolution", Ignored, UNUSED),
    Field("mouse_sample_rate", Ignored, UNUSED),
    Field("mouse_wrap", Ignored, UNUSED),
    Field("mouse_type", Ignored, UNUSED),
    Field("mouse_detect_state", Ignored, UNUSED),
    Field("mouse_dx", Ignored, UNUSED),
    Field("mouse_dy", Ignored, UNUSED),
    Field("mouse_dz", Ignored, UNUSED),
    Field("mouse_buttons", Ignored, UNUSED),
];

const I8042: &[Field] = &[
    Field("kbd.write_cmd", Ignored, UNUSED),
    Field("kbd.status", Bits(1, 0), "no byte waits"),
    Field("kbd.mode", Ignored, UNUSED),
    Field("kbd.pending_tmp", Zero, "no byte waits"),
    Field("kbd.pckbd/extended_state", Subsection(0), UNUSED),
    Field("kbd.pckbd/extended_state.migration_flags", Ignored, UNUSED),
    Field("kbd.pckbd/extended_state.obsrc", Zero, "no byte waits"),
    Field("kbd.pckbd/extended_state.obdata", Ignored, "no byte waits"),
    Field("kbd.pckbd/extended_state.cbdata", Ignored, "no byte waits"),
];

const PORT_92: &[Field] =
    &[Field("outport", Ignored, "the gate of address line 20 is judged at the cores (env.a20_mask)")];

const IDE: &[Field] = &[
    Field("parent_obj.version_id", Ignored, NOT_SEEN),
    Field("parent_obj.config[0]", Ignored, NOT_SEEN),
    Field("parent_obj.irq_state", Zero, QUIET),
    Field("bmdma[].cmd", Zero, "no transfer is under way"),
    Field("bmdma[].migration_compat_status", Zero, "no transfer is under way"),
    Field("bmdma[].addr", Ignored, UNUSED),
    Field("bmdma[].migration_retry_sector_num", Ignored, UNUSED),
    Field("bmdma[].migration_retry_nsector", Ignored, UNUSED),
    Field("bmdma[].migration_retry_unit", Ignored, UNUSED),
    Field("bus[].cmd", Ignored, UNUSED),
    Field("bus[].unit", Ignored, UNUSED),
    Field("bus[0].ifs[].mult_sectors", Ignored, UNUSED),
    Field("bus[0].ifs[].identify_set", Ignored, UNUSED),
    Field("bus[0].ifs[].feature", Ignored, UNUSED),
    Field("bus[0].ifs[].error", Ignored, UNUSED),
    Field("bus[0].ifs[].nsector", Ignored, UNUSED),
    Field("bus[0].ifs[].sector", Ignored, UNUSED),
    Field("bus[0].ifs[].lcyl", Ignored, UNUSED),
    Field("bus[0].ifs[].hcyl", Ignored, UNUSED),
    Field("bus[0].ifs[].hob_feature", Ignored, UNUSED),
    Field("bus[0].ifs[].hob_sector", Ignored, UNUSED),
    Field("bus[0].ifs[].hob_nsector", Ignored, UNUSED),
    Field("bus[0].ifs[].hob_lcyl", Ignored, UNUSED),
    Field("bus[0].ifs[].hob_hcyl", Ignored, UNUSED),
    Field("bus[0].ifs[].select", Ignored, UNUSED),
    Field("bus[0].ifs[].status", Bits(0x88, 0), "no command is under way"),
    Field("bus[0].ifs[].lba48", Ignored, UNUSED),
    Field("bus[0].ifs[].sense_key", Ignored, UNUSED),
    Field("bus[0].ifs[].asc", Ignored, UNUSED),
    Field("bus[0].ifs[].cdrom_changed", Ignored, UNUSED),
    Field("bus[1].ifs[].mult_sectors", Ignored, UNUSED),
    Field("bus[1].ifs[].identify_set", Ignored, UNUSED),
    Field("bus[1].ifs[].feature", Ignored, UNUSED),
    Field("bus[1].ifs[].error", Ignored, UNUSED),
    Field("bus[1].ifs[].nsector", Ignored, UNUSED),
    Field("bus[1].ifs[].sector", Ignored, UNUSED),
    Field("bus[1].ifs[].lcyl", Ignored, UNUSED),
    Field("bus[1].ifs[].hcyl", Ignored, UNUSED),
    Field("bus[1].ifs[].hob_feature", Ignored, UNUSED),
    Field("bus[1].ifs[].hob_sector", Ignored, UNUSED),
    Field("bus[1].ifs[].hob_nsector", Ignored, UNUSED),
    Field("bus[1].ifs[].hob_lcyl", Ignored, UNUSED),
    Field("bus[1].ifs[].hob_hcyl", Ignored, UNUSED),
    Field("bus[1].ifs[].select", Ignored, UNUSED),
    Field("bus[1].ifs[].status", Bits(0x88, 0), "no command is under way"),
    Field("bus[1].ifs[].lba48", Ignored, UNUSED),
    Field("bus[1].ifs[].sense_key", Ignored, UNUSED),
    Field("bus[1].ifs[].asc", Ignored, UNUSED),
    Field("bus[1].ifs[].cdrom_changed", Ignored, UNUSED),
];
