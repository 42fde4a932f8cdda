//! Sources to what a scanner takes, in a cell: rules from elsewhere have had bugs in their compiler, too.

use std::collections::BTreeSet;

use postern_model::sandbox::{PROBLEMS_MOST, RuleProblem};
use serde::{Deserialize, Serialize};
use yara_x::errors::CompileError;
use yara_x::warnings::Warning;
use yara_x::{Compiler, SourceCode};

use super::{OURS, Source};

macro_rules! brought {
    ($($name:literal,)+) => {
        /// The rules that Postern brings: a file for each, with the rule of the same name.
        pub const BROUGHT: &[(&str, &str)] = &[$(($name, include_str!(concat!("../../rules/", $name, ".yar"))),)+];
    };
}

brought! {
    "ace_archive",
    "amsi_bypass",
    "archive_name_trick",
    "chat_exfiltration",
    "compiled_help",
    "crypto_miner",
    "eicar_test_file",
    "equation_editor",
    "msdt_link",
    "powershell_cradle",
    "reflective_loader",
    "search_ms_link",
    "web_shell",
}

/// Modules of YARA that are not here: a rule that asks one is left out with a warning, and not the folder it lies in. Each takes a kind of
/// program apart that is a finding by itself in a mail, and some bring a library for signatures along.
const NOT_HERE: &[&str] = &["console", "crx", "cuckoo", "dex", "dotnet", "macho", "magic", "msi", "olecf", "pe", "vba", "vt", "zip"];

/// What came of a set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compiled {
    /// For [`super::scan::Scanner`]; nothing when there was an error.
    pub rules: Option<Vec<u8>>,
    pub ours: usize,
    pub theirs: usize,
    pub problems: Vec<RuleProblem>,
}

/// Compiles ours, and each file or text of the admin in a namespace of its own: a name may stand in two of them.
///
/// # Errors
/// When our own cannot be compiled, or nothing can be made of what was.
pub fn compile(sources: &[Source]) -> Result<Compiled, String> {
    let mut compiler = Compiler::new();
    // As YARA takes them: rules of others are written for it. Files are named and not reached for.
    compiler.relaxed_re_syntax(true).enable_includes(false).max_warnings(PROBLEMS_MOST);
    // How a text is written is its author's matter.
    let _ = compiler.switch_warning("text_as_hex", false);
    for module in NOT_HERE {
        compiler.ignore_module(*module);
    }
    compiler.new_namespace(OURS);
    for (name, text) in BROUGHT {
        compiler.add_source(SourceCode::from(*text).with_origin(format!("{name}.yar"))).map_err(|e| e.to_string())?;
    }
    for (source, namespace) in sources.iter().zip(namespaces(sources)) {
        compiler.new_namespace(&namespace);
        // What is wrong is kept by the compiler, for all files.
        let _ = compiler.add_source(SourceCode::from(source.text.as_slice()).with_origin(source.file.as_str()));
    }
    let mut problems: Vec<RuleProblem> = compiler.errors().iter().map(|error| of_error(error, sources)).collect();
    problems.extend(compiler.warnings().iter().map(|warning| of_warning(warning, sources)));
    problems.truncate(PROBLEMS_MOST);
    let is_usable = compiler.errors().is_empty();
    let rules = compiler.build();
    let ours = rules.iter().filter(|rule| rule.namespace() == OURS).count();
    let theirs = rules.iter().len() - ours;
    let rules = is_usable.then(|| rules.serialize()).transpose().map_err(|e| e.to_string())?;
    Ok(Compiled { rules, ours, theirs, problems })
}

/// `company/phish.yar` → `company/phish`, unless something before it is called so. Ours are told from theirs by it.
fn namespaces(sources: &[Source]) -> Vec<String> {
    let mut taken = BTreeSet::from([OURS.to_owned()]);
    let mut free = |file: &str| {
        let short = file.rsplit_once('.').map_or(file, |(name, _)| name);
        let mut name = short.to_owned();
        if !taken.insert(name.clone()) {
            name = if file == short { format!("{file}.yar") } else { file.to_owned() };
            taken.insert(name.clone());
        }
        name
    };
    sources.iter().map(|source| free(&source.file)).collect()
}

fn of_error(error: &CompileError, sources: &[Source]) -> RuleProblem {
    let label = error.labels().next();
    let at = label.as_ref().map(|l| (l.origin().unwrap_or_default().to_owned(), l.span().start()));
    let said = label.as_ref().map_or("", |l| l.text());
    problem(true, error.title(), said, at, sources)
}

fn of_warning(warning: &Warning, sources: &[Source]) -> RuleProblem {
    let label = warning.labels().next();
    let at = label.as_ref().map(|l| (l.origin().unwrap_or_default().to_owned(), l.span().start()));
    let said = label.as_ref().map_or("", |l| l.text());
    problem(false, warning.title(), said, at, sources)
}

fn problem(is_error: bool, title: &str, said: &str, at: Option<(String, usize)>, sources: &[Source]) -> RuleProblem {
    let (file, offset) = at.unwrap_or_default();
    let text = sources.iter().find(|s| s.file == file).map(|s| s.text.as_slice());
    let line = text.and_then(|text| text.get(..offset)).map_or(0, |before| before.iter().filter(|b| **b == b'\n').count() + 1);
    let what = if said.is_empty() || said == title { title.to_owned() } else { format!("{title}: {said}") };
    RuleProblem { file, line, is_error, what }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_a_namespace_and_none_is_ours() {
        let files = ["company", "company/phish.yar", "company.yar", "a.b.yara", "a.b.yar", "postern.yar"];
        let sources: Vec<Source> = files.iter().map(|file| Source { file: (*file).to_owned(), text: Vec::new() }).collect();
        assert_eq!(namespaces(&sources), ["company", "company/phish", "company.yar", "a.b", "a.b.yar", "postern.yar"]);
    }
}
