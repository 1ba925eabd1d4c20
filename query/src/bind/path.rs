//! What does a name or path mean?
//!
//! `year`, `f.year`, `f.meta.year`, `meta.cast[0].name`: a column, or a column and a way into its
//! JSON value.

use datafusion::sql::sqlparser::ast::{AccessExpr, Expr, Ident, Subscript, Value};

use super::build;
use super::query::Binder;
use super::scope::{DOCUMENT, Found, Relation, Scope};
use crate::error::{Error, Result, code};
use crate::functions::{ARRAY_GET, ARRAY_PART};
use crate::syntax::{Name, is_schema, name_of, position_of};

/// An index behind the last one of every array.
const ARRAY_END: u64 = 2_147_483_647;

/// What a path of names turned out to be.
struct Target {
    expr: Expr,
    json: bool,
    /// Names that lead into the JSON value.
    rest: Vec<Name>,
}

impl Binder<'_> {
    /// Binds a name without dots. Returns whether its values are JSON.
    pub(super) fn bind_identifier(&self, expr: &mut Expr, scope: &Scope<'_>) -> Result<bool> {
        let Expr::Identifier(ident) = &*expr else { return Ok(false) };
        let target = self.target(&[name_of(ident)], ident, scope)?;
        finish(expr, target)
    }

    /// Binds a dotted name. Returns whether its values are JSON.
    pub(super) fn bind_compound(&self, expr: &mut Expr, scope: &Scope<'_>) -> Result<bool> {
        let Expr::CompoundIdentifier(idents) = &*expr else { return Ok(false) };
        let Some(first) = idents.first() else { return Ok(false) };
        let names: Vec<Name> = idents.iter().map(name_of).collect();
        let target = self.target(&names, first, scope)?;
        finish(expr, target)
    }

    /// Binds `root.a[0].b`. Returns whether its values are JSON.
    pub(super) fn bind_access(&mut self, expr: &mut Expr, scope: &Scope<'_>) -> Result<bool> {
        let Expr::CompoundFieldAccess { root, access_chain } = &mut *expr else { return Ok(false) };
        let mut chain = std::mem::take(access_chain).into_iter().peekable();
        let mut idents: Vec<Ident> = match root.as_ref() {
            Expr::Identifier(ident) => vec![ident.clone()],
            Expr::CompoundIdentifier(idents) => idents.clone(),
            _ => Vec::new(),
        };
        if !idents.is_empty() {
            while let Some(AccessExpr::Dot(Expr::Identifier(ident))) = chain.peek() {
                idents.push(ident.clone());
                chain.next();
            }
            **root = match idents.as_slice() {
                [one] => Expr::Identifier(one.clone()),
                _ => Expr::CompoundIdentifier(idents),
            };
        }
        let json = self.bind_expr(root, scope)?;
        let chain: Vec<AccessExpr> = chain.collect();
        if !json {
            return self.bind_array_access(expr, chain, scope);
        }
        let mut steps = Vec::with_capacity(chain.len());
        for access in chain {
            steps.push(self.json_step(access, scope)?);
        }
        let value = std::mem::replace(root.as_mut(), build::literal(Value::Null));
        *expr = json_get(value, steps);
        Ok(true)
    }

    /// Subscripts of a value that is not JSON are those of an array.
    fn bind_array_access(
        &mut self,
        expr: &mut Expr,
        chain: Vec<AccessExpr>,
        scope: &Scope<'_>,
    ) -> Result<bool> {
        let Expr::CompoundFieldAccess { root, .. } = expr else { return Ok(false) };
        let mut value = std::mem::replace(root.as_mut(), build::literal(Value::Null));
        for access in chain {
            value = match access {
                AccessExpr::Dot(name) => {
                    return Err(Error::new(
                        code::WRONG_OBJECT_TYPE,
                        format!("\"{value}\" is not a document, it has no field {name}"),
                    ));
                }
                AccessExpr::Subscript(Subscript::Index { mut index }) => {
                    self.bind_expr(&mut index, scope)?;
                    build::call(ARRAY_GET, vec![value, index])
                }
                AccessExpr::Subscript(Subscript::Slice { stride: Some(_), .. }) => {
                    return Err(Error::unsupported("a slice with a step"));
                }
                AccessExpr::Subscript(Subscript::Slice { lower_bound, upper_bound, .. }) => {
                    let mut from = lower_bound.unwrap_or_else(|| build::number(1));
                    let mut to = upper_bound.unwrap_or_else(|| build::number(ARRAY_END));
                    self.bind_expr(&mut from, scope)?;
                    self.bind_expr(&mut to, scope)?;
                    build::call(ARRAY_PART, vec![value, from, to])
                }
            };
        }
        *expr = value;
        Ok(false)
    }

    fn json_step(&mut self, access: AccessExpr, scope: &Scope<'_>) -> Result<Expr> {
        match access {
            AccessExpr::Dot(Expr::Identifier(ident)) => Ok(build::text(&name_of(&ident).text)),
            AccessExpr::Subscript(Subscript::Index { mut index }) => {
                self.bind_expr(&mut index, scope)?;
                Ok(index)
            }
            _ => Err(Error::unsupported("a slice of a JSON value")
                .with_hint("Use one index such as [0].")),
        }
    }

    fn target(&self, names: &[Name], first: &Ident, scope: &Scope<'_>) -> Result<Target> {
        // `public.t.a` is `t.a`.
        let names = match names {
            [schema, rest @ ..] if rest.len() >= 2 && is_schema(&schema.text) => {
                if scope.relation(&schema.text).is_some() { names } else { rest }
            }
            names => names,
        };
        let Some((head, rest)) = names.split_first() else {
            return Err(Error::internal("a name without parts"));
        };
        if let (Some(relation), Some((column, rest))) =
            (scope.relation(&head.text), rest.split_first())
        {
            return column_of(relation, column, rest);
        }
        let found = scope.find(&head.text, head.position);
        let found = match found {
            Err(error) if !rest.is_empty() && error.code == code::UNDEFINED_COLUMN.code => {
                return Err(scope.undefined_relation(&head.text, head.position));
            }
            found => found?,
        };
        Ok(match found {
            Found::Column { json } => {
                Target { expr: Expr::Identifier(lowered(first)), json, rest: rest.to_vec() }
            }
            Found::Field { relation } => Target {
                expr: build::column(relation.as_deref(), DOCUMENT),
                json: true,
                rest: names.to_vec(),
            },
            Found::Value { relation, column, json } => {
                let expr = build::column(Some(&relation), &column);
                Target { expr, json, rest: rest.to_vec() }
            }
            Found::Alias { expr, json } => Target { expr: *expr, json, rest: rest.to_vec() },
            Found::Unknown => {
                let idents = names.iter().map(|name| build::ident(&name.text)).collect::<Vec<_>>();
                let expr = match <[Ident; 1]>::try_from(idents) {
                    Ok([one]) => Expr::Identifier(one),
                    Err(idents) => Expr::CompoundIdentifier(idents),
                };
                Target { expr, json: false, rest: Vec::new() }
            }
        })
    }
}

/// `alias.column.rest`.
fn column_of(relation: &Relation, column: &Name, rest: &[Name]) -> Result<Target> {
    let alias = relation.name.as_deref();
    if let Some(known) = relation.column(&column.text) {
        return Ok(Target {
            expr: build::column(alias, &column.text),
            json: known.json,
            rest: rest.to_vec(),
        });
    }
    if let Some(value) = relation.value_column().filter(|value| value.json) {
        let mut path = vec![column.clone()];
        path.extend_from_slice(rest);
        let expr = build::column(alias, &value.name);
        return Ok(Target { expr, json: true, rest: path });
    }
    if relation.is_open() {
        let mut path = vec![column.clone()];
        path.extend_from_slice(rest);
        return Ok(Target { expr: build::column(alias, DOCUMENT), json: true, rest: path });
    }
    if !relation.known {
        let expr = build::column(alias, &column.text);
        return Ok(Target { expr, json: false, rest: Vec::new() });
    }
    Err(Scope::undefined_in(relation, &column.text, column.position))
}

fn finish(expr: &mut Expr, target: Target) -> Result<bool> {
    if target.rest.is_empty() {
        *expr = target.expr;
        return Ok(target.json);
    }
    if !target.json {
        let name = &target.rest[0];
        return Err(Error::new(
            code::UNDEFINED_COLUMN,
            format!("\"{}\" is not a document, it has no field \"{}\"", target.expr, name.text),
        )
        .at(name.position));
    }
    *expr = json_get(target.expr, target.rest.iter().map(|name| build::text(&name.text)).collect());
    Ok(true)
}

/// `json_get(value, steps…)`; steps of an inner call are joined.
pub(super) fn json_get(value: Expr, steps: Vec<Expr>) -> Expr {
    if steps.is_empty() {
        return value;
    }
    let mut args = vec![value];
    args.extend(steps);
    build::call("json_get", args)
}

/// The identifier as the planner takes it: lower case unless it was quoted.
pub(super) fn lowered(ident: &Ident) -> Ident {
    let mut lowered = build::ident(&name_of(ident).text);
    lowered.span = ident.span;
    lowered
}

/// Where an expression begins, in characters from 1; 0 when it is unknown.
pub(super) fn position(expr: &Expr) -> usize {
    use datafusion::sql::sqlparser::ast::Spanned;
    position_of(expr.span())
}
