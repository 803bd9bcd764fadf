//! A load of streaming chat requests on one server, as its clients would put on it. Tokens are counted by the
//! server's usage block, times by this side's clock.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::spread::{Spread, percentile};
use crate::client::{Client, Piece};

/// Longest wait for one answer.
const TIMEOUT: Duration = Duration::from_secs(600);
/// Words of the question behind a shared prefix.
const QUESTION_WORDS: u32 = 12;

const WORDS: [&str; 36] = [
    "river", "stone", "cloud", "engine", "harbor", "winter", "signal", "copper", "garden", "market", "bridge",
    "letter", "window", "mountain", "silver", "forest", "paper", "music", "circle", "summer", "yellow", "little",
    "number", "water", "people", "history", "science", "country", "problem", "system", "program", "question",
    "morning", "island", "answer", "metal",
];

/// What to put on the server.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Plan {
    pub model: String,
    pub clients: u32,
    pub requests: u32,
    pub prompt_words: u32,
    pub max_tokens: u32,
    pub shared_prefix: bool,
}

/// How the server bore it.
#[derive(Debug, Default, Serialize)]
pub(super) struct Outcome {
    /// Requests answered to the end.
    pub answers: u64,
    pub errors: u64,
    /// The first few, in words.
    pub first_errors: Vec<String>,
    pub wall_seconds: f64,
    pub prompt_tokens: u64,
    pub cached_tokens: u64,
    pub completion_tokens: u64,
    /// Completion tokens a second, all clients together.
    pub total_per_second: f64,
    /// Tokens a second of one stream after its first token.
    pub decode_per_second: Option<Spread>,
    /// Milliseconds, median and 95th percentile.
    pub ttft_ms: Option<[f64; 2]>,
    /// Milliseconds between two pieces of a stream, median and 95th percentile.
    pub inter_token_ms: Option<[f64; 2]>,
}

/// What one answer showed.
#[derive(Default)]
struct Answer {
    ttft_ms: f64,
    gaps_ms: Vec<f64>,
    prompt: u64,
    cached: u64,
    completion: u64,
    decode_per_second: Option<f64>,
}

/// Runs the plan, after one short request that warms the server up and does not count.
pub(super) async fn measure(client: &Client, plan: &Plan) -> Outcome {
    let warm = Plan { max_tokens: 4, ..plan.clone() };
    // If the server cannot answer, the requests that count will say so.
    let _ = one(client, body(&warm, u32::MAX)).await;

    let places = Arc::new(Semaphore::new(plan.clients as usize));
    let results = Arc::new(Mutex::new(Vec::new()));
    let started = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..plan.requests {
        let (client, places, results) = (client.clone(), places.clone(), results.clone());
        let body = body(plan, number);
        tasks.spawn(async move {
            // Never closed.
            let _place = places.acquire_owned().await.ok();
            let result = match tokio::time::timeout(TIMEOUT, one(&client, body)).await {
                Ok(result) => result,
                Err(_) => Err(format!("no answer within {} s", TIMEOUT.as_secs())),
            };
            if let Ok(mut results) = results.lock() {
                results.push(result);
            }
        });
    }
    while tasks.join_next().await.is_some() {}
    let wall = started.elapsed().as_secs_f64();
    let results = results.lock().map(|mut results| std::mem::take(&mut *results)).unwrap_or_default();
    outcome(results, wall)
}

fn outcome(results: Vec<Result<Answer, String>>, wall_seconds: f64) -> Outcome {
    let mut outcome = Outcome { wall_seconds, ..Outcome::default() };
    let (mut ttft, mut gaps, mut rates) = (Vec::new(), Vec::new(), Vec::new());
    for result in results {
        match result {
            Err(error) => {
                outcome.errors += 1;
                if outcome.first_errors.len() < 3 {
                    outcome.first_errors.push(error);
                }
            }
            Ok(answer) => {
                outcome.answers += 1;
                outcome.prompt_tokens += answer.prompt;
                outcome.cached_tokens += answer.cached;
                outcome.completion_tokens += answer.completion;
                ttft.push(answer.ttft_ms);
                gaps.extend(answer.gaps_ms);
                rates.extend(answer.decode_per_second);
            }
        }
    }
    let pair = |values: &[f64]| Some([percentile(values, 0.5)?, percentile(values, 0.95)?]);
    outcome.total_per_second = outcome.completion_tokens as f64 / wall_seconds;
    outcome.decode_per_second = Spread::of(&rates);
    outcome.ttft_ms = pair(&ttft);
    outcome.inter_token_ms = pair(&gaps);
    outcome
}

/// Asks once and follows the answer to its end.
async fn one(client: &Client, body: Value) -> Result<Answer, String> {
    let asked = Instant::now();
    let mut stream = client.chat(&body).await.map_err(|error| error.to_string())?;
    let (mut answer, mut first, mut last) = (Answer::default(), None, asked);
    while let Some(piece) = stream.next().await.map_err(|error| error.to_string())? {
        match piece {
            Piece::Text(_) | Piece::Reasoning(_) => {
                let now = Instant::now();
                match first {
                    None => first = Some(now),
                    Some(_) => answer.gaps_ms.push(now.duration_since(last).as_secs_f64() * 1e3),
                }
                last = now;
            }
            Piece::Usage { prompt, cached, completion } => {
                (answer.prompt, answer.cached, answer.completion) = (prompt, cached, completion);
            }
        }
    }
    if answer.completion == 0 {
        // A server that does not count: pieces are tokens, more or less.
        answer.completion = answer.gaps_ms.len() as u64 + u64::from(first.is_some());
    }
    let first = first.ok_or("the answer was empty")?;
    answer.ttft_ms = first.duration_since(asked).as_secs_f64() * 1e3;
    let seconds = last.duration_since(first).as_secs_f64();
    answer.decode_per_second =
        (answer.completion > 1 && seconds > 0.0).then(|| (answer.completion - 1) as f64 / seconds);
    Ok(answer)
}

/// Request `number`: a prompt of its own, or one behind the prefix that all share.
fn body(plan: &Plan, number: u32) -> Value {
    let message = |role: &str, content: String| json!({"role": role, "content": content});
    let messages = match plan.shared_prefix {
        true => vec![
            message("system", text(plan.prompt_words, 0)),
            message("user", format!("{number}: {}", text(QUESTION_WORDS, u64::from(number) + 1000))),
        ],
        false => vec![message("user", format!("{number}: {}", text(plan.prompt_words, u64::from(number))))],
    };
    json!({
        "model": plan.model, "messages": messages, "stream": true, "stream_options": {"include_usage": true},
        "max_tokens": plan.max_tokens, "temperature": 0, "seed": 1, "ignore_eos": true,
    })
}

/// Words in an order that the seed alone decides.
fn text(words: u32, seed: u64) -> String {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1);
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        WORDS[(state >> 33) as usize % WORDS.len()]
    };
    (0..words).map(|_| next()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(shared_prefix: bool) -> Plan {
        Plan { model: "m".into(), clients: 2, requests: 4, prompt_words: 50, max_tokens: 8, shared_prefix }
    }

    #[test]
    fn prompts_differ_between_requests_and_not_between_servers() {
        let content = |number| body(&plan(false), number)["messages"][0]["content"].as_str().map(str::to_owned);
        assert_eq!(content(1), content(1));
        let (one, two) = (content(1).unwrap(), content(2).unwrap());
        assert_ne!(one.split_once(' ').unwrap().1, two.split_once(' ').unwrap().1);
        assert_eq!(one.split(' ').count(), 51);
    }

    #[test]
    fn a_shared_prefix_is_the_same_in_all_requests() {
        let bodies = [1, 2].map(|number| body(&plan(true), number));
        assert_eq!(bodies[0]["messages"][0], bodies[1]["messages"][0]);
        assert_ne!(bodies[0]["messages"][1], bodies[1]["messages"][1]);
    }

    #[test]
    fn answers_and_errors_are_added_up() {
        let answer = |ttft_ms, rate| Answer {
            ttft_ms,
            gaps_ms: vec![10.0, 20.0],
            prompt: 50,
            cached: 40,
            completion: 3,
            decode_per_second: Some(rate),
        };
        let outcome = outcome(vec![Ok(answer(100.0, 60.0)), Err("no".into()), Ok(answer(200.0, 80.0))], 2.0);
        assert_eq!((outcome.answers, outcome.errors, outcome.first_errors), (2, 1, vec!["no".to_owned()]));
        assert_eq!((outcome.prompt_tokens, outcome.cached_tokens, outcome.completion_tokens), (100, 80, 6));
        assert_eq!((outcome.total_per_second, outcome.ttft_ms), (3.0, Some([200.0, 200.0])));
        assert_eq!(outcome.decode_per_second.unwrap().median, 70.0);
    }
}
