//! 16-bit floats: IEEE half (F16) and the upper half of a float (BF16).

/// The value of a half.
pub fn from_f16(bits: u16) -> f32 {
    let sign = u32::from(bits >> 15) << 31;
    let exponent = u32::from(bits >> 10 & 0x1F);
    let mantissa = u32::from(bits & 0x3FF);
    let magnitude = match (exponent, mantissa) {
        // Subnormal: a multiple of 2^-24, exact in f32.
        (0, _) => (mantissa as f32 * f32::from_bits(0x3380_0000)).to_bits(),
        (31, _) => 0x7F80_0000 | mantissa << 13,
        _ => (exponent + 112) << 23 | mantissa << 13,
    };
    f32::from_bits(sign | magnitude)
}

/// The nearest half, ties to even. Too large becomes infinite; a NaN stays one.
pub fn to_f16(value: f32) -> u16 {
    let bits = value.to_bits();
    let sign = (bits >> 16 & 0x8000) as u16;
    let magnitude = bits & 0x7FFF_FFFF;
    if magnitude > 0x7F80_0000 {
        return sign | 0x7E00;
    }
    // From 65520 on the nearest half would have an exponent that there is none of.
    if magnitude >= 0x477F_F000 {
        return sign | 0x7C00;
    }
    // Below the normal halves, adding 0.5 leaves multiples of 2^-24 in the lowest bits, rounded by the addition itself.
    if magnitude < 0x3880_0000 {
        let shifted = f32::from_bits(magnitude) + 0.5;
        return sign | (shifted.to_bits() - 0.5_f32.to_bits()) as u16;
    }
    let odd = magnitude >> 13 & 1;
    sign | ((magnitude - (112 << 23) + 0xFFF + odd) >> 13) as u16
}

/// The value of a bfloat16.
pub fn from_bf16(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// The nearest bfloat16, ties to even. A NaN stays one.
pub fn to_bf16(value: f32) -> u16 {
    let bits = value.to_bits();
    if value.is_nan() {
        return (bits >> 16) as u16 | 0x40;
    }
    ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16) as u16
}

/// The value of the half at this byte of a block.
pub(super) fn at(block: &[u8], begin: usize) -> f32 {
    from_f16(u16::from_le_bytes(*super::part(block, begin)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_half_and_every_bfloat_is_its_own_nearest() {
        for bits in 0..=u16::MAX {
            let value = from_f16(bits);
            assert!(value.is_nan() || to_f16(value) == bits, "half {bits:#06x} = {value}");
            let value = from_bf16(bits);
            assert!(value.is_nan() || to_bf16(value) == bits, "bfloat {bits:#06x} = {value}");
        }
    }

    #[test]
    fn what_lies_between_goes_to_the_nearest_and_ties_to_the_even_one() {
        for bits in (0..0x7BFF_u16).chain(0x8000..0xFBFF) {
            let (low, high) = (from_f16(bits), from_f16(bits + 1));
            let middle = low + (high - low) / 2.0;
            assert_eq!(to_f16(middle), bits + (bits & 1), "{middle} between {low} and {high}");
            let towards =
                |value: f32, up: bool| f32::from_bits(value.to_bits().wrapping_add_signed(if up { 1 } else { -1 }));
            assert_eq!(to_f16(towards(middle, true)), bits + 1);
            assert_eq!(to_f16(towards(middle, false)), bits);
        }
    }

    #[test]
    fn the_ends_are_infinities_and_nans_stay_nans() {
        assert_eq!([to_f16(65519.9), to_f16(65520.0), to_f16(-1e30)], [0x7BFF, 0x7C00, 0xFC00]);
        assert!(from_f16(to_f16(f32::NAN)).is_nan() && from_bf16(to_bf16(f32::NAN)).is_nan());
        assert_eq!(to_bf16(f32::MAX), 0x7F80);
    }
}
