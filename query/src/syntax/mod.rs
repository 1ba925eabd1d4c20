//! What does a text say? From characters to [`Statement`]s, without looking at any catalog.
//!
//! PostgreSQL's grammar is `sqlparser`'s. Ours is added on the token stream before and beside it:
//!
//! * Every token's span is rewritten to *line 1, column = character of the request, from 1*, so a
//!   position needs no text to be resolved. `Ident::span` in any statement carries it.
//! * `<->`, `<=>` and `<#>` become custom operators (`BinaryOperator::Custom`), which bind like
//!   PostgreSQL's other operators.
//! * `MATCH pattern` in a FROM list becomes the table function `__match('<pattern>')`, whose one
//!   argument [`Pattern::decode`] reads. Its output columns are qualified by the pattern's
//!   variables: all columns (hidden ones too) of each named node's table; of each named edge of
//!   exactly one hop all columns of the edge table; of each named edge of variable length the one
//!   column `_depth` (BIGINT, hops). Unnamed nodes and edges give no columns. One row per path; no
//!   edge is used twice in a path.
//! * `QUERY …` becomes a [`Pipeline`], which binding lowers to a query over `__traverse`
//!   ([`crate::bind`] describes it).
//!
//! | file | question it answers |
//! | --- | --- |
//! | `statement` | what can a statement be |
//! | `parse` | which statements does a text hold |
//! | `tokens` | what are the tokens, where is each, and are they within the limits |
//! | `dialect` | which grammar is underneath ours |
//! | `definition` | what does a CREATE, DROP or TRUNCATE say |
//! | `copy` | what does a COPY say |
//! | `cursor` | what does a statement about a cursor say |
//! | `create_as` | what does a view, or a table made from a query, say |
//! | `alter` | what does an ALTER say |
//! | `alteration` | what can an ALTER or a MERGE be |
//! | `constraint` | what does a constraint of a CREATE or ALTER say |
//! | `sequence` | what does a statement about a sequence say |
//! | `as_of` | which point in the past does a statement read |
//! | `change` | what does an INSERT, UPDATE or DELETE say |
//! | `merge` | what does a MERGE say |
//! | `edit` | which parts of documents does an UPDATE change, and how |
//! | `comment` | what does a COMMENT say, and about what |
//! | `column_type` | which type does a type name mean |
//! | `setting` | what does a SET, SHOW or EXPLAIN say |
//! | `transaction` | what does a statement about the transaction itself say |
//! | `pattern` | which paths does a MATCH pattern ask for |
//! | `pattern_parse` | where in the tokens is a MATCH pattern |
//! | `pipeline` | what does a QUERY pipeline say |
//! | `names` | how does a written name become a stored one |

mod alter;
mod alteration;
mod as_of;
mod change;
mod column_type;
mod comment;
mod constraint;
mod copy;
mod create_as;
mod cursor;
mod definition;
mod dialect;
mod edit;
mod merge;
mod names;
mod parse;
mod pattern;
mod pattern_parse;
mod pipeline;
mod sequence;
mod setting;
mod statement;
mod tokens;
mod transaction;

pub use alteration::{
    AlterTable, Alteration, BoundMerge, Merge, MergeAction, MergeClause, MergeQuery, MergeWhen,
    RenameIndex,
};
pub use as_of::{AsOfClause, Instant};
pub use column_type::column_type;
pub use comment::{Comment, Commented};
pub use copy::{Copy, CopyColumns, CopyFormat, CopyHeader, CopyOptions, CopySource, parse_copy};
pub use cursor::{CursorStatement, Declare, Fetch};
pub(crate) use dialect::VARIADIC;
pub(crate) use names::kept_text;
pub use names::{SYSTEM_SCHEMAS, is_schema, name_of, position_of, single_name, system_name};
pub(crate) use parse::parse_query;
pub use parse::{parse, parse_expression};
pub use pattern::{MATCH_FUNCTION, Pattern, PatternEdge, PatternNode};
pub(crate) use pattern::{direction_name, direction_named};
pub use pipeline::{Computed, Pipeline, Stage, TraverseStage};
pub use sequence::sequence_argument;
pub use statement::{
    Assignment, Body, ChannelStatement, ColumnDefinition, ConstraintDefinition, CreateAs,
    CreateCollection, CreateEdge, CreateIndex, CreateSequence, CreateTable, Delete, Drop, DropKind,
    Explain, Forget, Identity, IndexDefinition, IndexField, Insert, InsertSource, MadeKind, Name,
    OnConflict, Operation, Parsed, Refresh, Rule, SequenceOptions, Setting, Show, Statement,
    TargetStep, Truncate, Update,
};
pub use transaction::Modes;
