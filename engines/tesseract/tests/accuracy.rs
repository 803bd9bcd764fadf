//! How well it reads, and whether its boxes lie on the words.

use tern_engine::tasks::{PageLayout, Point, ReadOptions};

use crate::{
    draw::{BOLD, Drawn, MONO, Page, SANS, SERIF},
    read, text,
};

const TEXT: &str = "The quick brown fox jumps over the lazy dog while 47 small models answer questions on one machine. Nothing \
                    leaves the house: letters, invoices and pictures are read where they are, and nobody else sees them.";
/// The most wrong characters of a hundred, in any of the fonts and sizes below.
const MOST_WRONG: f64 = 2.0;
/// How much of a word's box and of what was read as its box they share, in the mean (intersection over union). Single ones may
/// share little: that of a lonely "a" is as tall as its line.
const LEAST_SHARED: f32 = 0.75;

/// Edits that make one text of the other, a hundredth of its length each.
fn wrong(read: &str, drawn: &str) -> f64 {
    let (read, drawn): (Vec<char>, Vec<char>) = (read.chars().collect(), drawn.chars().collect());
    let mut row: Vec<usize> = (0..=drawn.len()).collect();
    for (i, a) in read.iter().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, b) in drawn.iter().enumerate() {
            let above = row[j + 1];
            row[j + 1] = (corner + usize::from(a != b)).min(above + 1).min(row[j] + 1);
            corner = above;
        }
    }
    100.0 * row[drawn.len()] as f64 / drawn.len() as f64
}

/// Whether the middle of the drawn word lies in what was read as its box.
fn holds(drawn: &Drawn, polygon: &[Point; 4]) -> bool {
    let [left, top, right, bottom] = drawn.ink;
    let (x, y) = ((left + right) / 2.0, (top + bottom) / 2.0);
    (polygon[0].x as f32..polygon[2].x as f32).contains(&x) && (polygon[0].y as f32..polygon[2].y as f32).contains(&y)
}

fn shared(drawn: &Drawn, polygon: &[Point; 4]) -> f32 {
    let [left, top, right, bottom] = drawn.ink;
    let (l, t, r, b) = (polygon[0].x as f32, polygon[0].y as f32, polygon[2].x as f32, polygon[2].y as f32);
    let both = (right.min(r) - left.max(l)).max(0.0) * (bottom.min(b) - top.max(t)).max(0.0);
    both / ((right - left) * (bottom - top) + (r - l) * (b - t) - both)
}

#[test]
fn text_in_many_fonts_and_sizes_is_read_and_found() {
    let mut total = (0.0, 0);
    for (font, name) in [(SANS, "sans"), (SERIF, "serif"), (MONO, "mono"), (BOLD, "bold")] {
        for (size, noise) in [(20.0, 0), (32.0, 0), (32.0, 40), (64.0, 30)] {
            let wide = size * 26.0;
            let mut page = Page::new(wide as u32 + 80, (size * 17.0) as u32);
            page.write(TEXT, font, size, (40.0, 40.0), wide);
            let found = read(&page.image(noise), &ReadOptions::default());
            let rate = wrong(&text(&found).replace('\n', " "), &page.text());
            let words: Vec<_> = found.lines.iter().flat_map(|line| &line.words).collect();
            let boxes: Vec<f32> = page
                .words
                .iter()
                .filter_map(|drawn| {
                    let word = words.iter().find(|word| word.text == drawn.text && holds(drawn, &word.polygon))?;
                    Some(shared(drawn, &word.polygon))
                })
                .collect();
            let mean = boxes.iter().sum::<f32>() / boxes.len() as f32;
            println!("{name:5} {size:2} px, noise {noise:2}: {rate:.2} % wrong, boxes share {mean:.2}");
            assert!(rate <= MOST_WRONG, "{name} {size} {noise}: {rate}\n{}", text(&found));
            assert!(boxes.len() * 20 >= page.words.len() * 19, "{name} {size} {noise}: {} words found", boxes.len());
            assert!(mean >= LEAST_SHARED, "{name} {size} {noise}: {boxes:?}");
            assert!(words.iter().all(|word| (0.0..=1.0).contains(&word.confidence)));
            total = (total.0 + rate, total.1 + 1);
        }
    }
    println!("mean: {:.2} % of characters wrong", total.0 / f64::from(total.1));
}

#[test]
fn two_columns_are_read_one_after_the_other() {
    let mut page = Page::new(1300, 700);
    // Columns of three lines are taken for a table.
    let left =
        "First column begins here and goes on for a while, so that it has several lines of text before it ends. "
            .repeat(3);
    let right =
        "Second column stands beside it and must be read only after the first one has been read to the end. ".repeat(3);
    page.write(&left, SERIF, 32.0, (60.0, 60.0), 500.0);
    page.write(&right, SERIF, 32.0, (720.0, 60.0), 500.0);
    let found = read(&page.image(0), &ReadOptions::default());
    let said = text(&found).replace('\n', " ");
    assert!(wrong(&said, &page.text()) <= MOST_WRONG, "{said}");
    let blocks: Vec<_> = found.lines.iter().map(|line| line.block).collect();
    assert!(blocks.first() < blocks.last() && blocks.is_sorted(), "{blocks:?}");
}

#[test]
fn paragraphs_are_told_apart_and_a_line_holds_its_words() {
    let mut page = Page::new(900, 600);
    let next = page.write(
        "A paragraph of two lines, which is long enough to be broken once.",
        SANS,
        30.0,
        (40.0, 40.0),
        800.0,
    );
    page.write("Another paragraph, a little below.", SANS, 30.0, (40.0, next + 60.0), 800.0);
    let found = read(&page.image(0), &ReadOptions::default());
    let paragraphs: Vec<_> = found.lines.iter().map(|line| line.paragraph).collect();
    assert_eq!((paragraphs.first(), paragraphs.last()), (Some(&0), Some(&1)), "{}", text(&found));
    for line in &found.lines {
        for word in &line.words {
            assert!(
                word.polygon[0].x >= line.polygon[0].x - 1 && word.polygon[2].x <= line.polygon[2].x + 1,
                "{line:?}"
            );
        }
    }
}

#[test]
fn a_single_word_is_read_when_it_is_said_that_it_is_one() {
    let mut page = Page::new(260, 80);
    page.write("Invoice", SANS, 40.0, (30.0, 16.0), 300.0);
    for layout in [PageLayout::Word, PageLayout::Line, PageLayout::Block, PageLayout::Sparse, PageLayout::Column] {
        let found = read(&page.image(0), &ReadOptions { layout: Some(layout), ..ReadOptions::default() });
        // As a word, the program takes the page's edge for a quotation mark.
        assert_eq!(text(&found).trim_start_matches('\u{201C}'), "Invoice", "{layout:?}");
    }
}

#[test]
fn an_empty_page_says_nothing() {
    let found = read(&Page::new(400, 300).image(0), &ReadOptions { find_orientation: true, ..ReadOptions::default() });
    assert_eq!((found.lines.len(), found.rotation), (0, None));
}
