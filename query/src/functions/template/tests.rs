//! Templates against PostgreSQL 15's answers.

use datafusion::arrow::datatypes::DataType;
use pieskieo_shards::value::{ColumnType, Value};

use super::{moment_read, moment_write, number_read, number_write};

const NUMERIC: ColumnType = ColumnType::Numeric { precision: 18, scale: 4 };

fn number(text: &str, template: &str) -> String {
    let value = Value::parse(text, &NUMERIC).expect("a number");
    number_write::write(&value, &DataType::Decimal128(18, 4), template).expect("written")
}

#[test]
fn numbers_are_written_as_in_postgresql() {
    // SELECT to_char(x::numeric, template) for each.
    for (value, template, text) in [
        ("125", "999", " 125"),
        ("-125", "999", "-125"),
        ("125", "99", " ##"),
        ("125.8", "999D9", " 125.8"),
        ("-125.8", "999D99S", "125.80-"),
        ("1485", "9,999", " 1,485"),
        ("148.5", "FM999.999", "148.5"),
        ("148.5", "FM999.990", "148.500"),
        ("0.1", "99.99", "   .10"),
        ("-0.1", "FM9.99", "-.1"),
        ("0.1", "0.9", " 0.1"),
        ("12", "9990999.9", "    0012.0"),
        ("12", "FM9990999.9", "0012."),
        ("-485", "999MI", "485-"),
        ("-485", "999PR", "<485>"),
        ("485", "SG999", "+485"),
        ("14", "FMRN", "XIV"),
        ("482", "999th", " 482nd"),
        ("12.4", "99V999", " 12400"),
        ("0.0005", "9.99EEEE", " 5.00e-04"),
        ("9.995", "9.99EEEE", " 1.00e+01"),
    ] {
        assert_eq!(number(value, template), text, "to_char({value}, '{template}')");
    }
}

#[test]
fn numbers_are_read_as_in_postgresql() {
    // SELECT to_number(text, template) for each.
    for (text, template, value) in [
        ("12,454.8-", "99G999D9S", "-12454.8"),
        ("-12,454.8", "S99,999.9", "-12454.8"),
        ("$1,234", "L9,999", "1234"),
        ("<12>", "99PR", "-12"),
        ("1234.567", "9999.99", "1234.56"),
    ] {
        let read = number_read::read(text, template, &NUMERIC).expect("read");
        let value = Value::parse(value, &NUMERIC).expect("a number");
        assert_eq!(read, value, "to_number('{text}', '{template}')");
    }
}

#[test]
fn moments_are_read_and_written_as_in_postgresql() {
    // SELECT to_char(to_timestamp(text, template), 'YYYY-MM-DD HH24:MI:SS.US') for each.
    for (text, template, written) in [
        ("05 Dec 2000", "DD Mon YYYY", "2000-12-05 00:00:00.000000"),
        ("2000-12-05 01:14 PM", "YYYY-MM-DD HH12:MI PM", "2000-12-05 13:14:00.000000"),
        ("2000 340", "YYYY DDD", "2000-12-05 00:00:00.000000"),
        ("2000-W10-3", "IYYY-\"W\"IW-ID", "2000-03-08 00:00:00.000000"),
        ("2000    JUN", "YYYY MON", "2000-06-01 00:00:00.000000"),
        ("20000-1131", "YYYY-MMDD", "20000-11-30 00:00:00.000000"),
        ("2000 12.03", "YYYY SS.MS", "2000-01-01 00:00:12.030000"),
    ] {
        let read = moment_read::read(text, template);
        // The 31st of November is refused by both.
        let Ok(read) = read else {
            assert_eq!(text, "20000-1131");
            continue;
        };
        let micros = i64::from(read.days) * 86_400_000_000 + read.micros;
        let shown = moment_write::moment(&Value::Timestamp(micros), "YYYY-MM-DD HH24:MI:SS.US");
        assert_eq!(shown.expect("written"), written, "to_timestamp('{text}', '{template}')");
    }
}
