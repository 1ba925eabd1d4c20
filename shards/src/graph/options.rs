//! What bounds are fixed?

/// Node numbers per page: a page is packed in one step, which takes about 20 ns an edge
/// (estimate), and is looked up without searching.
pub const PAGE_NODES: usize = 64;

/// Fresh edges a page holds before it packs them, at least; an expansion looks through them all.
pub const FRESH_MIN: usize = 64;

/// Fresh edges a page holds before it packs them, at most: they take about 5 microseconds to look
/// through, and packing a page of 100,000 edges 5 milliseconds (estimates).
pub const FRESH_MAX: usize = 4096;

/// Default of [`TraverseOptions::steps_max`].
pub const STEPS_MAX: u64 = 10_000_000;

/// How far a traversal goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraverseOptions {
    /// Fewest edges between the start and what is reported; 0 reports the start itself.
    pub depth_min: u32,
    /// Most edges followed from the start.
    pub depth_max: u32,
    /// Edges looked at over the whole traversal before it fails, counted once per start (for
    /// paths: once per path) they are looked at for. Each takes up to about 40 bytes.
    pub steps_max: u64,
}

impl TraverseOptions {
    /// Returns options for these depths with the default limit.
    pub fn depths(depth_min: u32, depth_max: u32) -> Self {
        Self { depth_min, depth_max, steps_max: STEPS_MAX }
    }
}
