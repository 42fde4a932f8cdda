//! Rules that anybody may have written, and what they are given to look at: refused with a place and words that can be printed, or compiled to
//! what a scanner takes and runs to an end.

use std::time::{Duration, Instant};

use postern_model::sandbox::PROBLEMS_MOST;
use postern_sandbox::yara::Source;
use postern_sandbox::yara::compile::compile;
use postern_sandbox::yara::scan::Scanner;

/// The rules' text up to the first zero, and behind it what they look at.
pub fn check(octets: &[u8]) {
    let end = octets.iter().position(|b| *b == 0).unwrap_or(octets.len());
    let content = octets.get(end + 1..).unwrap_or_default();
    let sources = [Source { file: "theirs.yar".to_owned(), text: octets[..end].to_vec() }];
    let compiled = compile(&sources).unwrap_or_else(|why| panic!("{why}"));
    assert!(compiled.problems.len() <= PROBLEMS_MOST);
    let errors = compiled.problems.iter().filter(|p| p.is_error).count();
    assert_eq!(compiled.rules.is_some(), errors == 0, "{:?}", compiled.problems);
    for problem in &compiled.problems {
        assert!(problem.line <= octets.len() + 1, "{problem:?}");
    }
    let Some(rules) = compiled.rules else { return };
    assert!(compiled.ours > 0);
    let mut scanner = Scanner::new(&rules, Duration::from_secs(4)).unwrap_or_else(|why| panic!("{why}"));
    let began = Instant::now();
    for (_, evidence) in scanner.look(content) {
        assert!(!evidence.is_empty());
    }
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}
