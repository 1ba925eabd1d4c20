//! Where do large arrays of numbers live, on how big pages?
//!
//! A [`HugeVec`] is a growable array in anonymous memory that asks the kernel for 2 MiB pages
//! (`madvise`). Graph search touches memory at random: with 4 KiB pages nearly every touch also
//! misses the address translation cache. Growing moves page tables, not bytes (`mremap`).
//!
//! Invariant: `base` is the start of a private mapping of `capacity_bytes` bytes, all of them
//! readable and writable and zero until written; the first `len` elements are valid values.
//! Deliberately absent: shrinking, and element types with a destructor or invalid bit patterns.

use std::alloc::{Layout, handle_alloc_error};
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

/// Size of a huge page on the machines we run on. A mapping at least this large is aligned to it.
const HUGE_PAGE_BYTES: usize = 2 << 20;
/// Smallest mapping: small arrays must not cost a huge page each.
const MAPPING_BYTES_MIN: usize = 16 << 10;

mod sealed {
    pub trait Sealed {}
}

/// An element for which any bit pattern is a value and zero bytes are zero.
pub trait Plain: Copy + sealed::Sealed + 'static {}

macro_rules! plain {
    ($($kind:ty),*) => {$(
        impl sealed::Sealed for $kind {}
        impl Plain for $kind {}
    )*};
}

plain!(f32, u8, i8, u16, u32, u64);

/// A growable array on huge pages, aligned to at least one 4 KiB page.
#[derive(Debug)]
pub struct HugeVec<T: Plain> {
    base: NonNull<T>,
    len: usize,
    /// Bytes of the mapping; 0 before the first element.
    capacity_bytes: usize,
}

// SAFETY: a `HugeVec` owns its mapping alone, like a `Vec`, and its elements are plain numbers.
unsafe impl<T: Plain> Send for HugeVec<T> {}
// SAFETY: shared references only read, as with a `Vec` of plain numbers.
unsafe impl<T: Plain> Sync for HugeVec<T> {}

impl<T: Plain> Default for HugeVec<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Plain> HugeVec<T> {
    /// Returns an empty array, which maps nothing.
    pub const fn new() -> Self {
        Self { base: NonNull::dangling(), len: 0, capacity_bytes: 0 }
    }

    /// Makes the array `len` elements long; new elements are `value`.
    ///
    /// **Cost**: amortised constant per new element.
    pub fn resize(&mut self, len: usize, value: T) {
        let old = self.len;
        self.reserve_total(len);
        self.len = len;
        if len > old {
            self[old..].fill(value);
        }
    }

    /// Appends `values`.
    pub fn extend_from_slice(&mut self, values: &[T]) {
        let old = self.len;
        self.reserve_total(old + values.len());
        self.len = old + values.len();
        self[old..].copy_from_slice(values);
    }

    /// Returns the bytes in use; the kernel backs them with whole pages.
    pub fn memory_bytes(&self) -> usize {
        self.len * size_of::<T>()
    }

    /// Makes the mapping hold at least `len` elements, doubling it when it is too small.
    fn reserve_total(&mut self, len: usize) {
        let needed = len.checked_mul(size_of::<T>()).expect("a size below the address space");
        if needed <= self.capacity_bytes {
            return;
        }
        let wanted = needed.max(self.capacity_bytes * 2).max(MAPPING_BYTES_MIN);
        let bytes = wanted.next_multiple_of(if wanted >= HUGE_PAGE_BYTES {
            HUGE_PAGE_BYTES
        } else {
            MAPPING_BYTES_MIN
        });
        let base = map(bytes);
        if self.capacity_bytes > 0 {
            relocate(self.base.cast(), self.capacity_bytes, base);
        }
        self.base = base.cast();
        self.capacity_bytes = bytes;
    }
}

impl<T: Plain> Deref for HugeVec<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: by the invariant the first `len` elements are mapped and valid; an empty
        // array has a dangling but aligned base, which is allowed for length 0.
        unsafe { std::slice::from_raw_parts(self.base.as_ptr(), self.len) }
    }
}

impl<T: Plain> DerefMut for HugeVec<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as in `deref`; `&mut self` makes the access exclusive. Elements that were
        // never written are zero bytes, which are values of every `Plain` type.
        unsafe { std::slice::from_raw_parts_mut(self.base.as_ptr(), self.len) }
    }
}

impl<T: Plain> Drop for HugeVec<T> {
    fn drop(&mut self) {
        if self.capacity_bytes > 0 {
            unmap(self.base.cast(), self.capacity_bytes);
        }
    }
}

/// Maps `bytes` zero bytes; a mapping of huge-page size starts at a multiple of it.
fn map(bytes: usize) -> NonNull<u8> {
    if bytes < HUGE_PAGE_BYTES {
        return map_anonymous(bytes);
    }
    let start = map_anonymous(bytes + HUGE_PAGE_BYTES);
    let head = start.align_offset(HUGE_PAGE_BYTES);
    // SAFETY: `head < HUGE_PAGE_BYTES`, so the result lies within the mapping just made.
    let base = unsafe { start.add(head) };
    // SAFETY: `head + bytes` is at most the mapping's length.
    let tail = unsafe { base.add(bytes) };
    if head > 0 {
        unmap(start, head);
    }
    if head < HUGE_PAGE_BYTES {
        unmap(tail, HUGE_PAGE_BYTES - head);
    }
    // SAFETY: the range is ours and mapped. A refusal only means 4 KiB pages, so it is ignored.
    unsafe { libc::madvise(base.as_ptr().cast(), bytes, libc::MADV_HUGEPAGE) };
    base
}

/// Maps `bytes` zero bytes anywhere; ends the process's patience like any failed allocation.
fn map_anonymous(bytes: usize) -> NonNull<u8> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: a new anonymous mapping at an address of the kernel's choice touches nothing else.
    let start = unsafe { libc::mmap(std::ptr::null_mut(), bytes, protection, flags, -1, 0) };
    if start == libc::MAP_FAILED {
        handle_alloc_error(Layout::from_size_align(bytes, 4096).unwrap_or(Layout::new::<u8>()));
    }
    NonNull::new(start.cast()).expect("mmap does not return null on success")
}

/// Moves the mapping at `old` to the start of the larger mapping at `new`.
fn relocate(old: NonNull<u8>, bytes: usize, new: NonNull<u8>) {
    if bytes >= HUGE_PAGE_BYTES {
        let flags = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED;
        let (from, to) = (old.as_ptr().cast(), new.as_ptr().cast::<libc::c_void>());
        // SAFETY: both ranges are ours, `new` is at least `bytes` long and they do not overlap;
        // nobody holds a reference into `old`, since growing takes `&mut self`.
        let moved = unsafe { libc::mremap(from, bytes, bytes, flags, to) };
        if moved == to {
            return;
        }
    }
    // SAFETY: both mappings are at least `bytes` long and distinct.
    unsafe { std::ptr::copy_nonoverlapping(old.as_ptr(), new.as_ptr(), bytes) };
    unmap(old, bytes);
}

/// Gives the range back to the kernel.
fn unmap(base: NonNull<u8>, bytes: usize) {
    // SAFETY: callers pass whole pages of a mapping they own and do not use again.
    let status = unsafe { libc::munmap(base.as_ptr().cast(), bytes) };
    debug_assert_eq!(status, 0, "a mapping of ours can be unmapped");
}

#[cfg(test)]
mod tests {
    use super::HugeVec;

    #[test]
    fn values_survive_every_growth() {
        let mut array = HugeVec::<u32>::new();
        for value in 0..3_000_000_u32 {
            array.extend_from_slice(&[value]);
        }
        assert!(array.iter().copied().eq(0..3_000_000));
        assert_eq!(array.as_ptr().align_offset(2 << 20), 0);
        assert_eq!(array.memory_bytes(), 12_000_000);
    }

    #[test]
    fn regrown_elements_are_overwritten() {
        let mut array = HugeVec::<f32>::default();
        array.resize(10, 1.0);
        array.resize(2, 0.0);
        array.resize(4, 3.0);
        assert_eq!(&array[..], &[1.0, 1.0, 3.0, 3.0]);
    }

    #[test]
    fn empty_arrays_map_nothing() {
        assert!(HugeVec::<u8>::new().is_empty());
    }
}
