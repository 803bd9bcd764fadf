//! The fields of a form, as the description of the API has them.

use poem_openapi::registry::{MetaSchema, MetaSchemaRef};

/// A field of a form.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FormField {
    /// Its name. `name[]` is taken for it too.
    pub name: &'static str,
    /// What is in it.
    pub kind: FieldKind,
    /// Whether the description says that it must be there. The operation itself refuses a form without it.
    pub required: bool,
    /// What it is for.
    pub about: &'static str,
}

/// What is in a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FieldKind {
    /// Bytes of a file.
    File,
    /// A text.
    Text,
    /// Texts, each a field of the same name.
    Texts,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Some of these words, each a field of the same name.
    Words(&'static [&'static str]),
}

impl FieldKind {
    /// Whether it is a file, which may be as large as the body.
    pub fn is_file(self) -> bool {
        self == Self::File
    }

    /// Whether it may come more than once.
    pub fn may_repeat(self) -> bool {
        matches!(self, Self::Texts | Self::Words(_))
    }

    fn schema(self) -> MetaSchema {
        let words = |words: &[&str]| words.iter().map(|word| (*word).into()).collect();
        let list = |item: MetaSchema| MetaSchema {
            items: Some(Box::new(MetaSchemaRef::Inline(Box::new(item)))),
            ..MetaSchema::new("array")
        };
        match self {
            Self::File => MetaSchema::new_with_format("string", "binary"),
            Self::Text => MetaSchema::new("string"),
            Self::Texts => list(MetaSchema::new("string")),
            Self::Integer => MetaSchema::new("integer"),
            Self::Number => MetaSchema::new("number"),
            Self::Boolean => MetaSchema::new("boolean"),
            Self::Word(known) => MetaSchema { enum_items: words(known), ..MetaSchema::new("string") },
            Self::Words(known) => list(MetaSchema { enum_items: words(known), ..MetaSchema::new("string") }),
        }
    }
}

/// The schema of a form.
pub(crate) fn schema(fields: &[FormField]) -> MetaSchemaRef {
    let property = |field: &FormField| {
        let schema = MetaSchema { description: Some(field.about), ..field.kind.schema() };
        (field.name, MetaSchemaRef::Inline(Box::new(schema)))
    };
    MetaSchemaRef::Inline(Box::new(MetaSchema {
        properties: fields.iter().map(property).collect(),
        required: fields.iter().filter(|field| field.required).map(|field| field.name).collect(),
        ..MetaSchema::new("object")
    }))
}
