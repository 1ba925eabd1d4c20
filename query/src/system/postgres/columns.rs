//! Which columns do the relations of `pg_catalog` have?
//!
//! Those of PostgreSQL 15, in its order. A type that we have not is carried by one of ours, under
//! PostgreSQL's number: `oid` by BIGINT, `name` and `"char"` by TEXT, `int2vector` by an array.
//! **Source**: PostgreSQL 15, chapters "System Catalogs" and "System Views".

use pieskieo_shards::value::ColumnType;

use super::super::relation::{Column, bigint, boolean, instant, int, text};

const fn oid(name: &'static str) -> Column { Column::known_as(name, ColumnType::BigInt, 26) }
const fn xid(name: &'static str) -> Column { Column::known_as(name, ColumnType::BigInt, 28) }
const fn name(name: &'static str) -> Column { Column::known_as(name, ColumnType::Text, 19) }
const fn letter(name: &'static str) -> Column { Column::known_as(name, ColumnType::Text, 18) }
/// A function, by its name.
const fn proc(name: &'static str) -> Column { Column::known_as(name, ColumnType::Text, 25) }
/// An expression, as it was written.
const fn tree(name: &'static str) -> Column { Column::known_as(name, ColumnType::Text, 25) }
const fn bytes(name: &'static str) -> Column { Column::new(name, ColumnType::Bytea) }
const fn small(name: &'static str) -> Column { Column::new(name, ColumnType::SmallInt) }
const fn real(name: &'static str) -> Column { Column::new(name, ColumnType::Float) }
const fn shorts(name: &'static str) -> Column { Column::list(name, ColumnType::SmallInt, 22) }
const fn numbers(name: &'static str) -> Column { Column::list(name, ColumnType::BigInt, 30) }
const fn oids(name: &'static str) -> Column { Column::list(name, ColumnType::BigInt, 1028) }
const fn smalls(name: &'static str) -> Column { Column::list(name, ColumnType::SmallInt, 1005) }
const fn texts(name: &'static str) -> Column { Column::list(name, ColumnType::Text, 1009) }
const fn letters(name: &'static str) -> Column { Column::list(name, ColumnType::Text, 1002) }
/// Rights, of which there are none.
const fn rights(name: &'static str) -> Column { texts(name) }
/// Values of any type.
const fn anys(name: &'static str) -> Column { texts(name) }

/// `pg_namespace`.
pub(super) const NAMESPACE: &[Column] = &[
    oid("oid"), name("nspname"), oid("nspowner"), rights("nspacl"),
];

/// `pg_class`.
pub(super) const CLASS: &[Column] = &[
    oid("oid"), name("relname"), oid("relnamespace"), oid("reltype"), oid("reloftype"),
    oid("relowner"), oid("relam"), oid("relfilenode"), oid("reltablespace"), int("relpages"),
    real("reltuples"), int("relallvisible"), oid("reltoastrelid"), boolean("relhasindex"),
    boolean("relisshared"), letter("relpersistence"), letter("relkind"), small("relnatts"),
    small("relchecks"), boolean("relhasrules"), boolean("relhastriggers"),
    boolean("relhassubclass"), boolean("relrowsecurity"), boolean("relforcerowsecurity"),
    boolean("relispopulated"), letter("relreplident"), boolean("relispartition"),
    oid("relrewrite"), xid("relfrozenxid"), xid("relminmxid"), rights("relacl"),
    texts("reloptions"), tree("relpartbound"),
];

/// `pg_attribute`.
pub(super) const ATTRIBUTE: &[Column] = &[
    oid("attrelid"), name("attname"), oid("atttypid"), int("attstattarget"), small("attlen"),
    small("attnum"), int("attndims"), int("attcacheoff"), int("atttypmod"), boolean("attbyval"),
    letter("attalign"), letter("attstorage"), letter("attcompression"), boolean("attnotnull"),
    boolean("atthasdef"), boolean("atthasmissing"), letter("attidentity"), letter("attgenerated"),
    boolean("attisdropped"), boolean("attislocal"), int("attinhcount"), oid("attcollation"),
    rights("attacl"), texts("attoptions"), texts("attfdwoptions"), anys("attmissingval"),
];

/// `pg_attrdef`.
pub(super) const ATTRDEF: &[Column] = &[oid("oid"), oid("adrelid"), small("adnum"), tree("adbin")];

/// `pg_type`.
pub(super) const TYPE: &[Column] = &[
    oid("oid"), name("typname"), oid("typnamespace"), oid("typowner"), small("typlen"),
    boolean("typbyval"), letter("typtype"), letter("typcategory"), boolean("typispreferred"),
    boolean("typisdefined"), letter("typdelim"), oid("typrelid"), proc("typsubscript"),
    oid("typelem"), oid("typarray"), proc("typinput"), proc("typoutput"), proc("typreceive"),
    proc("typsend"), proc("typmodin"), proc("typmodout"), proc("typanalyze"), letter("typalign"),
    letter("typstorage"), boolean("typnotnull"), oid("typbasetype"), int("typtypmod"),
    int("typndims"), oid("typcollation"), tree("typdefaultbin"), text("typdefault"),
    rights("typacl"),
];

/// `pg_index`.
pub(super) const INDEX: &[Column] = &[
    oid("indexrelid"), oid("indrelid"), small("indnatts"), small("indnkeyatts"),
    boolean("indisunique"), boolean("indnullsnotdistinct"), boolean("indisprimary"),
    boolean("indisexclusion"), boolean("indimmediate"), boolean("indisclustered"),
    boolean("indisvalid"), boolean("indcheckxmin"), boolean("indisready"), boolean("indislive"),
    boolean("indisreplident"), shorts("indkey"), numbers("indcollation"), numbers("indclass"),
    shorts("indoption"), tree("indexprs"), tree("indpred"),
];

/// `pg_constraint`.
pub(super) const CONSTRAINT: &[Column] = &[
    oid("oid"), name("conname"), oid("connamespace"), letter("contype"), boolean("condeferrable"),
    boolean("condeferred"), boolean("convalidated"), oid("conrelid"), oid("contypid"),
    oid("conindid"), oid("conparentid"), oid("confrelid"), letter("confupdtype"),
    letter("confdeltype"), letter("confmatchtype"), boolean("conislocal"), int("coninhcount"),
    boolean("connoinherit"), smalls("conkey"), smalls("confkey"), oids("conpfeqop"),
    oids("conppeqop"), oids("conffeqop"), smalls("confdelsetcols"), oids("conexclop"),
    tree("conbin"),
];

/// `pg_description`.
pub(super) const DESCRIPTION: &[Column] = &[
    oid("objoid"), oid("classoid"), int("objsubid"), text("description"),
];

/// `pg_proc`.
pub(super) const PROC: &[Column] = &[
    oid("oid"), name("proname"), oid("pronamespace"), oid("proowner"), oid("prolang"),
    real("procost"), real("prorows"), oid("provariadic"), proc("prosupport"), letter("prokind"),
    boolean("prosecdef"), boolean("proleakproof"), boolean("proisstrict"), boolean("proretset"),
    letter("provolatile"), letter("proparallel"), small("pronargs"), small("pronargdefaults"),
    oid("prorettype"), numbers("proargtypes"), oids("proallargtypes"), letters("proargmodes"),
    texts("proargnames"), tree("proargdefaults"), oids("protrftypes"), text("prosrc"),
    text("probin"), tree("prosqlbody"), texts("proconfig"), rights("proacl"),
];

/// `pg_am`.
pub(super) const AM: &[Column] = &[oid("oid"), name("amname"), proc("amhandler"), letter("amtype")];

/// `pg_opclass`.
pub(super) const OPCLASS: &[Column] = &[
    oid("oid"), oid("opcmethod"), name("opcname"), oid("opcnamespace"), oid("opcowner"),
    oid("opcfamily"), oid("opcintype"), boolean("opcdefault"), oid("opckeytype"),
];

/// `pg_operator`.
pub(super) const OPERATOR: &[Column] = &[
    oid("oid"), name("oprname"), oid("oprnamespace"), oid("oprowner"), letter("oprkind"),
    boolean("oprcanmerge"), boolean("oprcanhash"), oid("oprleft"), oid("oprright"),
    oid("oprresult"), oid("oprcom"), oid("oprnegate"), proc("oprcode"), proc("oprrest"),
    proc("oprjoin"),
];

/// `pg_collation`.
pub(super) const COLLATION: &[Column] = &[
    oid("oid"), name("collname"), oid("collnamespace"), oid("collowner"), letter("collprovider"),
    boolean("collisdeterministic"), int("collencoding"), text("collcollate"), text("collctype"),
    text("colliculocale"), text("collversion"),
];

/// `pg_database`.
pub(super) const DATABASE: &[Column] = &[
    oid("oid"), name("datname"), oid("datdba"), int("encoding"), letter("datlocprovider"),
    boolean("datistemplate"), boolean("datallowconn"), int("datconnlimit"), xid("datfrozenxid"),
    xid("datminmxid"), oid("dattablespace"), text("datcollate"), text("datctype"),
    text("daticulocale"), text("datcollversion"), rights("datacl"),
];

/// `pg_roles`.
pub(super) const ROLES: &[Column] = &[
    name("rolname"), boolean("rolsuper"), boolean("rolinherit"), boolean("rolcreaterole"),
    boolean("rolcreatedb"), boolean("rolcanlogin"), boolean("rolreplication"),
    int("rolconnlimit"), text("rolpassword"), instant("rolvaliduntil"), boolean("rolbypassrls"),
    texts("rolconfig"), oid("oid"),
];

/// `pg_user`.
pub(super) const USER: &[Column] = &[
    name("usename"), oid("usesysid"), boolean("usecreatedb"), boolean("usesuper"),
    boolean("userepl"), boolean("usebypassrls"), text("passwd"), instant("valuntil"),
    texts("useconfig"),
];

/// `pg_tables`.
pub(super) const TABLES: &[Column] = &[
    name("schemaname"), name("tablename"), name("tableowner"), name("tablespace"),
    boolean("hasindexes"), boolean("hasrules"), boolean("hastriggers"), boolean("rowsecurity"),
];

/// `pg_views`.
pub(super) const VIEWS: &[Column] = &[
    name("schemaname"), name("viewname"), name("viewowner"), text("definition"),
];

/// `pg_matviews`.
pub(super) const MATVIEWS: &[Column] = &[
    name("schemaname"), name("matviewname"), name("matviewowner"), name("tablespace"),
    boolean("hasindexes"), boolean("ispopulated"), text("definition"),
];

/// `pg_indexes`.
pub(super) const INDEXES: &[Column] = &[
    name("schemaname"), name("tablename"), name("indexname"), name("tablespace"),
    text("indexdef"),
];

/// `pg_sequences`.
pub(super) const SEQUENCES: &[Column] = &[
    name("schemaname"), name("sequencename"), name("sequenceowner"), oid("data_type"),
    bigint("start_value"), bigint("min_value"), bigint("max_value"), bigint("increment_by"),
    boolean("cycle"), bigint("cache_size"), bigint("last_value"),
];

/// `pg_sequence`.
pub(super) const SEQUENCE: &[Column] = &[
    oid("seqrelid"), oid("seqtypid"), bigint("seqstart"), bigint("seqincrement"),
    bigint("seqmax"), bigint("seqmin"), bigint("seqcache"), boolean("seqcycle"),
];

/// `pg_settings`.
pub(super) const SETTINGS: &[Column] = &[
    text("name"), text("setting"), text("unit"), text("category"), text("short_desc"),
    text("extra_desc"), text("context"), text("vartype"), text("source"), text("min_val"),
    text("max_val"), texts("enumvals"), text("boot_val"), text("reset_val"), text("sourcefile"),
    int("sourceline"), boolean("pending_restart"),
];

/// `pg_enum`.
pub(super) const ENUM: &[Column] = &[
    oid("oid"), oid("enumtypid"), real("enumsortorder"), name("enumlabel"),
];

/// `pg_range`.
pub(super) const RANGE: &[Column] = &[
    oid("rngtypid"), oid("rngsubtype"), oid("rngmultitypid"), oid("rngcollation"),
    oid("rngsubopc"), proc("rngcanonical"), proc("rngsubdiff"),
];

/// `pg_extension`.
pub(super) const EXTENSION: &[Column] = &[
    oid("oid"), name("extname"), oid("extowner"), oid("extnamespace"), boolean("extrelocatable"),
    text("extversion"), oids("extconfig"), texts("extcondition"),
];

/// `pg_depend`.
pub(super) const DEPEND: &[Column] = &[
    oid("classid"), oid("objid"), int("objsubid"), oid("refclassid"), oid("refobjid"),
    int("refobjsubid"), letter("deptype"),
];

/// `pg_inherits`.
pub(super) const INHERITS: &[Column] = &[
    oid("inhrelid"), oid("inhparent"), int("inhseqno"), boolean("inhdetachpending"),
];

/// `pg_trigger`.
pub(super) const TRIGGER: &[Column] = &[
    oid("oid"), oid("tgrelid"), oid("tgparentid"), name("tgname"), oid("tgfoid"), small("tgtype"),
    letter("tgenabled"), boolean("tgisinternal"), oid("tgconstrrelid"), oid("tgconstrindid"),
    oid("tgconstraint"), boolean("tgdeferrable"), boolean("tginitdeferred"), small("tgnargs"),
    shorts("tgattr"), bytes("tgargs"), tree("tgqual"), name("tgoldtable"), name("tgnewtable"),
];

/// `pg_rewrite`.
pub(super) const REWRITE: &[Column] = &[
    oid("oid"), name("rulename"), oid("ev_class"), letter("ev_type"), letter("ev_enabled"),
    boolean("is_instead"), tree("ev_qual"), tree("ev_action"),
];

/// `pg_policy`.
pub(super) const POLICY: &[Column] = &[
    oid("oid"), name("polname"), oid("polrelid"), letter("polcmd"), boolean("polpermissive"),
    oids("polroles"), tree("polqual"), tree("polwithcheck"),
];

/// `pg_publication`.
pub(super) const PUBLICATION: &[Column] = &[
    oid("oid"), name("pubname"), oid("pubowner"), boolean("puballtables"), boolean("pubinsert"),
    boolean("pubupdate"), boolean("pubdelete"), boolean("pubtruncate"), boolean("pubviaroot"),
];

/// `pg_publication_rel`.
pub(super) const PUBLICATION_REL: &[Column] = &[
    oid("oid"), oid("prpubid"), oid("prrelid"), tree("prqual"), shorts("prattrs"),
];

/// `pg_publication_namespace`.
pub(super) const PUBLICATION_NAMESPACE: &[Column] = &[oid("oid"), oid("pnpubid"), oid("pnnspid")];

/// `pg_statistic_ext`.
pub(super) const STATISTIC_EXT: &[Column] = &[
    oid("oid"), oid("stxrelid"), name("stxname"), oid("stxnamespace"), oid("stxowner"),
    int("stxstattarget"), shorts("stxkeys"), letters("stxkind"), tree("stxexprs"),
];

/// `pg_foreign_table`.
pub(super) const FOREIGN_TABLE: &[Column] = &[oid("ftrelid"), oid("ftserver"), texts("ftoptions")];

/// `pg_foreign_server`.
pub(super) const FOREIGN_SERVER: &[Column] = &[
    oid("oid"), name("srvname"), oid("srvowner"), oid("srvfdw"), text("srvtype"),
    text("srvversion"), rights("srvacl"), texts("srvoptions"),
];

/// `pg_partitioned_table`.
pub(super) const PARTITIONED_TABLE: &[Column] = &[
    oid("partrelid"), letter("partstrat"), small("partnatts"), oid("partdefid"),
    shorts("partattrs"), numbers("partclass"), numbers("partcollation"), tree("partexprs"),
];

/// `pg_tablespace`.
pub(super) const TABLESPACE: &[Column] = &[
    oid("oid"), name("spcname"), oid("spcowner"), rights("spcacl"), texts("spcoptions"),
];

/// `pg_language`.
pub(super) const LANGUAGE: &[Column] = &[
    oid("oid"), name("lanname"), oid("lanowner"), boolean("lanispl"), boolean("lanpltrusted"),
    oid("lanplcallfoid"), oid("laninline"), oid("lanvalidator"), rights("lanacl"),
];

/// `pg_cast`.
pub(super) const CAST: &[Column] = &[
    oid("oid"), oid("castsource"), oid("casttarget"), oid("castfunc"), letter("castcontext"),
    letter("castmethod"),
];

/// `pg_stat_activity`.
pub(super) const STAT_ACTIVITY: &[Column] = &[
    oid("datid"), name("datname"), int("pid"), int("leader_pid"), oid("usesysid"),
    name("usename"), text("application_name"), text("client_addr"), text("client_hostname"),
    int("client_port"), instant("backend_start"), instant("xact_start"), instant("query_start"),
    instant("state_change"), text("wait_event_type"), text("wait_event"), text("state"),
    xid("backend_xid"), xid("backend_xmin"), bigint("query_id"), text("query"),
    text("backend_type"),
];

/// `pg_locks`.
pub(super) const LOCKS: &[Column] = &[
    text("locktype"), oid("database"), oid("relation"), int("page"), small("tuple"),
    text("virtualxid"), xid("transactionid"), oid("classid"), oid("objid"), small("objsubid"),
    text("virtualtransaction"), int("pid"), text("mode"), boolean("granted"), boolean("fastpath"),
    instant("waitstart"),
];

/// `pg_shdescription`.
pub(super) const SHDESCRIPTION: &[Column] = &[oid("objoid"), oid("classoid"), text("description")];

/// `pg_event_trigger`.
pub(super) const EVENT_TRIGGER: &[Column] = &[
    oid("oid"), name("evtname"), name("evtevent"), oid("evtowner"), oid("evtfoid"),
    letter("evtenabled"), texts("evttags"),
];

/// `pg_stat_user_tables`.
pub(super) const STAT_USER_TABLES: &[Column] = &[
    oid("relid"), name("schemaname"), name("relname"), bigint("seq_scan"), bigint("seq_tup_read"),
    bigint("idx_scan"), bigint("idx_tup_fetch"), bigint("n_tup_ins"), bigint("n_tup_upd"),
    bigint("n_tup_del"), bigint("n_tup_hot_upd"), bigint("n_live_tup"), bigint("n_dead_tup"),
    bigint("n_mod_since_analyze"), bigint("n_ins_since_vacuum"), instant("last_vacuum"),
    instant("last_autovacuum"), instant("last_analyze"), instant("last_autoanalyze"),
    bigint("vacuum_count"), bigint("autovacuum_count"), bigint("analyze_count"),
    bigint("autoanalyze_count"),
];

/// `pg_auth_members`.
pub(super) const AUTH_MEMBERS: &[Column] = &[
    oid("roleid"), oid("member"), oid("grantor"), boolean("admin_option"),
];

/// `pg_foreign_data_wrapper`.
pub(super) const FOREIGN_DATA_WRAPPER: &[Column] = &[
    oid("oid"), name("fdwname"), oid("fdwowner"), oid("fdwhandler"), oid("fdwvalidator"),
    rights("fdwacl"), texts("fdwoptions"),
];

/// `pg_ts_config`.
pub(super) const TS_CONFIG: &[Column] = &[
    oid("oid"), name("cfgname"), oid("cfgnamespace"), oid("cfgowner"), oid("cfgparser"),
];

/// `pg_ts_dict`.
pub(super) const TS_DICT: &[Column] = &[
    oid("oid"), name("dictname"), oid("dictnamespace"), oid("dictowner"), oid("dicttemplate"),
    text("dictinitoption"),
];

/// `pg_conversion`.
pub(super) const CONVERSION: &[Column] = &[
    oid("oid"), name("conname"), oid("connamespace"), oid("conowner"), int("conforencoding"),
    int("contoencoding"), proc("conproc"), boolean("condefault"),
];

/// `pg_opfamily`.
pub(super) const OPFAMILY: &[Column] = &[
    oid("oid"), oid("opfmethod"), name("opfname"), oid("opfnamespace"), oid("opfowner"),
];

/// `pg_default_acl`.
pub(super) const DEFAULT_ACL: &[Column] = &[
    oid("oid"), oid("defaclrole"), oid("defaclnamespace"), letter("defaclobjtype"),
    rights("defaclacl"),
];

/// `pg_db_role_setting`.
pub(super) const DB_ROLE_SETTING: &[Column] = &[
    oid("setdatabase"), oid("setrole"), texts("setconfig"),
];

/// `pg_subscription`.
pub(super) const SUBSCRIPTION: &[Column] = &[
    oid("oid"), oid("subdbid"), text("subskiplsn"), name("subname"), oid("subowner"),
    boolean("subenabled"), boolean("subbinary"), boolean("substream"), letter("subtwophasestate"),
    boolean("subdisableonerr"), text("subconninfo"), name("subslotname"), text("subsynccommit"),
    texts("subpublications"),
];

/// `pg_replication_slots`.
pub(super) const REPLICATION_SLOTS: &[Column] = &[
    name("slot_name"), name("plugin"), text("slot_type"), oid("datoid"), name("database"),
    boolean("temporary"), boolean("active"), int("active_pid"), xid("xmin"), xid("catalog_xmin"),
    text("restart_lsn"), text("confirmed_flush_lsn"), text("wal_status"), bigint("safe_wal_size"),
    boolean("two_phase"),
];

/// `pg_user_mappings`.
pub(super) const USER_MAPPINGS: &[Column] = &[
    oid("umid"), oid("srvid"), name("srvname"), oid("umuser"), name("usename"),
    texts("umoptions"),
];
