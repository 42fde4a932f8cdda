//! The first boot's questions in the browser: the same that the console menu asks, with the same answers (`postern_os::setup`). The
//! password is not among them: whoever is here has logged in with the one that the console showed, and must choose another.

use std::path::Path;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use postern_model::os::OsRequest;
use postern_os::client;
use postern_os::seed::volume;
use postern_os::setup::{self, Question, Route, Wizard};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::caller::Caller;
use crate::input::Input;
use crate::problem::{Answer, Fault, Problem};
use crate::routes::settings::{self, OneSetting};
use crate::state::Console;

/// How long a login waits for the role `os`, which is on this machine and reads one small file.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetUp {
    /// Fully qualified, as in `mx1.example.org`.
    hostname: String,
    /// `dhcp`, or an address with its prefix and the gateway, as in `192.0.2.10/24 192.0.2.1`.
    #[serde(default)]
    network: String,
    /// Separated by spaces; empty: those that DHCP names.
    #[serde(default)]
    name_servers: String,
    /// As in `Europe/Berlin`; empty: UTC.
    #[serde(default)]
    time_zone: String,
    /// A domain and its mail server, as in `example.org 192.0.2.25`; empty: later.
    #[serde(default)]
    domain: String,
}

impl SetUp {
    fn answer(&self, to: Question) -> (&'static str, &str) {
        match to {
            Question::Hostname => ("hostname", &self.hostname),
            Question::Network => ("network", &self.network),
            Question::NameServers => ("name_servers", &self.name_servers),
            Question::TimeZone => ("time_zone", &self.time_zone),
            Question::Password => ("password", ""),
            Question::Domain => ("domain", &self.domain),
        }
    }
}

/// An appliance that nobody has set up yet. Without the role `os` there is nothing to set up, and a login does not wait for a sick one.
pub async fn is_wanted(console: &Console) -> bool {
    let socket = console.os_socket();
    let asked = tokio::time::timeout(PATIENCE, client::text(&socket, &OsRequest::Machine));
    matches!(asked.await, Ok(Ok(text)) if text.is_empty())
}

/// Answer the first boot's questions. Once: from then on the machine's settings are changed. Addresses are in force at once.
#[utoipa::path(post, path = "/system/set-up", tag = "system", request_body = SetUp, responses(
    (status = 204), (status = 409, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub async fn set_up(State(console): State<Console>, caller: Caller, Input(given): Input<SetUp>) -> Answer<StatusCode> {
    let socket = console.os_socket();
    if !client::text(&socket, &OsRequest::Machine).await?.is_empty() {
        let problem = Problem::conflict("this machine was set up already");
        return Err(problem.advise("Change its settings: PUT /api/v1/system/machine, or the console menu."));
    }
    let Some(card) = volume::cards(Path::new("/sys/class/net")).into_iter().next() else {
        return Err(Problem::conflict("there is no network card"));
    };
    let mut wizard = Wizard::new(&card.name, &card.mac);
    while let Some(question) = wizard.question() {
        let (field, answer) = given.answer(question);
        wizard.answer(answer).map_err(|why| refused(field, why))?;
    }
    let answers = wizard.finish();
    if let Some(route) = &answers.route {
        add_route(&console, &caller, route).await?;
    }
    let text = setup::rendered(&answers.machine).map_err(Problem::internal)?;
    caller.audit(&console, "system.set-up", "machine.toml", None, Some(&text)).await?;
    client::ask(&socket, &OsRequest::PutMachine { text }).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn refused(field: &str, why: String) -> Problem {
    let mut problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad-answer", "An answer cannot be used", format!("{field}: {why}"));
    problem.errors = vec![Fault { path: field.into(), message: why }];
    problem
}

async fn add_route(console: &Console, caller: &Caller, route: &Route) -> Answer<()> {
    let now = serde_json::to_value(&console.state().settings.settings().domains).map_err(|e| Problem::internal(e.to_string()))?;
    let mut domains: Vec<Value> = now.as_array().cloned().unwrap_or_default();
    route.put_into(&mut domains);
    let change = OneSetting::new("domains", domains.into(), "first boot");
    settings::change(console, caller, &change, None).await.map(drop)
}
