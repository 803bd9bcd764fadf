//! From an empty or an older file to the layout of today, in one transaction: an upgrade that fails leaves the file as
//! it was.

use std::hash::{BuildHasher, RandomState};

use redb::{ReadableTable, TableHandle, WriteTransaction};

use crate::{
    StoreError,
    disk::{Disk, Failure, now_ms},
    places,
    tables::{
        ATTACHMENTS, COMPARISONS, CONVERSATIONS, GENERATING, MESSAGES, META, META_GENERATION, META_IDENTITY,
        META_SCHEMA, PLACES, SCHEMA,
    },
};

/// Turns a file of one version into one of the next.
pub(crate) type Step = fn(&WriteTransaction) -> Result<(), Failure>;

/// The last one leads to `SCHEMA`.
pub(crate) const STEPS: &[Step] = &[places::note_all];

/// Brings a file to `SCHEMA`. `steps` are the last ones that lead there.
pub(crate) fn run(disk: &Disk, steps: &[Step]) -> Result<(), StoreError> {
    let path = || disk.path().to_owned();
    let first = SCHEMA - u32::try_from(steps.len()).expect("a few steps");
    let damaged = |message: String| Failure::Refused(StoreError::Damaged { path: path(), message });
    let known = disk.read(|transaction| {
        let names: Vec<_> = transaction.list_tables()?.map(|table| table.name().to_owned()).collect();
        if names.is_empty() {
            return Ok(None);
        }
        if !names.iter().any(|name| name == META.name()) {
            return Err(damaged("this is a database of another program".to_owned()));
        }
        let found = transaction.open_table(META)?.get(META_SCHEMA)?.map(|value| value.value());
        let found = found.ok_or_else(|| damaged("the database does not say its version".to_owned()))?;
        Ok(Some(u32::try_from(found).unwrap_or(u32::MAX)))
    })?;
    match known {
        Some(SCHEMA) => return Ok(()),
        Some(found) if found > SCHEMA => return Err(StoreError::TooNew { path: path(), found, known: SCHEMA }),
        Some(found) if found < first => {
            let message =
                format!("schema version {found} can no longer be read; version {first} is the oldest that can");
            return Err(StoreError::Damaged { path: path(), message });
        }
        _ => {}
    }
    disk.write(|transaction| {
        if let Some(found) = known {
            for step in &steps[(found - first) as usize..] {
                step(transaction)?;
            }
        }
        // What a read transaction finds missing is an error, so every table is made at once.
        let mut meta = transaction.open_table(META)?;
        transaction.open_table(CONVERSATIONS)?;
        transaction.open_table(MESSAGES)?;
        transaction.open_table(ATTACHMENTS)?;
        transaction.open_table(COMPARISONS)?;
        transaction.open_table(GENERATING)?;
        transaction.open_table(PLACES)?;
        meta.insert(META_SCHEMA, u64::from(SCHEMA))?;
        if meta.get(META_IDENTITY)?.is_none() {
            // The hasher is seeded by the system at random.
            meta.insert(META_IDENTITY, RandomState::new().hash_one(now_ms()))?;
        }
        if meta.get(META_GENERATION)?.is_none() {
            meta.insert(META_GENERATION, 0)?;
        }
        Ok(())
    })
}
