//! Does the index answer like a reading of all documents would?
