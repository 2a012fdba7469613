//! The state of a page: its path and query. Every link of the console is one of these with something more or less.
//!
//! Owns how links are made and which parameters are the console's own. What the others mean is the filter's to say: they are handed to
//! the API as they are, and it refuses what it does not know.

use std::fmt;

use url::form_urlencoded;

/// Parameters that say how a page shows, and that the API has no part in.
const OWN: [&str; 6] = ["tab", "view", "made", "ended", "asked", "csrf"];
/// A parameter that means nothing without a value, and marks an address whose reader took the last filter away.
const CLEARED: &str = "image_status";
/// Parameters that narrow nothing: they have no pill.
const NO_FILTER: [&str; 3] = ["sort", "limit", "cursor"];

/// Query parameters in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads a query.
    pub(super) fn parse(text: &str) -> Self {
        Self::read(text.as_bytes())
    }

    /// Reads the body of a form.
    pub(super) fn read(form: &[u8]) -> Self {
        Self(form_urlencoded::parse(form).into_owned().collect())
    }

    /// The first value of a parameter; an empty one is none, since that is how forms send what was left out.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, value)| known == name && !value.is_empty());
        found.map(|(_, value)| value.as_str())
    }

    /// Every value of a parameter, without empty ones.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, value)| known == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// Whether a parameter has a value, among others.
    pub(super) fn has_value(&self, name: &str, value: &str) -> bool {
        self.0.iter().any(|(known, said)| known == name && said == value)
    }

    /// Whether nothing at all was given, not even an empty parameter.
    pub(super) fn is_bare(&self) -> bool {
        self.0.iter().all(|(name, _)| OWN.contains(&name.as_str()))
    }

    /// What the API is asked: without the console's own parameters and without empty ones.
    pub(super) fn asked(&self) -> Self {
        let kept = self.0.iter().filter(|(name, value)| !value.is_empty() && !OWN.contains(&name.as_str()));
        Self(kept.cloned().collect())
    }

    /// What a list is asked for this page: its filter, order and place, and at most so many rows.
    pub(super) fn list(&self, rows: usize) -> Self {
        let mut list = self.asked();
        list.0.retain(|(name, _)| name != "limit");
        list.and("limit", rows)
    }

    /// What statistics are asked for it: its filter alone.
    pub(super) fn filter(&self) -> Self {
        self.asked().without("sort").without("limit")
    }

    /// The parameters that narrow.
    pub(super) fn filters(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        pairs.filter(|(name, value)| !value.is_empty() && !OWN.contains(name) && !NO_FILTER.contains(name))
    }

    /// Only these parameters.
    pub(super) fn only(&self, names: &[&str]) -> Self {
        Self(self.0.iter().filter(|(name, _)| names.contains(&name.as_str())).cloned().collect())
    }

    /// The same with one value more.
    pub(super) fn and(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.0.push((name.to_owned(), value.to_string()));
        self
    }

    /// The same with a parameter of this one value, at the first page.
    pub(super) fn set(&self, name: &str, value: impl fmt::Display) -> Self {
        self.without(name).and(name, value)
    }

    /// The same without a parameter, at the first page.
    pub(super) fn without(&self, name: &str) -> Self {
        let kept = self.0.iter().filter(|(known, _)| known != name && known != "cursor");
        Self(kept.cloned().collect())
    }

    /// The same without one value of a parameter, at the first page.
    pub(super) fn without_value(&self, name: &str, value: &str) -> Self {
        let kept = self.0.iter().filter(|(known, said)| !(known == name && said == value) && known != "cursor");
        Self(kept.cloned().collect())
    }

    /// Each parameter that `names` does not name, for the hidden fields of a form that sets those.
    pub(super) fn rest<'a>(&'a self, names: &'a [&'a str]) -> impl Iterator<Item = (&'a str, &'a str)> {
        let pairs = self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        pairs.filter(move |(name, value)| !value.is_empty() && *name != "cursor" && !names.contains(name))
    }
}

/// The query as it is sent, without a question mark.
impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = form_urlencoded::Serializer::new(String::new());
        text.extend_pairs(&self.0);
        f.write_str(&text.finish())
    }
}

/// A page of the console in some state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    path: String,
    pub(super) query: Query,
}

impl Place {
    /// The page at a path, which is percent-encoded already.
    pub(super) fn new(path: impl Into<String>, query: Query) -> Self {
        Self { path: path.into(), query }
    }

    /// The same page in another state.
    pub(super) fn with(&self, query: Query) -> Self {
        Self { path: self.path.clone(), query }
    }

    pub(super) fn set(&self, name: &str, value: impl fmt::Display) -> Self {
        self.with(self.query.set(name, value))
    }

    pub(super) fn without(&self, name: &str) -> Self {
        self.with(self.query.without(name))
    }

    pub(super) fn without_value(&self, name: &str, value: &str) -> Self {
        self.with(self.query.without_value(name, value))
    }

    /// The same without what was done on it: that is told once.
    pub(super) fn settled(&self) -> Self {
        let kept = self.query.0.iter().filter(|(name, _)| !["made", "ended", "asked"].contains(&name.as_str()));
        self.with(Query(kept.cloned().collect()))
    }

    /// The next page of its list.
    pub(super) fn next(&self, cursor: &str) -> Self {
        self.set("cursor", cursor)
    }

    /// Sorted by a field: the other way round where it is sorted by that already, else as `first` says (`-` descends).
    pub(super) fn sorted(&self, first: &str) -> Self {
        let now = self.query.get("sort").unwrap_or_default();
        if now == first {
            return match first.strip_prefix('-') {
                Some(field) => self.set("sort", field),
                None => self.set("sort", format_args!("-{first}")),
            };
        }
        self.set("sort", first)
    }

    /// How a column that is sorted by `field` stands, by the words of `aria-sort`; nothing where it is not sorted by it.
    pub(super) fn order(&self, field: &str) -> &'static str {
        let field = field.trim_start_matches('-');
        match self.query.get("sort") {
            Some(sort) if sort == field => "ascending",
            Some(sort) if sort.strip_prefix('-') == Some(field) => "descending",
            _ => "",
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        match (self.path.as_str(), self.query.0.is_empty()) {
            // Without anything the first page starts at what runs: this says that nothing was meant.
            ("/", true) => write!(f, "?{CLEARED}="),
            (_, true) => Ok(()),
            (_, false) => write!(f, "?{}", self.query),
        }
    }
}

/// A part of a path, percent-encoded so that it stays one (RFC 3986).
pub(super) fn segment(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' | b'@' => {
                encoded.push(byte.into())
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// A repository's name in a path, with its slashes.
pub(super) fn segments(text: &str) -> String {
    text.split('/').map(segment).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(query: &str) -> Place {
        Place::new("/", Query::parse(query))
    }

    #[test]
    fn links_change_one_thing_and_go_to_the_first_page() {
        let at = place("cluster=a&cluster=b&sort=name&cursor=x");
        assert_eq!(at.without_value("cluster", "a").to_string(), "/?cluster=b&sort=name");
        assert_eq!(at.set("severity", "high").to_string(), "/?cluster=a&cluster=b&sort=name&severity=high");
        assert_eq!(at.next("y/z").to_string(), "/?cluster=a&cluster=b&sort=name&cursor=y%2Fz");
        assert_eq!(place("cluster=a").without("cluster").to_string(), "/?image_status=");
    }

    #[test]
    fn a_column_sorts_as_it_likes_first_and_then_the_other_way() {
        let at = place("");
        assert_eq!(at.sorted("-cvss").query.get("sort"), Some("-cvss"));
        assert_eq!(at.sorted("-cvss").sorted("-cvss").query.get("sort"), Some("cvss"));
        assert_eq!(at.sorted("name").sorted("name").query.get("sort"), Some("-name"));
        assert_eq!((at.sorted("-cvss").order("-cvss"), at.sorted("name").order("-cvss")), ("descending", ""));
    }

    #[test]
    fn the_api_is_asked_neither_what_is_empty_nor_what_is_the_pages_own() {
        let query = Query::parse("q=&tab=packages&severity=high&made=1");
        assert_eq!(query.asked().to_string(), "severity=high");
        assert!(!query.is_bare() && Query::parse("made=1").is_bare() && !Query::parse("image_status=").is_bare());
        let query = Query::parse("sort=name&limit=5&severity=high");
        assert_eq!(query.filters().collect::<Vec<_>>(), [("severity", "high")]);
    }

    #[test]
    fn names_stay_where_they_are_put() {
        assert_eq!(segments("docker.io/a b/<x>"), "docker.io/a%20b/%3Cx%3E");
        assert_eq!(segment("a/b?c#d\"e"), "a%2Fb%3Fc%23d%22e");
    }
}
