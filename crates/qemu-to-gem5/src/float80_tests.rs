use super::to_register;

#[test]
fn known_values() {
    let same = |mantissa, exponent, value: f64| {
        assert_eq!(to_register(mantissa, exponent), value.to_bits(), "{mantissa:#x} {exponent:#x}");
    };
    same(0, 0, 0.0);
    same(0, 0x8000, -0.0);
    same(1 << 63, 0x3FFF, 1.0);
    same(1 << 63, 0xBFFF, -1.0);
    same(0xC90F_DAA2_2168_C235, 0x4000, std::f64::consts::PI);
    same(0xD49A_784B_CD1B_8AFE, 0x4000, std::f64::consts::LOG2_10);
    same(0xA000_0000_0000_0000, 0x4002, 10.0);
    same(0xFFFF_FFFF_FFFF_F800, 0x43FE, f64::MAX);
    same(1 << 63, 0x3FFF - 1022, f64::MIN_POSITIVE);
    same(1 << 63, 0x3FFF - 1074, f64::from_bits(1));
    same(1 << 63, 0x7FFF, f64::INFINITY);
    // Its exponent has all bits, its mantissa is not MMX's: minus infinity.
    same(1 << 63, 0xFFFF, f64::NEG_INFINITY);
}

#[test]
fn rounds_to_nearest_ties_to_even() {
    // 1 + half a unit in the last place: a tie, down to even; a bit more: up.
    assert_eq!(to_register(1 << 63 | 0x400, 0x3FFF), 1f64.to_bits());
    assert_eq!(to_register(1 << 63 | 0x401, 0x3FFF), 1f64.to_bits() + 1);
    // An odd one: up to even.
    assert_eq!(to_register(1 << 63 | 0xC00, 0x3FFF), 1f64.to_bits() + 2);
    assert_eq!(to_register(1 << 63 | 0xBFF, 0x3FFF), 1f64.to_bits() + 1);
    // Carries into the exponent, and to infinity.
    assert_eq!(to_register(u64::MAX, 0x3FFF), 2f64.to_bits());
    assert_eq!(to_register(u64::MAX, 0x43FE), f64::INFINITY.to_bits());
    assert_eq!(to_register(1 << 63, 0x43FF), f64::INFINITY.to_bits());
    // Half of the least subnormal: a tie, to 0; a bit more: the least.
    assert_eq!(to_register(1 << 63, 0x3FFF - 1075), 0);
    assert_eq!(to_register(1 << 63 | 1, 0x3FFF - 1075), 1);
    assert_eq!(to_register(1 << 63, 0x3FFF - 1076), 0);
    // Rounds up from the largest subnormal to the least normal.
    assert_eq!(to_register(u64::MAX, 0x3FFF - 1023), f64::MIN_POSITIVE.to_bits());
    // 80-bit subnormals are far below a double's.
    assert_eq!(to_register(u64::MAX >> 1, 0x8000), 1 << 63);
    // Without its integer bit, an unnormal is still that number.
    assert_eq!(to_register(1 << 62, 0x4000), 1f64.to_bits());
}

#[test]
fn every_double_comes_back() {
    let mut bits: u64 = 0x9E37_79B9_7F4A_7C15;
    for _ in 0..100_000 {
        bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let (mut bits, value) = (bits, f64::from_bits(bits));
        if value.is_nan() || value.is_infinite() || value.is_subnormal() || value == 0.0 {
            continue;
        }
        let sign = u16::try_from(bits >> 63).unwrap() << 15;
        let exponent = u16::try_from((bits >> 52 & 0x7FF) + 16383 - 1023).unwrap();
        bits = (bits & ((1 << 52) - 1) | 1 << 52) << 11;
        assert_eq!(to_register(bits, sign | exponent), value.to_bits());
        // What is nearer to it than to its neighbours, too.
        assert_eq!(to_register(bits | 0x3FF, sign | exponent), value.to_bits());
    }
}

#[test]
fn not_a_number_and_mmx() {
    assert_eq!(to_register(0xC000_0000_0000_0000, 0x7FFF), 0x7FF8_0000_0000_0000);
    assert_eq!(to_register(0x8000_0000_0000_0001, 0x7FFF), 0x7FF8_0000_0000_0000, "it stays a NaN");
    assert_eq!(to_register(0x0123_4567_89AB_CDEF, 0xFFFF), 0x0123_4567_89AB_CDEF);
    assert_eq!(to_register(0, 0xFFFF), 0);
}
