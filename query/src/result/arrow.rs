//! How are rows written as an Arrow stream?
//!
//! JSON columns leave as JSON text, because their binary form is our own; a field's metadata
//! `pieskieo.type` keeps the PQL type of every column.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use pieskieo_shards::document;

use crate::outcome::type_name;

/// The metadata key under which a field's PQL type is found.
pub const TYPE_KEY: &str = "pieskieo.type";

/// Writes batches in Arrow's IPC stream format, a piece of bytes at a time.
pub struct IpcWriter {
    schema: SchemaRef,
    writer: StreamWriter<Vec<u8>>,
}

impl IpcWriter {
    /// Begins a stream of batches with this schema.
    ///
    /// **Errors**: a type that the format cannot carry.
    pub fn new(schema: &Schema) -> Result<Self, ArrowError> {
        let schema = wire_schema(schema);
        let writer = StreamWriter::try_new(Vec::new(), &schema)?;
        Ok(Self { schema, writer })
    }

    /// Writes a batch.
    ///
    /// **Errors**: a batch of another schema.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        let columns: Vec<ArrayRef> = batch.columns().iter().map(wire_array).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let batch = RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)?;
        self.writer.write(&batch)
    }

    /// Takes the bytes written since the last call. The first piece begins with the schema.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(self.writer.get_mut())
    }

    /// Writes the end of the stream and returns the last piece.
    ///
    /// **Errors**: none after successful writes.
    pub fn finish(mut self) -> Result<Vec<u8>, ArrowError> {
        self.writer.finish()?;
        Ok(self.take())
    }
}

/// Returns the schema that leaves: JSON columns as text, PQL types as metadata.
pub fn wire_schema(schema: &Schema) -> SchemaRef {
    let fields: Vec<Field> = schema
        .fields()
        .iter()
        .map(|field| {
            let name = type_name(field.data_type());
            let ty = wire_type(field.data_type());
            let metadata = HashMap::from([(TYPE_KEY.to_owned(), name)]);
            Field::new(field.name(), ty, true).with_metadata(metadata)
        })
        .collect();
    Arc::new(Schema::new(fields))
}

fn wire_type(ty: &DataType) -> DataType {
    match ty {
        DataType::BinaryView => DataType::Utf8,
        DataType::List(item) if item.data_type() == &DataType::BinaryView => {
            DataType::List(Arc::new(Field::new(item.name(), DataType::Utf8, true)))
        }
        other => other.clone(),
    }
}

fn wire_array(array: &ArrayRef) -> ArrayRef {
    match array.data_type() {
        DataType::BinaryView => {
            let mut out = StringBuilder::with_capacity(array.len(), array.len() * 32);
            for value in array.as_binary_view() {
                out.append_option(value.map(document::to_json_text));
            }
            Arc::new(out.finish())
        }
        DataType::List(item) if item.data_type() == &DataType::BinaryView => {
            let list = array.as_list::<i32>();
            let field = Arc::new(Field::new(item.name(), DataType::Utf8, true));
            let values = wire_array(list.values());
            let (offsets, nulls) = (list.offsets().clone(), list.nulls().cloned());
            Arc::new(arrow_array::ListArray::new(field, offsets, values, nulls))
        }
        _ => array.clone(),
    }
}
