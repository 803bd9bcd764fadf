//! What `tesseract ... tsv` writes: a row for each page, block, paragraph, line and word, in reading order.
//!
//! Columns: `level page_num block_num par_num line_num word_num left top width height conf text`; level 4 is a line, 5 a word.

use tern_engine::tasks::{Point, ReadLine, ReadPage, ReadWord};

const COLUMNS: usize = 12;
const LINE: i64 = 4;
const WORD: i64 = 5;

/// Reads the table. Lines without a word (pictures, rules) are left out; blocks and paragraphs are counted from 0 over the page.
///
/// # Errors
/// The row that is not as it should be.
pub(crate) fn parse(table: &str) -> Result<ReadPage, String> {
    let mut page = ReadPage::default();
    // Block and paragraph of the last line that has a word, as tesseract numbers them.
    let mut last: Option<[i64; 2]> = None;
    let mut line: Option<([Point; 4], [i64; 2])> = None;
    for (row, text) in table.lines().enumerate().skip(1) {
        let cells: Vec<&str> = text.splitn(COLUMNS, '\t').collect();
        let wrong = || format!("row {row} of its table: {:?}", text.chars().take(100).collect::<String>());
        let number = |column: usize| cells.get(column).and_then(|cell| cell.parse::<i64>().ok()).ok_or_else(wrong);
        match number(0)? {
            LINE => line = Some((corners(number, &wrong)?, [number(2)?, number(3)?])),
            WORD => {
                let said = cells.get(COLUMNS - 1).ok_or_else(wrong)?.trim();
                if said.is_empty() {
                    continue;
                }
                let confidence: f32 = cells[COLUMNS - 2].parse().map_err(|_| wrong())?;
                let word = ReadWord {
                    text: said.to_owned(),
                    confidence: (confidence / 100.0).clamp(0.0, 1.0),
                    polygon: corners(number, &wrong)?,
                };
                // The first word of a line brings the line.
                if let Some((polygon, place)) = line.take() {
                    let (mut block, mut paragraph) =
                        page.lines.last().map_or((0, 0), |line| (line.block, line.paragraph));
                    if let Some([last_block, _]) = last.filter(|last| *last != place) {
                        paragraph += 1;
                        block += usize::from(last_block != place[0]);
                    }
                    last = Some(place);
                    page.lines.push(ReadLine { words: Vec::new(), polygon, paragraph, block });
                }
                page.lines.last_mut().ok_or_else(wrong)?.words.push(word);
            }
            _ => {}
        }
    }
    Ok(page)
}

/// The corners of a row's box.
fn corners(number: impl Fn(usize) -> Result<i64, String>, wrong: &impl Fn() -> String) -> Result<[Point; 4], String> {
    let (left, top, width, height) = (number(6)?, number(7)?, number(8)?, number(9)?);
    let point = |x: i64, y: i64| -> Result<Point, String> {
        let fit = |n: i64| i32::try_from(n).map_err(|_| wrong());
        Ok(Point { x: fit(x)?, y: fit(y)? })
    };
    let (right, bottom) = (left.saturating_add(width), top.saturating_add(height));
    Ok([point(left, top)?, point(right, top)?, point(right, bottom)?, point(left, bottom)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str =
        "level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext\n";

    #[test]
    fn lines_words_paragraphs_and_blocks_are_told_apart() {
        let rows = [
            "1\t1\t0\t0\t0\t0\t0\t0\t800\t400\t-1\t",
            "2\t1\t1\t0\t0\t0\t0\t0\t800\t9\t-1\t",
            // A rule: a block whose only word is a space.
            "4\t1\t1\t1\t1\t0\t0\t0\t800\t9\t-1\t",
            "5\t1\t1\t1\t1\t1\t0\t0\t800\t9\t95\t ",
            "4\t1\t2\t1\t1\t0\t10\t20\t60\t12\t-1\t",
            "5\t1\t2\t1\t1\t1\t10\t20\t25\t12\t96.5\tHello,",
            "5\t1\t2\t1\t1\t2\t40\t21\t30\t11\t50\tworld",
            "4\t1\t2\t2\t1\t0\t10\t40\t60\t12\t-1\t",
            "5\t1\t2\t2\t1\t1\t10\t40\t60\t12\t0\tx",
            "4\t1\t3\t1\t1\t0\t10\t60\t60\t12\t-1\t",
            "5\t1\t3\t1\t1\t1\t10\t60\t60\t12\t101\ty",
        ];
        let page = parse(&(HEAD.to_owned() + &rows.join("\n") + "\n")).unwrap();
        let lines: Vec<_> = page.lines.iter().map(|l| (l.block, l.paragraph, l.words.len())).collect();
        assert_eq!(lines, [(0, 0, 2), (0, 1, 1), (1, 2, 1)]);
        let word = &page.lines[0].words[0];
        assert_eq!((word.text.as_str(), word.confidence), ("Hello,", 0.965));
        assert_eq!(word.polygon.map(|p| (p.x, p.y)), [(10, 20), (35, 20), (35, 32), (10, 32)]);
        assert_eq!(page.lines[2].words[0].confidence, 1.0);
    }

    #[test]
    fn a_table_that_is_damaged_is_an_error() {
        assert_eq!(parse(""), Ok(ReadPage::default()));
        assert_eq!(parse(HEAD), Ok(ReadPage::default()));
        for row in [
            "x",
            "5\t1\t2",
            "4\t1\t2\t1\t1\t0\t10\t20\t60\tz\t-1\t",
            "4\t1\t2\t1\t1\t0\t10\t20\t9999999999\t1\t-1\t",
            "5\t1\t2\t1\t1\t1\t10\t20\t25\t12\t96.5\tno line before it",
        ] {
            assert!(parse(&(HEAD.to_owned() + row)).unwrap_err().contains("row 1"), "{row}");
        }
    }
}
