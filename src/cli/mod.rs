//! What does each command do?
//!
//! | file | question it answers |
//! | --- | --- |
//! | `arguments` | which commands and flags are there |
//! | `run` | which command was asked for, and how does a failure look |
//! | `screen` | how is something shown to a person |
//! | `client` | how does a command talk to a running server |
//! | `serve` | `pieskieo serve`: run a server until told to stop |
//! | `settings` | `pieskieo config`: which settings are in force |
//! | `doctor` | `pieskieo doctor`: is this machine fit, and what would help |
//! | `sql` | `pieskieo sql`: run statements, or talk with the server |
//! | `repl` | how does a person edit and complete statements |
//! | `input` | where does one input of a person or a pipe end |
//! | `table` | how do rows look on a terminal |
//! | `vectors` | how are `.npy` and `.fvecs` files read |
//! | `records` | how are CSV, JSON and JSON lines files read |
//! | `import` | `pieskieo import`: how do files become records |
//! | `export` | `pieskieo export`: how do records become files |
//! | `demo` | `pieskieo demo`: what does a real data set look like |
//! | `embed` | which vector does a text get without a model |
//! | `verify` | `pieskieo verify`: is the data on disk what was written |
//! | `inspect` | `pieskieo inspect`: what does a file of a stopped database hold |

mod arguments;
mod client;
mod demo;
mod doctor;
mod embed;
mod export;
mod import;
mod input;
mod inspect;
mod records;
mod repl;
mod run;
mod screen;
mod serve;
mod settings;
mod sql;
mod table;
mod vectors;
mod verify;

pub use run::run;
