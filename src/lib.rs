//! How is the server put together, and how does a person command it?
//!
//! | file | question it answers |
//! | --- | --- |
//! | `budget` | which part of the memory is for what |
//! | `config` | what was the server told to do, and by whom |
//! | `csv` | what is in a file of separated values |
//! | `inspect` | what does a file of a stopped database hold |
//! | `npy` | what is in a NumPy array file |
//! | `serve` | in which order do the parts start and stop |
//! | `signals` | how does the system ask the server to stop |
//! | `telemetry` | where do log events go |
//! | `verify` | is the data in a folder what was written |
//! | `cli` | what does each command do |

#![forbid(unsafe_code)]

pub mod budget;
pub mod cli;
pub mod config;
pub mod csv;
pub mod inspect;
pub mod npy;
pub mod serve;
pub mod signals;
pub mod telemetry;
pub mod verify;
