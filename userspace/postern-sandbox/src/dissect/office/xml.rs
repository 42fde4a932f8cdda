//! Office Open XML (ECMA-376): what a document refers to beside itself. Its other parts are files like all others in the ZIP.

use postern_model::sandbox::FindingName;
use quick_xml::events::Event;
use quick_xml::reader::Reader;

use super::super::{Waiting, Walk};

/// A link is followed when the reader clicks; everything else when the document is opened (ECMA-376 part 2 §9.3).
const FOLLOWED_BY_CLICK: &str = "/hyperlink";

pub fn check(walk: &mut Walk<'_>, part: &Waiting, name: &str, content: &[u8]) {
    if !name.ends_with(".rels") {
        return;
    }
    let mut reader = Reader::from_reader(content);
    loop {
        match reader.read_event() {
            Ok(Event::Empty(tag) | Event::Start(tag)) if tag.local_name().as_ref() == "Relationship" => {
                let value = |key: &str| {
                    let found = tag.attributes().flatten().find(|a| a.key.local_name().as_ref() == key)?;
                    Some(found.value.into_owned())
                };
                let is_external = value("TargetMode").is_some_and(|mode| mode.eq_ignore_ascii_case("External"));
                let kind = value("Type").unwrap_or_default();
                if is_external && !kind.ends_with(FOLLOWED_BY_CLICK) {
                    let target = value("Target").unwrap_or_default();
                    walk.find(
                        FindingName::ExternalTarget,
                        part.number,
                        format!("{}: {target}", kind.rsplit('/').next().unwrap_or_default()),
                    );
                }
            }
            Ok(Event::Eof) => return,
            Err(error) => return walk.find(FindingName::Damaged, part.number, format!("{name}: {error}")),
            Ok(_) => {}
        }
    }
}
