//! Next hops tried by hand: every address of every host is asked whether it would take mail, and no mail is sent.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use postern_model::address::Address;
use serde::Serialize;

use super::connect::{ConnectError, Connector, Endpoint, Host, MAX_TRIES, label};
use super::connection::{Patience, Sent};
use crate::route::Destination;

/// Somebody waits for the answer.
const PATIENCE: Patience = Patience { handshake: Duration::from_secs(10), reply: Duration::from_secs(10) };

/// What one address of a next hop said.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tried {
    /// `mail.example[192.0.2.25]:25`; of a host without an address its name.
    pub host: String,
    /// Version and cipher of TLS; `None`: in clear.
    pub tls: Option<String>,
    /// The certificate was checked, or the line does not leave this machine.
    pub is_trusted: bool,
    /// What it said to the recipient that was asked for.
    pub recipient: Option<Asked>,
    /// Why it takes no mail.
    pub trouble: Option<String>,
    pub milliseconds: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Asked {
    pub is_taken: bool,
    pub reply: String,
}

impl Connector {
    /// Tries all hosts of a destination at once, also those that are avoided at the moment.
    ///
    /// # Errors
    /// Why there is no host, in the words of a reply.
    pub async fn try_all(&self, destination: &Destination, recipient: Option<&Address>) -> Result<Vec<Tried>, String> {
        let hosts = self.hosts(destination).await.map_err(|e| match e {
            ConnectError::Unreachable(last) | ConnectError::Impossible(last) => last.reply,
        })?;
        let mut tries = Vec::new();
        let mut nowhere = Vec::new();
        for (host, found) in hosts.iter().zip(join_all(hosts.iter().map(|host| self.endpoints(host))).await) {
            match found {
                Ok(endpoints) => tries.extend(endpoints.into_iter().map(|endpoint| (host, endpoint))),
                Err(trouble) => nowhere.push(failed(host.name(), trouble, 0)),
            }
        }
        tries.truncate(MAX_TRIES);
        let mut tried = join_all(tries.iter().map(|(host, endpoint)| self.try_one(host, endpoint, recipient))).await;
        tried.append(&mut nowhere);
        Ok(tried)
    }

    async fn try_one(&self, host: &Host, endpoint: &Endpoint, recipient: Option<&Address>) -> Tried {
        let (began, label) = (Instant::now(), label(host, endpoint));
        let took = || u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut connection = match self.try_endpoint(host, endpoint, &label, PATIENCE).await {
            Ok(connection) => connection,
            Err(error) => return failed(label, error.reply(), took()),
        };
        let asked = match recipient {
            None => Ok(None),
            Some(recipient) => match connection.ask(&[recipient]).await {
                Sent::Done(outcome) => Ok(outcome.recipients.into_iter().next().flatten().map(|answer| Asked {
                    is_taken: answer.reply.is_positive(),
                    reply: format!("{} (in reply to {})", answer.reply, answer.stage),
                })),
                Sent::Unfit(reply) => Err(reply.to_string()),
                Sent::Lost(_, error) => Err(error.reply()),
            },
        };
        let (tls, is_trusted) = (connection.tls().map(str::to_owned), connection.is_trusted());
        connection.quit().await;
        let (recipient, trouble) = match asked {
            Ok(asked) => (asked, None),
            Err(trouble) => (None, Some(trouble)),
        };
        Tried { host: label, tls, is_trusted, recipient, trouble, milliseconds: took() }
    }
}

fn failed(host: String, trouble: String, milliseconds: u64) -> Tried {
    Tried { host, tls: None, is_trusted: false, recipient: None, trouble: Some(trouble), milliseconds }
}
