//! What does one shard remember?
