//! The admin's YARA rules: what is in force on this node, and texts that are tried. They are changed as settings are (`sandbox.rules`).

use axum::Json;
use axum::extract::State;
use postern_model::sandbox::{RuleProblem, RulesReport};
use postern_model::settings;
use postern_model::settings::check::rule_texts;
use postern_model::settings::sandbox::RuleText;
use postern_model::time::Timestamp;
use postern_mta::sandbox::{self, RulesTrouble};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::input::Input;
use crate::problem::{Answer, Problem};
use crate::state::Console;

/// Of this node.
#[derive(Serialize, ToSchema)]
pub struct RulesView {
    /// Of the settings, as in `GET /settings`: another one says that their texts may be others.
    digest: String,
    /// False: `sandbox.enabled` or `sandbox.yara` is off, and nothing is looked for.
    enabled: bool,
    /// Texts of the settings and files of the folder that are in force.
    files: usize,
    /// Rules in them; none: not counted since the start.
    rules: Option<usize>,
    /// Since when, in milliseconds since 1970; none: there are no rules but Postern's own.
    #[schema(value_type = Option<i64>)]
    since: Option<Timestamp>,
    trouble: Option<TroubleView>,
}

/// Why the newest are not in force: those before them are.
#[derive(Serialize, ToSchema)]
pub struct TroubleView {
    /// Milliseconds since 1970.
    #[schema(value_type = i64)]
    at: Timestamp,
    why: String,
    /// The errors in them.
    problems: Vec<RuleProblemView>,
    /// Nothing is known to be wrong with them: the role sandbox is not there, and is asked again.
    waiting: bool,
}

#[derive(Serialize, ToSchema)]
pub struct RuleProblemView {
    /// Name of a text of the settings, or of a file in the folder.
    file: String,
    /// From 1; 0: it is about all of it.
    line: usize,
    /// `error`: nothing of the set is taken; `warning`.
    severity: &'static str,
    #[schema(example = "unknown pattern: this pattern is not declared in the `strings` section")]
    text: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RulesQuestion {
    /// `name` and `text`, as in `sandbox.rules` of the settings.
    #[schema(value_type = Vec<Object>)]
    rules: Vec<RuleText>,
}

#[derive(Serialize, ToSchema)]
pub struct RulesTried {
    /// They could be in force.
    good: bool,
    /// How many they are; of no meaning when they are not good.
    rules: usize,
    problems: Vec<RuleProblemView>,
}

impl From<RuleProblem> for RuleProblemView {
    fn from(RuleProblem { file, line, is_error, what }: RuleProblem) -> Self {
        Self { file, line, severity: if is_error { "error" } else { "warning" }, text: what }
    }
}

impl From<RulesTrouble> for TroubleView {
    fn from(RulesTrouble { at, why, errors, is_waiting }: RulesTrouble) -> Self {
        Self { at, why, problems: errors.into_iter().map(Into::into).collect(), waiting: is_waiting }
    }
}

/// The admin's YARA rules that are in force on this node, and why the newest are not.
#[utoipa::path(get, path = "/sandbox/rules", tag = "sandbox", responses((status = 200, body = RulesView)))]
pub async fn rules(State(console): State<Console>) -> Json<RulesView> {
    let version = console.state().settings.current();
    let state = console.state().yara_rules.state();
    Json(RulesView {
        digest: version.digest.clone(),
        enabled: version.settings.sandbox.enabled && version.settings.sandbox.yara,
        files: state.files,
        rules: state.rules,
        since: state.since,
        trouble: state.trouble.map(Into::into),
    })
}

/// Say what is wrong with YARA rules, without using them.
#[utoipa::path(post, path = "/sandbox/rules/try", tag = "sandbox", request_body = RulesQuestion, responses(
    (status = 200, body = RulesTried), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub async fn try_rules(State(console): State<Console>, Input(asked): Input<RulesQuestion>) -> Answer<Json<RulesTried>> {
    let mut wrong = Vec::new();
    rule_texts("rules", &asked.rules, &mut |path, message| wrong.push(settings::Problem { path, message }));
    if !wrong.is_empty() {
        return Err(Problem::settings(&wrong));
    }
    let _turn = console.trying_rules.lock().await;
    let report = sandbox::try_rules(&console.sandbox_socket(), &asked.rules).await;
    let report: RulesReport = report.map_err(|why| {
        Problem::unavailable(format!("the rules were not tried: {why}")).advise("`postern sandbox status` says how the sandbox is.")
    })?;
    let good = report.is_usable();
    Ok(Json(RulesTried { good, rules: report.theirs, problems: report.problems.into_iter().map(Into::into).collect() }))
}
