//! Do whole shards keep their promises when cores race, machines crash and disks fail?
//!
//! Real coordinator, shards, store and log over the simulator's back end. Every run is decided by
//! its seed. `PIESKIEO_SIM_SEEDS=2000` runs that many seeds of each scenario,
//! `PIESKIEO_SIM_SEED=17` runs one again.
//!
//! | file | question |
//! | --- | --- |
//! | `bank` | is money conserved and every acknowledged transfer kept, in calm and in crashes |
//! | `closing` | what becomes of what is still asked of a core that has closed |
//! | `conflicts` | can an update be lost, or a key be inserted twice |
//! | `content` | how are rows written and read whose texts and vectors follow from integers |
//! | `damage` | what becomes of each damaged part of each file |
//! | `drafts` | do a transaction's writes and the tables it makes come into being together |
//! | `edges` | do both ends of an edge always agree |
//! | `faults` | what does a disk that tears, loses or refuses do to acknowledged commits |
//! | `harness` | how is a scenario run for many seeds and through crashes |
//! | `histories` | has everything that clients saw a serial order |
//! | `history` | could a serial order have shown what clients saw (in `bench/src/model`) |
//! | `large` | is a transaction that is applied in steps whole, whatever the log does meanwhile |
//! | `ledger` | is the database what the committed transactions made of it |
//! | `lists` | how is a record a list that only grows, and who wrote down what was done to it |
//! | `images` | do indexes that are read from images equal their records |
//! | `model` | which tables and operations do the scenarios share |
//! | `past` | is the past read as it was, for as long as it is kept |
//! | `plans` | what happens to a database while clients work, and what may be lost of it |
//! | `scenarios` | does every workload keep its promises under every fault |
//! | `segments` | what does a shard do whose segments cannot be written for a while |
//! | `skew` | do transactions that read what others write have the effect of some serial order |
//! | `schema` | do schema changes and writes that race leave one truth on all shards |
//! | `trace` | does one seed take the same steps twice |
//! | `truncate` | is an emptied table empty on every shard, whoever writes and whatever crashes |
//! | `workload` | what do clients do, and what is always true of it |

mod bank;
mod closing;
mod conflicts;
mod content;
mod damage;
mod drafts;
mod edges;
mod faults;
mod harness;
mod histories;
#[path = "../../../bench/src/model/history/mod.rs"]
mod history;
mod images;
mod large;
mod ledger;
mod lists;
mod model;
mod past;
mod plans;
mod scenarios;
mod schema;
mod segments;
mod skew;
mod trace;
mod truncate;
mod workload;
