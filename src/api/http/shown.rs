//! What is JSON already, described as something: results that are kept as JSON need not be read and written again to be
//! sent, only to be described.

use std::{borrow::Cow, marker::PhantomData};

use poem_openapi::{
    registry::{MetaSchemaRef, Registry},
    types::Type,
};
use serde::{Serialize, Serializer};
use serde_json::Value;

/// JSON that has the schema of `T`.
#[derive(Debug, Clone)]
pub struct Shown<T> {
    value: Value,
    of: PhantomData<fn() -> T>,
}

impl<T> Shown<T> {
    /// What `value` is as JSON.
    pub fn new(value: &impl Serialize) -> Self {
        Self { value: serde_json::to_value(value).unwrap_or_default(), of: PhantomData }
    }
}

impl<T> Serialize for Shown<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(serializer)
    }
}

impl<T: Type> Type for Shown<T> {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        T::name()
    }

    fn schema_ref() -> MetaSchemaRef {
        T::schema_ref()
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }
}
