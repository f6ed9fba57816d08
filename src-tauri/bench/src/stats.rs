//! What many measured values come to.

use std::time::Duration;

/// Values in the order of their size.
#[derive(Clone, Debug, Default)]
pub struct Sorted(Vec<f64>);

impl Sorted {
    /// The smallest; not a number where there is none.
    pub fn min(&self) -> f64 {
        self.at(0.0)
    }

    /// The one in the middle.
    pub fn median(&self) -> f64 {
        self.at(0.5)
    }

    /// The one that 99 % do not exceed.
    pub fn p99(&self) -> f64 {
        self.at(0.99)
    }

    /// The largest.
    pub fn max(&self) -> f64 {
        self.at(1.0)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The value that this part of all does not exceed: nearest rank, never between two values.
    fn at(&self, part: f64) -> f64 {
        let rank = (1..=self.0.len()).find(|&rank| float(rank) >= part * float(self.0.len()));
        rank.and_then(|rank| self.0.get(rank - 1)).copied().unwrap_or(f64::NAN)
    }
}

impl FromIterator<f64> for Sorted {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        Self(values)
    }
}

/// Milliseconds.
pub fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// A count as a number to reckon with.
pub fn float(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

/// The same of a count that may be larger.
pub fn float64(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_seen() {
        let check = |values: &[u32], expected: [u32; 4]| {
            let sorted: Sorted = values.iter().copied().map(f64::from).collect();
            let seen = [sorted.min(), sorted.median(), sorted.p99(), sorted.max()];
            assert!(
                seen.iter().zip(expected).all(|(seen, expected)| (seen - f64::from(expected)).abs() < 1e-9),
                "{seen:?}"
            );
        };
        check(&(1..=200).rev().collect::<Vec<_>>(), [1, 100, 198, 200]);
        check(&[1, 9], [1, 1, 9, 9]);
        check(&[7], [7; 4]);
        assert!(Sorted::default().p99().is_nan());
    }
}
