//! What reading costs in memory: a multiple of the bytes that are there, never of the lengths they claim.
//!
//! One test only, because the counter counts for the whole process.

mod support;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use support::{key, raw, small, string, tensor, with_tensors};
use tern_gguf::{Header, write::MetaValue, write::Writer};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Bytes allocated in all, freed or not, for each byte given. A key of 14 bytes becomes an entry of some 60, in vectors
/// that double; a string that is not UTF-8 triples. Nothing comes near this.
const MOST_PER_BYTE: usize = 24;
/// For messages and what every header needs.
const MOST_FIXED: usize = 4096;

#[track_caller]
fn check(what: &str, bytes: &[u8]) -> usize {
    let region = Region::new(ALLOCATOR);
    let header = Header::parse_prefix(bytes, bytes.len() as u64);
    let change = region.change();
    let allocated = change.bytes_allocated + change.bytes_reallocated.max(0) as usize;
    drop(header);
    let most = MOST_PER_BYTE * bytes.len() + MOST_FIXED;
    assert!(allocated <= most, "{what}: {allocated} bytes allocated for {} bytes given, at most {most}", bytes.len());
    allocated
}

#[test]
fn memory_follows_the_bytes_that_are_there() {
    let sound = small().to_bytes();
    check("a sound file", &sound);

    // Every eight bytes of a sound file in turn claim to be an enormous number.
    for place in 0..sound.len() - 8 {
        let mut lying = sound.clone();
        lying[place..place + 8].copy_from_slice(&(u64::MAX >> 20).to_le_bytes());
        check("a lying number", &lying);
    }

    let keys: Vec<_> = (0..20_000).map(|i| key(&format!("{i:x}"), 7, &[1])).collect();
    check("many small keys", &raw(0, 20_000, &keys));
    check("a long string that is not UTF-8", &raw(0, 1, &[key("k", 8, &string(&vec![0xFF; 1 << 20]))]));
    let tensors: Vec<_> = (0..20_000).map(|i| tensor(&format!("{i:x}"), &[1, 1, 1, 1], 24, 32 * i)).collect();
    check("many small tensors", &with_tensors(&tensors, 20_000 * 32));

    // A large vocabulary stays what it is in the file: one copy of the bytes, no string each.
    let tokens = (0..150_000_u32).map(|i| format!("token{i}").into_bytes()).collect();
    let vocabulary = Writer::new("llama").with("tokenizer.ggml.tokens", MetaValue::Strings(tokens)).to_bytes();
    let allocated = check("a large vocabulary", &vocabulary);
    assert!(allocated < vocabulary.len() + MOST_FIXED, "{allocated} bytes for {}", vocabulary.len());
}
