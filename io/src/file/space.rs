//! How much room has the disk?

use std::ffi::CString;
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Room on the file system that holds a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Bytes this process may still use.
    pub free_bytes: u64,
    /// Size of the file system.
    pub total_bytes: u64,
}

/// Returns the room on the file system that holds `path`.
///
/// **Errors**: those of the operating system, such as a path that does not exist.
pub fn space(path: &Path) -> io::Result<Space> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut answer = MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: `path` is a string that ends in a zero byte and `answer` has room for one answer;
    // both live through the call, which keeps neither.
    let status = unsafe { libc::statvfs(path.as_ptr(), answer.as_mut_ptr()) };
    if status != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call succeeded, so it filled the answer.
    let answer = unsafe { answer.assume_init() };
    let unit = answer.f_frsize;
    Ok(Space { free_bytes: answer.f_bavail * unit, total_bytes: answer.f_blocks * unit })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_has_a_size() {
        let space = space(Path::new("/")).expect("the root exists");
        assert!(space.total_bytes > 0 && space.free_bytes <= space.total_bytes);
    }

    #[test]
    fn a_missing_path_is_an_error() {
        assert!(space(Path::new("/no/such/path")).is_err());
        assert!(space(Path::new("/a\0b")).is_err());
    }
}
