//! A row of the table that `cargo xtask bench` prints, and that stands in the documentation.

use std::fmt;

/// The table's first lines.
pub const HEAD: &str = "| figure | seen | target | peer in the same run |\n| --- | --- | --- | --- |";

/// How every row begins, so that rows are found among other lines.
pub const BEGINS: &str = "| ";

/// One figure.
#[derive(Clone, Debug)]
pub struct Row {
    /// What was measured.
    pub figure: String,
    /// What it came to, with its spread where there is one.
    pub seen: String,
    /// What was promised, if anything was.
    pub target: Option<Target>,
    /// What a peer came to in the same run; empty where there is none.
    pub peer: String,
}

/// What was promised, and whether it was kept.
#[derive(Clone, Debug)]
pub struct Target {
    words: String,
    met: bool,
}

impl Target {
    /// Met by a value that is not larger than the limit.
    pub fn at_most(words: impl Into<String>, value: f64, limit: f64) -> Self {
        Self::when(words, value <= limit)
    }

    /// Met by a value that is not smaller than the limit.
    pub fn at_least(words: impl Into<String>, value: f64, limit: f64) -> Self {
        Self::when(words, value >= limit)
    }

    /// Met or not.
    pub fn when(words: impl Into<String>, met: bool) -> Self {
        Self { words: words.into(), met }
    }

    /// Whether it was kept.
    pub fn is_met(&self) -> bool {
        self.met
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { figure, seen, target, peer } = self;
        write!(f, "{BEGINS}{figure} | {seen} | ")?;
        match target {
            Some(Target { words, met: true }) => write!(f, "{words}: met")?,
            Some(Target { words, met: false }) => write!(f, "{words}: **missed**")?,
            None => write!(f, "none")?,
        }
        write!(f, " | {} |", if peer.is_empty() { "none" } else { peer })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_as_many_cells_as_the_head_and_says_what_was_missed() {
        let row = |value, peer: &str| Row {
            figure: "size".to_owned(),
            seen: format!("{value} KiB"),
            target: Some(Target::at_most("at most 8 KiB", value, 8.0)),
            peer: peer.to_owned(),
        };
        assert_eq!(row(8.0, "9 KiB").to_string(), "| size | 8 KiB | at most 8 KiB: met | 9 KiB |");
        assert_eq!(row(8.5, "").to_string(), "| size | 8.5 KiB | at most 8 KiB: **missed** | none |");
        let without = Row { target: None, ..row(1.0, "") };
        assert_eq!(without.to_string(), "| size | 1 KiB | none | none |");
        assert!(HEAD.lines().all(|line| line.matches('|').count() == 5));
    }

    #[test]
    fn what_is_not_a_number_meets_no_target() {
        assert!(!Target::at_most("", f64::NAN, 1.0).is_met());
        assert!(!Target::at_least("", f64::NAN, 1.0).is_met());
        assert!(Target::at_least("", 1.0, 1.0).is_met());
    }
}
