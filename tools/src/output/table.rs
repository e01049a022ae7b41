//! Rows as aligned columns, CSV, or bare names. No borders, upper-case headers, two spaces between, numbers to the right.

use serde_json::Value;

/// One column: its header, the member of the row that fills it, and whether only `wide` shows it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    header: &'static str,
    member: &'static str,
    wide: bool,
}

impl Column {
    pub(crate) const fn new(header: &'static str, member: &'static str) -> Self {
        Self { header, member, wide: false }
    }

    pub(crate) const fn wide(header: &'static str, member: &'static str) -> Self {
        Self { header, member, wide: true }
    }
}

/// A cell as text: lists joined by commas, null as `-`.
fn cell(row: &Value, column: &Column) -> String {
    match row.get(column.member) {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) => {
            let items: Vec<_> =
                items.iter().map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned)).collect();
            items.join(",")
        }
        Some(other) => other.to_string(),
    }
}

fn is_number(row: &Value, column: &Column) -> bool {
    row.get(column.member).is_some_and(Value::is_number)
}

pub(super) fn table(columns: &[Column], rows: &[Value], headers: bool, wide: bool) -> String {
    let columns: Vec<_> = columns.iter().filter(|c| wide || !c.wide).collect();
    let cells: Vec<Vec<String>> =
        rows.iter().map(|row| columns.iter().map(|c| cell(row, c)).collect()).collect();
    let mut out = String::new();
    let widths: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(index, column)| {
            let head = if headers { column.header.chars().count() } else { 0 };
            cells.iter().filter_map(|row| row.get(index)).map(|c| c.chars().count()).fold(head, usize::max)
        })
        .collect();
    let mut put = |row: Vec<(&str, bool)>| {
        let mut line = String::new();
        for ((text, right), width) in row.iter().zip(&widths) {
            let gap = " ".repeat(width.saturating_sub(text.chars().count()));
            if *right {
                line.push_str(&gap);
                line.push_str(text);
            } else {
                line.push_str(text);
                line.push_str(&gap);
            }
            line.push_str("  ");
        }
        out.push_str(line.trim_end());
        out.push('\n');
    };
    let right: Vec<bool> = columns.iter().map(|c| rows.iter().any(|row| is_number(row, c))).collect();
    if headers {
        put(columns.iter().map(|c| c.header).zip(right.iter().copied()).collect());
    }
    for row in &cells {
        put(row.iter().map(String::as_str).zip(right.iter().copied()).collect());
    }
    out
}

pub(super) fn csv(columns: &[Column], rows: &[Value], headers: bool) -> String {
    let quoted = |text: String| {
        if text.contains([',', '"', '\n', '\r']) {
            format!("\"{}\"", text.replace('"', "\"\""))
        } else {
            text
        }
    };
    let mut lines = Vec::new();
    if headers {
        lines.push(columns.iter().map(|c| c.header.to_lowercase()).collect::<Vec<_>>().join(","));
    }
    for row in rows {
        let cells: Vec<_> = columns
            .iter()
            .map(|c| {
                if row.get(c.member).is_none_or(Value::is_null) {
                    String::new()
                } else {
                    quoted(cell(row, c))
                }
            })
            .collect();
        lines.push(cells.join(","));
    }
    lines.iter().flat_map(|line| [line.as_str(), "\r\n"]).collect()
}

/// The first column alone.
pub(super) fn names(columns: &[Column], rows: &[Value]) -> String {
    let Some(first) = columns.first() else { return String::new() };
    rows.iter().flat_map(|row| [cell(row, first), "\n".to_owned()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const COLUMNS: &[Column] =
        &[Column::new("TOPIC", "topic"), Column::new("PARTITIONS", "partitions"), Column::wide("ID", "id")];

    fn rows() -> Vec<Value> {
        vec![
            json!({"topic": "a", "partitions": 12, "id": "x"}),
            json!({"topic": "long, \"name\"", "partitions": 3}),
        ]
    }

    #[test]
    fn columns_align_and_numbers_stand_right() {
        assert_eq!(
            table(COLUMNS, &rows(), true, false),
            "TOPIC         PARTITIONS\na                     12\nlong, \"name\"           3\n"
        );
        assert_eq!(table(COLUMNS, &rows(), false, true), "a             12  x\nlong, \"name\"   3  -\n");
    }

    #[test]
    fn csv_quotes_what_needs_it() {
        assert_eq!(
            csv(COLUMNS, &rows(), true),
            "topic,partitions,id\r\na,12,x\r\n\"long, \"\"name\"\"\",3,\r\n"
        );
    }

    #[test]
    fn names_are_the_first_column() {
        assert_eq!(names(COLUMNS, &rows()), "a\nlong, \"name\"\n");
    }
}
