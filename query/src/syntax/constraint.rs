//! What does a constraint of a CREATE or ALTER say?

use datafusion::sql::sqlparser::ast::{
    self, ColumnDef, ColumnOption, ConstraintCharacteristics, DataType, Expr, GeneratedAs, Ident,
    IndexColumn, NullsDistinctOption, ReferentialAction, TableConstraint,
};
use pieskieo_shards::catalog::Action;
use pieskieo_shards::value::ColumnType;

use super::names::{kept_text, name_of, new_name, position_of, single_name};
use super::sequence::identity_options;
use super::{
    Body, ColumnDefinition, ConstraintDefinition, Identity, Name, Rule, SequenceOptions,
    column_type,
};
use crate::error::{Error, Result, code};

/// Columns, key and constraints of a table.
pub(super) fn body(columns: Vec<ColumnDef>, constraints: Vec<TableConstraint>) -> Result<Body> {
    let mut body = Body::default();
    for column in columns {
        let column = column_definition(column, &mut body.constraints)?;
        if column.primary_key {
            if !body.key.is_empty() {
                return Err(second_key(column.name.position));
            }
            body.key.push(column.name.clone());
        }
        body.columns.push(column);
    }
    for constraint in constraints {
        match constraint {
            TableConstraint::PrimaryKey(primary) => {
                let names = primary.columns.iter().map(plain_column).collect::<Result<Vec<_>>>()?;
                if !body.key.is_empty() {
                    return Err(second_key(names.first().map_or(0, |name| name.position)));
                }
                body.key = names;
            }
            other => body.constraints.push(table_constraint(other)?),
        }
    }
    Ok(body)
}

pub(super) fn table_constraint(constraint: TableConstraint) -> Result<ConstraintDefinition> {
    match constraint {
        TableConstraint::Unique(unique) => {
            let columns = unique.columns.iter().map(plain_column).collect::<Result<Vec<_>>>()?;
            unique_rule(
                unique.name.as_ref(),
                columns,
                unique.nulls_distinct,
                &unique.characteristics,
            )
        }
        TableConstraint::Check(check) => check_rule(check.name.as_ref(), &check.expr, None),
        TableConstraint::ForeignKey(foreign) => {
            let columns = foreign.columns.iter().map(name_of).collect();
            let name = foreign.name.clone();
            foreign_rule(name.as_ref(), columns, foreign)
        }
        other => Err(Error::unsupported(format!("{other}"))),
    }
}

pub(super) fn column_definition(
    column: ColumnDef,
    constraints: &mut Vec<ConstraintDefinition>,
) -> Result<ColumnDefinition> {
    let name = new_name(name_of(&column.name))?;
    let position = name.position;
    let serial = serial_type(&column.data_type);
    let ty = match &serial {
        Some(ty) => ty.clone(),
        None => column_type(&column.data_type).map_err(|error| error.at(position))?,
    };
    let identity = serial.map(|_| Identity { always: false, options: SequenceOptions::default() });
    let not_null = identity.is_some();
    let mut definition =
        ColumnDefinition { name, ty, not_null, default: None, primary_key: false, identity };
    for option in column.options {
        let given = option.name;
        match option.option {
            ColumnOption::Null => {}
            ColumnOption::NotNull => definition.not_null = true,
            ColumnOption::Default(expr) => definition.default = Some(kept_text(&expr)),
            ColumnOption::PrimaryKey(_) => {
                definition.primary_key = true;
                definition.not_null = true;
            }
            ColumnOption::Unique(unique) => constraints.push(unique_rule(
                given.as_ref().or(unique.name.as_ref()),
                vec![definition.name.clone()],
                unique.nulls_distinct,
                &unique.characteristics,
            )?),
            ColumnOption::ForeignKey(foreign) => {
                let name = given.or_else(|| foreign.name.clone());
                let columns = vec![definition.name.clone()];
                constraints.push(foreign_rule(name.as_ref(), columns, foreign)?);
            }
            ColumnOption::Check(check) => {
                let name = given.or_else(|| check.name.clone());
                let column = Some(&definition.name);
                constraints.push(check_rule(name.as_ref(), &check.expr, column)?);
            }
            ColumnOption::Generated { generated_as, sequence_options, generation_expr, .. } => {
                let computed = generation_expr.is_some();
                let made = made_identity(generated_as, computed, sequence_options);
                definition.identity = Some(made.map_err(|error| error.at(position))?);
                definition.not_null = true;
            }
            other => {
                return Err(Error::unsupported(format!("column option {other}")).at(position));
            }
        }
    }
    if definition.identity.is_some() && definition.default.is_some() {
        let message = format!("column \"{}\" has two defaults", definition.name.text);
        return Err(Error::new(code::SYNTAX_ERROR, message)
            .with_hint("Leave DEFAULT out: the column is numbered.")
            .at(position));
    }
    Ok(definition)
}

/// `GENERATED … AS IDENTITY [(options)]`.
fn made_identity(
    generated: GeneratedAs,
    computed: bool,
    options: Option<Vec<ast::SequenceOptions>>,
) -> Result<Identity> {
    let always = match generated {
        GeneratedAs::Always if !computed => true,
        GeneratedAs::ByDefault if !computed => false,
        _ => {
            return Err(Error::unsupported("a GENERATED column that is computed")
                .with_hint("Compute it in the queries that need it."));
        }
    };
    Ok(Identity { always, options: identity_options(options.unwrap_or_default())? })
}

/// Returns the type of a column of type SERIAL or BIGSERIAL.
fn serial_type(ty: &DataType) -> Option<ColumnType> {
    let DataType::Custom(name, arguments) = ty else { return None };
    let name = single_name(name).ok().filter(|_| arguments.is_empty())?;
    match name.text.as_str() {
        "serial" | "serial4" => Some(ColumnType::Int),
        "bigserial" | "serial8" => Some(ColumnType::BigInt),
        _ => None,
    }
}

fn unique_rule(
    name: Option<&Ident>,
    columns: Vec<Name>,
    nulls: NullsDistinctOption,
    characteristics: &Option<ConstraintCharacteristics>,
) -> Result<ConstraintDefinition> {
    let position = columns.first().map_or(0, |column| column.position);
    if matches!(nulls, NullsDistinctOption::NotDistinct) {
        return Err(nulls_not_distinct().at(position));
    }
    check_characteristics(characteristics.as_ref(), position)?;
    definition(name, position, Rule::Unique { columns })
}

/// Returns the error for NULLS NOT DISTINCT.
pub(super) fn nulls_not_distinct() -> Error {
    Error::unsupported("NULLS NOT DISTINCT")
        .with_hint("Leave it out, and make the columns NOT NULL if nulls must not repeat.")
}

fn check_rule(
    name: Option<&Ident>,
    expr: &Expr,
    column: Option<&Name>,
) -> Result<ConstraintDefinition> {
    let position = column.or(None).map_or_else(|| position_of(spanned(expr)), |name| name.position);
    let rule = Rule::Check { text: kept_text(expr), column: column.cloned() };
    definition(name, position, rule)
}

fn spanned(expr: &Expr) -> datafusion::sql::sqlparser::tokenizer::Span {
    ast::Spanned::span(expr)
}

fn foreign_rule(
    name: Option<&Ident>,
    columns: Vec<Name>,
    foreign: ast::ForeignKeyConstraint,
) -> Result<ConstraintDefinition> {
    let position = columns.first().map_or(0, |column| column.position);
    check_characteristics(foreign.characteristics.as_ref(), position)?;
    if let Some(kind) = &foreign.match_kind
        && !matches!(kind, ast::ConstraintReferenceMatchKind::Simple)
    {
        return Err(Error::unsupported(format!("{kind} of a foreign key"))
            .with_hint("Leave it out: a reference with a null in it refers to nothing.")
            .at(position));
    }
    let rule = Rule::Foreign {
        columns,
        target: single_name(&foreign.foreign_table)?,
        target_columns: foreign.referred_columns.iter().map(name_of).collect(),
        on_delete: action(foreign.on_delete),
        on_update: action(foreign.on_update),
    };
    definition(name, position, rule)
}

fn action(written: Option<ReferentialAction>) -> Action {
    match written {
        None | Some(ReferentialAction::NoAction) => Action::NoAction,
        Some(ReferentialAction::Restrict) => Action::Restrict,
        Some(ReferentialAction::Cascade) => Action::Cascade,
        Some(ReferentialAction::SetNull) => Action::SetNull,
        Some(ReferentialAction::SetDefault) => Action::SetDefault,
    }
}

fn definition(name: Option<&Ident>, position: usize, rule: Rule) -> Result<ConstraintDefinition> {
    let name = name.map(name_of).map(new_name).transpose()?;
    Ok(ConstraintDefinition { name, position, rule })
}

fn check_characteristics(
    characteristics: Option<&ConstraintCharacteristics>,
    position: usize,
) -> Result<()> {
    let Some(written) = characteristics else { return Ok(()) };
    let deferred = written.deferrable == Some(true)
        || matches!(written.initially, Some(ast::DeferrableInitial::Deferred));
    let (refused, thing, hint) = if deferred {
        (true, "a DEFERRABLE constraint", "Leave it out: it is checked when a statement ends.")
    } else {
        (written.enforced == Some(false), "NOT ENFORCED", "Leave the constraint out.")
    };
    if refused {
        return Err(Error::unsupported(thing).with_hint(hint).at(position));
    }
    Ok(())
}

/// Returns the name of a column of a key or a unique constraint.
fn plain_column(column: &IndexColumn) -> Result<Name> {
    match &column.column.expr {
        Expr::Identifier(ident) => Ok(name_of(ident)),
        other => Err(Error::new(
            code::INVALID_TABLE_DEFINITION,
            format!("a key is made of columns, not of {other}"),
        )),
    }
}

fn second_key(position: usize) -> Error {
    Error::new(code::INVALID_TABLE_DEFINITION, "a table has one primary key")
        .with_hint("Write PRIMARY KEY (a, b) for a key of several columns.")
        .at(position)
}
