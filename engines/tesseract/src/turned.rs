//! Pages that lie on their side: turned before they are read, and what was found turned back.

use tern_engine::{
    Image,
    tasks::{Point, ReadPage},
};

/// Turns an image clockwise by 90, 180 or 270 degrees; any other number leaves it as it is.
pub(crate) fn turned(image: &Image, degrees: u16) -> Option<Image> {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let (to_width, to_height) = if degrees % 180 == 90 { (height, width) } else { (width, height) };
    let mut rgb = Vec::with_capacity(image.rgb().len());
    for y in 0..to_height {
        for x in 0..to_width {
            let (from_x, from_y) = match degrees {
                90 => (y, height - 1 - x),
                180 => (width - 1 - x, height - 1 - y),
                270 => (width - 1 - y, x),
                _ => (x, y),
            };
            let at = (from_y * width + from_x) * 3;
            rgb.extend_from_slice(&image.rgb()[at..at + 3]);
        }
    }
    Image::new(to_width as u32, to_height as u32, rgb)
}

/// Moves what was found on the turned page to where it is on the page as it was given, which is `width` by `height`.
pub(crate) fn turn_back(page: &mut ReadPage, degrees: u16, width: u32, height: u32) {
    let (width, height) = (width as i32, height as i32);
    let back = |point: &mut Point| {
        let Point { x, y } = *point;
        *point = match degrees {
            90 => Point { x: y, y: height - x },
            180 => Point { x: width - x, y: height - y },
            270 => Point { x: width - y, y: x },
            _ => Point { x, y },
        };
    };
    for line in &mut page.lines {
        line.polygon.iter_mut().for_each(back);
        line.words.iter_mut().flat_map(|word| &mut word.polygon).for_each(back);
    }
}

#[cfg(test)]
mod tests {
    use tern_engine::tasks::ReadLine;

    use super::*;

    /// 3 by 2: every pixel another red.
    fn image() -> Image {
        Image::new(3, 2, (0..6).flat_map(|i| [i, 0, 0]).collect()).unwrap()
    }

    fn reds(image: &Image) -> Vec<u8> {
        image.rgb().iter().step_by(3).copied().collect()
    }

    #[test]
    fn pixels_are_turned_clockwise() {
        let at = |degrees| turned(&image(), degrees).unwrap();
        assert_eq!((at(90).width(), at(90).height(), reds(&at(90))), (2, 3, vec![3, 0, 4, 1, 5, 2]));
        assert_eq!(reds(&at(180)), [5, 4, 3, 2, 1, 0]);
        assert_eq!((at(270).width(), reds(&at(270))), (2, vec![2, 5, 1, 4, 0, 3]));
    }

    #[test]
    fn corners_go_back_to_the_pixels_they_came_from() {
        for degrees in [0, 90, 180, 270] {
            let page = turned(&image(), degrees).unwrap();
            for (index, red) in reds(&page).into_iter().enumerate() {
                let (x, y) = ((index as u32 % page.width()) as i32, (index as u32 / page.width()) as i32);
                let corners = [(x, y), (x + 1, y), (x + 1, y + 1), (x, y + 1)].map(|(x, y)| Point { x, y });
                let line = ReadLine { words: Vec::new(), polygon: corners, paragraph: 0, block: 0 };
                let mut found = ReadPage { lines: vec![line], rotation: None };
                turn_back(&mut found, degrees, 3, 2);
                let corners = found.lines[0].polygon;
                let left = corners.iter().map(|p| p.x).min().unwrap();
                let top = corners.iter().map(|p| p.y).min().unwrap();
                assert_eq!((left, top), (i32::from(red) % 3, i32::from(red) / 3), "{degrees} degrees, pixel {red}");
                // A quarter turn clockwise puts the page's lower left corner at the upright word's upper left one.
                let first = [(0, 0), (0, 1), (1, 1), (1, 0)][usize::from(degrees / 90)];
                assert_eq!((corners[0].x - left, corners[0].y - top), first, "{degrees}");
            }
        }
    }
}
