use tern_compare::{CompareRequest, summary::summarize};

use crate::support::{Bench, at_most, request};

fn scored(models: &[&str]) -> CompareRequest {
    CompareRequest { quality: true, parameters: at_most(40), ..request(models) }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_compared_by_the_embedding_model_that_is_there() {
    let bench = Bench::new();
    let ended = bench.run(scored(&["echo-pieces", "echo-pieces", "echo-random"])).await;
    let [reference, same, other] = [0, 1, 2].map(|column| ended.cell(0, column, 0));
    assert_eq!((reference.similarity, &reference.similarity_model), (None, &None), "compared with nothing");
    assert!(same.similarity.unwrap() > 1.0 - 1e-9, "{:?}", same.similarity);
    assert_eq!(same.similarity_model.as_deref(), Some("echo-embed"));
    assert!(other.similarity.unwrap() < 0.8, "{:?}", other.similarity);
    // The figure is that of the vectors themselves.
    let lease = bench.registry.acquire("echo-embed").await.unwrap();
    let embedder = lease.embedder().unwrap();
    let tokens = |text: &str| embedder.tokenizer.encode(text, true, false).unwrap();
    let vectors = embedder.embed(vec![tokens(&reference.text), tokens(&other.text)]).await.unwrap();
    let dot: f64 = vectors[0].iter().zip(&vectors[1]).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
    assert!((other.similarity.unwrap() - dot).abs() < 1e-5, "{:?} {dot}", other.similarity);
    assert_eq!(ended.results.summary, summarize(&ended.results.cells, 3), "it is nothing that one column wins");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_scores_there_is_none_and_a_model_that_cannot_says_so() {
    let bench = Bench::new();
    let unscored = bench.run(CompareRequest { quality: false, ..scored(&["echo-pieces", "echo"]) }).await;
    assert_eq!(unscored.cell(0, 1, 0).similarity, None);
    for (model, word) in [("echo", "embeddings"), ("nowhere", "nowhere"), ("echo-embed?context=4", "4 tokens")] {
        let asked = CompareRequest { embedding_model: Some(model.into()), ..scored(&["echo-pieces", "echo-pieces"]) };
        let ended = bench.run(asked).await;
        let cell = ended.cell(0, 1, 0);
        assert_eq!((cell.similarity, &cell.similarity_model, cell.kl), (None, &None, Some(0.0)));
        let note = cell.quality_note.as_deref().unwrap();
        assert!(note.starts_with("similarity is not known: ") && note.contains(word), "{note}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cell_that_runs_again_is_compared_again_and_all_with_a_new_reference() {
    let bench = Bench::new();
    let first = bench.run(scored(&["echo-pieces", "echo-random", "echo"])).await;
    for column in [1, 0] {
        let mut reader = bench.comparisons.rerun("cmp_1", 0, column).await.unwrap();
        let again = bench.follow(&mut reader).await;
        for other in [1, 2] {
            assert!(first.cell(0, other, 0).similarity.is_some());
            assert_eq!(again.cell(0, other, 0).similarity, first.cell(0, other, 0).similarity);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_stand_before_every_prompt() {
    let bench = Bench::new();
    let file = tern_compare::AttachedFile {
        name: "notes.txt".into(),
        media_type: "text/plain".into(),
        data: "d2FscnVz".into(),
    };
    let prompts = vec!["one".to_owned(), "two".to_owned()];
    let ended = bench.run(CompareRequest { prompts, attachments: vec![file], ..request(&["echo"]) }).await;
    let expected = "File \"notes.txt\":\n```txt\nwalrus\n```\n\n";
    assert_eq!(ended.cell(0, 0, 0).text, format!("{expected}one"));
    assert_eq!(ended.cell(1, 0, 0).text, format!("{expected}two"));
    // Again from what is kept; lists have the name only.
    let again = bench.follow(&mut bench.comparisons.rerun("cmp_1", 1, 0).await.unwrap()).await;
    assert_eq!(again.cell(1, 0, 0).text, format!("{expected}two"));
    let listed = &bench.comparisons.list(None, 1).unwrap().data[0].request["attachments"][0];
    assert_eq!((listed["name"].as_str(), listed["data"].as_str()), (Some("notes.txt"), Some("")));
}
