//! Which promises does this module keep?
