//! How is an exact decimal read, rounded and written?
//!
//! A decimal is an integer and a count of digits after the point. Rounding is half away from
//! zero, as PostgreSQL rounds NUMERIC.

/// Most digits an exact decimal can have.
pub(super) const DIGITS_MAX: u8 = 38;

/// Why a text or number is no decimal of the wanted form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DecimalError {
    /// Not a number at all.
    Syntax,
    /// Too many digits before the point.
    Overflow,
}

/// Returns 10^exponent, `None` above the largest power an `i128` holds.
pub(super) fn power_of_ten(exponent: u32) -> Option<i128> {
    10_i128.checked_pow(exponent)
}

/// Returns whether the scaled number has at most `precision` digits.
pub(super) fn fits(scaled: i128, precision: u8) -> bool {
    match power_of_ten(u32::from(precision)) {
        Some(bound) => scaled.unsigned_abs() < bound.unsigned_abs(),
        None => true,
    }
}

/// Moves a number from one scale to another, rounding.
pub(super) fn rescale(scaled: i128, from: i8, to: i8) -> Option<i128> {
    let shift = i32::from(to) - i32::from(from);
    if shift >= 0 {
        return scaled.checked_mul(power_of_ten(shift.unsigned_abs())?);
    }
    let Some(divisor) = power_of_ten(shift.unsigned_abs()) else { return Some(0) };
    let (quotient, remainder) = (scaled / divisor, scaled % divisor);
    // |remainder| < 10^38 < 2^127 / 1.7, so compare with the half rather than double it.
    let half = divisor / 2;
    let away = if remainder.abs() >= half { remainder.signum() } else { 0 };
    Some(quotient + away)
}

/// Reads `-12.5e3` as an integer scaled by 10^scale, rounding further digits.
pub(super) fn parse(text: &str, scale: i8) -> Result<i128, DecimalError> {
    let text = text.trim();
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => {
            let exponent: i32 = text[at + 1..].parse().map_err(|_| DecimalError::Syntax)?;
            (&text[..at], exponent)
        }
        None => (text, 0),
    };
    let (negative, digits) = match mantissa.as_bytes().first() {
        Some(b'-') => (true, &mantissa[1..]),
        Some(b'+') => (false, &mantissa[1..]),
        _ => (false, mantissa),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !all_digits(whole) || !all_digits(fraction) {
        return Err(DecimalError::Syntax);
    }
    // How many of the digits stand before the place of the last kept one.
    let kept = whole.len() as i64 + i64::from(exponent) + i64::from(scale);
    let scaled = collect_digits(whole.bytes().chain(fraction.bytes()), kept)?;
    Ok(if negative { -scaled } else { scaled })
}

/// Appends the number with exactly `scale` digits after the point.
pub(super) fn write(out: &mut String, scaled: i128, scale: i8) {
    let digits = scaled.unsigned_abs().to_string();
    if scaled < 0 {
        out.push('-');
    }
    if scale <= 0 {
        out.push_str(&digits);
        if scaled != 0 {
            out.extend(std::iter::repeat_n('0', usize::from(scale.unsigned_abs())));
        }
        return;
    }
    let scale = usize::from(scale.unsigned_abs());
    let padded = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = padded.split_at(padded.len() - scale);
    out.push_str(whole);
    out.push('.');
    out.push_str(fraction);
}

/// Returns the nearest double.
pub(super) fn to_double(scaled: i128, scale: i8) -> f64 {
    // Through text: dividing by a power of ten would round twice.
    let text = format!("{scaled}e{}", -i32::from(scale));
    text.parse().unwrap_or(f64::NAN)
}

fn collect_digits(digits: impl Iterator<Item = u8>, kept: i64) -> Result<i128, DecimalError> {
    let mut scaled: i128 = 0;
    let mut taken: i64 = 0;
    let push = |scaled: i128, digit: u8| {
        scaled
            .checked_mul(10)
            .and_then(|scaled| scaled.checked_add(i128::from(digit)))
            .ok_or(DecimalError::Overflow)
    };
    for byte in digits {
        let digit = byte - b'0';
        if taken < kept {
            scaled = push(scaled, digit)?;
        } else {
            let rounds_up = taken == kept && digit >= 5;
            return Ok(scaled + i128::from(rounds_up));
        }
        taken += 1;
    }
    while taken < kept && scaled != 0 {
        scaled = push(scaled, 0)?;
        taken += 1;
    }
    Ok(scaled)
}
