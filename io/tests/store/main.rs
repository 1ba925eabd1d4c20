//! Do segments and manifests keep their promises when the disk does not?

mod fixtures;
mod harness;
mod manifest_crashes;
mod manifest_damage;
mod segment_crashes;
mod segment_damage;
