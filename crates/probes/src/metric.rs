//! Measured values by name.
//!
//! A [`Metric`] is declared next to the code that measures it; its values travel as [`Metrics`]. JSON lines, TensorBoard,
//! the terminal and the page write any metric as its declaration says, so that a new one touches one file.

use std::fmt;

use serde::ser::{Serialize, SerializeMap, Serializer};

/// How a metric's value is written for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A number with so many decimals.
    Decimals(usize),
    /// A number in scientific notation with so many decimals.
    Scientific(usize),
    /// A number in percent, with so many decimals.
    Percent(usize),
    /// A fraction from 0 to 1, written in percent with so many decimals.
    Fraction(usize),
    /// A whole number of a unit.
    Unit(&'static str),
}

/// What a metric is called and how it is written. Metrics are told apart by their keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Key in JSON lines: `knn`.
    pub key: &'static str,
    /// Tag in TensorBoard: `probe/knn`.
    pub tag: &'static str,
    /// Name for people, in front of the value and at the head of a table's column; may be empty.
    pub label: &'static str,
    /// How the value is written for people.
    pub format: Format,
    /// Whether the value was computed in f32: JSON then has as many digits as an f32.
    pub single: bool,
    /// Where it stands in the progress line: low ranks first; where the terminal is narrow, high ranks are left out.
    /// `None`: not in it.
    pub rank: Option<u8>,
}

impl Metric {
    /// A value with the metric's label: `kNN 37.1 %`.
    pub fn text(&self, value: f64) -> String {
        let text = self.value(value);
        match self.label {
            "" => text,
            label => format!("{label} {text}"),
        }
    }

    /// A value without label: `37.1 %`.
    pub fn value(&self, value: f64) -> String {
        match self.format {
            Format::Decimals(digits) => format!("{value:.digits$}"),
            Format::Scientific(digits) => format!("{value:.digits$e}"),
            Format::Percent(digits) => format!("{value:.digits$} %"),
            Format::Fraction(digits) => format!("{:.digits$} %", 100.0 * value),
            Format::Unit(unit) => format!("{value:.0} {unit}"),
        }
    }
}

/// Values of metrics, in the order in which they were added. Serialised as a map from keys to values.
#[derive(Clone, Default, PartialEq)]
pub struct Metrics(Vec<(&'static Metric, f64)>);

impl Metrics {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a value.
    pub fn push(&mut self, metric: &'static Metric, value: f64) {
        self.0.push((metric, value));
    }

    /// The same with one more value.
    #[must_use]
    pub fn with(mut self, metric: &'static Metric, value: f64) -> Self {
        self.push(metric, value);
        self
    }

    /// Appends the values of another list.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// All values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&'static Metric, f64)> {
        self.0.iter().copied()
    }

    /// The value of a metric, if it is there.
    pub fn get(&self, metric: &Metric) -> Option<f64> {
        let mut values = self.0.iter();
        let found = values.find(|(other, _)| other.key == metric.key);
        found.map(|(_, value)| *value)
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values = self.0.iter().map(|(metric, value)| (metric.key, value));
        f.debug_map().entries(values).finish()
    }
}

impl Serialize for Metrics {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (metric, value) in &self.0 {
            match metric.single {
                true => map.serialize_entry(metric.key, &(*value as f32))?,
                false => map.serialize_entry(metric.key, value)?,
            }
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCURACY: Metric = Metric {
        key: "accuracy",
        tag: "test/accuracy",
        label: "top-1",
        format: Format::Percent(1),
        single: false,
        rank: None,
    };

    #[test]
    fn values_are_written_by_their_format() {
        let text = |format, value| Metric { format, ..ACCURACY }.text(value);
        assert_eq!(text(Format::Percent(1), 37.06), "top-1 37.1 %");
        assert_eq!(text(Format::Fraction(1), 0.0125), "top-1 1.2 %");
        assert_eq!(text(Format::Decimals(4), 1.0), "top-1 1.0000");
        assert_eq!(text(Format::Scientific(2), 0.03), "top-1 3.00e-2");
        let speed = Metric {
            label: "",
            format: Format::Unit("img/s"),
            ..ACCURACY
        };
        assert_eq!(speed.text(1589.7), "1590 img/s");
    }

    #[test]
    fn metrics_are_found_by_key() {
        let metrics = Metrics::new().with(&ACCURACY, 12.5);
        assert_eq!(metrics.get(&ACCURACY), Some(12.5));
        let other = Metric {
            key: "loss",
            ..ACCURACY
        };
        assert_eq!(metrics.get(&other), None);
        assert_eq!(format!("{metrics:?}"), r#"{"accuracy": 12.5}"#);
    }
}
