//! What does a file of a stopped database hold, for a person and for a program?
//!
//! | file | question it answers |
//! | --- | --- |
//! | `look` | what is at a path |
//! | `section` | how is what was found shown |
//! | `source` | is this the kind of file that was asked for, and is it at rest |
//! | `files` | what stands in a log file, a segment, a manifest |
//! | `layout` | what does a whole data folder hold |

mod files;
mod layout;
mod look;
mod section;
mod source;

pub use look::inspect;
pub use section::Section;
pub use source::Kind;
