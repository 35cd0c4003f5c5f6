//! Is this machine gem5? Without touching anything that would hurt another machine.
//!
//! On x86_64 the processor's brand string tells (the vendor alone does not since gem5 v22.1), on arm64 the device tree.

/// What the machine says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// True when it names itself gem5.
    pub gem5: bool,
    /// The words it used, for messages.
    pub words: String,
}

/// Looks at this machine.
#[must_use]
pub fn evidence() -> Evidence {
    platform::evidence()
}

/// Puts the brand string of CPUID leaves 0x80000002 to 0x80000004 together (EAX, EBX, ECX, EDX of each in order).
#[must_use]
pub fn brand_of_leaves(leaves: [[u32; 4]; 3]) -> String {
    text(leaves.iter().flatten().flat_map(|register| register.to_le_bytes()))
}

/// Puts the vendor string of CPUID leaf 0 together from EBX, EDX and ECX.
#[must_use]
pub fn vendor_of_leaf(ebx: u32, edx: u32, ecx: u32) -> String {
    text([ebx, edx, ecx].iter().flat_map(|register| register.to_le_bytes()))
}

/// True for the brand strings of gem5's releases.
#[must_use]
pub fn brand_is_gem5(brand: &str) -> bool {
    brand.contains("Fake M5") || brand.contains("Fake gem5")
}

/// True for the vendor string of gem5 before v22.1.
#[must_use]
pub fn vendor_is_gem5(vendor: &str) -> bool {
    vendor == "M5 Simulator"
}

/// True when the `compatible` property of a device tree's processor (words ended by zero bytes) names gem5's.
#[must_use]
pub fn compatible_is_gem5(property: &[u8]) -> bool {
    property.split(|&byte| byte == 0).any(|word| word == b"gem5,arm-cpu")
}

fn text(bytes: impl Iterator<Item = u8>) -> String {
    let printable: String =
        bytes.take_while(|&byte| byte != 0).map(|byte| if byte.is_ascii() { char::from(byte) } else { '?' }).collect();
    printable.trim().to_owned()
}

#[cfg(target_arch = "x86_64")]
mod platform {
    use std::arch::x86_64::__cpuid;

    use super::{Evidence, brand_is_gem5, brand_of_leaves, vendor_is_gem5, vendor_of_leaf};

    const LAST_BRAND_LEAF: u32 = 0x8000_0004;

    pub(super) fn evidence() -> Evidence {
        let base = __cpuid(0);
        let vendor = vendor_of_leaf(base.ebx, base.edx, base.ecx);
        let brand = if __cpuid(0x8000_0000).eax >= LAST_BRAND_LEAF {
            brand_of_leaves([0x8000_0002, 0x8000_0003, LAST_BRAND_LEAF].map(|leaf| {
                let part = __cpuid(leaf);
                [part.eax, part.ebx, part.ecx, part.edx]
            }))
        } else {
            String::new()
        };
        Evidence { gem5: brand_is_gem5(&brand) || vendor_is_gem5(&vendor), words: format!("{vendor}, {brand}") }
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod platform {
    use std::{fs, path::Path};

    use super::{Evidence, compatible_is_gem5};

    pub(super) fn evidence() -> Evidence {
        let cpus = Path::new("/proc/device-tree/cpus");
        let mut words = String::from("no device tree");
        for entry in fs::read_dir(cpus).into_iter().flatten().flatten() {
            if let Ok(property) = fs::read(entry.path().join("compatible")) {
                words = String::from_utf8_lossy(&property).replace('\0', " ").trim().to_owned();
                if compatible_is_gem5(&property) {
                    return Evidence { gem5: true, words };
                }
            }
        }
        Evidence { gem5: false, words }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(brand: &str) -> [[u32; 4]; 3] {
        let mut bytes = [0_u8; 48];
        bytes[..brand.len()].copy_from_slice(brand.as_bytes());
        let mut leaves = [[0_u32; 4]; 3];
        for (register, chunk) in leaves.iter_mut().flatten().zip(bytes.chunks(4)) {
            *register = u32::from_le_bytes(chunk.try_into().unwrap());
        }
        leaves
    }

    #[test]
    fn brands_of_gem5_releases_are_known() {
        for brand in ["Fake M5 x86_64 CPU", "Fake gem5 x86_64 CPU"] {
            let parsed = brand_of_leaves(leaves(brand));
            assert_eq!(parsed, brand);
            assert!(brand_is_gem5(&parsed));
        }
    }

    #[test]
    fn other_brands_are_not() {
        for brand in ["AMD EPYC 7R13 Processor", "QEMU TCG CPU version 2.5+", "Hygon C86 7185 32-core Processor", ""] {
            assert!(!brand_is_gem5(&brand_of_leaves(leaves(brand))), "{brand}");
        }
    }

    #[test]
    fn a_brand_of_full_length_is_kept_whole() {
        let brand = "x".repeat(48);
        assert_eq!(brand_of_leaves(leaves(&brand)), brand);
    }

    #[test]
    fn the_vendor_alone_tells_only_for_old_releases() {
        let word = |part: &[u8]| u32::from_le_bytes(part.try_into().unwrap());
        let old = vendor_of_leaf(word(b"M5 S"), word(b"imul"), word(b"ator"));
        assert!(vendor_is_gem5(&old));
        assert!(!vendor_is_gem5("HygonGenuine"));
    }

    #[test]
    fn device_tree_words_are_compared_whole() {
        assert!(compatible_is_gem5(b"gem5,arm-cpu\0"));
        assert!(compatible_is_gem5(b"arm,cortex-a57\0gem5,arm-cpu\0"));
        assert!(!compatible_is_gem5(b"gem5,arm-cpus\0arm,armv8\0"));
    }

    #[test]
    fn this_machine_is_not_gem5() {
        assert!(!evidence().gem5);
    }
}
