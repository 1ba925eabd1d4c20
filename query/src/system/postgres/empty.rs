//! Which relations have no rows, because there is nothing of their kind?
//!
//! Functions of the server are not objects of a catalog here: `pg_proc` would list those of users,
//! which there are none of.

use super::super::relation::{Column, Relation};
use super::columns::{
    AUTH_MEMBERS, CONVERSION, DB_ROLE_SETTING, DEFAULT_ACL, ENUM, EVENT_TRIGGER,
    FOREIGN_DATA_WRAPPER, FOREIGN_SERVER, FOREIGN_TABLE, INHERITS, OPFAMILY, PARTITIONED_TABLE,
    POLICY, PROC, PUBLICATION, PUBLICATION_NAMESPACE, PUBLICATION_REL, RANGE, REPLICATION_SLOTS,
    SHDESCRIPTION, STATISTIC_EXT, SUBSCRIPTION, TRIGGER, TS_CONFIG, TS_DICT, USER_MAPPINGS,
};
use super::schema::relation;

/// The relations of this file.
pub(super) static RELATIONS: &[Relation] = &[
    none("pg_proc", 1255, PROC),
    none("pg_enum", 3501, ENUM),
    none("pg_range", 3541, RANGE),
    none("pg_inherits", 2611, INHERITS),
    none("pg_trigger", 2620, TRIGGER),
    none("pg_policy", 3256, POLICY),
    none("pg_publication", 6104, PUBLICATION),
    none("pg_publication_rel", 6106, PUBLICATION_REL),
    none("pg_publication_namespace", 6237, PUBLICATION_NAMESPACE),
    none("pg_statistic_ext", 3381, STATISTIC_EXT),
    none("pg_foreign_table", 3118, FOREIGN_TABLE),
    none("pg_foreign_server", 1417, FOREIGN_SERVER),
    none("pg_foreign_data_wrapper", 2328, FOREIGN_DATA_WRAPPER),
    none("pg_partitioned_table", 3350, PARTITIONED_TABLE),
    none("pg_shdescription", 2396, SHDESCRIPTION),
    none("pg_event_trigger", 3466, EVENT_TRIGGER),
    none("pg_auth_members", 1261, AUTH_MEMBERS),
    none("pg_ts_config", 3602, TS_CONFIG),
    none("pg_ts_dict", 3600, TS_DICT),
    none("pg_conversion", 2607, CONVERSION),
    none("pg_opfamily", 2753, OPFAMILY),
    none("pg_default_acl", 826, DEFAULT_ACL),
    none("pg_db_role_setting", 2964, DB_ROLE_SETTING),
    none("pg_subscription", 6100, SUBSCRIPTION),
    none("pg_replication_slots", 12_257, REPLICATION_SLOTS),
    none("pg_user_mappings", 12_327, USER_MAPPINGS),
];

const fn none(name: &'static str, number: u32, columns: &'static [Column]) -> Relation {
    relation(name, number, columns, |_, _| {})
}
