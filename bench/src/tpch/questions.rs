//! What does TPC-H ask?

const QUERIES: [&str; 22] = [
    include_str!("queries/q01.sql"),
    include_str!("queries/q02.sql"),
    include_str!("queries/q03.sql"),
    include_str!("queries/q04.sql"),
    include_str!("queries/q05.sql"),
    include_str!("queries/q06.sql"),
    include_str!("queries/q07.sql"),
    include_str!("queries/q08.sql"),
    include_str!("queries/q09.sql"),
    include_str!("queries/q10.sql"),
    include_str!("queries/q11.sql"),
    include_str!("queries/q12.sql"),
    include_str!("queries/q13.sql"),
    include_str!("queries/q14.sql"),
    include_str!("queries/q15.sql"),
    include_str!("queries/q16.sql"),
    include_str!("queries/q17.sql"),
    include_str!("queries/q18.sql"),
    include_str!("queries/q19.sql"),
    include_str!("queries/q20.sql"),
    include_str!("queries/q21.sql"),
    include_str!("queries/q22.sql"),
];

/// Returns the questions with their numbers, as they are asked of data of this scale.
pub fn questions(scale: f64) -> impl Iterator<Item = (usize, String)> {
    // Question 11 asks for what is large beside all there is.
    let fraction = format!("{:.12}", 0.0001 / scale);
    QUERIES
        .iter()
        .zip(1..)
        .map(move |(text, number)| (number, text.replace("{fraction}", &fraction)))
}
