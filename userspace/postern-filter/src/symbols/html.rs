//! HTML that is shown as the mail (attached pages: `attachment_content.rs`).

use super::Findings;
use crate::domain_lists::related;
use crate::symbols;
use crate::themes::Theme;
use crate::view::View;

symbols! { Html:
    HTML_HIDDEN_TEXT = 1.5, "Much text that a reader does not see: filler against classifiers.";
    HTML_FORM = 1.0, "A form in the mail.";
    HTML_PASSWORD_FIELD = 4.0, "A field for a password in the mail.";
    HTML_FORM_ELSEWHERE = 1.5, "A form that sends what is typed to a foreign site.";
    HTML_SCRIPT = 1.0, "A script in the mail.";
    HTML_FRAME = 1.0, "A frame that loads a page into the mail, and hardly any text.";
    HTML_OBJECT = 1.2, "An embedded object or applet.";
    HTML_REFRESH = 2.0, "The mail forwards its reader to a page by itself.";
    HTML_BASE = 0.8, "A base address that all links are completed with.";
    HTML_IMAGE_ONLY = 1.2, "Pictures and hardly any text.";
    HTML_IMAGE_LINK = 0.8, "One picture that is a link, and hardly any text.";
    HTML_ENCODED_LETTERS = 2.0, "Plain letters written as character references: to hide words.";
    HTML_INVISIBLE_CHARACTERS = 1.0, "Zero-width characters in the visible text of a lure.";
    HTML_DIRECTION_TRICKS = 1.5, "Characters that turn the reading direction.";
    HTML_COMMENT_FILLER = 1.0, "More comments than text, or comments inside words.";
    HTML_UNKNOWN_TAGS = 1.0, "Many tags that do not exist.";
    HTML_UNBALANCED = 0.2, "Many tags are never closed.";
    HTML_EVENT_HANDLERS = 0.8, "Code on events (onload, onclick).";
    HTML_DATA_IMAGES = 0.4, "The mail's pictures are inside its links (data: URIs), with hardly any text.";
    HTML_FONT_TAGS = 0.4, "Dozens of font tags, as bulk mail programs write them.";
    HTML_TITLE_MISLEADS = 0.4, "A page title such as Untitled or Document in a mail.";
}

pub fn check(view: &View<'_>, found: &mut Findings) {
    for h in view.inline_html() {
        structure(view, h, found);
        let visible = h.visible_text;
        // A preheader is hidden by every newsletter: short beside the text it belongs to.
        if h.hidden_text > 600 && h.hidden_text > visible * 2 || (h.hidden_text > 300 && visible < 200 && h.hidden_text > visible) {
            found.add(&HTML_HIDDEN_TEXT, format!("{} octets hidden, {visible} visible", h.hidden_text));
        }
        if visible < 100 && h.images + h.data_uri_images > 0 && !view.is_reply {
            found.add(&HTML_IMAGE_ONLY, format!("{} pictures, {visible} octets of text", h.images));
            if h.links.iter().filter(|l| l.has_image).count() >= 1 && h.links.len() <= 3 {
                found.add(
                    &HTML_IMAGE_LINK,
                    h.links.iter().find(|l| l.has_image).and_then(|l| view.mail.urls.get(l.url)).map_or("", |u| u.host.as_str()),
                );
            }
            if h.data_uri_images > 0 {
                found.add(&HTML_DATA_IMAGES, format!("{} pictures", h.data_uri_images));
            }
        }
        if h.encoded_letters >= 20 && h.encoded_letters * 8 > visible {
            found.add(&HTML_ENCODED_LETTERS, format!("{} letters", h.encoded_letters));
        }
        // Honest mail pads its preview line with them too: they only count in a lure.
        if h.zero_width >= 10 && !view.is_newsletter && (view.is_credential_lure() || view.themes.has(Theme::DocumentShare)) {
            found.add(&HTML_INVISIBLE_CHARACTERS, format!("{} characters", h.zero_width));
        }
        if h.bidi_controls >= 3 {
            found.add(&HTML_DIRECTION_TRICKS, format!("{} characters", h.bidi_controls));
        }
        if h.comments >= 10 && h.comment_octets > visible && h.comment_octets * 3 > h.octets {
            found.add(&HTML_COMMENT_FILLER, format!("{} comments, {} octets", h.comments, h.comment_octets));
        }
        if h.unknown_tags >= 15 && h.unknown_tags * 6 > h.tags {
            found.add(&HTML_UNKNOWN_TAGS, format!("{} of {}", h.unknown_tags, h.tags));
        }
        if h.unbalanced_tags >= 10 && h.unbalanced_tags * 8 > h.tags {
            found.add(&HTML_UNBALANCED, format!("{} of {}", h.unbalanced_tags, h.tags));
        }
        if h.font_tags >= 30 && h.font_tags * 5 > h.tags && !view.is_list {
            found.add(&HTML_FONT_TAGS, format!("{} of {}", h.font_tags, h.tags));
        }
        let title = h.title.as_deref().unwrap_or("").trim().to_ascii_lowercase();
        if matches!(title.as_str(), "untitled" | "untitled document" | "document" | "new page 1" | "index" | "title" | "email" | "sign in")
        {
            found.add(&HTML_TITLE_MISLEADS, title);
        }
    }
}

fn structure(view: &View<'_>, h: &postern_mail::message::HtmlFacts, found: &mut Findings) {
    if h.password_inputs > 0 || h.forms.iter().any(|f| f.has_password) {
        found.add(&HTML_PASSWORD_FIELD, h.forms.first().map_or("", |f| f.action.as_str()));
    }
    if let Some(form) = h.forms.iter().find(|f| f.inputs > 0) {
        found.add(&HTML_FORM, &form.action);
        let host =
            form.action.split_once("://").map_or("", |(_, r)| r.split(['/', '?', ':']).next().unwrap_or_default()).to_ascii_lowercase();
        if !host.is_empty() && !related(&host, view.from_domain) {
            found.add(&HTML_FORM_ELSEWHERE, &form.action);
        }
    }
    if h.scripts > 0 && h.script_octets > 0 {
        found.add(&HTML_SCRIPT, format!("{} scripts, {} octets {}", h.scripts, h.script_octets, h.script_names.join(" ")));
    }
    if h.iframes > 0 && h.visible_text < 300 {
        found.add(&HTML_FRAME, format!("{} frames", h.iframes));
    }
    if h.objects > 0 {
        found.add(&HTML_OBJECT, format!("{} objects", h.objects));
    }
    if let Some(target) = &h.meta_refresh
        && (target.to_ascii_lowercase().contains("url") || target.contains("://"))
    {
        found.add(&HTML_REFRESH, target);
    }
    if let Some(base) = &h.base_href
        && !view.is_list
        && base.contains("://")
    {
        found.add(&HTML_BASE, base);
    }
    if h.event_handlers >= 2 {
        found.add(&HTML_EVENT_HANDLERS, format!("{} handlers", h.event_handlers));
    }
}
