//! Comparisons inside a transaction.

use redb::{ReadableTable, WriteTransaction};

use crate::{
    Comparison, Millis, Status, StoreError,
    disk::Failure,
    tables::{COMPARISONS, GENERATING, decode, encode},
};

pub(crate) fn missing(id: &str) -> StoreError {
    StoreError::NotFound { what: "comparison", id: id.to_owned() }
}

pub(crate) fn get(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
    id: &str,
) -> Result<Option<Comparison>, Failure> {
    table.get(id)?.map(|value| decode(value.value())).transpose()
}

/// Gives when the comparison it replaces was made.
pub(crate) fn put(transaction: &WriteTransaction, comparison: &Comparison) -> Result<Option<Millis>, Failure> {
    let id = comparison.id.as_str();
    let mut table = transaction.open_table(COMPARISONS)?;
    let before = get(&table, id)?.map(|before| before.created_ms);
    table.insert(id, encode(comparison).as_slice())?;
    let mut generating = transaction.open_table(GENERATING)?;
    if comparison.status == Status::Generating {
        generating.insert(("", id), ())?;
    } else {
        generating.remove(("", id))?;
    }
    Ok(before)
}

/// Gives when it was made, if it was there.
pub(crate) fn delete(transaction: &WriteTransaction, id: &str) -> Result<Option<Millis>, Failure> {
    let mut table = transaction.open_table(COMPARISONS)?;
    let before = get(&table, id)?.map(|before| before.created_ms);
    table.remove(id)?;
    transaction.open_table(GENERATING)?.remove(("", id))?;
    Ok(before)
}
