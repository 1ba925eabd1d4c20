//! What can a path be?

use regex::Regex;

use super::item::Number;

/// A whole path.
#[derive(Debug)]
pub(super) struct JsonPath {
    /// Whether structure must be as the path says.
    pub(super) strict: bool,
    pub(super) root: Node,
}

/// A value or a predicate.
#[derive(Debug)]
pub(super) enum Node {
    /// `$`
    Root,
    /// `@`
    Current,
    /// `last`, inside an index.
    Last,
    /// `$name`
    Variable(String),
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    /// A value and the steps from it.
    Steps(Box<Node>, Vec<Step>),
    /// A value with a sign before it; whether it is a minus.
    Sign(bool, Box<Node>),
    Arithmetic(Operator, Box<Node>, Box<Node>),
    And(Vec<Node>),
    Or(Vec<Node>),
    Not(Box<Node>),
    IsUnknown(Box<Node>),
    Exists(Box<Node>),
    Compare(Comparison, Box<Node>, Box<Node>),
    StartsWith(Box<Node>, Box<Node>),
    LikeRegex(Box<Node>, Regex),
}

/// A step from one value to others.
#[derive(Debug)]
pub(super) enum Step {
    Field(String),
    AnyField,
    AnyElement,
    /// Indexes, and ranges of them.
    Elements(Vec<(Node, Option<Node>)>),
    /// All values from one level of depth to another; `None` = to the last.
    Deep(usize, Option<usize>),
    Filter(Node),
    Method(Method),
}

/// What `+ - * / %` stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

/// What `== != < <= > >=` stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Type,
    Size,
    Double,
    Ceiling,
    Floor,
    Abs,
    KeyValue,
}

impl Node {
    /// Returns whether it is true, false or unknown.
    pub(super) fn is_predicate(&self) -> bool {
        matches!(
            self,
            Self::And(_)
                | Self::Or(_)
                | Self::Not(_)
                | Self::IsUnknown(_)
                | Self::Exists(_)
                | Self::Compare(..)
                | Self::StartsWith(..)
                | Self::LikeRegex(..)
        )
    }
}

impl Operator {
    /// Returns its sign.
    pub(super) fn sign(self) -> char {
        match self {
            Self::Add => '+',
            Self::Subtract => '-',
            Self::Multiply => '*',
            Self::Divide => '/',
            Self::Remainder => '%',
        }
    }
}

impl Method {
    /// Every method, and its name.
    pub(super) const ALL: [(&'static str, Self); 7] = [
        ("abs", Self::Abs),
        ("ceiling", Self::Ceiling),
        ("double", Self::Double),
        ("floor", Self::Floor),
        ("keyvalue", Self::KeyValue),
        ("size", Self::Size),
        ("type", Self::Type),
    ];

    /// Returns its name.
    pub(super) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, method)| *method == self).map_or("", |(name, _)| name)
    }
}
