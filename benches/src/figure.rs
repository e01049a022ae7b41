//! How figures of several rounds become one, and how one is written.
//!
//! Above: the summaries of runs.

/// Middle, least and greatest.
pub(crate) fn spread(values: impl IntoIterator<Item = f64>) -> Option<(f64, f64, f64)> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    Some((*values.get(values.len() / 2)?, *values.first()?, *values.last()?))
}

/// Three digits that count.
pub(crate) fn in_words(value: f64) -> String {
    match value.abs() {
        size if 100.0 <= size => format!("{value:.0}"),
        size if 10.0 <= size => format!("{value:.1}"),
        size if 1.0 <= size => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_lies_between_the_ends() {
        assert_eq!(spread([3.0, 1.0, 2.0]), Some((2.0, 1.0, 3.0)));
        assert_eq!(spread([]), None);
    }

    #[test]
    fn three_digits_are_written() {
        assert_eq!([1234.5, 12.345, 1.2345, 0.12345].map(in_words), ["1234", "12.3", "1.23", "0.123"]);
    }
}
