//! How commands write to the terminal: sizes, tables, dim text.

use std::{
    fmt::Write as _,
    io::{self, IsTerminal},
    time::Duration,
};

/// Bytes as a person reads them.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match UNITS.iter().find(|(_, scale)| bytes >= *scale) {
        Some((unit, scale)) => format!("{:.1} {unit}", bytes as f64 / *scale as f64),
        None => format!("{bytes} B"),
    }
}

/// A large count as a person reads it: 494 M, 8.0 B.
pub(crate) fn count(n: u64) -> String {
    match n {
        n if n >= 1_000_000_000 => format!("{:.1} B", n as f64 / 1e9),
        n if n >= 1_000_000 => format!("{:.1} M", n as f64 / 1e6),
        n if n >= 10_000 => format!("{:.1} K", n as f64 / 1e3),
        n => n.to_string(),
    }
}

/// A duration as a person reads it.
pub(crate) fn duration(duration: Duration) -> String {
    match duration.as_secs() {
        0 => format!("{} ms", duration.as_millis()),
        s if s < 60 => format!("{:.1} s", duration.as_secs_f64()),
        s if s < 3600 => format!("{} min {} s", s / 60, s % 60),
        s => format!("{} h {} min", s / 3600, s % 3600 / 60),
    }
}

/// Rows in columns as wide as their widest cell; the first row is the heading.
#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
    right: Vec<usize>,
}

impl Table {
    pub fn new<const N: usize>(heading: [&str; N]) -> Self {
        Self { rows: vec![heading.map(str::to_owned).to_vec()], right: Vec::new() }
    }

    /// A table without a heading.
    pub fn plain() -> Self {
        Self::default()
    }

    /// Sets these columns to the right, for numbers.
    pub fn right(mut self, columns: &[usize]) -> Self {
        self.right = columns.to_vec();
        self
    }

    pub fn row(&mut self, cells: impl IntoIterator<Item = impl Into<String>>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    /// The rows, each ended by a line feed, without trailing blanks.
    pub fn render(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| self.rows.iter().filter_map(|row| row.get(column)).map(|c| c.chars().count()).max();
        let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate() {
                let width = widths[column];
                // Writing to a String cannot fail.
                let _ = match self.right.contains(&column) {
                    true => write!(line, "{cell:>width$}  "),
                    false => write!(line, "{cell:<width$}  "),
                };
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// Prints to stdout. A reader that has left (`tern models | head`) ends the process quietly, as other tools do.
pub(crate) fn print(text: &str) {
    use io::Write as _;
    let mut stdout = io::stdout().lock();
    if stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).is_err() {
        std::process::exit(0);
    }
}

/// Prints a value as indented JSON.
pub(crate) fn print_json(value: &serde_json::Value) {
    print(&format!("{value:#}\n"));
}

/// A line that later text replaces, on stderr, when that is a terminal.
pub(crate) struct StatusLine {
    shown: bool,
    terminal: bool,
}

impl StatusLine {
    pub fn new() -> Self {
        Self { shown: false, terminal: io::stderr().is_terminal() }
    }

    pub fn set(&mut self, text: &str) {
        if self.terminal {
            eprint!("\r\x1b[K{text}");
            self.shown = true;
        }
    }

    pub fn clear(&mut self) {
        if std::mem::take(&mut self.shown) {
            eprint!("\r\x1b[K");
        }
    }
}

impl Drop for StatusLine {
    fn drop(&mut self) {
        self.clear();
    }
}

/// `text` in a faint colour when `terminal`.
pub(crate) fn dim(text: &str, terminal: bool) -> String {
    if terminal { format!("\x1b[2m{text}\x1b[0m") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_counts_read_well() {
        assert_eq!([size(17), size(2048), size(675_710_816)], ["17 B", "2.0 KiB", "644.4 MiB"]);
        assert_eq!([count(896), count(494_032_768), count(8_030_261_248)], ["896", "494.0 M", "8.0 B"]);
        assert_eq!([duration(Duration::from_millis(20)), duration(Duration::from_secs(90))], ["20 ms", "1 min 30 s"]);
    }

    #[test]
    fn tables_align_and_have_no_trailing_blanks() {
        let mut table = Table::new(["NAME", "SIZE", ""]).right(&[1]);
        table.row(["a", "1.0 KiB", ""]);
        table.row(["longer", "9 B", "*"]);
        assert_eq!(table.render(), "NAME       SIZE\na       1.0 KiB\nlonger      9 B  *\n");
    }
}
