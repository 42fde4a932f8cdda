//! VBScript and VBA (MS-VBAL), translated into JavaScript for the engine. What runs it are the functions of `js/vb.js`.
//!
//! Nothing of the source reaches the engine but as tokens that are written here: names as `v_…`, texts with everything escaped
//! that is neither letter nor digit, numbers. What cannot be read is said with its line and left out, and the rest is run.

mod conditional;
mod declaration;
mod emit;
mod expression;
mod files;
mod lexer;
mod names;
mod parser;
mod statement;
mod syntax;

pub use emit::Outside;
use syntax::Unit;

/// Faults that are told; with more of them than the second number, and than what could be read, the source is something else, and is not run.
const TOLD: usize = 4;
const FAULTS: usize = 40;
/// Octets of a source, and its tokens.
const LONGEST: usize = 4 << 20;
const TOKENS: usize = 1 << 20;

/// Procedures that Word, Excel and PowerPoint call by themselves, in their order.
pub const AUTOSTART: &[&str] = &[
    "autoexec",
    "auto_open",
    "autoopen",
    "document_open",
    "documentopen",
    "document_new",
    "autonew",
    "workbook_open",
    "workbook_activate",
    "worksheet_activate",
    "presentation_open",
    "inkpicture1_painted",
    "frame1_layout",
    "document_close",
    "document_beforeclose",
    "autoclose",
    "auto_close",
    "workbook_beforeclose",
    "workbook_deactivate",
    "autoexit",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    VbScript,
    Vba,
}

/// Something that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub line: u32,
    pub what: &'static str,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Translation {
    pub code: String,
    /// As the timeline tells them.
    pub faults: Vec<String>,
}

/// All scripts of a world, or all modules of a document: each sees what the others declare.
pub fn world(sources: &[(&str, Dialect)]) -> Vec<Translation> {
    let units: Vec<Unit> = sources.iter().map(|(source, dialect)| read(source, *dialect)).collect();
    let mut outside = Outside::default();
    for unit in &units {
        outside.globals.extend(emit::shared_names(unit));
    }
    units.iter().map(|unit| written(unit, &outside)).collect()
}

/// Text that becomes script, where these names are known.
pub fn script(source: &str, outside: &Outside) -> Translation {
    written(&read(source, Dialect::VbScript), outside)
}

/// Text that is asked for its value.
pub fn expression(source: &str, outside: &Outside) -> Translation {
    match parser::expression(&lexer::tokens(source, Dialect::VbScript)) {
        Ok(expression) => Translation { code: emit::expression(&expression, outside), faults: Vec::new() },
        Err(fault) => Translation { code: "undefined".to_owned(), faults: told(&[fault]) },
    }
}

/// A module's name, as its source says it.
pub fn module_name(source: &str) -> Option<String> {
    let line = source.lines().take(16).find_map(|line| line.trim().strip_prefix("Attribute VB_Name = "))?;
    Some(line.trim_matches(['"', ' ']).to_lowercase())
}

/// Whether something of it is run when the document is opened or closed.
pub fn starts_by_itself(source: &str) -> bool {
    let lower = source.to_lowercase();
    lower.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| AUTOSTART.contains(&word))
}

fn read(source: &str, dialect: Dialect) -> Unit {
    let fault = |what| Unit { faults: vec![Fault { line: 1, what }], ..Unit::default() };
    if source.len() > LONGEST {
        return fault("too long to be run");
    }
    let source = conditional::chosen(unwrapped(source), dialect);
    let tokens = lexer::tokens(&source, dialect);
    if tokens.len() > TOKENS { fault("too long to be run") } else { parser::unit(&tokens, dialect) }
}

/// Without the comment of HTML that hid scripts from old browsers.
fn unwrapped(source: &str) -> &str {
    let inner = source.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    let Some(inner) = inner.strip_prefix("<!--") else { return source };
    let inner = inner.trim_end();
    inner.strip_suffix("-->").map_or(inner, |inner| inner.trim_end_matches(['/', '\'', ' ']))
}

fn written(unit: &Unit, outside: &Outside) -> Translation {
    let mut faults = told(&unit.faults);
    if unit.faults.len() > FAULTS && unit.faults.len() > unit.statements {
        faults.push("not run: it is no Visual Basic".to_owned());
        return Translation { code: String::new(), faults };
    }
    match emit::unit(unit, outside) {
        Ok(code) => Translation { code, faults },
        Err(fault) => {
            faults.extend(told(&[fault]));
            Translation { code: String::new(), faults }
        }
    }
}

fn told(faults: &[Fault]) -> Vec<String> {
    faults.iter().take(TOLD).map(|f| format!("line {}: {}", f.line, f.what)).collect()
}
