//! Images in prompts: they are cached, shared, waited for and cancelled like words, and streams go on beside them.

use tern_echo::EchoEngine;
use tern_engine::{Engine, ImageChunk, LoadOptions, ModelSource, PromptPart, Token, tasks::Image};
use tern_scheduler::{GenerateError, GenerateRequest, PlacedImage};

use crate::support::{Setup, collect, prompt, request};

/// An image of so many cells, told from others by its shade.
fn image(cells: u32, shade: u8) -> ImageChunk {
    let source = ModelSource::Script("echo-vision".into());
    let model = EchoEngine.load(&source, &LoadOptions::default(), &mut |_| true).unwrap();
    let image = Image::new(32 * cells, 1, vec![shade; 96 * cells as usize]).unwrap();
    match model.text.unwrap().vision.unwrap().prepare(&image).unwrap().remove(0) {
        PromptPart::Image(chunk) => chunk,
        PromptPart::Tokens(_) => unreachable!("echo makes one chunk of an image"),
    }
}

enum Part {
    Words(Vec<Token>),
    Image(ImageChunk),
}

use Part::{Image as Shown, Words};

fn ask(parts: Vec<Part>) -> GenerateRequest {
    let (mut tokens, mut images) = (Vec::new(), Vec::new());
    for part in parts {
        match part {
            Words(words) => tokens.extend(words),
            Shown(chunk) => {
                images.push(PlacedImage { at: tokens.len(), chunk: chunk.clone() });
                tokens.extend(chunk.places());
            }
        }
    }
    GenerateRequest { images, ..request(tokens) }
}

#[test]
fn a_prefix_with_an_image_is_reused_and_gives_the_same_text() {
    let parts = |shade| vec![Words(prompt(1, 20)), Shown(image(50, shade)), Words(prompt(2, 10))];
    let fresh = Setup::default().start().run(ask(parts(1)));
    let model = Setup::default().start();
    assert_eq!(model.run(ask(parts(1))).text(), fresh.text());
    let again = model.run(ask(parts(1)));
    assert_eq!((again.text(), again.cached()), (fresh.text(), 79));
    assert_eq!(again.summary.unwrap().prompt_tokens, 80);
    // Another image at the same place shares the words before it, and nothing else.
    let other = model.run(ask(parts(2)));
    assert_eq!(other.cached(), 20);
    assert_ne!(other.text(), fresh.text());
    // The next turn of the dialogue brings a second image.
    let mut next = parts(1);
    next.extend([Shown(image(30, 3)), Words(prompt(3, 5))]);
    let expected = Setup::default().start().run(ask(vec![
        Words(prompt(1, 20)),
        Shown(image(50, 1)),
        Words(prompt(2, 10)),
        Shown(image(30, 3)),
        Words(prompt(3, 5)),
    ]));
    let got = model.run(ask(next));
    assert_eq!((got.text(), got.cached()), (expected.text(), 80));
}

#[test]
fn every_stream_gets_a_token_between_two_images() {
    let model = Setup { script: "echo-long?step_ms=0", gated: true, ..Setup::default() }.start();
    let stream = model.submit(GenerateRequest { max_tokens: Some(100), ..request(prompt(1, 10)) });
    model.gate.wait_for_pass(1);
    model.gate.step();
    model.gate.step();
    let shown = |shade| [Shown(image(100, shade)), Words(prompt(2, 1))];
    let seen = model.submit(ask([shown(1), shown(2), shown(3)].into_iter().flatten().collect()));
    model.gate.open();
    assert_eq!(collect(stream).choices[0].tokens.len(), 100);
    assert_eq!(collect(seen).choices[0].tokens.len(), 8);
    let passes = model.gate.passes();
    let images: Vec<usize> = (0..passes.len()).filter(|&at| passes[at].tokens() == 100).collect();
    assert_eq!(images.len(), 3, "each image is a pass of its own");
    for pair in images.windows(2) {
        let between = &passes[pair[0] + 1..pair[1]];
        let streamed = between.iter().any(|pass| pass.sequences.iter().any(|&(seq, _)| seq == 0));
        assert!(streamed, "no token between two images: {passes:?}");
    }
}

#[test]
fn who_leaves_between_two_images_costs_no_further_one() {
    let model = Setup { gated: true, ..Setup::default() }.start();
    let parts = (0..5).map(|shade| Shown(image(10, shade))).chain([Words(prompt(1, 3))]);
    let leaving = model.submit(ask(parts.collect()));
    model.gate.wait_for_pass(1);
    model.gate.step();
    drop(leaving);
    model.gate.open();
    model.run(request(prompt(2, 10)));
    let images = model.gate.passes().iter().filter(|pass| pass.sequences == [(0, 10)]).count();
    assert!(images <= 3, "{images} passes for someone who had left: the second was under way");
    assert_eq!(model.stats().cancelled, 1);
}

#[test]
fn choices_share_an_image_and_waiting_requests_share_one_that_is_being_computed() {
    let parts = || vec![Words(prompt(1, 5)), Shown(image(40, 1)), Words(prompt(2, 5))];
    let model = Setup { parallel: 4, gated: true, ..Setup::default() }.start();
    let several = model.submit(GenerateRequest { n: 2, ..ask(parts()) });
    let another = model.submit(ask(parts()));
    model.gate.open();
    let (several, another) = (collect(several), collect(another));
    assert_eq!(several.choices[0].text, several.choices[1].text);
    assert_eq!(another.text(), several.choices[0].text);
    let images = model.gate.passes().iter().filter(|pass| pass.tokens() == 40).count();
    assert_eq!(images, 1, "the image is computed once for all three");
}

#[test]
fn an_answer_with_an_image_that_was_set_aside_is_computed_again_with_it() {
    let ask = |seed| {
        let parts = vec![Words(prompt(seed, 10)), Shown(image(60, seed as u8)), Words(prompt(seed, 10))];
        GenerateRequest { max_tokens: None, ..ask(parts) }
    };
    let alone: Vec<_> = (0..3).map(|seed| Setup::default().start().run(ask(seed)).text().to_owned()).collect();
    let model = Setup { cells: 260, parallel: 3, gated: true, ..Setup::default() }.start();
    let open: Vec<_> = (0..3).map(|seed| model.submit(ask(seed))).collect();
    model.gate.open();
    let texts: Vec<_> = open.into_iter().map(|events| collect(events).text().to_owned()).collect();
    assert_eq!(texts, alone);
    assert!(model.stats().preemptions > 0, "{:?}", model.stats());
}

#[test]
fn an_image_that_is_not_where_it_should_be_is_refused() {
    let model = Setup::default().start();
    let good = ask(vec![Words(prompt(1, 5)), Shown(image(4, 1)), Words(prompt(2, 5))]);
    let refused = |request: GenerateRequest| match model.scheduler.submit(request) {
        Err(GenerateError::InvalidParameter { param, message }) => (param, message),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was accepted"),
    };
    let mut shifted = good.clone();
    shifted.images[0].at = 4;
    assert!(refused(shifted).1.contains("not where"));
    let mut nameless = good.clone();
    nameless.images.clear();
    assert_eq!(refused(nameless).0, "prompt");
    let last = ask(vec![Words(prompt(1, 5)), Shown(image(4, 1))]);
    assert!(refused(last).1.contains("ends with an image"));
    assert_eq!(refused(GenerateRequest { prompt_logprobs: Some(0), ..good }).0, "prompt_logprobs");
}
