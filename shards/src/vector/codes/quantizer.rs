//! Which bytes stand for a vector?

use crate::vector::distance::{ByteKernel, ByteRows, Kernels, LINE_BYTES, Rows};
use crate::vector::encode::stride;
use crate::vector::options::Metric;

/// Bytes at the end of a row of codes that are no coordinates.
pub const TAIL_BYTES: usize = 8;
/// The byte of coordinate zero.
const ZERO: f32 = 128.0;
/// Largest step from zero: 1 to 255 are used.
const STEPS_MAX: f32 = 127.0;
/// Longest vector, squared, whose code means anything: sums of four such stay below infinity.
const SQUARED_MAX: f32 = 1e37;
/// Times the longest vector of the sample, squared, above which a vector is an exception.
const OUTLIER: f32 = 4.0;
/// Share of a squared length that rounding may have changed, with much to spare: sums of 16,384
/// products of `f32` in 64 lanes are off by 2^-24 times some hundreds at most.
const ROUNDING: f32 = 6e-5;

/// How far the vectors of a sample lie from their mean.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// Farthest coordinate.
    pub reach: f32,
    /// Squared length of the longest.
    pub squared: f32,
}

/// How vectors become codes.
#[derive(Clone)]
pub struct Quantizer {
    pub(super) metric: Metric,
    kernels: Kernels,
    /// Subtracted from every vector; padded like one.
    pub(super) mean: Vec<f32>,
    mean_squared: f32,
    /// Orthonormal rows, or zeros; empty when coordinates are the elements themselves.
    directions: Vec<f32>,
    /// The same in bytes, to turn a query that need not be turned exactly: a row of whole lines per
    /// direction, 128 for zero.
    turned: Vec<u8>,
    /// What one step of a byte of `turned` stands for.
    turned_step: f32,
    byte_kernel: ByteKernel,
    /// `0..count`, the rows of `directions`.
    numbers: Vec<u32>,
    /// Coordinates of a vector.
    count: usize,
    /// What one step of a byte stands for.
    step: f32,
    /// Squared length of the longest vector whose error is bounded: a few that are much longer than
    /// the rest must not widen the bounds of all.
    bounded: f32,
}

/// A vector along the directions, and buffers to get there.
#[derive(Clone, Debug, Default)]
pub struct Projection {
    centred: Vec<f32>,
    pub coordinates: Vec<f32>,
    /// Squared length of the centred vector.
    pub squared: f32,
    /// Squared length of what the coordinates hold.
    within: f32,
    steps: Vec<i8>,
    dots: Vec<i32>,
}

impl Projection {
    /// Returns an upper bound of the length of what the coordinates leave out.
    pub fn beyond(&self) -> f32 {
        ((self.squared - self.within).max(0.0) + ROUNDING * self.squared).sqrt()
    }
}

impl Quantizer {
    /// Returns the quantizer for these directions, none for the elements themselves, whose
    /// coordinates are seldom farther from zero than `reach` and whose squared length is seldom above
    /// `squared`.
    ///
    /// **Shapes**: `mean: [stride]`, `directions: [count, stride]` row-major.
    pub fn new(
        metric: Metric,
        mean: Vec<f32>,
        directions: Vec<f32>,
        dim: usize,
        Extent { reach, squared }: Extent,
    ) -> Self {
        let kernels = Kernels::best();
        let count = if directions.is_empty() { dim } else { directions.len() / mean.len() };
        let mean_squared = (kernels.dot)(&mean, &mean);
        let step = (reach / STEPS_MAX).max(f32::MIN_POSITIVE);
        let numbers = (0..count as u32).collect();
        let (turned, turned_step) = bytes_of(&directions, mean.len());
        Self {
            metric,
            kernels,
            mean,
            mean_squared,
            directions,
            turned,
            turned_step,
            byte_kernel: ByteKernel::best(),
            numbers,
            count,
            step,
            bounded: (squared * OUTLIER).min(SQUARED_MAX),
        }
    }

    /// Returns the coordinates of a vector.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Returns the bytes of a row of codes.
    pub fn row_bytes(&self) -> usize {
        row_bytes(self.count)
    }

    /// Writes where `row` lies over `projection`.
    ///
    /// **Shapes**: `row: [stride]`.
    pub fn project(&self, row: &[f32], projection: &mut Projection) {
        let Projection { centred, coordinates, squared, within, .. } = projection;
        centred.clear();
        centred.extend(row.iter().zip(&self.mean).map(|(x, mean)| x - mean));
        *squared = (self.kernels.dot)(centred, centred);
        if self.directions.is_empty() {
            coordinates.clear();
            coordinates.extend_from_slice(&centred[..self.count]);
            *within = *squared;
            return;
        }
        coordinates.resize(self.count, 0.0);
        let directions = Rows { data: &self.directions, stride: stride(row.len()) };
        (self.kernels.dot_many)(centred, directions, &self.numbers, coordinates);
        *within = (self.kernels.dot)(coordinates, coordinates);
    }

    /// Like [`Quantizer::project`], but from bytes: off by a fraction of a step of a code, and eight
    /// times as fast. What is beyond the coordinates is left unknown.
    pub fn project_quickly(&self, row: &[f32], projection: &mut Projection) {
        if self.directions.is_empty() {
            return self.project(row, projection);
        }
        let Projection { centred, coordinates, squared, within, steps, dots } = projection;
        centred.clear();
        centred.extend(row.iter().zip(&self.mean).map(|(x, mean)| x - mean));
        *squared = (self.kernels.dot)(centred, centred);
        *within = 0.0;
        let step = step_of(centred);
        let bytes = line_bytes(row.len());
        steps.clear();
        steps.resize(bytes, 0);
        let sum = to_steps(centred, step, steps);
        dots.resize(self.count, 0);
        let rows = ByteRows { data: &self.turned, stride: bytes };
        (self.byte_kernel.dot_many)(steps, rows, &self.numbers, dots);
        let scale = step * self.turned_step;
        coordinates.clear();
        coordinates.extend(dots.iter().map(|dot| (dot - 128 * sum) as f32 * scale));
    }

    /// Writes the row of codes of a vector over `code`; returns the length of what it stands for,
    /// zero when its error has no bound.
    ///
    /// **Shapes**: `row: [stride]`, `code: [row_bytes]`.
    pub fn encode(&self, row: &[f32], projection: &mut Projection, code: &mut [u8]) -> f32 {
        self.project(row, projection);
        code.fill(0);
        let tail = code.len() - TAIL_BYTES;
        if projection.squared.is_nan() || projection.squared > SQUARED_MAX {
            code[..self.count].fill(ZERO as u8);
            set_tail(&mut code[tail..], SQUARED_MAX, f32::INFINITY, f32::INFINITY);
            return 0.0;
        }
        let (mut left_out, mut kept, inverse) = (0.0_f32, 0.0_f32, 1.0 / self.step);
        for (byte, coordinate) in code.iter_mut().zip(&projection.coordinates) {
            let steps = rounded((coordinate * inverse).clamp(-STEPS_MAX, STEPS_MAX)) as f32;
            let shown = steps * self.step;
            left_out += (coordinate - shown) * (coordinate - shown);
            kept += shown * shown;
            *byte = (steps + ZERO) as u8;
        }
        let bias = match self.metric {
            Metric::L2 => projection.squared,
            Metric::Cosine | Metric::InnerProduct => {
                -(self.kernels.dot)(&self.mean, &projection.centred)
            }
        };
        if projection.squared > self.bounded {
            set_tail(&mut code[tail..], bias, f32::INFINITY, f32::INFINITY);
            return 0.0;
        }
        set_tail(&mut code[tail..], bias, projection.beyond(), left_out.sqrt());
        kept.sqrt()
    }

    /// Returns what one step stands for.
    pub fn step(&self) -> f32 {
        self.step
    }

    /// Returns how often the dot product counts, and the part of the distance that is the query's
    /// alone. `bias`: as the query's own row of codes would have it.
    pub fn terms(&self, bias: f32) -> (f32, f32) {
        match self.metric {
            Metric::L2 => (2.0, bias),
            Metric::Cosine | Metric::InnerProduct => (1.0, bias - self.mean_squared),
        }
    }

    /// Returns the bias of a query that was projected.
    pub fn bias(&self, projection: &Projection) -> f32 {
        match self.metric {
            Metric::L2 => projection.squared,
            Metric::Cosine | Metric::InnerProduct => {
                -(self.kernels.dot)(&self.mean, &projection.centred)
            }
        }
    }

    /// Returns what rounding of sums may account for in the distance from a query to a vector whose
    /// error is bounded; `None` when the query is too long to tell.
    pub fn rounding(&self, projection: &Projection) -> Option<f32> {
        let squared = projection.squared + self.bounded + self.mean_squared;
        (projection.squared <= SQUARED_MAX).then_some(ROUNDING * squared)
    }

    /// Returns the bytes in use.
    pub fn memory_bytes(&self) -> usize {
        let words = self.directions.len() + self.mean.len() + self.numbers.len();
        words * size_of::<f32>() + self.turned.len()
    }
}

/// Returns the step with which the farthest of these numbers is 127 steps from zero.
pub fn step_of(numbers: &[f32]) -> f32 {
    // The order of lengths is that of their bits, which compare faster.
    let far = numbers.iter().fold(0, |far: u32, x| far.max(x.to_bits() & (u32::MAX >> 1)));
    (f32::from_bits(far) / STEPS_MAX).max(f32::MIN_POSITIVE)
}

/// Writes each number in steps, of which it is at most 127 from zero; returns the sum of all.
pub fn to_steps(numbers: &[f32], step: f32, steps: &mut [i8]) -> i32 {
    let inverse = 1.0 / step;
    let mut sum = 0;
    for (steps, number) in steps.iter_mut().zip(numbers) {
        let rounded = rounded(number * inverse);
        sum += rounded;
        *steps = rounded as i8;
    }
    sum
}

/// Returns the nearest integer of a number of at most some thousands, ties to even: added to a
/// number so large that its last bit is one, the fraction falls off. There is no instruction for it
/// on every processor.
#[inline]
pub fn rounded(number: f32) -> i32 {
    const LARGE: f32 = 12_582_912.0;
    (number + LARGE).to_bits().cast_signed() - LARGE.to_bits().cast_signed()
}

/// Returns the bytes of a direction as bytes.
fn line_bytes(elements: usize) -> usize {
    elements.next_multiple_of(LINE_BYTES)
}

fn bytes_of(directions: &[f32], stride: usize) -> (Vec<u8>, f32) {
    let step = step_of(directions);
    let mut bytes = Vec::with_capacity(directions.len() / stride.max(1) * line_bytes(stride));
    let mut steps = vec![0; line_bytes(stride)];
    for direction in directions.chunks(stride.max(1)) {
        to_steps(direction, step, &mut steps);
        bytes.extend(steps.iter().map(|steps| steps.cast_unsigned() ^ 128));
    }
    (bytes, step)
}

/// Returns the bytes of a row of codes of `count` coordinates.
pub fn row_bytes(count: usize) -> usize {
    (count + TAIL_BYTES).next_multiple_of(LINE_BYTES)
}

/// What stands at the end of a row of codes.
#[derive(Clone, Copy, Debug)]
pub struct Tail {
    pub bias: f32,
    /// Upper bound of the length of what the coordinates leave out.
    pub beyond: f32,
    /// Upper bound of the length of what the bytes leave out of the coordinates.
    pub rounding: f32,
}

/// Reads the end of a row of codes.
#[inline]
pub fn tail(row: &[u8]) -> Tail {
    let Some([a, b, c, d, e, f, g, h]) = row.last_chunk::<TAIL_BYTES>() else {
        return Tail { bias: 0.0, beyond: f32::INFINITY, rounding: f32::INFINITY };
    };
    Tail {
        bias: f32::from_le_bytes([*a, *b, *c, *d]),
        beyond: f32::from_le_bytes([0, 0, *e, *f]),
        rounding: f32::from_le_bytes([0, 0, *g, *h]),
    }
}

fn set_tail(tail: &mut [u8], bias: f32, beyond: f32, rounding: f32) {
    tail[..4].copy_from_slice(&bias.to_le_bytes());
    tail[4..6].copy_from_slice(&rounded_up(beyond));
    tail[6..8].copy_from_slice(&rounded_up(rounding));
}

/// Returns the upper half of the least number with an empty lower half that is no smaller.
fn rounded_up(length: f32) -> [u8; 2] {
    let bits = length.to_bits();
    let up = if bits & 0xFFFF == 0 { bits } else { (bits | 0xFFFF) + 1 };
    ((up >> 16) as u16).to_le_bytes()
}
