//! A table for people and JSON for machines.

use std::fs;
use std::path::Path;

use anyhow::Context;
use serde_json::{Value, json};

/// The middle value; the mean of the two middle ones for an even count.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

/// The value below which `share` (0 to 1) of the values lie.
pub fn percentile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = ((sorted.len() as f64 * share).ceil() as usize).clamp(1, sorted.len().max(1)) - 1;
    sorted.get(at).copied().unwrap_or(f64::NAN)
}

pub fn table(title: &str, head: &[&str], rows: &[Vec<String>]) {
    let widths: Vec<usize> =
        (0..head.len()).map(|i| rows.iter().map(|r| r[i].chars().count()).chain([head[i].chars().count()]).max().unwrap_or(0)).collect();
    let line = |cells: Vec<&str>| {
        let text: Vec<String> = cells.iter().zip(&widths).map(|(c, w)| format!("{c:<w$}")).collect();
        println!("| {} |", text.join(" | "));
    };
    println!("\n{title}\n");
    line(head.to_vec());
    println!("|{}|", widths.iter().map(|w| "-".repeat(w + 2)).collect::<Vec<_>>().join("|"));
    for row in rows {
        line(row.iter().map(String::as_str).collect());
    }
}

/// Writes `<folder>/<name>.json` with the machine's description beside the results.
pub fn write(folder: &Path, name: &str, results: Value) -> anyhow::Result<()> {
    fs::create_dir_all(folder)?;
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|l| l.strip_prefix("model name")).unwrap_or("").trim_start_matches([' ', '\t', ':']);
    let cores = std::thread::available_parallelism().map(usize::from).unwrap_or(0);
    let whole = json!({"machine": {"kernel": kernel.trim(), "cpu": model, "cores": cores}, "results": results});
    let path = folder.join(format!("{name}.json"));
    fs::write(&path, serde_json::to_string_pretty(&whole)?).with_context(|| path.display().to_string())?;
    println!("\nwritten: {}", path.display());
    Ok(())
}
