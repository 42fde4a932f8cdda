//! Sender authentication of one mail: SPF (RFC 7208), DKIM (RFC 6376, RFC 8463), DMARC (RFC 9989,
//! with the `pct` of RFC 7489) and ARC (RFC 8617), over mail-auth.
//!
//! How it thinks:
//! - What could not be asked is `temperror`, never a fail: a dead name server must not turn good mail away.
//! - mail-auth finds the organisational domain by a walk up the tree (RFC 9989 §4.10). A public suffix
//!   that publishes a record without saying `psd=y` would align all its customers with each other, so
//!   the public suffix list must agree before an alignment counts.
//! - Three caches for TXT records, one for each protocol: with one, an SPF record that includes
//!   `_dmarc.victim.example` would leave "no policy" behind under that name, and switch the victim's
//!   DMARC off for as long as the record lives.
//! - Work is bounded: signatures, fields they sign, and the time of everything together.

mod cache;
mod results;
mod spf_form;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mail_auth::common::verify::{DomainKey, VerifySignature};
use mail_auth::dmarc::verify::DmarcParameters;
use mail_auth::dmarc::{Dmarc, Policy};
use mail_auth::spf::verify::SpfParameters;
use mail_auth::{AuthenticatedMessage, DkimOutput, DkimResult as Dkim, DmarcResult, MessageAuthenticator, SpfOutput, SpfResult};
use postern_model::settings::filter::AuthenticationSettings;
use tokio::time::{Instant as Deadline, timeout_at};

use crate::authentication::{AuthResult, Authentication, DkimResult, DmarcPolicy};
use crate::dns::{Answer, Resolver};
use crate::url::registrable_domain;
use cache::{Caches, Txts};

/// Signatures that are verified; honest mail has up to four. Each costs a question and an RSA operation.
const MAX_SIGNATURES: usize = 8;
/// Fields in a mail times fields in `h=`: what looking up the signed fields may cost.
const MAX_SIGNED_LOOKUPS: usize = 400_000;
/// `t=y` in a key's flags, as mail-auth keeps it.
const KEY_IS_TESTING: u64 = 0x10;

/// Shared by all sessions; clones share the caches.
#[derive(Clone)]
pub struct Authenticator(Arc<Inner>);

struct Inner {
    resolver: Resolver,
    caches: Caches,
    timeout: Duration,
}

impl Authenticator {
    pub fn new(resolver: Resolver, settings: &AuthenticationSettings) -> Self {
        Self(Arc::new(Inner { resolver, caches: Caches::new(), timeout: settings.timeout.0 }))
    }

    /// Checks one mail. `sender` is the path of MAIL FROM without brackets, empty for the null path;
    /// `hostname` is ours. With name resolution off everything is `none`.
    pub async fn check(&self, mail: &[u8], ip: IpAddr, helo: &str, sender: &str, hostname: &str) -> Authentication {
        let mut out = Authentication::default();
        let Some(engine) = self.0.resolver.hickory().map(MessageAuthenticator) else {
            out.header_value = results::none(hostname);
            return out;
        };
        let engine = &engine;
        // Silent name servers are waited for by the resolver's tries alone.
        let deadline = Deadline::now() + if self.0.resolver.is_silent() { Duration::ZERO } else { self.0.timeout };
        let message = bounded(mail);
        let author = message.as_ref().and_then(author_domain);
        let (helo_spf, mail_spf, dkim, arc, ()) = tokio::join!(
            self.spf_helo(engine, ip, helo, hostname, deadline),
            self.spf_mail(engine, ip, helo, sender, hostname, deadline),
            self.dkim(engine, message.as_ref(), deadline),
            self.arc(engine, message.as_ref(), deadline),
            // DMARC needs the results above, but its records can be fetched beside them.
            self.fetch_policy(engine, author.as_deref(), deadline),
        );
        out.spf_helo = spf_result(helo_spf.result());
        let spf = if sender.is_empty() { helo_spf } else { mail_spf };
        out.spf = spf_result(spf.result());
        spf.domain().trim_end_matches('.').to_ascii_lowercase().clone_into(&mut out.spf_domain);
        self.read_dkim(&dkim, &mut out);
        out.arc = arc.result;
        out.arc_sealer = arc.sealer;
        out.arc_sets = arc.sets;
        out.arc_dmarc_pass = arc.dmarc_pass;
        if let Some(message) = &message {
            self.dmarc(engine, message, &dkim.outputs, &spf, deadline, &mut out).await;
        }
        out.header_value = results::value(&out, hostname, helo, sender);
        out
    }

    async fn spf_helo(&self, engine: &MessageAuthenticator, ip: IpAddr, helo: &str, hostname: &str, deadline: Deadline) -> SpfOutput {
        let name = helo.trim_end_matches('.');
        let parameters = SpfParameters::verify_ehlo(ip.to_canonical(), name, hostname);
        self.spf(engine, name, parameters, deadline).await
    }

    async fn spf_mail(
        &self,
        engine: &MessageAuthenticator,
        ip: IpAddr,
        helo: &str,
        sender: &str,
        hostname: &str,
        deadline: Deadline,
    ) -> SpfOutput {
        let Some((_, domain)) = sender.rsplit_once('@') else { return SpfOutput::default() };
        let parameters = SpfParameters::verify_mail_from(ip.to_canonical(), helo, hostname, sender);
        self.spf(engine, domain, parameters, deadline).await
    }

    /// One identity: the record's presence and form by us, its meaning by mail-auth.
    async fn spf(&self, engine: &MessageAuthenticator, domain: &str, parameters: SpfParameters<'_>, deadline: Deadline) -> SpfOutput {
        let none = SpfOutput::new(domain.to_owned());
        if !spf_form::is_askable(domain) {
            return none;
        }
        let asked = async {
            match self.0.resolver.txt(domain).await {
                Answer::Found(records) => match spf_form::of(&records) {
                    spf_form::Form::Good => engine.check_host(self.0.caches.parameters(parameters, Txts::Spf)).await,
                    spf_form::Form::Broken => none.with_result(SpfResult::PermError),
                    spf_form::Form::None => none,
                },
                Answer::Temporary(_) => none.with_result(SpfResult::TempError),
                Answer::NoName | Answer::NoData | Answer::Off => none,
            }
        };
        timeout_at(deadline, asked).await.unwrap_or_else(|_| SpfOutput::new(domain.to_owned()).with_result(SpfResult::TempError))
    }

    async fn dkim<'x>(
        &'x self,
        engine: &MessageAuthenticator,
        message: Option<&'x AuthenticatedMessage<'x>>,
        deadline: Deadline,
    ) -> Dkims<'x> {
        let Some(message) = message.filter(|m| !m.dkim_headers.is_empty() || m.has_dkim_errors) else { return Dkims::default() };
        let asked = engine.verify_dkim(self.0.caches.parameters(message, Txts::Dkim));
        match timeout_at(deadline, asked).await {
            Ok(outputs) => Dkims { outputs, is_late: None },
            Err(_) => Dkims { outputs: Vec::new(), is_late: message.dkim_headers.first().map(|h| h.header.d.clone()) },
        }
    }

    fn read_dkim(&self, dkim: &Dkims<'_>, out: &mut Authentication) {
        for output in &dkim.outputs {
            let (result, why) = dkim_result(output.result());
            let mut read = DkimResult { result, why, ..DkimResult::default() };
            if let Some(signature) = output.signature() {
                read.domain = signature.d.to_ascii_lowercase();
                read.selector = signature.s.to_ascii_lowercase();
                read.algorithm = algorithm(signature.a).to_owned();
                if let Some(key) = self.0.caches.key(&signature.domain_key()) {
                    read.key_bits = key_bits(&key);
                    read.is_testing = key.f & KEY_IS_TESTING != 0;
                }
            }
            out.dkim.push(read);
        }
        if let Some(domain) = &dkim.is_late {
            let why = "no answer in time".to_owned();
            out.dkim.push(DkimResult { result: AuthResult::TempError, domain: domain.to_ascii_lowercase(), why, ..DkimResult::default() });
        }
    }

    async fn arc(&self, engine: &MessageAuthenticator, message: Option<&AuthenticatedMessage<'_>>, deadline: Deadline) -> Arcs {
        let Some(message) = message.filter(|m| !m.as_headers.is_empty() || m.has_arc_errors || !m.ams_headers.is_empty()) else {
            return Arcs::default();
        };
        let asked = engine.verify_arc(self.0.caches.parameters(message, Txts::Dkim));
        let Ok(output) = timeout_at(deadline, asked).await else {
            return Arcs { result: AuthResult::TempError, sets: message.as_headers.len(), ..Arcs::default() };
        };
        let newest = output.sets().last();
        let result = match output.result() {
            Dkim::Pass => AuthResult::Pass,
            Dkim::TempError(_) => AuthResult::TempError,
            Dkim::None if message.as_headers.is_empty() && message.aar_headers.is_empty() && message.ams_headers.is_empty() => {
                AuthResult::None
            }
            // RFC 8617 §4.4 knows none, pass and fail only.
            _ => AuthResult::Fail,
        };
        Arcs {
            result,
            sealer: newest.map(|s| s.seal.header.d.to_ascii_lowercase()).unwrap_or_default(),
            sets: output.sets().len(),
            dmarc_pass: result == AuthResult::Pass && newest.is_some_and(|s| results::says_dmarc_pass(s.results.value)),
        }
    }

    /// Puts the policy records on the author domain's path into the cache, also that there are none.
    async fn fetch_policy(&self, engine: &MessageAuthenticator, author: Option<&str>, deadline: Deadline) {
        let Some(author) = author else { return };
        let mut name = author;
        for _ in 0..8 {
            let key = format!("_dmarc.{name}.");
            if !self.0.caches.dmarc.holds(&key) {
                let asked = engine.txt_lookup::<Dmarc>(key.as_str(), Some(&self.0.caches.dmarc));
                match timeout_at(deadline, asked).await {
                    Ok(Err(error @ mail_auth::Error::Dns(mail_auth::DnsError::RecordNotFound(_)))) => {
                        self.0.caches.dmarc.put_absent(key, error, Instant::now());
                    }
                    Ok(_) => {}
                    Err(_) => return,
                }
            }
            match name.split_once('.') {
                Some((_, parent)) if !parent.is_empty() => name = parent,
                _ => return,
            }
        }
    }

    async fn dmarc(
        &self,
        engine: &MessageAuthenticator,
        message: &AuthenticatedMessage<'_>,
        dkim: &[DkimOutput<'_>],
        spf: &SpfOutput,
        deadline: Deadline,
        out: &mut Authentication,
    ) {
        let parameters = DmarcParameters {
            message,
            dkim_output: dkim,
            dkim2_output: None,
            rfc5321_mail_from_domain: spf.domain().trim_end_matches('.'),
            spf_output: spf,
        };
        let asked = engine.verify_dmarc(self.0.caches.parameters(parameters, Txts::Dmarc));
        let Ok(output) = timeout_at(deadline, asked).await else {
            out.dmarc = AuthResult::TempError;
            out.dmarc_domain = author_domain(message).unwrap_or_default();
            return;
        };
        output.domain().clone_into(&mut out.dmarc_domain);
        let author = out.dmarc_domain.clone();
        out.dmarc_spf_aligned = *output.spf_result() == DmarcResult::Pass && is_one_organisation(&author, spf.domain());
        out.dmarc_dkim_aligned = *output.dkim_result() == DmarcResult::Pass
            && out.dkim.iter().any(|d| d.result == AuthResult::Pass && is_one_organisation(&author, &d.domain));
        out.dmarc = match output.result() {
            DmarcResult::None => AuthResult::None,
            DmarcResult::PermError(_) => AuthResult::PermError,
            DmarcResult::TempError(_) => AuthResult::TempError,
            _ if out.dmarc_spf_aligned || out.dmarc_dkim_aligned => AuthResult::Pass,
            DmarcResult::Pass | DmarcResult::Fail(_) => AuthResult::Fail,
        };
        if out.dmarc != AuthResult::None {
            out.dmarc_policy = policy(output.policy());
            if out.dmarc == AuthResult::Fail && matches!(out.dmarc_policy, DmarcPolicy::Quarantine | DmarcPolicy::Reject) {
                self.apply_percentage(message, &author, deadline, out).await;
            }
        }
    }

    /// `pct` (RFC 7489 §6.6.4): mails beyond the share get the policy one step milder. RFC 9989 dropped
    /// the tag, but records with it are published by those who still mean it. The draw depends on the
    /// mail alone, so that a sender who tries again gets the same answer.
    async fn apply_percentage(&self, message: &AuthenticatedMessage<'_>, author: &str, deadline: Deadline, out: &mut Authentication) {
        let mut name = author;
        for _ in 0..8 {
            let Ok(answer) = timeout_at(deadline, self.0.resolver.txt(&format!("_dmarc.{name}"))).await else { return };
            if let Some(record) = answer.found().and_then(|all| all.iter().find(|t| t.starts_with("v=DMARC1")).cloned()) {
                let percent = record.split(';').find_map(|tag| tag.trim().strip_prefix("pct=")?.trim().parse::<u8>().ok()).unwrap_or(100);
                let drawn = blake3::hash(message.raw_headers()).as_bytes()[0];
                if u16::from(drawn) * 100 / 256 >= u16::from(percent.min(100)) {
                    out.dmarc_policy = match out.dmarc_policy {
                        DmarcPolicy::Reject => DmarcPolicy::Quarantine,
                        _ => DmarcPolicy::None,
                    };
                }
                return;
            }
            match name.split_once('.') {
                Some((_, parent)) if !parent.is_empty() => name = parent,
                _ => return,
            }
        }
    }
}

#[derive(Default)]
struct Dkims<'x> {
    outputs: Vec<DkimOutput<'x>>,
    /// The time was over: domain of the first signature.
    is_late: Option<String>,
}

#[derive(Default)]
struct Arcs {
    result: AuthResult,
    sealer: String,
    sets: usize,
    dmarc_pass: bool,
}

/// Parsed once for all checks, with what would cost too much left out.
fn bounded(mail: &[u8]) -> Option<AuthenticatedMessage<'_>> {
    let mut message = AuthenticatedMessage::parse(mail)?;
    let fields = message.headers.len().max(1);
    let most = MAX_SIGNED_LOOKUPS / fields;
    message.dkim_headers.retain(|h| h.header.h.len() <= most.min(500));
    message.dkim_headers.truncate(MAX_SIGNATURES);
    // A chain with such a seal is not verified; without its parts it counts as broken.
    message.ams_headers.retain(|h| h.header.h.len() <= most.min(500));
    // Malformed signatures are told of too, within the same bound.
    message.errors.truncate(MAX_SIGNATURES);
    Some(message)
}

/// The one domain of From, in A-labels; `None` when there are none or several (RFC 9989 §5.3.1).
fn author_domain(message: &AuthenticatedMessage<'_>) -> Option<String> {
    let mut domains = message.from.iter().filter_map(|a| a.rsplit_once('@')).map(|(_, d)| idna::domain_to_ascii(d).unwrap_or_default());
    let first = domains.next().filter(|d| !d.is_empty())?;
    domains.all(|d| d == first).then_some(first)
}

/// Equal, or below the same registered domain.
fn is_one_organisation(author: &str, other: &str) -> bool {
    let other = other.trim_end_matches('.').to_ascii_lowercase();
    let other = idna::domain_to_ascii(&other).unwrap_or(other);
    if author.eq_ignore_ascii_case(&other) {
        return true;
    }
    let organisation = registrable_domain(author);
    !organisation.is_empty() && organisation == registrable_domain(&other)
}

fn spf_result(result: SpfResult) -> AuthResult {
    match result {
        SpfResult::Pass => AuthResult::Pass,
        SpfResult::Fail => AuthResult::Fail,
        SpfResult::SoftFail => AuthResult::SoftFail,
        SpfResult::Neutral => AuthResult::Neutral,
        SpfResult::TempError => AuthResult::TempError,
        SpfResult::PermError => AuthResult::PermError,
        SpfResult::None => AuthResult::None,
    }
}

/// mail-auth calls a wrong body hash neutral; for RFC 8601 §2.7.1 the signature failed.
fn dkim_result(result: &Dkim) -> (AuthResult, String) {
    use mail_auth::Error;
    use mail_auth::dkim::DkimError;
    match result {
        Dkim::Pass => (AuthResult::Pass, String::new()),
        Dkim::Neutral(why @ Error::Dkim(DkimError::FailedBodyHashMatch)) => (AuthResult::Fail, why.to_string()),
        Dkim::Neutral(why @ Error::Dkim(DkimError::SignatureLength)) => (AuthResult::Policy, why.to_string()),
        Dkim::Neutral(why) => (AuthResult::Neutral, why.to_string()),
        Dkim::Fail(why) => (AuthResult::Fail, why.to_string()),
        Dkim::PermError(why) => (AuthResult::PermError, why.to_string()),
        Dkim::TempError(why) => (AuthResult::TempError, why.to_string()),
        Dkim::None => (AuthResult::None, String::new()),
    }
}

fn algorithm(a: mail_auth::common::crypto::Algorithm) -> &'static str {
    use mail_auth::common::crypto::Algorithm;
    match a {
        Algorithm::RsaSha1 => "rsa-sha1",
        Algorithm::RsaSha256 => "rsa-sha256",
        Algorithm::Ed25519Sha256 => "ed25519-sha256",
    }
}

fn key_bits(key: &DomainKey) -> Option<u32> {
    u32::try_from(key.p.public_key_bits()).ok().filter(|bits| (1..=32_768).contains(bits))
}

fn policy(p: Policy) -> DmarcPolicy {
    match p {
        Policy::None => DmarcPolicy::None,
        Policy::Quarantine => DmarcPolicy::Quarantine,
        Policy::Reject => DmarcPolicy::Reject,
        Policy::Unspecified => DmarcPolicy::Unspecified,
    }
}
