//! Which tables does TPC-H have, and which rows are in them?

use std::io::{self, Write};
use std::path::Path;

use pieskieo_io::file::host;
use tpchgen::generators::{
    CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, PartGenerator,
    PartSuppGenerator, RegionGenerator, SupplierGenerator,
};

/// Lines of a table as `a|b|…|`.
type Lines = Box<dyn Iterator<Item = String>>;

/// A table of the benchmark.
pub(super) struct Table {
    /// Its name.
    pub name: &'static str,
    /// Its columns, as a statement declares them.
    pub columns: &'static [(&'static str, &'static str)],
    /// Its key.
    pub key: &'static str,
    lines: fn(f64) -> Lines,
}

const MONEY: &str = "NUMERIC(15, 2)";

/// The tables, in an order in which what is referred to comes first.
pub(super) const TABLES: [Table; 8] = [
    Table {
        name: "region",
        columns: &[("r_regionkey", "INT"), ("r_name", "TEXT"), ("r_comment", "TEXT")],
        key: "r_regionkey",
        lines: |scale| lines(RegionGenerator::new(scale, 1, 1).iter()),
    },
    Table {
        name: "nation",
        columns: &[
            ("n_nationkey", "INT"),
            ("n_name", "TEXT"),
            ("n_regionkey", "INT"),
            ("n_comment", "TEXT"),
        ],
        key: "n_nationkey",
        lines: |scale| lines(NationGenerator::new(scale, 1, 1).iter()),
    },
    Table {
        name: "part",
        columns: &[
            ("p_partkey", "INT"),
            ("p_name", "TEXT"),
            ("p_mfgr", "TEXT"),
            ("p_brand", "TEXT"),
            ("p_type", "TEXT"),
            ("p_size", "INT"),
            ("p_container", "TEXT"),
            ("p_retailprice", MONEY),
            ("p_comment", "TEXT"),
        ],
        key: "p_partkey",
        lines: |scale| lines(PartGenerator::new(scale, 1, 1).iter()),
    },
    Table {
        name: "supplier",
        columns: &[
            ("s_suppkey", "INT"),
            ("s_name", "TEXT"),
            ("s_address", "TEXT"),
            ("s_nationkey", "INT"),
            ("s_phone", "TEXT"),
            ("s_acctbal", MONEY),
            ("s_comment", "TEXT"),
        ],
        key: "s_suppkey",
        lines: |scale| lines(SupplierGenerator::new(scale, 1, 1).iter()),
    },
    Table {
        name: "partsupp",
        columns: &[
            ("ps_partkey", "INT"),
            ("ps_suppkey", "INT"),
            ("ps_availqty", "INT"),
            ("ps_supplycost", MONEY),
            ("ps_comment", "TEXT"),
        ],
        key: "ps_partkey, ps_suppkey",
        lines: |scale| lines(PartSuppGenerator::new(scale, 1, 1).iter()),
    },
    Table {
        name: "customer",
        columns: &[
            ("c_custkey", "INT"),
            ("c_name", "TEXT"),
            ("c_address", "TEXT"),
            ("c_nationkey", "INT"),
            ("c_phone", "TEXT"),
            ("c_acctbal", MONEY),
            ("c_mktsegment", "TEXT"),
            ("c_comment", "TEXT"),
        ],
        key: "c_custkey",
        lines: |scale| lines(CustomerGenerator::new(scale, 1, 1).iter()),
    },
    Table {
        name: "orders",
        columns: &[
            ("o_orderkey", "BIGINT"),
            ("o_custkey", "INT"),
            ("o_orderstatus", "TEXT"),
            ("o_totalprice", MONEY),
            ("o_orderdate", "DATE"),
            ("o_orderpriority", "TEXT"),
            ("o_clerk", "TEXT"),
            ("o_shippriority", "INT"),
            ("o_comment", "TEXT"),
        ],
        key: "o_orderkey",
        lines: |scale| lines(OrderGenerator::new(scale, 1, 1).iter()),
    },
    Table {
        name: "lineitem",
        columns: &[
            ("l_orderkey", "BIGINT"),
            ("l_partkey", "INT"),
            ("l_suppkey", "INT"),
            ("l_linenumber", "INT"),
            ("l_quantity", MONEY),
            ("l_extendedprice", MONEY),
            ("l_discount", MONEY),
            ("l_tax", MONEY),
            ("l_returnflag", "TEXT"),
            ("l_linestatus", "TEXT"),
            ("l_shipdate", "DATE"),
            ("l_commitdate", "DATE"),
            ("l_receiptdate", "DATE"),
            ("l_shipinstruct", "TEXT"),
            ("l_shipmode", "TEXT"),
            ("l_comment", "TEXT"),
        ],
        key: "l_orderkey, l_linenumber",
        lines: |scale| lines(LineItemGenerator::new(scale, 1, 1).iter()),
    },
];

fn lines(rows: impl Iterator<Item: ToString> + 'static) -> Lines {
    Box::new(rows.map(|row| row.to_string()))
}

impl Table {
    /// Returns the statement that makes the table.
    pub(super) fn create(&self) -> String {
        let columns = self.columns.iter().map(|(name, ty)| format!("{name} {ty} NOT NULL"));
        let columns: Vec<String> = columns.collect();
        let (name, key) = (self.name, self.key);
        format!("CREATE TABLE {name} ({}, PRIMARY KEY ({key}))", columns.join(", "))
    }

    /// Returns the rows of a scale (1 = 6 million lines of orders), each as a line of JSON with its
    /// end.
    pub(super) fn records(&self, scale: f64) -> impl Iterator<Item = Vec<u8>> {
        (self.lines)(scale).map(|line| self.record(&line))
    }

    fn record(&self, line: &str) -> Vec<u8> {
        let mut out = Vec::with_capacity(line.len() * 3);
        out.push(b'{');
        for (position, ((name, ty), value)) in self.columns.iter().zip(line.split('|')).enumerate()
        {
            let comma = if position == 0 { "" } else { "," };
            let value = match *ty {
                "INT" | "BIGINT" => value.to_owned(),
                _ => serde_json::Value::from(value).to_string(),
            };
            out.extend_from_slice(format!("{comma}\"{name}\":{value}").as_bytes());
        }
        out.extend_from_slice(b"}\n");
        out
    }
}

/// Writes the rows of a scale for other databases: a file `table.tbl` for each table, a line for each
/// row, `|` after each value.
///
/// **Errors**: those of the operating system.
pub fn write_files(folder: &Path, scale: f64) -> io::Result<()> {
    host::create_folder(folder)?;
    for table in &TABLES {
        let mut file =
            io::BufWriter::new(host::create(folder.join(format!("{}.tbl", table.name)))?);
        for line in (table.lines)(scale) {
            writeln!(file, "{line}")?;
        }
        file.flush()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_a_document_with_the_columns_of_its_table() {
        let first = TABLES[7].records(0.001).next().unwrap();
        let first: serde_json::Value = serde_json::from_slice(&first).unwrap();
        assert_eq!(first.as_object().unwrap().len(), TABLES[7].columns.len());
        assert_eq!(first["l_orderkey"], 1);
        assert_eq!(first["l_shipdate"], "1996-03-13");
    }
}
