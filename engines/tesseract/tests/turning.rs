//! Pages on their side.

use tern_engine::tasks::{Point, ReadOptions};

use crate::{
    draw::{Page, SANS, SERIF, turned},
    read, text,
};

fn upright() -> ReadOptions {
    ReadOptions { find_orientation: true, ..ReadOptions::default() }
}

/// Where a point of the upright page is on the page turned clockwise.
fn moved(x: f32, y: f32, quarters: u32, width: f32, height: f32) -> (f32, f32) {
    match quarters {
        1 => (height - y, x),
        2 => (width - x, height - y),
        3 => (y, width - x),
        _ => (x, y),
    }
}

#[test]
fn a_turned_page_is_read_upright_and_its_boxes_lie_on_the_page_as_it_was_given() {
    let mut page = Page::new(1000, 700);
    let words = "Pages are scanned as they come, some on their side and some upside down, and a reader turns them before reading. \
                 Every word of this paragraph has its place, and the place is told in pixels of the image that was sent, so that \
                 a program can draw a frame around it.";
    page.write(words, SERIF, 36.0, (50.0, 50.0), 880.0);
    let image = page.image(20);
    for quarters in 0..4 {
        let found = read(&turned(&image, quarters), &upright());
        assert_eq!(found.rotation, Some(((4 - quarters) % 4 * 90) as u16), "{quarters} quarters");
        assert_eq!(text(&found).replace('\n', " "), page.text(), "{quarters} quarters");
        for (word, drawn) in found.lines.iter().flat_map(|line| &line.words).zip(&page.words) {
            // The box of a lonely letter is as tall as its line.
            if word.text.len() == 1 {
                continue;
            }
            let [left, top, right, bottom] = drawn.ink;
            let corners = [(left, top), (right, top), (right, bottom), (left, bottom)];
            for (got, (x, y)) in word.polygon.iter().zip(corners) {
                let (x, y) = moved(x, y, quarters, 1000.0, 700.0);
                let Point { x: got_x, y: got_y } = *got;
                let far = (got_x as f32 - x).abs().max((got_y as f32 - y).abs());
                assert!(far <= 8.0, "{quarters} quarters, {:?}: {got:?}, expected {x} {y}", word.text);
            }
        }
    }
}

#[test]
fn a_few_words_are_enough() {
    // Too few for the program's own guess: it is read all four ways.
    let mut page = Page::new(500, 120);
    page.write("Platform 4, please", SANS, 40.0, (40.0, 30.0), 450.0);
    for quarters in 0..4 {
        let found = read(&turned(&page.image(0), quarters), &upright());
        assert_eq!(
            (text(&found).as_str(), found.rotation),
            ("Platform 4, please", Some(((4 - quarters) % 4 * 90) as u16))
        );
    }
}
