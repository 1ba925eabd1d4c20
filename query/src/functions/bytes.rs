//! What can be asked of bytes, and how do they become texts?

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, plan_err};
use pieskieo_shards::value::{ColumnType, Value};

use super::function::{Function, Kind};
use super::string::{as_text, as_whole, refused};
use crate::error::code;
use crate::exec::here::external;

/// Characters of a line of base64.
const LINE: usize = 76;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Returns the functions of this file.
pub fn functions() -> Vec<Function> {
    use Kind::{Bytes, Text};
    let text = |_: &[DataType]| Ok(DataType::Utf8);
    let bytes = |_: &[DataType]| Ok(ColumnType::Bytea.arrow());
    vec![
        Function::taking("encode", &[&[Bytes, Text], &[Text, Text]], text, |call| {
            call.each(|args| {
                let written = encoded(&as_bytes(&args[0])?, as_text(&args[1])?)?;
                Ok(Value::Text(written.into()))
            })
        }),
        Function::taking("decode", &[&[Text, Text]], bytes, |call| {
            call.each(|args| {
                decoded(as_text(&args[0])?, as_text(&args[1])?).map(|b| Value::Bytea(b.into()))
            })
        }),
        Function::taking("convert_from", &[&[Bytes, Text]], text, |call| {
            call.each(|args| {
                check_encoding(as_text(&args[1])?)?;
                match String::from_utf8(as_bytes(&args[0])?) {
                    Ok(text) if !text.contains('\0') => Ok(Value::Text(text.into())),
                    _ => Err(refused(
                        code::INVALID_CHARACTER,
                        "invalid byte sequence for encoding \"UTF8\"",
                    )),
                }
            })
        }),
        Function::taking("convert_to", &[&[Text, Text]], bytes, |call| {
            call.each(|args| {
                check_encoding(as_text(&args[1])?)?;
                Ok(Value::Bytea(as_text(&args[0])?.as_bytes().into()))
            })
        }),
    ]
    .into_iter()
    .chain(of_parts())
    .collect()
}

/// The functions of single bytes and bits.
fn of_parts() -> Vec<Function> {
    use Kind::{Bytes, Whole};
    let bytes = |_: &[DataType]| Ok(ColumnType::Bytea.arrow());
    let int = |_: &[DataType]| Ok(DataType::Int32);
    vec![
        Function::taking("get_byte", &[&[Bytes, Whole]], int, |call| {
            call.each(|args| {
                let bytes = as_bytes(&args[0])?;
                let at = place(&args[1], bytes.len())?;
                Ok(Value::Int(bytes[at].into()))
            })
        }),
        Function::taking("set_byte", &[&[Bytes, Whole, Whole]], bytes, |call| {
            call.each(|args| {
                let mut bytes = as_bytes(&args[0])?;
                let at = place(&args[1], bytes.len())?;
                bytes[at] = (as_whole(&args[2])? & 0xff) as u8;
                Ok(Value::Bytea(bytes.into()))
            })
        }),
        Function::taking("get_bit", &[&[Bytes, Whole]], int, |call| {
            call.each(|args| {
                let bytes = as_bytes(&args[0])?;
                let at = place(&args[1], bytes.len() * 8)?;
                Ok(Value::Int(i32::from(bytes[at / 8] >> (at % 8) & 1)))
            })
        }),
        Function::taking("set_bit", &[&[Bytes, Whole, Whole]], bytes, |call| {
            call.each(|args| {
                let mut bytes = as_bytes(&args[0])?;
                let at = place(&args[1], bytes.len() * 8)?;
                match as_whole(&args[2])? {
                    0 => bytes[at / 8] &= !(1 << (at % 8)),
                    1 => bytes[at / 8] |= 1 << (at % 8),
                    _ => {
                        let message = "new bit must be 0 or 1";
                        return Err(refused(code::INVALID_PARAMETER_VALUE, message));
                    }
                }
                Ok(Value::Bytea(bytes.into()))
            })
        }),
        Function::taking(
            "bit_count",
            &[&[Bytes]],
            |_| Ok(DataType::Int64),
            |call| {
                call.each(|args| {
                    let bytes = as_bytes(&args[0])?;
                    let ones = bytes.iter().map(|byte| i64::from(byte.count_ones()));
                    Ok(Value::BigInt(ones.sum()))
                })
            },
        ),
    ]
}

/// The bytes of a value; a text is read as one.
fn as_bytes(value: &Value) -> Result<Vec<u8>> {
    match value {
        Value::Bytea(bytes) => Ok(bytes.to_vec()),
        Value::Text(text) => match Value::parse(text, &ColumnType::Bytea).map_err(external)? {
            Value::Bytea(bytes) => Ok(bytes.to_vec()),
            _ => plan_err!("no function matches: bytes are wanted"),
        },
        _ => plan_err!("no function matches: bytes are wanted"),
    }
}

fn place(value: &Value, count: usize) -> Result<usize> {
    let number = as_whole(value)?;
    match usize::try_from(number) {
        Ok(place) if place < count => Ok(place),
        _ => {
            let last = count as i64 - 1;
            let message = format!("index {number} out of valid range, 0..{last}");
            Err(refused(code::ARRAY_SUBSCRIPT, message))
        }
    }
}

fn check_encoding(name: &str) -> Result<()> {
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    match plain.to_ascii_lowercase().as_str() {
        "utf8" | "unicode" => Ok(()),
        _ => Err(super::function::hinted(
            refused(code::FEATURE_NOT_SUPPORTED, format!("the encoding \"{name}\"")),
            "Texts are UTF8.",
        )),
    }
}

fn unknown(format: &str) -> datafusion::error::DataFusionError {
    refused(code::INVALID_PARAMETER_VALUE, format!("unrecognized encoding: \"{format}\""))
}

fn encoded(bytes: &[u8], format: &str) -> Result<String> {
    match format.to_ascii_lowercase().as_str() {
        "hex" => Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect()),
        "base64" => Ok(base64(bytes)),
        "escape" => Ok(bytes
            .iter()
            .map(|byte| match byte {
                0 | 0x80.. => format!("\\{byte:03o}"),
                b'\\' => "\\\\".to_owned(),
                byte => char::from(*byte).to_string(),
            })
            .collect()),
        _ => Err(unknown(format)),
    }
}

fn base64(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    let mut line = 0;
    for part in bytes.chunks(3) {
        if line == LINE {
            out.push('\n');
            line = 0;
        }
        let of = |at: usize| u32::from(part.get(at).copied().unwrap_or(0));
        let bits = of(0) << 16 | of(1) << 8 | of(2);
        for digit in 0..4 {
            out.push(match digit <= part.len() {
                true => char::from(ALPHABET[(bits >> (18 - 6 * digit) & 63) as usize]),
                false => '=',
            });
        }
        line += 4;
    }
    out
}

fn decoded(text: &str, format: &str) -> Result<Vec<u8>> {
    match format.to_ascii_lowercase().as_str() {
        "hex" => from_hex(text),
        "base64" => from_base64(text),
        "escape" => from_escape(text),
        _ => Err(unknown(format)),
    }
}

fn from_hex(text: &str) -> Result<Vec<u8>> {
    let mut digits = Vec::with_capacity(text.len());
    for char in text.chars().filter(|char| !" \n\t\r".contains(*char)) {
        match char.to_digit(16) {
            Some(digit) => digits.push(digit as u8),
            None => {
                let message = format!("invalid hexadecimal digit: \"{char}\"");
                return Err(refused(code::INVALID_PARAMETER_VALUE, message));
            }
        }
    }
    if digits.len() % 2 == 1 {
        let message = "invalid hexadecimal data: odd number of digits";
        return Err(refused(code::INVALID_PARAMETER_VALUE, message));
    }
    Ok(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

fn from_base64(text: &str) -> Result<Vec<u8>> {
    let wrong = |message: String| refused(code::INVALID_PARAMETER_VALUE, message);
    let (mut bits, mut count, mut ends) = (0_u32, 0, 0);
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    for char in text.chars().filter(|char| !" \n\t\r".contains(*char)) {
        let digit = match ALPHABET.iter().position(|digit| char::from(*digit) == char) {
            Some(digit) if ends == 0 => digit as u32,
            None if char == '=' && count >= 2 => {
                ends += 1;
                0
            }
            None if char == '=' => {
                return Err(wrong("unexpected \"=\" while decoding base64 sequence".to_owned()));
            }
            _ => {
                let message =
                    format!("invalid symbol \"{char}\" found while decoding base64 sequence");
                return Err(wrong(message));
            }
        };
        bits = bits << 6 | digit;
        count += 1;
        if count == 4 {
            let bytes = [(bits >> 16) as u8, (bits >> 8) as u8, bits as u8];
            out.extend_from_slice(&bytes[..3 - ends.min(2)]);
            (bits, count) = (0, 0);
        }
    }
    if count != 0 {
        return Err(wrong("invalid base64 end sequence".to_owned()));
    }
    Ok(out)
}

fn from_escape(text: &str) -> Result<Vec<u8>> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let octal = bytes.get(at + 1..at + 4).filter(|digits| {
            matches!(digits[0], b'0'..=b'3') && digits.iter().all(|d| matches!(d, b'0'..=b'7'))
        });
        match (byte, octal, bytes.get(at + 1)) {
            (b'\\', Some(digits), _) => {
                let digit = |at: usize| digits[at] - b'0';
                out.push(digit(0) << 6 | digit(1) << 3 | digit(2));
                at += 4;
            }
            (b'\\', None, Some(b'\\')) => {
                out.push(b'\\');
                at += 2;
            }
            (b'\\', ..) => {
                return Err(refused(code::INVALID_TEXT, "invalid input syntax for type bytea"));
            }
            (byte, ..) => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    Ok(out)
}
