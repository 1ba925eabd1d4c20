//! What does an ALTER say?

use datafusion::sql::sqlparser::ast::{
    self, AlterColumnOperation, AlterIndexOperation, AlterTableOperation, DropBehavior, ObjectName,
    RenameTableNameKind,
};

use super::constraint::{column_definition, table_constraint};
use super::names::{kept_text, name_of, new_name, single_name};
use super::{
    AlterTable, Alteration, ConstraintDefinition, Name, RenameIndex, Statement, column_type,
};
use crate::error::{Error, Result};
use crate::limits::ALTERATIONS_MAX;

/// `ALTER TABLE`.
pub(super) fn from_alter_table(alter: ast::AlterTable) -> Result<Statement> {
    let refused = [
        (alter.only, "ALTER TABLE ONLY", "Leave ONLY out: tables have no children."),
        (alter.on_cluster.is_some(), "ON CLUSTER", "Leave it out."),
        (alter.location.is_some(), "SET LOCATION", "Leave it out."),
    ];
    if let Some((_, thing, hint)) = refused.iter().find(|(refused, _, _)| *refused) {
        return Err(Error::unsupported(thing).with_hint(*hint));
    }
    let name = single_name(&alter.name)?;
    if alter.operations.len() > ALTERATIONS_MAX {
        return Err(Error::new(
            crate::error::code::PROGRAM_LIMIT,
            "the statement changes too much at once",
        )
        .with_detail(format!("The limit alterations_max is {ALTERATIONS_MAX}."))
        .at(name.position));
    }
    let actions = alter.operations.into_iter().map(alteration).collect::<Result<_>>()?;
    Ok(Statement::AlterTable(AlterTable { name, if_exists: alter.if_exists, actions }))
}

/// `ALTER INDEX name RENAME TO name`.
pub(super) fn from_alter_index(
    name: &ObjectName,
    operation: &AlterIndexOperation,
) -> Result<Statement> {
    let AlterIndexOperation::RenameIndex { index_name } = operation;
    let to = new_name(single_name(index_name)?)?;
    Ok(Statement::RenameIndex(RenameIndex { name: single_name(name)?, to }))
}

fn alteration(operation: AlterTableOperation) -> Result<Alteration> {
    use AlterTableOperation as Sql;
    Ok(match operation {
        Sql::AddColumn { if_not_exists, column_def, column_position, .. } => {
            if column_position.is_some() {
                return Err(Error::unsupported("FIRST and AFTER")
                    .with_hint("Leave it out: a new column is the last one."));
            }
            let mut constraints = Vec::new();
            let column = column_definition(column_def, &mut constraints)?;
            Alteration::AddColumn { column: Box::new(column), constraints, if_not_exists }
        }
        Sql::DropColumn { column_names, if_exists, drop_behavior, .. } => match &column_names[..] {
            [column] => {
                let column = name_of(column);
                Alteration::DropColumn { column, if_exists, cascade: is_cascade(drop_behavior) }
            }
            _ => {
                return Err(Error::unsupported("DROP COLUMN of several columns")
                    .with_hint("Write DROP COLUMN a, DROP COLUMN b."));
            }
        },
        Sql::RenameColumn { old_column_name, new_column_name } => Alteration::RenameColumn {
            column: name_of(&old_column_name),
            to: new_name(name_of(&new_column_name))?,
        },
        Sql::RenameTable { table_name } => {
            let (RenameTableNameKind::As(name) | RenameTableNameKind::To(name)) = &table_name;
            Alteration::RenameTable { to: new_name(single_name(name)?)? }
        }
        Sql::RenameConstraint { old_name, new_name: to } => Alteration::RenameConstraint {
            constraint: name_of(&old_name),
            to: new_name(name_of(&to))?,
        },
        Sql::AlterColumn { column_name, op } => altered_column(name_of(&column_name), op)?,
        Sql::AddConstraint { constraint, not_valid } => {
            if let ast::TableConstraint::PrimaryKey(_) = &constraint {
                return Err(Error::unsupported("ADD PRIMARY KEY")
                    .with_hint("Records lie in the order of their key: create a table with it."));
            }
            let constraint = table_constraint(constraint)?;
            Alteration::AddConstraint { constraint: boxed(constraint), not_valid }
        }
        Sql::DropConstraint { if_exists, name, drop_behavior } => Alteration::DropConstraint {
            constraint: name_of(&name),
            if_exists,
            cascade: is_cascade(drop_behavior),
        },
        Sql::ValidateConstraint { name } => {
            Alteration::ValidateConstraint { constraint: name_of(&name) }
        }
        other => return Err(unsupported(&other)),
    })
}

fn boxed(constraint: ConstraintDefinition) -> Box<ConstraintDefinition> {
    Box::new(constraint)
}

fn is_cascade(behavior: Option<DropBehavior>) -> bool {
    behavior == Some(DropBehavior::Cascade)
}

fn altered_column(column: Name, operation: AlterColumnOperation) -> Result<Alteration> {
    use AlterColumnOperation as Sql;
    Ok(match operation {
        Sql::SetNotNull => Alteration::SetNotNull { column },
        Sql::DropNotNull => Alteration::DropNotNull { column },
        Sql::SetDefault { value } => {
            Alteration::SetDefault { column, default: Some(kept_text(&value)) }
        }
        Sql::DropDefault => Alteration::SetDefault { column, default: None },
        Sql::SetDataType { data_type, using, .. } => {
            let ty = column_type(&data_type).map_err(|error| error.at(column.position))?;
            Alteration::SetType { column, ty, using: using.as_ref().map(kept_text) }
        }
        Sql::AddGenerated { .. } => {
            return Err(Error::unsupported("ADD GENERATED")
                .with_hint("CREATE SEQUENCE, then SET DEFAULT nextval('name').")
                .at(column.position));
        }
    })
}

/// Names what is not offered by its first words.
fn unsupported(operation: &AlterTableOperation) -> Error {
    let text = operation.to_string();
    let words: Vec<&str> = text.split(' ').take(2).collect();
    Error::unsupported(format!("ALTER TABLE ... {}", words.join(" "))).with_hint(
        "ALTER TABLE has ADD, DROP, RENAME and ALTER COLUMN, ADD, DROP, RENAME and VALIDATE \
         CONSTRAINT, and RENAME TO.",
    )
}
