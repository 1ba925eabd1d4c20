//! Do expansions, traversals and paths agree with a walk over a list of edges?
