//! Along which directions do vectors differ most?
//!
//! Subspace iteration on a sample, in steps of about a tenth of a millisecond: the sample is
//! multiplied with the directions so far, these products with the sample, and the result is made
//! orthonormal again. Leading directions settle first; after three rounds it is known how many are
//! wanted, and the rest is dropped.
//!
//! **Source**: orthogonal iteration, Golub and Van Loan, "Matrix computations", section 8.2.4,
//! without the final rotation: any orthonormal directions may be used.

use super::quantizer::{Extent, Quantizer, TAIL_BYTES, row_bytes};
use crate::vector::distance::{Kernels, LINE_BYTES, Rows};
use crate::vector::encode::stride;
use crate::vector::options::{Metric, VectorOptions};

/// Vectors looked at.
const SAMPLE_MAX: usize = 2_048;
/// Elements of the sample: two copies of it take 16 MiB at most.
const SAMPLE_ELEMENTS: usize = 2 << 20;
/// Fewest elements a vector has: a code takes two lines at least.
const DIM_MIN: usize = 64;
/// Most lines of a row of codes along directions; whatever needs more keeps all its elements.
const LINES_MAX: usize = 4;
/// The same for vectors of more than `DIM_LONG` elements.
const LINES_MAX_LONG: usize = 8;
const DIM_LONG: usize = 1_024;
/// Share of the variance the coordinates must hold. Of digits (784 elements) 120 coordinates hold
/// .93, of sentence embeddings (384 elements) 184 hold .90: in both cases the 24 vectors that seem
/// nearest have .99 of the 10 that are.
const VARIANCE_SHARE: f64 = 0.9;
/// Rounds until it is chosen how many directions there are, and rounds in all.
const ROUNDS_CHOICE: usize = 3;
const ROUNDS: usize = 5;
/// Coordinates may be so much farther from zero than those of the sample before they are cut off.
const REACH: f32 = 1.1;

/// What is done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Vectors are taken.
    Take,
    /// Their mean is subtracted.
    Centre(usize),
    /// A vector is multiplied with every direction.
    Project(usize),
    /// The products with a direction are multiplied with the sample.
    Turn(usize),
    Done,
}

/// A quantizer in the making.
pub struct Training {
    metric: Metric,
    dim: usize,
    kernels: Kernels,
    stage: Stage,
    round: usize,
    /// Vectors of the sample; fewer when some are gone.
    count: usize,
    /// Elements of a row of `columns` and `products`: one per vector, padded.
    length: usize,
    mean: Vec<f32>,
    /// `[count, stride]`, centred.
    sample: Vec<f32>,
    /// `[dim, length]`, the sample's elements.
    columns: Vec<f32>,
    /// `[directions, stride]`.
    directions: Vec<f32>,
    /// `[directions, length]`.
    products: Vec<f32>,
    numbers: Vec<u32>,
    buffer: Vec<f32>,
    variance: f64,
    random: u64,
}

impl Training {
    /// Returns how many vectors are wanted, at most; `None` when vectors of this index are so short
    /// that codes would save nothing.
    pub fn sample_count(options: &VectorOptions) -> Option<usize> {
        let count = (SAMPLE_ELEMENTS / options.dim).min(SAMPLE_MAX);
        (options.dim >= DIM_MIN).then_some(count)
    }

    /// Begins.
    pub fn begin(options: &VectorOptions) -> Self {
        Self {
            metric: options.metric,
            dim: options.dim,
            kernels: Kernels::best(),
            stage: Stage::Take,
            round: 0,
            count: 0,
            length: 0,
            mean: vec![0.0; stride(options.dim)],
            sample: Vec::new(),
            columns: Vec::new(),
            directions: Vec::new(),
            products: Vec::new(),
            numbers: Vec::new(),
            buffer: Vec::new(),
            variance: 0.0,
            random: options.seed,
        }
    }

    /// Takes a vector into the sample.
    ///
    /// **Shapes**: `row: [stride]`.
    pub fn take(&mut self, row: &[f32]) {
        debug_assert_eq!(self.stage, Stage::Take, "the sample is complete once steps are done");
        self.sample.extend_from_slice(row);
        self.count += 1;
        for (mean, x) in self.mean.iter_mut().zip(row) {
            *mean += (x - *mean) / self.count as f32;
        }
    }

    /// Returns whether the sample is empty: it then must not be trained on.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Returns whether the sample is as large as it may be.
    pub fn is_full(&self) -> bool {
        self.count >= (SAMPLE_ELEMENTS / self.dim).min(SAMPLE_MAX)
    }

    /// Does the next step; returns the quantizer after the last.
    ///
    /// **Cost**: about two million multiplications.
    pub fn step(&mut self) -> Option<Quantizer> {
        self.stage = match self.stage {
            Stage::Take => self.begin_directions(),
            Stage::Centre(vector) => self.centre(vector),
            Stage::Project(vector) => self.project(vector),
            Stage::Turn(direction) => self.turn(direction),
            Stage::Done => return Some(self.finish()),
        };
        None
    }

    fn begin_directions(&mut self) -> Stage {
        self.length = stride(self.count);
        self.columns = vec![0.0; self.dim * self.length];
        let lines = if self.dim > DIM_LONG { LINES_MAX_LONG } else { LINES_MAX };
        let lines = lines.min(row_bytes(self.dim) / LINE_BYTES - 1);
        let count = (lines * LINE_BYTES).saturating_sub(TAIL_BYTES);
        for _ in 0..count {
            for place in 0..self.mean.len() {
                let element = if place < self.dim { self.draw() } else { 0.0 };
                self.directions.push(element);
            }
        }
        self.keep(count);
        Stage::Centre(0)
    }

    /// Keeps the first `count` directions.
    fn keep(&mut self, count: usize) {
        self.directions.truncate(count * self.mean.len());
        self.products = vec![0.0; count * self.length];
        self.numbers = (0..count as u32).collect();
    }

    /// Draws a number between -1 and 1.
    fn draw(&mut self) -> f32 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.random >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    fn centre(&mut self, vector: usize) -> Stage {
        let stride = self.mean.len();
        let row = &mut self.sample[vector * stride..][..stride];
        for (place, (x, mean)) in row.iter_mut().zip(&self.mean).enumerate() {
            *x -= mean;
            if place < self.dim {
                self.columns[place * self.length + vector] = *x;
            }
        }
        self.variance += row.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>();
        match vector + 1 < self.count {
            true => Stage::Centre(vector + 1),
            false if self.numbers.is_empty() => Stage::Done,
            false => Stage::Project(0),
        }
    }

    fn project(&mut self, vector: usize) -> Stage {
        let stride = self.mean.len();
        let row = &self.sample[vector * stride..][..stride];
        self.buffer.resize(self.numbers.len(), 0.0);
        let directions = Rows { data: &self.directions, stride };
        (self.kernels.dot_many)(row, directions, &self.numbers, &mut self.buffer);
        for (direction, product) in self.buffer.iter().enumerate() {
            self.products[direction * self.length + vector] = *product;
        }
        if vector + 1 < self.count {
            return Stage::Project(vector + 1);
        }
        self.round += 1;
        if self.round == ROUNDS_CHOICE {
            let count = self.directions_wanted();
            self.keep(count);
            return if count == 0 { Stage::Done } else { Stage::Project(0) };
        }
        if self.round < ROUNDS { Stage::Turn(0) } else { Stage::Done }
    }

    /// Returns the fewest directions that fill whole lines and hold enough of the variance; none
    /// when all of them do not.
    fn directions_wanted(&self) -> usize {
        let mut held = 0.0;
        for (place, products) in self.products.chunks(self.length).enumerate() {
            held += products.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>();
            let fills = (place + 1 + TAIL_BYTES).is_multiple_of(LINE_BYTES);
            if fills && held >= VARIANCE_SHARE * self.variance {
                return place + 1;
            }
        }
        0
    }

    fn turn(&mut self, direction: usize) -> Stage {
        let stride = self.mean.len();
        let products = &self.products[direction * self.length..][..self.length];
        let columns = Rows { data: &self.columns, stride: self.length };
        let places: Vec<u32> = (0..self.dim as u32).collect();
        self.buffer.clear();
        self.buffer.resize(stride, 0.0);
        (self.kernels.dot_many)(products, columns, &places, &mut self.buffer[..self.dim]);
        let length = (self.kernels.dot)(&self.buffer, &self.buffer).sqrt();
        let (earlier, later) = self.directions.split_at_mut(direction * stride);
        // Twice: what rounding left in the first time is taken out.
        for _ in 0..2 {
            for other in earlier.chunks(stride) {
                let shared = (self.kernels.dot)(&self.buffer, other);
                let pairs = self.buffer.iter_mut().zip(other);
                pairs.for_each(|(x, other)| *x -= shared * other);
            }
        }
        let left = (self.kernels.dot)(&self.buffer, &self.buffer).sqrt();
        // What is left of a direction the sample does not vary in is noise.
        let scale = if left > length * 1e-4 && left.is_normal() { 1.0 / left } else { 0.0 };
        for (element, x) in later.iter_mut().zip(&self.buffer) {
            *element = x * scale;
        }
        match direction + 1 < self.numbers.len() {
            true => Stage::Turn(direction + 1),
            false => Stage::Project(0),
        }
    }

    fn finish(&mut self) -> Quantizer {
        let farthest = |values: &[f32]| values.iter().fold(0.0_f32, |far, x| far.max(x.abs()));
        let is_turned = !self.numbers.is_empty();
        let reach = farthest(if is_turned { &self.products } else { &self.sample }) * REACH;
        let rows = self.sample.chunks(self.mean.len());
        let squared = rows.map(|row| (self.kernels.dot)(row, row)).fold(0.0, f32::max);
        let extent = Extent { reach, squared };
        let directions = if is_turned { std::mem::take(&mut self.directions) } else { Vec::new() };
        Quantizer::new(self.metric, std::mem::take(&mut self.mean), directions, self.dim, extent)
    }
}
