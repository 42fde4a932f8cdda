//! DNS block and allow lists (RFC 5782): asked side by side, each answer with its weight.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use futures_util::future::join_all;
use postern_filter::facts::ListHit;
use postern_mail::dns::{Answer, Resolver};
use postern_model::settings::filter::{DnsList, DnsListSettings, DnsListSubject};

/// Domains of one mail that are asked about: enough for any honest mail, few enough not to be an amplifier.
const MAX_DOMAINS: usize = 30;

/// Asks every list about the client's address.
pub async fn ask_about_address(resolver: &Resolver, settings: &DnsListSettings, ip: IpAddr) -> Vec<ListHit> {
    let lists = settings.lists.iter().filter(|l| l.subject == DnsListSubject::Address);
    let questions = lists.map(|list| async move { hit(list, ip.to_string(), resolver.dnsbl(ip, list.zone.as_str()).await) });
    within(settings, join_all(questions)).await
}

/// Asks every domain list about the domains of a mail.
pub async fn ask_about_domains(resolver: &Resolver, settings: &DnsListSettings, domains: impl IntoIterator<Item = String>) -> Vec<ListHit> {
    let lists: Vec<&DnsList> = settings.lists.iter().filter(|l| l.subject == DnsListSubject::Domain).collect();
    if lists.is_empty() {
        return Vec::new();
    }
    let domains: BTreeSet<String> = domains.into_iter().filter(|d| d.contains('.')).take(MAX_DOMAINS).collect();
    let pairs = lists.iter().flat_map(|list| domains.iter().map(move |d| (*list, d)));
    let questions =
        pairs.map(|(list, domain)| async move { hit(list, domain.clone(), resolver.dnsbl_name(domain, list.zone.as_str()).await) });
    within(settings, join_all(questions)).await
}

/// The answers that came in time; without a list nothing is waited for.
async fn within(settings: &DnsListSettings, questions: impl Future<Output = Vec<Option<ListHit>>>) -> Vec<ListHit> {
    match tokio::time::timeout(settings.timeout.0, questions).await {
        Ok(hits) => hits.into_iter().flatten().collect(),
        Err(_) => {
            tracing::debug!("DNS lists did not answer in time");
            Vec::new()
        }
    }
}

fn hit<A: AsRef<[Ipv4Addr]>>(list: &DnsList, subject: String, answer: Answer<A>) -> Option<ListHit> {
    let Answer::Found(addresses) = answer else { return None };
    let counts = addresses.as_ref().iter().find(|a| counts(list, **a))?;
    Some(ListHit { zone: list.zone.to_string(), subject, answer: counts.to_string(), weight: list.weight })
}

/// 127.255.255.0/24 means "you may not ask" at the big lists; anything outside 127/8 is a hijacked answer.
fn counts(list: &DnsList, answer: Ipv4Addr) -> bool {
    let [first, second, third, _] = answer.octets();
    if first != 127 || (second, third) == (255, 255) {
        return false;
    }
    list.answers.is_empty() || list.answers.contains(&answer)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use postern_model::score::Score;

    #[test]
    fn only_real_answers_count() {
        let list = |answers: &[&str]| DnsList {
            zone: "bl.example".parse().unwrap(),
            weight: Score::new(4.0),
            answers: answers.iter().map(|a| a.parse().unwrap()).collect(),
            subject: DnsListSubject::Address,
        };
        let any = list(&[]);
        assert!(counts(&any, "127.0.0.2".parse().unwrap()));
        assert!(!counts(&any, "127.255.255.254".parse().unwrap()), "an error of the list is no listing");
        assert!(!counts(&any, "192.0.2.1".parse().unwrap()), "a provider's search page is no listing");
        let some = list(&["127.0.0.4"]);
        assert!(counts(&some, "127.0.0.4".parse().unwrap()) && !counts(&some, "127.0.0.2".parse().unwrap()));
    }
}
