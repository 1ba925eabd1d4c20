//! What does a statement mean for this catalog?
//!
//! [`bind`] checks every name, with "did you mean" and a position, and rewrites the tree into what
//! the planner knows; [`define`] turns CREATE, DROP and TRUNCATE into the next catalog. After
//! binding:
//!
//! * Unquoted names are lower case and the planner must not change case. `Statement::Pipeline`
//!   does not occur. Tables exist. `*` is written out, without hidden columns.
//! * Every output column of a SELECT has a name of its own, chosen as PostgreSQL would; a second
//!   `count` is `count_2`.
//! * An undeclared name on a collection is `json_get(alias.doc, 'name', …)`; `a.b[0].c` on a JSON
//!   column too. Where another type is needed (conditions, LIKE, IN, BETWEEN, text and number
//!   functions) it is wrapped in `json_as_…`; sort keys become a number key and a text key.
//! * `SCORE()` is `alias._score`; `DISTANCE()` is the distance the query sorts by, or the column
//!   `_distance` of a pipeline; `DEPTH()` is `alias._depth`.
//! * `NATURAL JOIN` is `USING` of the visible columns both sides share.
//! * Patterns ([`crate::syntax::Pattern`]) are complete: each node has a table and a variable of
//!   its own (`__n0` when the user gave none), properties and repeated variables have become
//!   conditions in WHERE.
//!
//! # Pipelines
//!
//! ```text
//! QUERY person AS p WHERE w                      SELECT … FROM person AS p WHERE w
//! … SIMILAR TO q ON v TOP 5                      FROM (SELECT p.…, v <=> q AS _distance FROM …
//!                                                  WHERE … AND v IS NOT NULL
//!                                                  ORDER BY v <=> q LIMIT 5)
//! … TRAVERSE knows OUT DEPTH 1..3 AS n           FROM __traverse('<traversal>', (SELECT …))
//! ```
//!
//! The derived tables have no alias: their columns keep the qualifiers they had inside, so that
//! `p.name` is still `p.name`. `__traverse` takes the text [`Traversal::decode`] reads and a
//! subquery. Its output: all columns of the subquery; all columns of the table reached (hidden
//! ones and `_key` too), qualified by the alias; `alias._depth`, BIGINT, the number of edges. For
//! each row of the subquery, each node reached in `min..=max` hops appears once, at its smallest
//! depth; the start itself does not appear. The subquery always has the column
//! `source_alias._key`, the encoded key of the nodes that edges start from.
//!
//! | file | question it answers |
//! | --- | --- |
//! | `statement` | what does a whole statement mean |
//! | `merge` | what does a MERGE mean |
//! | `query` | what does a query mean |
//! | `from` | what does a FROM list mean |
//! | `similar` | what does SIMILAR TO mean |
//! | `subquery` | which forms of subqueries does the planner not know, and what stands for them |
//! | `select_list` | which columns does a SELECT list give, and what are they called |
//! | `expression` | what does an expression mean |
//! | `calls` | which calls and operators stand for others |
//! | `object_name` | which casts turn names of objects into numbers |
//! | `path` | what does a name or path mean |
//! | `json` | where does a JSON value need another type |
//! | `engine_function` | what do SCORE(), DISTANCE() and DEPTH() mean |
//! | `interval` | what does a span of time mean, and which arguments do its functions have |
//! | `scope` | which names can an expression use here |
//! | `pattern` | what does a MATCH pattern mean |
//! | `pipeline` | what does a QUERY pipeline mean |
//! | `traversal` | what is handed to `__traverse` |
//! | `sets` | which functions give several rows, and how do they stand in a FROM list |
//! | `set_operation` | how do INTERSECT ALL and EXCEPT ALL count |
//! | `text_search` | how is text searched in records that are reached, not scanned |
//! | `alter` | which catalog does an ALTER TABLE make |
//! | `alter_rename` | what has another name after a RENAME |
//! | `alter_settle` | what is left of an ALTER TABLE when existing records have been looked at |
//! | `alter_type` | which catalog does ALTER COLUMN TYPE make |
//! | `comment` | which catalog does a COMMENT make |
//! | `define` | which catalog does a CREATE make |
//! | `define_drop` | which catalog does a DROP make |
//! | `define_constraint` | which constraints does a CREATE make |
//! | `define_sequence` | which sequence does a CREATE make, and which does a default name |
//! | `define_index` | which index does a CREATE INDEX make |
//! | `truncate` | which tables does a TRUNCATE empty |
//! | `view` | what does the name of a view mean where a table is read |
//! | `drafted` | which tables can a transaction not use, because it has altered them |
//! | `define_view` | which catalog does a view, or a table made from a query, make |
//! | `build` | how are pieces of a syntax tree made |

mod alter;
mod alter_rename;
mod alter_settle;
mod alter_type;
mod build;
mod calls;
mod comment;
mod define;
mod define_constraint;
mod define_drop;
mod define_index;
mod define_sequence;
mod define_view;
mod drafted;
mod engine_function;
mod expression;
mod from;
mod interval;
mod json;
mod merge;
mod object_name;
mod path;
mod pattern;
mod pipeline;
mod query;
mod scope;
mod select_list;
mod set_operation;
mod sets;
mod similar;
mod statement;
mod subquery;
mod text_search;
mod traversal;
mod truncate;
mod view;

pub use alter::{Alter, alter_table};
pub use alter_settle::{Pending, breaking, settled, undone};
pub use alter_type::{
    Retyped, Rewriting, bind_using, check_open, is_assignable, lacking, not_rewritten, rewritten,
};
pub(crate) use build::case;
pub use define::{IndexDefaults, define, process, settle_unique, successor, unfilled};
pub(crate) use define_constraint::unique_named;
pub use define_drop::kind_word;
pub use define_sequence::{
    called_sequence, default_sequences, is_setting_function, is_taken, names_lock, names_sequence,
    sequence_function,
};
pub(crate) use define_view::{
    bind_definition, bind_query_of, bind_view, bind_view_definition, define_made, emptied, filled,
    gives_columns, makes_something, materialized, refilling, without_data,
};
pub use drafted::{check_kept, check_kept_around};
pub(crate) use engine_function::arguments;
pub(crate) use object_name::own_type_number;
pub(crate) use view::{check_populated, not_populated, refuse_write};

pub use merge::{merge_select, merge_widths};
pub use sets::{UNNEST_FUNCTION, Unnesting};
pub use statement::{bind, bind_check};
pub use traversal::{TRAVERSE_FUNCTION, Traversal};
