//! CycloneDX as XML.
//!
//! Read as a stream of events: of the open elements a byte each is kept. Entities a document declares itself are not
//! expanded, so that none can blow up.

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::Event;

use super::{Bom, is_image};

/// Reads a document; `None` where it is broken or none of CycloneDX's.
pub(super) fn read(bytes: &[u8]) -> Option<Bom<'_>> {
    let mut reader = Reader::from_str(std::str::from_utf8(bytes).ok()?);
    reader.config_mut().expand_empty_elements = true;
    let mut walk = Walk { bom: Bom::new(), known: false, elements: Vec::new(), open: Vec::new(), text: String::new() };
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) => {
                let is_container = || {
                    let kind = start.try_get_attribute("type").ok().flatten();
                    kind.is_some_and(|kind| &*kind.value == "container")
                };
                walk.start(start.local_name().into_inner(), is_container)?;
            }
            Event::End(_) => walk.end(),
            Event::Text(text) => walk.text(Some(&text)),
            Event::CData(text) => walk.text(Some(&text)),
            Event::GeneralRef(reference) => match reference.resolve_char_ref().ok()? {
                Some(character) => walk.text(Some(character.encode_utf8(&mut [0; 4]))),
                None => walk.text(resolve_predefined_entity(&reference)),
            },
            Event::Eof => return (walk.known && walk.elements.is_empty()).then_some(walk.bom),
            _ => {}
        }
    }
}

struct Walk<'a> {
    bom: Bom<'a>,
    known: bool,
    elements: Vec<Element>,
    open: Vec<Open<'a>>,
    /// What the innermost element says, where that counts.
    text: String,
}

/// A component that has begun.
#[derive(Default)]
struct Open<'a> {
    purl: Option<Cow<'a, str>>,
    version: Option<Cow<'a, str>>,
    excluded: bool,
    /// How many components came before its own.
    before: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Element {
    Bom,
    Metadata,
    Components,
    /// The component the document is about.
    Subject,
    Component,
    Purl,
    Version,
    Scope,
    Other,
}

impl Walk<'_> {
    /// An element begins; `None` where it is a root of another kind of document.
    fn start(&mut self, name: &str, is_container: impl FnOnce() -> bool) -> Option<()> {
        use Element::{Bom, Component, Components, Metadata, Other, Purl, Scope, Subject, Version};
        let element = match (self.elements.last(), name) {
            (None, "bom") => Bom,
            (None, _) => return None,
            (Some(Bom), "metadata") => Metadata,
            (Some(Metadata), "component") => Subject,
            (Some(Bom | Subject | Component), "components") => Components,
            (Some(Components), "component") => Component,
            (Some(Subject | Component), "purl") => Purl,
            (Some(Subject | Component), "version") => Version,
            (Some(Subject | Component), "scope") => Scope,
            _ => Other,
        };
        self.known = true;
        self.bom.of_image |= element == Subject && is_container();
        if matches!(element, Subject | Component) {
            self.open.push(Open { before: self.bom.components.len(), ..Open::default() });
        }
        self.elements.push(element);
        self.text.clear();
        Some(())
    }

    /// Text of the innermost element; `None` for an entity nobody knows.
    fn text(&mut self, text: Option<&str>) {
        if matches!(self.elements.last(), Some(Element::Purl | Element::Version | Element::Scope)) {
            self.text.push_str(text.unwrap_or_default());
            self.bom.complete &= text.is_some();
        }
    }

    fn end(&mut self) {
        let (Some(element), Some(open)) = (self.elements.pop(), self.open.last_mut()) else { return };
        let text = self.text.trim();
        match element {
            Element::Purl => open.purl = Some(Cow::Owned(text.to_owned())),
            Element::Version => open.version = Some(Cow::Owned(text.to_owned())),
            Element::Scope => open.excluded = text == "excluded",
            Element::Subject | Element::Component => self.close(element == Element::Subject),
            _ => {}
        }
    }

    fn close(&mut self, is_subject: bool) {
        let Some(Open { purl, version, excluded, before }) = self.open.pop() else { return };
        if excluded {
            self.bom.components.truncate(before);
        } else if let Some(purl) = purl {
            self.bom.of_image |= is_subject && is_image(&purl);
            self.bom.push(purl, version);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::components;
    use super::read;

    fn bill(subject: &str) -> String {
        format!(
            "<?xml version=\"1.0\"?>\n<!DOCTYPE bom [<!ENTITY own \"x\">]>\n<c:bom xmlns:c=\"http://cyclonedx.org/schema/bom/1.5\"><c:metadata>\
             <c:tools><c:components><c:component><c:purl>pkg:gem/tool@1</c:purl></c:component></c:components></c:tools>\
             <c:component type=\"{subject}\"><c:purl>pkg:npm/app@1</c:purl></c:component></c:metadata><c:components>\
             <c:component type=\"library\"><c:name>a &own; b</c:name><c:version> 2 </c:version><c:purl>pkg:gem/a?x=1&amp;y=&#50;<![CDATA[&z]]></c:purl>\
             <c:pedigree><c:ancestors><c:component><c:purl>pkg:gem/old@1</c:purl></c:component></c:ancestors></c:pedigree>\
             <c:components><c:component><c:purl>pkg:gem/inner@1</c:purl></c:component></c:components></c:component>\
             <c:component><c:scope>excluded</c:scope><c:purl>pkg:gem/gone@1</c:purl></c:component><c:component/></c:components></c:bom>"
        )
    }

    #[test]
    fn nested_components_and_the_subject_count() {
        let found = ["pkg:npm/app@1", "pkg:gem/inner@1", "pkg:gem/a?x=1&y=2&z"].map(str::to_owned).to_vec();
        assert_eq!(components(bill("application").as_bytes()), Some((found.clone(), false)));
        assert_eq!(read(bill("x").as_bytes()).unwrap().components[2].version.as_deref(), Some("2"));
        assert_eq!(components(bill("container").as_bytes()), Some((found, true)));
    }

    #[test]
    fn broken_and_other_documents_are_none() {
        let whole = bill("application");
        for text in [&whole[..whole.len() - 1], &whole[..200], "<project/>", "<", "<!-- -->", "<bom></x>", "<bom/><a/>"]
        {
            assert!(read(text.as_bytes()).is_none(), "{text}");
        }
        let unknown = "<bom><components><component><purl>pkg:gem/&own;</purl></component></components></bom>";
        assert!(!read(unknown.as_bytes()).unwrap().complete);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "<bom>(</?(components?|purl|version|x|metadata)/?>|&|;|é|<!\\[CDATA\\[|\\]\\]>|#x?|-->|<!--){0,24}") {
            read(text.as_bytes());
        }
    }
}
