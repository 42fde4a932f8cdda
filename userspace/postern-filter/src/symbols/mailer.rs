//! The program that says it wrote the mail, and whether the mail looks like that program's.

use super::Findings;
use crate::symbols;
use crate::view::View;

symbols! { Headers:
    MAILER_OUTLOOK_FORGED = 1.5, "Says it is Outlook (Express) but lacks what every mail of it has.";
    MAILER_BULK_TOOL = 1.2, "Written by a tool for unsolicited bulk mail.";
    MAILER_WEB_SCRIPT = 0.6, "Sent by a PHP script or library on a web server.";
    MAILER_HACKED_SITE = 2.5, "Sent by a script in an odd place of a web site (plug-in folder, eval'd code).";
    MAILER_BAT_FORGED = 1.0, "Says it is The Bat! but has HTML as no version of it wrote.";
    MAILER_TWO_PROGRAMS = 0.8, "Both X-Mailer and User-Agent, and they name different programs.";
}

const BULK_TOOLS: &[&str] = &[
    "advanced mass sender",
    "atomic mail sender",
    "mass sender",
    "massmail",
    "mass mailer",
    "group mail",
    "groupmail",
    "mach10",
    "stealth",
    "extractor",
    "dmailer",
    "ultrafastmailer",
    "emailer platinum",
    "powermailer",
    "power mail",
    "direct email",
    "cybercreek",
    "floodgate",
    "achi-kochi",
    "leaf phpmailer",
    "leafmailer",
    "alexusmailer",
    "xleet",
    "gammadyne",
    "super mail",
    "turbo-mailer",
    "turbomailer",
    "sendblaster",
    "mailking",
    "worldmerge",
    "bulk",
    "the mail pilot",
    "avalanche",
    "prospect mailer",
    "jpfree",
    "aristotle mail",
    "screwmail",
    "ebizmailer",
    "dynamic mailer",
    "inet_mail_out",
    "php mailer king",
    "king-mailer",
    "pro mailer",
];

pub fn check(view: &View<'_>, found: &mut Findings) {
    let mailer = view.value("X-Mailer");
    let agent = view.value("User-Agent");
    let lower = mailer.to_ascii_lowercase();
    if let Some(tool) = BULK_TOOLS.iter().find(|t| lower.contains(**t)) {
        found.add(&MAILER_BULK_TOOL, format!("{mailer} ({tool})"));
    }
    outlook(view, mailer, &lower, found);
    if lower.starts_with("the bat!")
        && view.leaves().filter(|p| p.content_type == "text/html").count() > 0
        && view.leaves().filter(|p| p.content_type == "text/plain").count() == 0
    {
        found.add(&MAILER_BAT_FORGED, mailer);
    }
    if !mailer.is_empty() && !agent.is_empty() {
        let first = |s: &str| s.split(|c: char| !c.is_ascii_alphabetic()).find(|w| w.len() > 2).map(str::to_ascii_lowercase);
        if first(mailer) != first(agent) && !view.is_list {
            found.add(&MAILER_TWO_PROGRAMS, format!("{mailer}; {agent}"));
        }
    }
    let script = ["X-PHP-Originating-Script", "X-PHP-Script", "X-Script-URL", "X-Source-Args"].iter().find_map(|n| view.header(n));
    if let Some(header) = script {
        let value = header.value.to_ascii_lowercase();
        let hacked = [
            "eval()",
            "wp-content/",
            "wp-includes/",
            "/tmp/",
            "/.well-known/",
            "/images/",
            "/uploads/",
            "leafmailer",
            "alfa",
            "/cgi-bin/",
            "xmlrpc",
        ];
        if hacked.iter().any(|h| value.contains(h)) {
            found.add(&MAILER_HACKED_SITE, &header.value);
        } else {
            found.add(&MAILER_WEB_SCRIPT, &header.value);
        }
    } else if lower.contains("phpmailer") || lower.starts_with("php/") || lower == "php" {
        found.add(&MAILER_WEB_SCRIPT, mailer);
    }
}

/// Outlook Express always wrote X-MimeOLE, and its Message-ID has the form `hex$hex$hex@host`;
/// a list or gateway that rewrites the ID leaves X-MimeOLE in place.
fn outlook(view: &View<'_>, mailer: &str, lower: &str, found: &mut Findings) {
    if !lower.starts_with("microsoft outlook") || view.is_list {
        return;
    }
    let express = lower.starts_with("microsoft outlook express");
    let old = express || lower.contains("build 10.0") || lower.contains("imo,") || lower.contains("cws,");
    let has_mime_ole = view.header("X-MimeOLE").is_some();
    let id = view.value("Message-ID");
    let own_form = id.matches('$').count() >= 2
        || id.to_ascii_lowercase().contains("prod.outlook.com")
        || id.contains("phx.gbl")
        || id.matches('.').count() >= 3
        || id.contains('#');
    if (old && !has_mime_ole) || (express && !own_form) {
        found.add(
            &MAILER_OUTLOOK_FORGED,
            format!("{mailer}; Message-ID {id}; X-MimeOLE {}", if has_mime_ole { "present" } else { "missing" }),
        );
    }
}
