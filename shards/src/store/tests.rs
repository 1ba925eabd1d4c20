//! Which promises does the store keep?
