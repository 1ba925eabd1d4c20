//! How does one actor per core own a slice of all five models?

pub mod actor;
pub mod catalog;
mod codec;
pub mod document;
pub mod error;
pub mod examine;
pub mod graph;
pub mod ids;
mod image;
pub mod key;
mod ordered;
pub mod request;
pub mod row;
mod storage;
pub mod store;
pub mod text;
mod tree;
pub mod txn;
pub mod value;
pub mod vector;

pub use error::Error;
