//! What measures or breaks the whole?
//!
//! | folder | question |
//! | --- | --- |
//! | `data/` | How are data sets on disk read? |
//! | `model/` | What is the right answer, found the slow and obvious way? |
//! | `bin/` | Programs: `quality` (is text ranking as good as the plain model, and how fast?) |

#![forbid(unsafe_code)]

pub mod data;
pub mod model;
