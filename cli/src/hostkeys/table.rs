//! Tables for people: columns as wide as what stands in them.

use std::io::Write;

/// Prints `rows` under `heads`. The last column is not filled up.
pub(super) fn print<const N: usize>(
    to: &mut impl Write,
    heads: [&str; N],
    rows: &[[String; N]],
) -> std::io::Result<()> {
    let mut widths = heads.map(|head| head.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let heads = heads.map(str::to_owned);
    for row in std::iter::once(&heads).chain(rows) {
        let cells = row.iter().zip(widths);
        let line: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        writeln!(to, "{}", line.join("  ").trim_end())?;
    }
    Ok(())
}
