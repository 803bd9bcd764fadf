//! An embedder with what is known about its vectors.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard},
};

use tern_engine::{Embedder, EngineError, Token, Tokenizer};
use tokio::sync::oneshot;

use crate::{TaskError, TaskHandle};

/// The way to a loaded embedding model. The thread ends when the last handle is dropped.
pub struct EmbedHandle {
    /// Tokenizer of the model.
    pub tokenizer: Arc<dyn Tokenizer>,
    /// Length of a vector.
    pub dimensions: usize,
    /// Fewest dimensions a vector may be cut to; `None` when it may not be cut.
    pub min_dimensions: Option<usize>,
    /// Most tokens of one input.
    pub max_tokens: usize,
    embedder: TaskHandle<dyn Embedder>,
    /// Requests that no pass has taken yet, oldest first.
    waiting: Arc<Mutex<VecDeque<Pending>>>,
}

/// Tokens of the requests that are computed in one call; one larger request goes alone. Large enough that an engine fills its
/// passes, small enough that no one waits long for others.
const TOGETHER: usize = 4096;

/// A request that waits.
struct Pending {
    inputs: Vec<Vec<Token>>,
    reply: oneshot::Sender<Result<Vec<Vec<f32>>, EngineError>>,
}

impl EmbedHandle {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system grants no thread.
    pub(crate) fn start(
        name: &str,
        tokenizer: Arc<dyn Tokenizer>,
        embedder: Box<dyn Embedder>,
        queue: usize,
    ) -> std::io::Result<Self> {
        let (dimensions, max_tokens) = (embedder.dimensions(), embedder.max_tokens());
        let min_dimensions = embedder.min_dimensions();
        let embedder = TaskHandle::start(name, embedder, queue)?;
        Ok(Self { tokenizer, dimensions, min_dimensions, max_tokens, embedder, waiting: Arc::default() })
    }

    /// Embeds `inputs`; one vector each, in order. Requests that wait when the model is free are computed together. Dropping
    /// the future cancels, once no other request of the same pass wants to go on.
    ///
    /// # Errors
    /// `QueueFull`, or what the engine said.
    pub async fn embed(&self, inputs: Vec<Vec<Token>>) -> Result<Vec<Vec<f32>>, TaskError> {
        let (reply, answer) = oneshot::channel();
        lock(&self.waiting).push_back(Pending { inputs, reply });
        let waiting = self.waiting.clone();
        // One job a request: the first that runs may do the work of those behind it, which then find nothing left to do.
        let job = self.embedder.run(move |embedder, _| {
            serve(embedder, take(&waiting));
            Ok(())
        });
        if let Err(error) = job.await {
            // It was not taken: neither must its request be.
            drop(answer);
            lock(&self.waiting).retain(|pending| !pending.reply.is_closed());
            return Err(error);
        }
        Ok(answer.await.unwrap_or(Err(EngineError::Cancelled))?)
    }
}

fn lock(waiting: &Mutex<VecDeque<Pending>>) -> MutexGuard<'_, VecDeque<Pending>> {
    // The list is whole between any two statements.
    waiting.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// The oldest requests that still have someone who waits, as many as belong into one call.
fn take(waiting: &Mutex<VecDeque<Pending>>) -> Vec<Pending> {
    let mut waiting = lock(waiting);
    let (mut taken, mut tokens) = (Vec::new(), 0);
    while let Some(next) = waiting.pop_front() {
        if next.reply.is_closed() {
            continue;
        }
        let count: usize = next.inputs.iter().map(Vec::len).sum();
        if !taken.is_empty() && tokens + count > TOGETHER {
            waiting.push_front(next);
            break;
        }
        tokens += count;
        taken.push(next);
    }
    taken
}

/// Answers requests in one call; where that fails, each by itself, so that only the one at fault hears of it.
fn serve(embedder: &mut dyn Embedder, mut requests: Vec<Pending>) {
    let inputs: Vec<_> = requests.iter_mut().flat_map(|request| request.inputs.clone()).collect();
    if inputs.is_empty() {
        return;
    }
    let cancelled = || requests.iter().all(|request| request.reply.is_closed());
    match embedder.embed(&inputs, &cancelled) {
        Ok(vectors) => {
            let mut vectors = vectors.into_iter();
            for request in requests {
                let own = vectors.by_ref().take(request.inputs.len()).collect();
                // Nobody waits any more: fine.
                let _ = request.reply.send(Ok(own));
            }
        }
        Err(EngineError::Failed(_)) if requests.len() > 1 => {
            for request in requests {
                serve(embedder, vec![request]);
            }
        }
        Err(error) => {
            if let Some(request) = requests.pop() {
                let _ = request.reply.send(Err(error));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Counts calls; the first waits until it is let go. Token 9 is a failure.
    struct Counting {
        calls: Arc<Mutex<Vec<usize>>>,
        go: Option<mpsc::Receiver<()>>,
    }

    impl Embedder for Counting {
        fn dimensions(&self) -> usize {
            1
        }

        fn max_tokens(&self) -> usize {
            10_000
        }

        fn embed(&mut self, inputs: &[Vec<Token>], _: &dyn Fn() -> bool) -> Result<Vec<Vec<f32>>, EngineError> {
            self.calls.lock().unwrap().push(inputs.len());
            if let Some(go) = self.go.take() {
                let _ = go.recv();
            }
            match inputs.iter().any(|input| input.contains(&9)) {
                true => Err(EngineError::Failed("nine".into())),
                false => Ok(inputs.iter().map(|input| vec![input[0] as f32]).collect()),
            }
        }
    }

    struct NoText;

    impl Tokenizer for NoText {
        fn vocab_size(&self) -> usize {
            0
        }
        fn encode(&self, _: &str, _: bool, _: bool) -> Result<Vec<Token>, EngineError> {
            Ok(Vec::new())
        }
        fn decode(&self, _: Token, _: bool, _: &mut Vec<u8>) {}
        fn is_end_of_generation(&self, _: Token) -> bool {
            false
        }
        fn is_control(&self, _: Token) -> bool {
            false
        }
        fn bos(&self) -> Option<Token> {
            None
        }
        fn eos(&self) -> Option<Token> {
            None
        }
    }

    /// Asks for `requests` at once, while one before them holds the model.
    async fn run(requests: Vec<Vec<Vec<Token>>>) -> (Vec<Result<Vec<Vec<f32>>, TaskError>>, Vec<usize>) {
        let calls = Arc::new(Mutex::new(Vec::new()));
        let (let_go, go) = mpsc::channel();
        let embedder = Counting { calls: calls.clone(), go: Some(go) };
        let handle = Arc::new(EmbedHandle::start("m", Arc::new(NoText), Box::new(embedder), 64).unwrap());
        let ask = |inputs: Vec<Vec<Token>>| {
            let handle = handle.clone();
            tokio::spawn(async move { handle.embed(inputs).await })
        };
        let first = ask(vec![vec![1]]);
        while calls.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        let count = requests.len();
        let others: Vec<_> = requests.into_iter().map(ask).collect();
        while lock(&handle.waiting).len() < count {
            tokio::task::yield_now().await;
        }
        let_go.send(()).unwrap();
        first.await.unwrap().unwrap();
        let mut answers = Vec::new();
        for other in others {
            answers.push(other.await.unwrap());
        }
        let calls = calls.lock().unwrap().clone();
        (answers, calls)
    }

    #[tokio::test]
    async fn eight_requests_that_wait_are_one_call() {
        let (answers, calls) = run((10..18).map(|i| vec![vec![i]]).collect()).await;
        assert_eq!(calls, [1, 8]);
        let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
        assert_eq!(answers, (10..18).map(|i| vec![vec![i as f32]]).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn one_call_has_so_many_tokens_at_most() {
        let (answers, calls) =
            run(vec![vec![vec![1; 3000]], vec![vec![2; 1000], vec![3; 500]], vec![vec![4; 5000]]]).await;
        assert_eq!(calls, [1, 1, 2, 1]);
        assert!(answers.iter().all(Result::is_ok));
    }

    #[tokio::test]
    async fn a_request_that_fails_fails_alone() {
        let (answers, calls) = run(vec![vec![vec![1]], vec![vec![9]], vec![vec![2]]]).await;
        assert_eq!(calls, [1, 3, 1, 1, 1]);
        assert_eq!(answers.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
    }
}
