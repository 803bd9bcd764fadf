//! The files of the index: opening, checking and making anew.

use std::{fs, io, path::PathBuf};

use tantivy::{
    Index, IndexReader, IndexWriter, ReloadPolicy, TantivyDocument, TantivyError, Term,
    directory::{MmapDirectory, RamDirectory},
    indexer::IndexWriterOptions,
    schema::{FAST, Field, INDEXED, IndexRecordOption, STORED, STRING, Schema, TextFieldIndexing, TextOptions},
    tokenizer::{Token, TokenStream, Tokenizer},
};

use super::words::{Words, words};
use crate::Message;

/// Version of the fields below and of what is a word. An index of another one is made anew.
const VERSION: u32 = 1;

/// Memory for what has been read and not yet written; the least that tantivy takes.
const WRITER_BYTES: usize = 15_000_000;

const TOKENIZER: &str = "tern";

/// Where the index lies.
pub(crate) enum Place {
    Folder(PathBuf),
    Memory,
}

/// One document a title, one a message.
#[derive(Clone, Copy)]
pub(crate) struct Fields {
    /// What is replaced together: the id of the conversation, of a message with the message's behind it.
    key: Field,
    /// Number of the conversation.
    pub number: Field,
    /// Id of the message; empty for a title.
    pub message: Field,
    /// 1 for a title.
    pub title: Field,
    pub text: Field,
}

/// An index that can be read and written.
pub(crate) struct Files {
    pub fields: Fields,
    writer: IndexWriter,
    pub reader: IndexReader,
}

/// What an index says of itself: that it holds everything up to `generation` of the store `identity`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Mark {
    pub identity: u64,
    pub generation: u64,
}

impl Mark {
    fn write(self) -> String {
        format!("tern {VERSION} {} {}", self.identity, self.generation)
    }

    fn read(text: &str) -> Option<Self> {
        let (identity, generation) = text.strip_prefix(&format!("tern {VERSION} "))?.split_once(' ')?;
        Some(Self { identity: identity.parse().ok()?, generation: generation.parse().ok()? })
    }
}

impl Files {
    /// Opens the index with what it holds; makes an empty one where it is lost, damaged, or of another version or
    /// store.
    pub(crate) fn open(place: &Place, identity: u64) -> Result<(Self, Mark), TantivyError> {
        let Place::Folder(folder) = place else { return Self::create(place, identity) };
        if let Ok((files, mark)) = Self::existing(folder)
            && mark.identity == identity
        {
            return Ok((files, mark));
        }
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(TantivyError::IoError(error.into())),
            _ => Self::create(place, identity),
        }
    }

    fn existing(folder: &PathBuf) -> Result<(Self, Mark), TantivyError> {
        let index = Index::open(MmapDirectory::open(folder)?)?;
        let broken = |message: &str| TantivyError::InvalidArgument(message.to_owned());
        let mark =
            index.load_metas()?.payload.as_deref().and_then(Mark::read).ok_or_else(|| broken("another version"))?;
        if index.schema() != schema().0 {
            return Err(broken("other fields"));
        }
        if !index.validate_checksum()?.is_empty() {
            return Err(broken("damaged files"));
        }
        Ok((Self::with(index)?, mark))
    }

    fn create(place: &Place, identity: u64) -> Result<(Self, Mark), TantivyError> {
        let schema = schema().0;
        let index = match place {
            Place::Folder(folder) => {
                fs::create_dir_all(folder).map_err(|error| TantivyError::IoError(error.into()))?;
                Index::create(MmapDirectory::open(folder)?, schema, tantivy::IndexSettings::default())?
            }
            Place::Memory => Index::create(RamDirectory::create(), schema, tantivy::IndexSettings::default())?,
        };
        Ok((Self::with(index)?, Mark { identity, generation: 0 }))
    }

    fn with(index: Index) -> Result<Self, TantivyError> {
        index.tokenizers().register(TOKENIZER, Splitter);
        let options = IndexWriterOptions::builder()
            .num_worker_threads(1)
            .num_merge_threads(1)
            .memory_budget_per_thread(WRITER_BYTES)
            .build();
        let writer = index.writer_with_options(options)?;
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        Ok(Self { fields: schema().1, writer, reader })
    }

    pub(crate) fn put_title(&self, number: u64, conversation: &str, title: &str) -> Result<(), TantivyError> {
        self.put(conversation, number, "", title)
    }

    pub(crate) fn put_message(&self, number: u64, message: &Message) -> Result<(), TantivyError> {
        self.put(&message_key(&message.conversation, &message.id), number, &message.id, &message.content)
    }

    pub(crate) fn remove_message(&self, conversation: &str, id: &str) {
        self.writer.delete_term(Term::from_field_text(self.fields.key, &message_key(conversation, id)));
    }

    fn put(&self, key: &str, number: u64, message: &str, text: &str) -> Result<(), TantivyError> {
        let fields = self.fields;
        self.writer.delete_term(Term::from_field_text(fields.key, key));
        if !text.is_empty() {
            let mut document = TantivyDocument::new();
            document.add_text(fields.key, key);
            document.add_u64(fields.number, number);
            document.add_text(fields.message, message);
            document.add_u64(fields.title, u64::from(message.is_empty()));
            document.add_text(fields.text, text);
            self.writer.add_document(document)?;
        }
        Ok(())
    }

    /// Removes a conversation with its messages.
    pub(crate) fn remove(&self, number: u64) {
        self.writer.delete_term(Term::from_field_u64(self.fields.number, number));
    }

    /// Makes everything up to now last and be found.
    pub(crate) fn commit(&mut self, mark: Mark) -> Result<(), TantivyError> {
        let mut commit = self.writer.prepare_commit()?;
        commit.set_payload(&mark.write());
        commit.commit()?;
        self.reader.reload()
    }
}

fn message_key(conversation: &str, id: &str) -> String {
    format!("{conversation}\n{id}")
}

fn schema() -> (Schema, Fields) {
    let mut schema = Schema::builder();
    let indexing = TextFieldIndexing::default().set_tokenizer(TOKENIZER).set_index_option(IndexRecordOption::WithFreqs);
    let fields = Fields {
        key: schema.add_text_field("key", STRING),
        number: schema.add_u64_field("number", FAST | INDEXED),
        message: schema.add_text_field("message", STORED),
        title: schema.add_u64_field("title", FAST),
        text: schema.add_text_field("text", TextOptions::default().set_indexing_options(indexing)),
    };
    (schema.build(), fields)
}

/// [`words`] as tantivy wants them.
#[derive(Clone)]
struct Splitter;

struct Stream<'a> {
    words: Words<'a>,
    token: Token,
}

impl Tokenizer for Splitter {
    type TokenStream<'a> = Stream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Stream<'a> {
        Stream { words: words(text), token: Token::default() }
    }
}

impl TokenStream for Stream<'_> {
    fn advance(&mut self) -> bool {
        let Some(word) = self.words.next() else { return false };
        self.token.text = word.text;
        self.token.offset_from = word.range.start;
        self.token.offset_to = word.range.end;
        self.token.position = self.token.position.wrapping_add(1);
        true
    }

    fn token(&self) -> &Token {
        &self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.token
    }
}
