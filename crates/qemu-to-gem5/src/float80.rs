//! x87 registers: QEMU keeps 80 bits, gem5 keeps the 64 of a double.

/// An 80-bit number (mantissa with its integer bit; sign and exponent) as the nearest double, ties to even. What MMX left (all bits of
/// sign and exponent are set) stays as it is. Subnormal and infinite results come out as IEEE 754 says.
pub(crate) const fn to_register(mantissa: u64, sign_exponent: u16) -> u64 {
    const INFINITY: u64 = 0x7FF << 52;
    if sign_exponent == 0xFFFF && mantissa != 1 << 63 {
        return mantissa;
    }
    // Widening; `From` is not const.
    let sign = ((sign_exponent >> 15) as u64) << 63;
    let exponent = (sign_exponent & 0x7FFF) as i64;
    if exponent == 0x7FFF {
        let fraction = mantissa << 1;
        // A NaN stays one, also where its bits lie below those of a double.
        let quiet = if fraction != 0 && fraction >> 12 == 0 { 1 << 51 } else { 0 };
        return sign | INFINITY | fraction >> 12 | quiet;
    }
    if mantissa == 0 {
        return sign;
    }
    let zeros = mantissa.leading_zeros();
    let mantissa = mantissa << zeros;
    let exponent = if exponent == 0 { 1 } else { exponent } - 16383 - zeros as i64;
    if exponent > 1023 {
        return sign | INFINITY;
    }
    // Of the mantissa's 64 bits a double keeps 53; fewer below its least normal exponent.
    let (biased, dropped) = if exponent >= -1022 { (exponent + 1022, 11) } else { (0, 11 - 1022 - exponent) };
    if dropped > 64 {
        return sign;
    }
    let wide = mantissa as u128;
    let kept = wide >> dropped;
    let rest = wide & ((1 << dropped) - 1);
    let half = 1 << (dropped - 1);
    let up = rest > half || (rest == half && kept & 1 == 1);
    // The integer bit adds 1 to the exponent, and so does a carry: up to infinity.
    sign | ((biased.unsigned_abs() << 52) + low(kept) + up as u64)
}

/// At most 53 bits are set.
#[expect(clippy::cast_possible_truncation, reason = "the caller has shifted the upper half away")]
const fn low(kept: u128) -> u64 {
    kept as u64
}

#[cfg(test)]
#[path = "float80_tests.rs"]
mod tests;
