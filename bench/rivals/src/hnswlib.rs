//! How is hnswlib called from here?

use std::ffi::c_void;

/// hnswlib's index, opened for a fixed number of vectors.
pub struct Hnswlib {
    handle: *mut c_void,
    dim: usize,
}

unsafe extern "C" {
    fn rival_open(
        l2: bool,
        dim: usize,
        count_max: usize,
        m: usize,
        ef_construction: usize,
    ) -> *mut c_void;
    fn rival_insert(handle: *mut c_void, vector: *const f32, label: usize);
    fn rival_search(
        handle: *mut c_void,
        query: *const f32,
        k: usize,
        ef: usize,
        labels: *mut u32,
    ) -> usize;
    fn rival_close(handle: *mut c_void);
}

impl Hnswlib {
    /// Returns an empty index under squared Euclidean distance (`l2`) or inner product.
    pub fn open(l2: bool, dim: usize, count_max: usize, m: usize, ef_construction: usize) -> Self {
        // SAFETY: takes plain numbers; the handle is closed once, in `drop`.
        let handle = unsafe { rival_open(l2, dim, count_max, m, ef_construction) };
        Self { handle, dim }
    }

    /// Adds a vector.
    pub fn insert(&mut self, vector: &[f32], label: usize) {
        assert_eq!(vector.len(), self.dim);
        // SAFETY: the handle is open, and `dim` elements are read from the vector.
        unsafe { rival_insert(self.handle, vector.as_ptr(), label) };
    }

    /// Returns the labels of the `k` nearest, in no particular order.
    pub fn search(&self, query: &[f32], k: usize, ef: usize) -> Vec<u32> {
        assert_eq!(query.len(), self.dim);
        let mut labels = vec![0; k];
        // SAFETY: the handle is open, `dim` elements are read, at most `k` labels are written.
        let count =
            unsafe { rival_search(self.handle, query.as_ptr(), k, ef, labels.as_mut_ptr()) };
        labels.truncate(count);
        labels
    }
}

impl Drop for Hnswlib {
    fn drop(&mut self) {
        // SAFETY: the handle came from `rival_open` and is not used again.
        unsafe { rival_close(self.handle) };
    }
}
