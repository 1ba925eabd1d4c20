//! Which columns does a SELECT list give, and what are they called?

use std::collections::BTreeSet;

use datafusion::sql::sqlparser::ast::{
    AccessExpr, CastKind, DataType, Expr, SelectItem, SelectItemQualifiedWildcardKind, Subscript,
    Value, WildcardAdditionalOptions,
};
use pieskieo_shards::value::ColumnType;

use super::engine_function::function_name;
use super::json::Wanted;
use super::query::Binder;
use super::scope::{Merged, Relation, Scope, ScopeColumn};
use super::{build, object_name};
use crate::error::{Error, Result};
use crate::syntax::{name_of, single_name, system_name};

/// The name of a column that has none, as PostgreSQL.
const NAMELESS: &str = "?column?";

/// A bound list: its items, and the columns they give.
pub(super) struct SelectList {
    pub items: Vec<SelectItem>,
    pub columns: Vec<ScopeColumn>,
}

/// One output column before it has its final name.
struct Output {
    expr: Expr,
    /// The name it should have.
    name: String,
    /// Whether the expression alone would get this name.
    plain: bool,
    json: bool,
    ty: Option<ColumnType>,
}

/// Returns what a JSON value is read as to be compared with a column of this type.
pub(super) fn wanted_for(ty: Option<&ColumnType>) -> Wanted {
    match ty {
        Some(ColumnType::Bool) => Wanted::Bool,
        Some(ty) if ty.is_number() => Wanted::Number,
        _ => Wanted::Text,
    }
}

impl Binder<'_> {
    /// Binds a SELECT or RETURNING list.
    pub(super) fn bind_select_list(
        &mut self,
        items: Vec<SelectItem>,
        scope: &Scope<'_>,
    ) -> Result<SelectList> {
        let mut outputs = Vec::with_capacity(items.len());
        let mut open = Vec::new();
        for item in items {
            match item {
                SelectItem::UnnamedExpr(expr) => {
                    outputs.push(Ok(self.output(expr, None, scope)?));
                }
                SelectItem::ExprWithAlias { expr, alias } => {
                    let name = name_of(&alias).text;
                    outputs.push(Ok(self.output(expr, Some(name), scope)?));
                }
                SelectItem::Wildcard(options) => {
                    let excluded = excluded(&options)?;
                    all_columns(scope, &excluded, &mut outputs, &mut open);
                }
                SelectItem::QualifiedWildcard(kind, options) => {
                    let excluded = excluded(&options)?;
                    let relation = qualified(&kind, scope)?;
                    relation_columns(relation, &[], &excluded, &mut outputs, &mut open);
                }
                SelectItem::ExprWithAliases { .. } => {
                    return Err(Error::unsupported("several aliases for one column"));
                }
            }
        }
        Ok(named(outputs, &open))
    }

    fn output(
        &mut self,
        mut expr: Expr,
        alias: Option<String>,
        scope: &Scope<'_>,
    ) -> Result<Output> {
        let name = alias.clone().unwrap_or_else(|| natural_name(&expr));
        let ty = column_type_of(&expr, scope);
        let object = object_name::cast_to(&expr).filter(|_| self.shows_names);
        let json = self.bind_expr(&mut expr, scope)?;
        if let Some(object) = object {
            expr = object.write(expr);
        }
        let plain = alias.is_none()
            && match &expr {
                Expr::Identifier(ident) => ident.value == name,
                Expr::CompoundIdentifier(idents) => {
                    idents.len() == 2 && idents.last().is_some_and(|ident| ident.value == name)
                }
                _ => false,
            };
        Ok(Output { expr, name, plain, json, ty })
    }
}

/// The stored type of an expression that is a column.
fn column_type_of(expr: &Expr, scope: &Scope<'_>) -> Option<ColumnType> {
    let (relation, name) = match expr {
        Expr::Identifier(ident) => (None, name_of(ident).text),
        Expr::CompoundIdentifier(idents) => match idents.as_slice() {
            [relation, column] => (Some(name_of(relation).text), name_of(column).text),
            _ => return None,
        },
        _ => return None,
    };
    let mut relations = scope.relations.iter();
    let found = relations.find_map(|candidate| {
        let named = relation.is_none() || candidate.name == relation;
        if named { candidate.column(&name) } else { None }
    });
    found.and_then(|column| column.ty.clone())
}

fn excluded(options: &WildcardAdditionalOptions) -> Result<BTreeSet<String>> {
    use datafusion::sql::sqlparser::ast::ExcludeSelectItem;
    if options.opt_ilike.is_some()
        || options.opt_replace.is_some()
        || options.opt_rename.is_some()
        || options.opt_alias.is_some()
    {
        return Err(Error::unsupported("an option of *").with_hint("List the columns."));
    }
    let mut names = BTreeSet::new();
    match &options.opt_exclude {
        Some(ExcludeSelectItem::Single(name)) => {
            names.insert(single_name(name)?.text);
        }
        Some(ExcludeSelectItem::Multiple(several)) => {
            for name in several {
                names.insert(single_name(name)?.text);
            }
        }
        None => {}
    }
    if let Some(except) = &options.opt_except {
        names.insert(name_of(&except.first_element).text);
        names.extend(except.additional_elements.iter().map(|ident| name_of(ident).text));
    }
    Ok(names)
}

fn qualified<'s>(
    kind: &SelectItemQualifiedWildcardKind,
    scope: &'s Scope<'_>,
) -> Result<&'s Relation> {
    match kind {
        SelectItemQualifiedWildcardKind::ObjectName(name) => {
            let name = match system_name(name)? {
                Some((_, name)) => name,
                None => single_name(name)?,
            };
            scope
                .relation(&name.text)
                .ok_or_else(|| scope.undefined_relation(&name.text, name.position))
        }
        SelectItemQualifiedWildcardKind::Expr(expr) => {
            Err(Error::unsupported(format!("{expr}.*")).with_hint("List the fields."))
        }
    }
}

type Outputs = Vec<std::result::Result<Output, SelectItem>>;

/// `*`: merged columns once, then each relation's own.
fn all_columns(
    scope: &Scope<'_>,
    excluded: &BTreeSet<String>,
    outputs: &mut Outputs,
    open: &mut Vec<ScopeColumn>,
) {
    for Merged { name, expr } in &scope.merged {
        if excluded.contains(name) {
            continue;
        }
        let column = scope.relations.iter().find_map(|relation| relation.column(name));
        outputs.push(Ok(Output {
            plain: matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_)),
            expr: expr.clone(),
            name: name.clone(),
            json: column.is_some_and(|column| column.json),
            ty: column.and_then(|column| column.ty.clone()),
        }));
    }
    for relation in scope.relations.iter().filter(|relation| relation.is_shown()) {
        relation_columns(relation, &scope.merged, excluded, outputs, open);
    }
}

fn relation_columns(
    relation: &Relation,
    merged: &[Merged],
    excluded: &BTreeSet<String>,
    outputs: &mut Outputs,
    open: &mut Vec<ScopeColumn>,
) {
    let alias = relation.name.as_deref();
    if !relation.known {
        let options = WildcardAdditionalOptions::default();
        outputs.push(Err(match alias {
            Some(alias) => SelectItem::QualifiedWildcard(
                SelectItemQualifiedWildcardKind::ObjectName(build::object(alias)),
                options,
            ),
            None => SelectItem::Wildcard(options),
        }));
        open.push(ScopeColumn { name: String::new(), json: false, hidden: false, ty: None });
        return;
    }
    for column in relation.shown_columns() {
        if merged.iter().any(|merged| merged.name == column.name) || excluded.contains(&column.name)
        {
            continue;
        }
        outputs.push(Ok(Output {
            expr: build::column(alias, &column.name),
            name: column.name.clone(),
            plain: true,
            json: column.json,
            ty: column.ty,
        }));
    }
}

/// Gives every output a name of its own.
fn named(outputs: Outputs, open: &[ScopeColumn]) -> SelectList {
    let mut taken = BTreeSet::new();
    let mut items = Vec::with_capacity(outputs.len());
    let mut columns = Vec::with_capacity(outputs.len());
    // Outputs keep their own name where they can; the later of two equal ones gets a number.
    for output in outputs {
        let output = match output {
            Ok(output) => output,
            Err(item) => {
                items.push(item);
                continue;
            }
        };
        let name = free_name(&output.name, &mut taken);
        let renamed = name != output.name;
        columns.push(ScopeColumn {
            name: name.clone(),
            json: output.json,
            hidden: false,
            ty: output.ty,
        });
        items.push(if output.plain && !renamed {
            SelectItem::UnnamedExpr(output.expr)
        } else {
            SelectItem::ExprWithAlias { expr: output.expr, alias: build::ident(&name) }
        });
    }
    // Columns of table functions are not known: marked by a column without a name.
    columns.extend(open.iter().cloned());
    SelectList { items, columns }
}

fn free_name(name: &str, taken: &mut BTreeSet<String>) -> String {
    let mut candidate = name.to_owned();
    let mut number = 2_usize;
    while !taken.insert(candidate.clone()) {
        candidate = format!("{name}_{number}");
        number += 1;
    }
    candidate
}

/// The name PostgreSQL would give to an output column.
pub(super) fn natural_name(expr: &Expr) -> String {
    match expr {
        Expr::Identifier(ident) => name_of(ident).text,
        Expr::CompoundIdentifier(idents) => {
            idents.last().map_or_else(|| NAMELESS.to_owned(), |ident| name_of(ident).text)
        }
        Expr::CompoundFieldAccess { root, access_chain } => {
            access_chain.iter().rev().find_map(step_name).unwrap_or_else(|| natural_name(root))
        }
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => natural_name(inner),
        Expr::Function(function) => function_name(function),
        Expr::Cast { kind, expr, data_type, .. } => {
            let inner = natural_name(expr);
            let typed = inner == NAMELESS && !matches!(kind, CastKind::TryCast);
            if typed { type_name(data_type) } else { inner }
        }
        Expr::TypedString(typed) => type_name(&typed.data_type),
        Expr::Case { .. } => "case".to_owned(),
        Expr::Exists { .. } => "exists".to_owned(),
        Expr::Array(_) => "array".to_owned(),
        Expr::Extract { .. } => "extract".to_owned(),
        Expr::Position { .. } => "position".to_owned(),
        Expr::Substring { .. } => "substring".to_owned(),
        Expr::Trim { .. } => "trim".to_owned(),
        Expr::Overlay { .. } => "overlay".to_owned(),
        Expr::Ceil { .. } => "ceil".to_owned(),
        Expr::Floor { .. } => "floor".to_owned(),
        Expr::AtTimeZone { .. } => "timezone".to_owned(),
        Expr::Subquery(query) => subquery_name(query),
        Expr::Value(value) if matches!(value.value, Value::Boolean(_)) => "bool".to_owned(),
        _ => NAMELESS.to_owned(),
    }
}

fn step_name(step: &AccessExpr) -> Option<String> {
    match step {
        AccessExpr::Dot(Expr::Identifier(ident)) => Some(name_of(ident).text),
        AccessExpr::Subscript(Subscript::Index { index: Expr::Value(value) }) => {
            match &value.value {
                Value::SingleQuotedString(text) => Some(text.clone()),
                _ => None,
            }
        }
        _ => None,
    }
}

fn type_name(ty: &DataType) -> String {
    let text = ty.to_string().to_lowercase();
    text.split(['(', ' ']).next().unwrap_or(NAMELESS).to_owned()
}

fn subquery_name(query: &datafusion::sql::sqlparser::ast::Query) -> String {
    use datafusion::sql::sqlparser::ast::SetExpr;
    let SetExpr::Select(select) = query.body.as_ref() else { return NAMELESS.to_owned() };
    match select.projection.first() {
        Some(SelectItem::UnnamedExpr(expr)) => natural_name(expr),
        Some(SelectItem::ExprWithAlias { alias, .. }) => name_of(alias).text,
        _ => NAMELESS.to_owned(),
    }
}
