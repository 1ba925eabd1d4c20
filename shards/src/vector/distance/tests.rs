//! Do all kernels say the same as arithmetic in double precision?

use proptest::prelude::*;

use super::{ByteKernel, ByteRows, Kernels, LINE_BYTES, Rows};

fn exact(a: &[f32], b: &[f32]) -> (f64, f64) {
    let pairs = || a.iter().zip(b).map(|(x, y)| (f64::from(*x), f64::from(*y)));
    (pairs().map(|(x, y)| (x - y) * (x - y)).sum(), pairs().map(|(x, y)| x * y).sum())
}

fn check_close(found: f32, expected: f64, scale: f64, what: &str) {
    let difference = (f64::from(found) - expected).abs();
    assert!(difference <= 1e-5 * scale + 1e-6, "{what}: {found} instead of {expected}");
}

/// Terms of about this size were added up; rounding errors are relative to it.
fn scale(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(x, y)| (f64::from(x.abs()) + f64::from(y.abs())).powi(2)).sum()
}

proptest! {
    #[test]
    fn kernels_agree_with_double_precision(
        dim in 0_usize..300,
        count in 0_usize..11,
        seed in any::<u64>(),
    ) {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 40) as f32 / (1 << 23) as f32 - 1.0
        };
        let query: Vec<f32> = (0..dim).map(|_| next()).collect();
        let data: Vec<f32> = (0..dim * count).map(|_| next()).collect();
        let rows = Rows { data: &data, stride: dim };
        let slots: Vec<u32> = (0..count as u32).rev().collect();
        for kernels in Kernels::available() {
            let mut l2 = vec![0.0; count];
            let mut dot = vec![0.0; count];
            (kernels.l2sq_many)(&query, rows, &slots, &mut l2);
            (kernels.dot_many)(&query, rows, &slots, &mut dot);
            for (place, slot) in slots.iter().enumerate() {
                let row = rows.row(*slot);
                let (expected_l2, expected_dot) = exact(&query, row);
                check_close(l2[place], expected_l2, scale(&query, row), kernels.name);
                check_close(dot[place], expected_dot, scale(&query, row), kernels.name);
                prop_assert_eq!(l2[place].to_bits(), (kernels.l2sq)(&query, row).to_bits());
                prop_assert_eq!(dot[place].to_bits(), (kernels.dot)(&query, row).to_bits());
            }
        }
    }
}

proptest! {
    #[test]
    fn byte_kernels_agree_with_integers(
        lines in 0_usize..5,
        count in 0_usize..11,
        seed in any::<u64>(),
    ) {
        let stride = lines * LINE_BYTES;
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        };
        let query: Vec<i8> = (0..stride).map(|_| next().cast_signed()).collect();
        let data: Vec<u8> = (0..stride * count).map(|_| next()).collect();
        let rows = ByteRows { data: &data, stride };
        let slots: Vec<u32> = (0..count as u32).rev().collect();
        let expected: Vec<i64> = slots.iter().map(|slot| {
            let pairs = rows.row(*slot).iter().zip(&query);
            pairs.map(|(x, y)| i64::from(*x) * i64::from(*y)).sum()
        }).collect();
        for kernel in ByteKernel::available() {
            let mut found = vec![0; count];
            (kernel.dot_many)(&query, rows, &slots, &mut found);
            let found: Vec<i64> = found.into_iter().map(i64::from).collect();
            prop_assert_eq!(&found, &expected, "{}", kernel.name);
        }
    }
}

#[test]
fn bytes_of_the_greatest_products_do_not_overflow() {
    let stride = 16_384 + LINE_BYTES;
    let data = vec![255_u8; stride];
    for (query, expected) in [(127_i8, 255 * 127), (-128, -255 * 128)] {
        let query = vec![query; stride];
        for kernel in ByteKernel::available() {
            let mut found = [0];
            (kernel.dot_many)(&query, ByteRows { data: &data, stride }, &[0], &mut found);
            assert_eq!(found, [expected * stride as i32], "{}", kernel.name);
        }
    }
}

#[test]
fn special_values_reach_the_result() {
    for kernels in Kernels::available() {
        for dim in [1, 15, 16, 17, 64, 65, 127, 200] {
            for place in [0, dim / 2, dim - 1] {
                let zeros = vec![0.0_f32; dim];
                let ones = vec![1.0_f32; dim];
                let mut special = ones.clone();
                special[place] = f32::NAN;
                assert!((kernels.l2sq)(&special, &ones).is_nan(), "{} {dim}", kernels.name);
                assert!((kernels.dot)(&ones, &special).is_nan(), "{} {dim}", kernels.name);
                special[place] = f32::INFINITY;
                assert_eq!((kernels.l2sq)(&special, &ones), f32::INFINITY);
                assert_eq!((kernels.dot)(&special, &ones), f32::INFINITY);
                assert!((kernels.dot)(&special, &zeros).is_nan(), "infinity times zero");
                assert_eq!((kernels.l2sq)(&zeros, &zeros), 0.0);
                assert_eq!((kernels.l2sq)(&ones, &ones), 0.0);
                assert_eq!((kernels.dot)(&ones, &ones), dim as f32);
            }
        }
    }
}

#[test]
fn an_empty_array_is_at_distance_zero() {
    for kernels in Kernels::available() {
        assert_eq!((kernels.l2sq)(&[], &[]), 0.0);
        assert_eq!((kernels.dot)(&[], &[]), 0.0);
    }
}
