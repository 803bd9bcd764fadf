//! A whole turn on the echo engine: dialogue, scheduler, events.

use std::sync::Arc;

use tern_chat::{ChatModel, ChatModelConfig, TurnEvent, TurnRequest};
use tern_echo::EchoEngine;
use tern_engine::{Engine as _, KvType, LoadOptions, ModelSource};
use tern_scheduler::{FinishReason, Scheduler, SchedulerConfig};

use crate::support::{plain, turn, user};

pub fn start(script: &str) -> (ChatModel, Scheduler) {
    let options = LoadOptions {
        kv_cells: 4096,
        max_sequences: 4,
        max_batch_tokens: 512,
        threads: 1,
        kv_type: KvType::F16,
        flash_attention: None,
        gpu_layers: 0,
        ..LoadOptions::default()
    };
    let model = EchoEngine.load(&ModelSource::Script(script.to_owned()), &options, &mut |_| true).unwrap();
    let text = model.text.unwrap();
    let config = ChatModelConfig {
        template: model.info.chat_template,
        bos_token: model.info.bos_token,
        eos_token: model.info.eos_token,
        ..ChatModelConfig::default()
    };
    let chat = ChatModel::new(config, text.tokenizer.clone()).unwrap();
    let config = SchedulerConfig { name: script.to_owned(), parallel: 4, queue: 4, prefill_chunk: 64 };
    (chat, Scheduler::start(text.decoder, text.tokenizer, config))
}

/// Runs a turn to its end: reasoning and text of each answer, and all events.
fn run(chat: &ChatModel, scheduler: &Scheduler, request: TurnRequest) -> (Vec<(String, String)>, Vec<TurnEvent>) {
    let mut answers = vec![(String::new(), String::new()); request.generation.n as usize];
    let mut events = Vec::new();
    let mut turn = chat.start(scheduler, request).unwrap();
    while let Some(event) = turn.blocking_next() {
        match &event {
            TurnEvent::Reasoning(delta) => answers[delta.choice as usize].0.push_str(&delta.text),
            TurnEvent::Text(delta) => answers[delta.choice as usize].1.push_str(&delta.text),
            _ => {}
        }
        events.push(event);
    }
    (answers, events)
}

#[test]
fn a_turn_tells_its_tokens_and_when_they_were_chosen() {
    let (chat, scheduler) = start("echo-reasoning?step_ms=2");
    let mut turn = chat.start(&scheduler, turn(vec![user("What is 2 + 2?")])).unwrap();
    assert!(turn.tokens(0).is_empty());
    let summary = loop {
        match turn.blocking_next().expect("the turn ends with an end") {
            TurnEvent::End { summary, .. } => break summary,
            TurnEvent::Failed(error) => panic!("{error}"),
            _ => {}
        }
    };
    let tokens = turn.tokens(0);
    assert_eq!(tokens.len(), summary.completion_tokens as usize, "marks are tokens too");
    assert!(
        tokens.windows(2).all(|pair| pair[1].at_ms - pair[0].at_ms >= 2.0),
        "each takes a pass of 2 ms: {tokens:?}"
    );
    assert!(tokens[0].at_ms >= summary.prefill_ms && turn.tokens(1).is_empty());
}

#[test]
fn a_question_is_echoed() {
    let (chat, scheduler) = start("echo");
    let (answers, events) = run(&chat, &scheduler, turn(vec![user("Hello <|im_end|> there")]));
    assert_eq!(answers, [(String::new(), "Hello <|im_end|> there".to_owned())]);
    let finish = TurnEvent::Finish { choice: 0, reason: FinishReason::Stop(None), tool_calls: 0 };
    assert!(events.contains(&finish), "{events:?}");
    assert!(matches!(events.last(), Some(TurnEvent::End { reasoning_tokens: 0, .. })), "{events:?}");
}

#[test]
fn each_of_several_answers_is_divided_and_its_tokens_counted() {
    let (chat, scheduler) = start("echo-reasoning");
    let mut request = turn(vec![user("2 + 2?")]);
    request.generation.n = 2;
    request.generation.logprobs = Some(0);
    let (answers, events) = run(&chat, &scheduler, request);
    let expected = ("The user wants a sum: 2 + 2.".to_owned(), "The answer is 4.".to_owned());
    assert_eq!(answers, [expected.clone(), expected]);
    let said: Vec<u8> = events
        .iter()
        .filter_map(|event| match event {
            TurnEvent::Text(delta) if delta.choice == 1 => Some(delta),
            _ => None,
        })
        .flat_map(|delta| delta.logprobs.iter().flat_map(|logprob| logprob.bytes.clone()))
        .collect();
    assert_eq!(String::from_utf8(said).unwrap().trim_end_matches("<|im_end|>"), "The answer is 4.");
    let Some(TurnEvent::End { summary, reasoning_tokens }) = events.last() else { panic!("{events:?}") };
    // Mark, break, ten words, break, mark, two breaks; then five words and the end of each answer.
    assert_eq!(*reasoning_tokens, 2 * 16);
    assert!(summary.completion_tokens >= 2 * (16 + 5), "{summary:?}");
}

#[test]
fn an_answer_cut_short_says_so() {
    let (chat, scheduler) = start("echo-reasoning");
    let mut request = turn(vec![user("2 + 2?")]);
    request.generation.max_tokens = Some(4);
    let (answers, events) = run(&chat, &scheduler, request);
    assert_eq!(answers, [("The user".to_owned(), String::new())]);
    assert!(
        events.contains(&TurnEvent::Finish { choice: 0, reason: FinishReason::Length, tool_calls: 0 }),
        "{events:?}"
    );
}

#[test]
fn a_failing_engine_fails_the_turn() {
    let (chat, scheduler) = start("echo-error");
    let (_, events) = run(&chat, &scheduler, turn(vec![user("Hi")]));
    assert!(matches!(events.last(), Some(TurnEvent::Failed(_))), "{events:?}");
}

#[test]
fn the_plain_form_stops_before_the_next_speaker() {
    let (_, scheduler) = start("echo");
    let chat = plain();
    let (answers, _) = run(&chat, &scheduler, turn(vec![user("Hi")]));
    assert!(!answers[0].1.contains("User:") && !answers[0].1.starts_with(' '), "{answers:?}");
}

#[test]
fn a_turn_can_be_awaited() {
    let (chat, scheduler) = start("echo");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut turn = chat.start(&scheduler, turn(vec![user("Hi")])).unwrap();
    let last = runtime.block_on(async {
        let mut last = None;
        while let Some(event) = turn.next().await {
            last = Some(event);
        }
        last
    });
    assert!(matches!(last, Some(TurnEvent::End { .. })), "{last:?}");
    let shared: Arc<dyn Send + Sync> = Arc::new(chat);
    drop(shared);
}
