//! Does the log keep its promises on the simulated machine and on the real one?

mod closing;
mod crashes;
mod damage;
mod disk;
mod fixtures;
mod harness;
mod space;
