//! Tables in Markdown.

/// Starts a table: its header row and the rule below it.
pub fn head(columns: &[&str]) -> String {
    let rule = "---|".repeat(columns.len());
    format!("| {} |\n|{rule}\n", columns.join(" | "))
}

/// One row. A bar inside a cell would end it.
pub fn row(cells: &[&str]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    format!("| {} |\n", cells.join(" | "))
}

/// `` `text` ``.
pub fn code(text: &str) -> String {
    format!("`{text}`")
}
