//! Do rows come and go in PostgreSQL's binary form?

use crate::support::pg::{Message, Pg, hex, message, query, shown};
use crate::talk;

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// Sends data of a COPY FROM, in pieces of `step` bytes.
fn take(pg: &mut Pg, text: &str, data: &[u8], step: usize) -> String {
    pg.send(&query(text));
    for piece in data.chunks(step) {
        pg.send(&message(b'd', piece));
    }
    pg.send(&message(b'c', b""));
    shown(&pg.until_ready())
}

/// Returns the data of a COPY TO, one piece for each message.
fn give(pg: &mut Pg, text: &str) -> Vec<Vec<u8>> {
    pg.send(&query(text));
    let told: Vec<Message> = pg.until_ready();
    assert_eq!(told[0].0, b'H', "{}", shown(&told));
    told.into_iter().filter(|(kind, _)| *kind == b'd').map(|(_, body)| body).collect()
}

#[test]
fn values_are_those_of_postgres() {
    talk(|address| {
        let mut pg = Pg::open(address);
        let text = "COPY (SELECT 1::int AS a, 'ab' AS b UNION ALL SELECT 2::int, NULL ORDER BY a) TO STDOUT \
                    (FORMAT binary)";
        // As PostgreSQL 15 sends it: the header with the first row, the trailer alone.
        let expected = [
            format!("{}00020000000400000001000000026162", hex(SIGNATURE)),
            "00020000000400000002ffffffff".to_owned(),
            "ffff".to_owned(),
        ];
        let given: Vec<String> = give(&mut pg, text).iter().map(|row| hex(row)).collect();
        assert_eq!(given, expected);
        let none = give(&mut pg, "COPY (SELECT 1 AS a WHERE false) TO STDOUT BINARY");
        assert_eq!(none, [[SIGNATURE, b"\xff\xff"].concat()]);
        pg.send(&query("COPY (SELECT 1 AS a, 2 AS b) TO STDOUT (FORMAT 'binary')"));
        assert!(shown(&pg.until_ready()).starts_with("copy out [1, 0, 2, 0, 1, 0, 1] | "));
    });
}

#[test]
fn every_type_goes_out_and_comes_back() {
    talk(|address| {
        let mut pg = Pg::open(address);
        let columns = "k INT PRIMARY KEY, a BOOLEAN, b SMALLINT, c BIGINT, d REAL, \
                       e DOUBLE PRECISION, f NUMERIC(20, 5), g TEXT, h VARCHAR(9), i BYTEA, \
                       j DATE, l TIME, m TIMESTAMP, n TIMESTAMPTZ, o INTERVAL, p UUID, q JSON, r VECTOR(3), s INT[], t TEXT[]";
        pg.query(&format!("CREATE TABLE one ({columns})"));
        pg.query(&format!("CREATE TABLE two ({columns})"));
        let told = pg.query(
            "INSERT INTO one VALUES (1, true, -2, 9007199254740993, 1.5, 0.1, -12345.678, \
             'a\tb\\N', 'é', '\\x00ff', '2024-02-29', '12:34:56.789', '1999-12-31 23:59:59', \
             '2024-01-01 00:00:00+01', '1 year 2 mons 03:04:05', \
             '6f1cb1a0-7d2c-4d6a-9a63-0123456789ab', '{\"a\": [1, null]}', '[1,2.5,-3]', \
             '{1,NULL,3}', '{x,\"y z\"}'), (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, \
             NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL), (3, false, 0, 0, 'NaN', \
             '-Infinity', 0, '', '', '', '1969-12-31', '00:00', '1969-12-31', '1969-12-31', \
             '-1 day', '00000000-0000-0000-0000-000000000000', 'null', '[0,0,0]', '{}', '{}')",
        );
        assert_eq!(told, "INSERT 0 3 | ready I");
        let out = give(&mut pg, "COPY one TO STDOUT (FORMAT binary)");
        for step in [1, 7, 100_000] {
            let told = take(&mut pg, "COPY two FROM STDIN (FORMAT binary)", &out.concat(), step);
            assert!(told.ends_with(" | COPY 3 | ready I"), "{told}");
            assert_eq!(give(&mut pg, "COPY two TO STDOUT (FORMAT binary)"), out, "{step}");
            let same =
                "SELECT count(*) AS n FROM (SELECT * FROM one EXCEPT SELECT * FROM two) AS t";
            assert_eq!(pg.query(same), "columns n:20 | row 0 | SELECT 1 | ready I");
            pg.query("DELETE FROM two");
        }
    });
}

#[test]
fn damaged_data_leave_nothing() {
    talk(|address| {
        let mut pg = Pg::open(address);
        pg.query("CREATE TABLE t (a INT PRIMARY KEY, b TEXT)");
        let row = |number: u8| [b"\0\x02\0\0\0\x04\0\0\0", &[number][..], b"\0\0\0\x01x"].concat();
        let good = [SIGNATURE, &row(1), &row(2)].concat();
        let copy = "COPY t FROM STDIN (FORMAT binary)";
        for (what, end, code) in [
            ("half a row", &b"\0\x02\0\0\0\x04\0"[..], "22P04"),
            ("too few fields", b"\0\x01\0\0\0\x04\0\0\0\x03", "22P04"),
            ("a length that is none", b"\0\x02\xff\xff\xff\xfe", "22P04"),
            ("bytes after the end", b"\xff\xff\0", "22P04"),
            ("a number of three bytes", b"\0\x02\0\0\0\x03\0\0\x03\0\0\0\x01x\xff\xff", "22P03"),
            ("a text that is none", b"\0\x02\0\0\0\x04\0\0\0\x03\0\0\0\x01\xff\xff\xff", "22021"),
            ("a key twice", b"\0\x02\0\0\0\x04\0\0\0\x01\0\0\0\x01x\xff\xff", "23505"),
        ] {
            let data = [&good[..], end].concat();
            let told = take(&mut pg, copy, &data, 5);
            assert_eq!(
                told,
                format!("copy in [1, 0, 2, 0, 1, 0, 1] | ERROR {code} | ready I"),
                "{what}"
            );
            let count = pg.query("SELECT count(*) AS n FROM t");
            assert_eq!(count, "columns n:20 | row 0 | SELECT 1 | ready I", "{what}");
        }
        pg.send(&query(copy));
        pg.send(&[message(b'd', b"1\tx\n2\ty\n3\tz\n"), message(b'c', b"")].concat());
        assert!(shown(&pg.until_ready()).contains("ERROR 22P04"));
        // Where it was is said.
        pg.send(&query(copy));
        let data = [&good[..], b"\0\x02\0\0\0\x03\0\0\x03\0\0\0\x01x"].concat();
        pg.send(&[message(b'd', &data), message(b'c', b"")].concat());
        let told = pg.until_ready();
        let detail = crate::support::pg::field(&told[1].1, b'D').unwrap();
        assert!(detail.contains("COPY t, line 3, column a"), "{detail}");
        for options in
            ["(FORMAT binary, HEADER)", "(FORMAT binary, DELIMITER ',')", "BINARY NULL 'x'"]
        {
            let told = pg.query(&format!("COPY t FROM STDIN {options}"));
            assert_eq!(told, "ERROR 0A000 | ready I", "{options}");
        }
    });
}
