//! CycloneDX as JSON.
//!
//! Components may hold components, to the depth `serde_json` allows; all of them go into one bounded list.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::Bom;
use crate::detect::json::{Text, document};

/// Reads a document; `None` where it is broken.
pub(super) fn read(bytes: &[u8]) -> Option<Bom<'_>> {
    document::<Document<'_>>(bytes).ok().map(|document| document.0)
}

struct Document<'a>(Bom<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for Document<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut bom = Bom::new();
        deserializer.deserialize_map(Object { bom: &mut bom, place: Place::Document })?;
        Ok(Self(bom))
    }
}

/// Where an object stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Document,
    Metadata,
    /// The component the document is about.
    Subject,
    Component,
}

/// An object whose components go into the bill.
struct Object<'b, 'a> {
    bom: &'b mut Bom<'a>,
    place: Place,
}

#[derive(serde::Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Key {
    Metadata,
    Component,
    Components,
    Type,
    Purl,
    Version,
    Scope,
    #[serde(other)]
    Other,
}

impl<'de: 'a, 'a> DeserializeSeed<'de> for Object<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de: 'a, 'a> Visitor<'de> for Object<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of CycloneDX")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { bom, place } = self;
        let is_component = matches!(place, Place::Subject | Place::Component);
        let before = bom.components.len();
        let (mut purl, mut version, mut excluded) = (None::<Cow<'a, str>>, None::<Cow<'a, str>>, false);
        while let Some(key) = map.next_key::<Key>()? {
            match (key, place) {
                (Key::Metadata, Place::Document) => map.next_value_seed(Object { bom, place: Place::Metadata })?,
                (Key::Component, Place::Metadata) => map.next_value_seed(Object { bom, place: Place::Subject })?,
                (Key::Components, Place::Document | Place::Subject | Place::Component) => {
                    map.next_value_seed(List(bom))?
                }
                (Key::Type, Place::Subject) => bom.of_image |= map.next_value::<Text<'a>>()?.get() == Some("container"),
                (Key::Purl, _) if is_component => purl = map.next_value::<Text<'a>>()?.into_inner(),
                (Key::Version, _) if is_component => version = map.next_value::<Text<'a>>()?.into_inner(),
                (Key::Scope, _) if is_component => excluded = map.next_value::<Text<'a>>()?.get() == Some("excluded"),
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        if excluded {
            bom.components.truncate(before);
        } else if let Some(purl) = purl {
            bom.of_image |= place == Place::Subject && super::is_image(&purl);
            bom.push(purl, version);
        }
        Ok(())
    }
}

/// A list of components.
struct List<'b, 'a>(&'b mut Bom<'a>);

impl<'de: 'a, 'a> DeserializeSeed<'de> for List<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de: 'a, 'a> Visitor<'de> for List<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of components")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(Object { bom: self.0, place: Place::Component })?.is_some() {}
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::components;
    use super::read;

    fn bill(subject: &str) -> String {
        format!(
            r#"{{"bomFormat":"CycloneDX","specVersion":"1.5","version":1,"metadata":{{"tools":{{"components":[{{"purl":"pkg:gem/tool@1"}}]}},
            "component":{{"type":"{subject}","purl":"pkg:npm/app@1"}}}},"components":[
            {{"type":"library","name":"a","version":"2","purl":"pkg:gem/a","pedigree":{{"ancestors":[{{"purl":"pkg:gem/old@1"}}]}},
              "components":[{{"purl":"pkg:gem/inner@1"}},7]}},
            {{"purl":"pkg:gem/gone@1","components":[{{"purl":"pkg:gem/within@1"}}],"scope":"excluded"}},
            {{"type":"file","name":"no purl","components":null}},{{"purl":["x"]}}],"services":[{{"purl":"pkg:gem/service@1"}}]}}"#
        )
    }

    #[test]
    fn nested_components_and_the_subject_count() {
        assert!(read(bill("application").as_bytes()).is_none(), "a number is no component");
        let text = bill("application").replace(",7]", "]");
        let found: Vec<String> = ["pkg:npm/app@1", "pkg:gem/inner@1", "pkg:gem/a"].map(str::to_owned).to_vec();
        assert_eq!(components(text.as_bytes()), Some((found.clone(), false)));
        assert_eq!(read(text.as_bytes()).unwrap().components[2].version.as_deref(), Some("2"));
        let image = bill("container").replace(",7]", "]");
        assert_eq!(components(image.as_bytes()), Some((found, true)));
    }

    #[test]
    fn deep_bills_are_refused() {
        let text = format!("{{\"bomFormat\":\"CycloneDX\",\"components\":{}", "[{\"components\":".repeat(10_000));
        assert!(read(text.as_bytes()).is_none());
    }
}
