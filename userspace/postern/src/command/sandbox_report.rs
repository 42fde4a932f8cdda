//! A report of the sandbox on paper: the tree of parts, what was found, and what scripts did, in its order.

use data_encoding::HEXLOWER;
use postern_model::sandbox::{Report, Watched};
use serde_json::json;

use super::output;

pub fn print(report: &Report) {
    let rows: Vec<Vec<String>> = report
        .parts
        .iter()
        .enumerate()
        .map(|(n, part)| {
            let indent = "  ".repeat(report.depth(n as u32) as usize);
            vec![n.to_string(), format!("{:?}", part.kind), output::octets(&json!(part.size)), format!("{indent}{}", part.name)]
        })
        .collect();
    output::table(&["part", "is", "size", "name"], &rows);
    let findings: Vec<Vec<String>> =
        report.findings.iter().map(|f| vec![f.name.name().to_owned(), f.part.to_string(), f.evidence.clone()]).collect();
    if findings.is_empty() {
        output::text("\nnothing found");
    } else {
        output::text("");
        output::table(&["finding", "part", "evidence"], &findings);
    }
    print_timeline(report);
    print_watch(&report.watch);
}

fn print_watch(watch: &Watched) {
    let word = match (&watch.without, watch.cells) {
        (None, _) => format!("watched from the kernel: {} cells, {} sightings", watch.cells, watch.seen),
        (Some(why), 0) => format!("not watched from the kernel: {why}"),
        (Some(why), cells) => format!("not all watched from the kernel: {cells} cells were, {} sightings; others not: {why}", watch.seen),
    };
    let lost = if watch.lost == 0 { String::new() } else { format!("; {} were lost", watch.lost) };
    let partly = watch.partly.as_ref().map(|why| format!("; in part: {why}")).unwrap_or_default();
    output::text(&output::plain(&format!("\n{word}{lost}{partly}"), true));
}

fn print_timeline(report: &Report) {
    if report.timeline.is_empty() {
        return;
    }
    let events: Vec<Vec<String>> = report
        .timeline
        .iter()
        .map(|e| {
            let times = if e.times > 1 { format!(" ({} times)", e.times) } else { String::new() };
            let detail = if e.detail.is_empty() { String::new() } else { format!("  [{}]", e.detail) };
            let at = format!("{}.{:03}", e.at / 1000, e.at % 1000);
            vec![at, e.part.to_string(), e.action.name().to_owned(), format!("{}{times}{detail}", e.text)]
        })
        .collect();
    output::text("");
    output::table(&["second", "part", "did", "what"], &events);
    let contacted = report.contacted();
    if !contacted.is_empty() {
        output::text(&output::plain(&format!("\nspoke to: {}", contacted.join(", ")), true));
    }
}

pub fn as_value(report: &Report) -> serde_json::Value {
    let parts: Vec<_> = report
        .parts
        .iter()
        .map(|p| json!({"inside": p.inside, "name": p.name, "kind": format!("{:?}", p.kind), "size": p.size, "blake3": HEXLOWER.encode(&p.hash)}))
        .collect();
    let findings: Vec<_> = report
        .findings
        .iter()
        .map(|f| json!({"name": f.name.name(), "part": f.part, "evidence": f.evidence, "text": f.name.text()}))
        .collect();
    json!({"parts": parts, "findings": findings, "timeline": report.timeline, "contacted": report.contacted(), "watch": report.watch})
}
