//! What does a path of SQL/JSON find in a document?
//!
//! `$.items[*] ? (@.price > 10).name`: as in PostgreSQL, lax unless `strict` is written. In lax
//! mode an array stands for its elements where a member is wanted, a value for an array of one
//! where an element is, and what is not there is left out; in strict mode these are errors.
//!
//! ```text
//! path       = ["lax" | "strict"] ( value | predicate )
//! value      = operations + - * / % and signs over  primary { step }
//! primary    = "$" | "@" | "$"name | literal | "last" | "(" value ")"
//! step       = "." name | ".*" | ".**" [levels] | "[*]" | "[" range { "," range } "]"
//!            | "?" "(" predicate ")" | "." method "()"
//! predicate  = || && ! over  value == value | exists "(" value ")" | value starts with text
//!            | value like_regex "pattern" [flag "flags"] | "(" predicate ")" is unknown
//! ```
//!
//! | file | question it answers |
//! | --- | --- |
//! | `tokens` | what are the tokens of a path |
//! | `parse` | what does a path say |
//! | `tree` | what can a path be |
//! | `item` | what is a value on the way |
//! | `evaluate` | what does a path find |
//! | `predicate` | when is a condition of a path true |
//! | `method` | what do methods of a path give |
//! | `call` | which functions take paths |
//!
//! Absent on purpose: dates and times, and conversions other than `double()`.

mod call;
mod evaluate;
mod item;
mod method;
mod parse;
mod predicate;
mod tokens;
mod tree;

#[cfg(test)]
mod tests;

pub(crate) use call::functions;
pub(crate) use parse::check;
