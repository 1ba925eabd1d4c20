//! Which parts of documents does an UPDATE change, and how?
//!
//! ```text
//! changes = clause { clause }
//! clause  = "SET" item { "," item }                  a value is put there
//!         | "UNSET" path { "," path }                what is there is removed
//!         | "PUSH" item { "," item }                 an element is appended
//!         | "PULL" item { "," item }                 all equal elements are removed
//!         | "ADD" "TO" "SET" item { "," item }       an element is appended unless there
//!         | "INC" item { "," item }                  a number is added
//! item    = path "=" expression
//! path    = name { "." name | "[" ["-"] digits "]" }
//! ```
//!
//! The parser below knows `SET name = expression` alone. The clauses are taken out of the tokens
//! before it reads them, each target becomes a name of our making, and what was meant is put back
//! into what it has read. A word begins a clause only where no expression could go on with it: it
//! is followed by a path and `=`.

use datafusion::sql::sqlparser::ast::Expr;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Span, Token, TokenWithSpan, Word};

use super::parse::syntax_error;
use super::tokens::{position, word};
use super::{Assignment, Name, OnConflict, Operation, Statement, TargetStep};
use crate::error::{Error, Result, code};

/// What begins the names of our making.
const MARK: &str = "__change";

/// Tokens looked at to find the end of an index.
const INDEX_TOKENS: usize = 16;

/// Words that go on with an expression, so that what stands before them was no UNSET.
const OPERATORS: &[&str] = &[
    "AND",
    "AT",
    "BETWEEN",
    "COLLATE",
    "FROM",
    "ILIKE",
    "IN",
    "IS",
    "ISNULL",
    "LIKE",
    "NOT",
    "NOTNULL",
    "OPERATOR",
    "OR",
    "OVERLAPS",
    "RETURNING",
    "SIMILAR",
    "WHERE",
    "THEN",
    "ELSE",
    "WHEN",
    "END",
    "AS",
];

/// What a name of our making stands for.
#[derive(Debug)]
pub(super) struct Target {
    operation: Operation,
    target: Name,
    path: Vec<TargetStep>,
}

/// Rewrites the clauses of an UPDATE or an ON CONFLICT DO UPDATE as one SET. Returns what its
/// targets stand for; nothing when the parser below can read the statement as it is.
///
/// **Errors**: 42601 for a clause without a path, 0A000 for an index that is no number.
pub(super) fn extract(tokens: Vec<TokenWithSpan>) -> Result<(Vec<TokenWithSpan>, Vec<Target>)> {
    let Some(start) = first_clause(&tokens) else {
        return match unfinished(&tokens) {
            Some((end, expected)) => Err(syntax_error(&tokens, end, expected)),
            None => Ok((tokens, Vec::new())),
        };
    };
    let mut reader =
        Reader { tokens: &tokens, next: start, out: Vec::new(), targets: Vec::new(), rich: false };
    reader.clauses()?;
    if !reader.rich {
        return Ok((tokens, Vec::new()));
    }
    let Reader { next, out, targets, .. } = reader;
    let mut rewritten = tokens[..start].to_vec();
    rewritten.extend(out);
    rewritten.extend_from_slice(&tokens[next..]);
    Ok((rewritten, targets))
}

/// Puts back what the names of our making stand for.
///
/// **Errors**: 42601 for DEFAULT outside of SET.
pub(super) fn restore(statement: &mut Statement, targets: &[Target]) -> Result<()> {
    let assignments = match statement {
        Statement::Update(update) => &mut update.assignments,
        Statement::Insert(insert) => match &mut insert.on_conflict {
            Some(OnConflict::DoUpdate { assignments, .. }) => assignments,
            _ => return Ok(()),
        },
        _ => return Ok(()),
    };
    for assignment in assignments {
        let number = assignment.target.text.strip_prefix(MARK);
        let number = number.and_then(|number| number.parse::<usize>().ok());
        let Some(target) = number.and_then(|number| targets.get(number)) else { continue };
        if assignment.value.is_none() && target.operation != Operation::Set {
            let message = "DEFAULT stands only after SET";
            return Err(Error::new(code::SYNTAX_ERROR, message).at(target.target.position));
        }
        *assignment = Assignment {
            operation: target.operation,
            target: target.target.clone(),
            path: target.path.clone(),
            value: assignment.value.take(),
        };
    }
    Ok(())
}

/// Finds where the clauses of a change begin.
fn first_clause(tokens: &[TokenWithSpan]) -> Option<usize> {
    match word(tokens.first()).as_deref() {
        Some("UPDATE") => outside(tokens, 2).find(|at| clause_at(tokens, *at).is_some()),
        Some("INSERT") => {
            let is = |at: usize, wanted| word(tokens.get(at)).as_deref() == Some(wanted);
            let update = outside(tokens, 1).find(|at| is(*at, "DO") && is(at + 1, "UPDATE"))?;
            clause_at(tokens, update + 2).map(|_| update + 2)
        }
        _ => None,
    }
}

/// Where the first clause of an UPDATE that has none goes wrong, and what was expected there.
fn unfinished(tokens: &[TokenWithSpan]) -> Option<(usize, &'static str)> {
    if word(tokens.first()).as_deref() != Some("UPDATE") {
        return None;
    }
    let mut outside = outside(tokens, 2);
    outside.find_map(|at| match clause_words(tokens, at)? {
        (Operation::Set, _) => None,
        (Operation::Unset, next) => Some((path_end(tokens, next)?, "the end of the path")),
        (_, next) => Some((path_end(tokens, next)?, "= and a value")),
    })
}

/// The tokens from one on that are outside of brackets.
fn outside(tokens: &[TokenWithSpan], from: usize) -> impl Iterator<Item = usize> {
    let mut depth = 0_usize;
    (from..tokens.len()).filter(move |at| {
        match tokens[*at].token {
            Token::LParen | Token::LBracket | Token::LBrace => depth += 1,
            Token::RParen | Token::RBracket | Token::RBrace => {
                depth = depth.saturating_sub(1);
                return false;
            }
            _ => {}
        }
        depth == 0
    })
}

/// Returns the operation of the clause that begins at a token, and the token after its words.
fn clause_at(tokens: &[TokenWithSpan], at: usize) -> Option<(Operation, usize)> {
    let (operation, next) = clause_words(tokens, at)?;
    let before = at.checked_sub(1).and_then(|before| tokens.get(before));
    if before.is_some_and(|before| before.token == Token::Period) {
        return None;
    }
    let next_is_bracket = tokens.get(next).is_some_and(|token| token.token == Token::LParen);
    if operation == Operation::Set && next_is_bracket {
        let ends = before.is_some_and(|before| {
            matches!(
                before.token,
                Token::Word(_)
                    | Token::Number(..)
                    | Token::SingleQuotedString(_)
                    | Token::RParen
                    | Token::RBracket
            )
        });
        return ends.then_some((operation, next));
    }
    let end = path_end(tokens, next)?;
    let begins = match tokens.get(end).map(|token| &token.token) {
        Some(Token::Eq) => operation != Operation::Unset,
        _ if operation != Operation::Unset => false,
        None | Some(Token::Comma) => !is_operator(tokens, next),
        _ => {
            let ends = clause_words(tokens, end).is_some() || is_boundary(tokens, end);
            ends && !is_operator(tokens, next)
        }
    };
    begins.then_some((operation, next))
}

fn is_operator(tokens: &[TokenWithSpan], at: usize) -> bool {
    word(tokens.get(at)).is_some_and(|word| OPERATORS.contains(&word.as_str()))
}

fn clause_words(tokens: &[TokenWithSpan], at: usize) -> Option<(Operation, usize)> {
    let is = |at: usize, wanted| word(tokens.get(at)).as_deref() == Some(wanted);
    Some(match word(tokens.get(at))?.as_str() {
        "SET" => (Operation::Set, at + 1),
        "UNSET" => (Operation::Unset, at + 1),
        "PUSH" => (Operation::Push, at + 1),
        "PULL" => (Operation::Pull, at + 1),
        "INC" => (Operation::Increment, at + 1),
        "ADD" if is(at + 1, "TO") && is(at + 2, "SET") => (Operation::AddToSet, at + 3),
        _ => return None,
    })
}

/// Returns whether a clause that follows the changes begins at a token.
fn is_boundary(tokens: &[TokenWithSpan], at: usize) -> bool {
    match word(tokens.get(at)).as_deref() {
        // `a IS DISTINCT FROM b` goes on.
        Some("FROM") => {
            let before = at.checked_sub(1).and_then(|before| word(tokens.get(before)));
            before.as_deref() != Some("DISTINCT")
        }
        Some("WHERE" | "RETURNING" | "ORDER" | "LIMIT" | "OUTPUT") => true,
        _ => false,
    }
}

/// Returns the token after a path, if one begins here.
fn path_end(tokens: &[TokenWithSpan], at: usize) -> Option<usize> {
    let token = |at: usize| tokens.get(at).map(|token| &token.token);
    let Some(Token::Word(_)) = token(at) else { return None };
    let mut next = at + 1;
    loop {
        match token(next) {
            Some(Token::Period) => match token(next + 1) {
                Some(Token::Word(_)) => next += 2,
                _ => return None,
            },
            // What an index may be is said where it is read; here it only has to end.
            Some(Token::LBracket) => {
                let is_end = |at: &usize| token(*at) == Some(&Token::RBracket);
                next = (next + 1..tokens.len().min(next + INDEX_TOKENS)).find(is_end)? + 1;
            }
            _ => return Some(next),
        }
    }
}

/// Reads the clauses and writes one SET.
struct Reader<'a> {
    tokens: &'a [TokenWithSpan],
    next: usize,
    out: Vec<TokenWithSpan>,
    targets: Vec<Target>,
    /// Whether there is anything the parser below could not read.
    rich: bool,
}

impl Reader<'_> {
    fn clauses(&mut self) -> Result<()> {
        while let Some((operation, next)) = clause_at(self.tokens, self.next) {
            let span = self.tokens[self.next].span;
            if self.out.is_empty() {
                self.out.push(made(Token::make_keyword("SET"), span));
            } else {
                self.out.push(made(Token::Comma, span));
                self.rich = true;
            }
            self.rich |= operation != Operation::Set;
            self.next = next;
            self.items(operation)?;
        }
        Ok(())
    }

    fn items(&mut self, operation: Operation) -> Result<()> {
        loop {
            let at = self.next;
            if self.peek() == Some(&Token::LParen) && operation == Operation::Set {
                self.value(at);
            } else {
                self.item(operation)?;
            }
            if self.peek() != Some(&Token::Comma) {
                return Ok(());
            }
            self.out.push(self.tokens[self.next].clone());
            self.next += 1;
        }
    }

    fn item(&mut self, operation: Operation) -> Result<()> {
        let span = self.tokens.get(self.next).map_or(Span::empty(), |token| token.span);
        let target = self.name("a column or a field")?;
        let path = self.steps()?;
        let mark = format!("{MARK}{}", self.targets.len());
        let mark = Word { value: mark, quote_style: None, keyword: Keyword::NoKeyword };
        self.out.push(made(Token::Word(mark), span));
        self.targets.push(Target { operation, target, path });
        if operation == Operation::Unset {
            self.out.push(made(Token::Eq, span));
            self.out.push(made(Token::make_keyword("NULL"), span));
            return Ok(());
        }
        if self.peek() != Some(&Token::Eq) {
            return Err(syntax_error(self.tokens, self.next, "= and a value"));
        }
        let at = self.next;
        self.next += 1;
        self.value(at);
        Ok(())
    }

    /// Copies tokens from `from` to the end of a value.
    fn value(&mut self, from: usize) {
        let ends = |at: &usize| {
            *at > from
                && (self.tokens[*at].token == Token::Comma
                    || is_boundary(self.tokens, *at)
                    || clause_at(self.tokens, *at).is_some())
        };
        let end = outside(self.tokens, from).find(ends).unwrap_or(self.tokens.len());
        self.out.extend_from_slice(&self.tokens[from..end]);
        self.next = end;
    }

    fn steps(&mut self) -> Result<Vec<TargetStep>> {
        let mut steps = Vec::new();
        loop {
            match self.peek() {
                Some(Token::Period) => {
                    self.next += 1;
                    steps.push(TargetStep::Field(self.name("a field")?));
                }
                Some(Token::LBracket) => {
                    self.rich = true;
                    self.next += 1;
                    steps.push(TargetStep::Index(self.index()?));
                }
                _ => return Ok(steps),
            }
        }
    }

    fn index(&mut self) -> Result<i64> {
        let start = self.next;
        let sign = if self.peek() == Some(&Token::Minus) { -1 } else { 1 };
        self.next += usize::from(sign == -1);
        let number = match self.peek() {
            Some(Token::Number(digits, _)) => digits.parse::<i64>().ok(),
            _ => None,
        };
        let closes = self.tokens.get(self.next + 1).is_some_and(|t| t.token == Token::RBracket);
        match number {
            Some(number) if closes => {
                self.next += 2;
                Ok(sign * number)
            }
            _ => Err(Error::unsupported("an index that is not a number after SET")
                .with_hint("Use jsonb_set with a path made by an expression.")
                .at(self.tokens.get(start).map_or(0, position))),
        }
    }

    fn name(&mut self, expected: &str) -> Result<Name> {
        let Some(token) = self.tokens.get(self.next) else {
            return Err(syntax_error(self.tokens, self.next, expected));
        };
        let Token::Word(word) = &token.token else {
            return Err(syntax_error(self.tokens, self.next, expected));
        };
        let text = match word.quote_style {
            Some(_) => word.value.clone(),
            None => word.value.to_lowercase(),
        };
        self.next += 1;
        Ok(Name { text, position: position(token) })
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next).map(|token| &token.token)
    }
}

fn made(token: Token, span: Span) -> TokenWithSpan {
    TokenWithSpan::new(token, span)
}

/// The plain form of an assignment: `SET name.name = value`.
pub(super) fn plain(names: Vec<Name>, value: Option<Expr>) -> Result<Assignment> {
    let mut names = names.into_iter();
    let target = names.next().ok_or_else(|| Error::internal("an assignment without a target"))?;
    let path = names.map(TargetStep::Field).collect();
    Ok(Assignment { operation: Operation::Set, target, path, value })
}
