//! Documents in XML, element by element.

use quick_xml::XmlVersion;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

/// What a file of XML consists of. An empty element opens and closes.
pub enum Mark<'a> {
    Open(&'a BytesStart<'a>, &'a str),
    Text(&'a str),
    Close(&'a str),
}

/// All of it, to the first damage or until that says no.
pub fn marks(content: &[u8], mut each: impl FnMut(Mark<'_>) -> bool) {
    let mut reader = Reader::from_reader(content);
    loop {
        let goes_on = match reader.read_event() {
            Ok(Event::Start(tag)) => each(Mark::Open(&tag, tag.local_name().as_ref())),
            Ok(Event::Empty(tag)) => each(Mark::Open(&tag, tag.local_name().as_ref())) && each(Mark::Close(tag.local_name().as_ref())),
            Ok(Event::End(tag)) => each(Mark::Close(tag.local_name().as_ref())),
            Ok(Event::Text(text)) => each(Mark::Text(&text.xml10_content())),
            Ok(Event::CData(text)) => each(Mark::Text(&text.xml10_content())),
            Ok(Event::GeneralRef(entity)) => match entity.resolve_char_ref() {
                Ok(Some(letter)) => each(Mark::Text(letter.encode_utf8(&mut [0; 4]))),
                _ => each(Mark::Text(resolve_predefined_entity(&entity.xml10_content()).unwrap_or_default())),
            },
            Ok(Event::Eof) | Err(_) => false,
            Ok(_) => true,
        };
        if !goes_on {
            return;
        }
    }
}

pub fn attribute(tag: &BytesStart<'_>, key: &str) -> Option<String> {
    let found = tag.attributes().flatten().find(|a| a.key.local_name().as_ref() == key)?;
    Some(found.normalized_value(XmlVersion::Implicit1_0).map_or_else(|_| found.value.clone().into_owned(), |value| value.into_owned()))
}
