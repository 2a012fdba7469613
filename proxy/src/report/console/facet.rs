//! The filter beside a list: facets with counts, and a pill for everything that narrows.

use super::query::{Place, Query};
use crate::report::shape::Facet;

/// Values of a facet that are shown before one has to ask for more.
const SHOWN: usize = 8;
/// Values of a facet that are sent at all; others can be written.
const SENT: usize = 40;

/// The parameters a filter can be made of, with their names on the page and whether other values than those listed can be written.
const KNOWN: [(&str, &str, Option<&str>); 11] = [
    ("image_status", "Image status", None),
    ("scan_status", "Scan status", None),
    ("severity", "Severity", None),
    ("known_exploited", "Known exploited", None),
    ("fixable", "Fix available", None),
    ("cluster", "Cluster", None),
    ("namespace", "Namespace", Some("another namespace")),
    ("label", "Label", Some("key or key=value")),
    ("repository", "Repository", None),
    ("except", "Exceptions", None),
    ("layer", "Layer", None),
];

/// One group of choices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) parameter: &'static str,
    pub(super) title: &'static str,
    /// What can be written besides, as a hint.
    pub(super) free: Option<&'static str>,
    pub(super) open: bool,
    /// Whether only one of them can be chosen.
    pub(super) single: bool,
    pub(super) choices: Vec<Choice>,
    pub(super) more: Vec<Choice>,
    /// How many values there are beyond those.
    pub(super) left_out: usize,
}

/// One choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) value: String,
    pub(super) text: String,
    pub(super) images: u64,
    pub(super) chosen: bool,
}

/// One thing that narrows, with the page without it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pill {
    pub(super) title: String,
    pub(super) text: String,
    pub(super) without: Place,
}

/// The filter of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Filters {
    pub(super) groups: Vec<Group>,
    pub(super) pills: Vec<Pill>,
    /// The list without any filter.
    pub(super) cleared: Place,
    /// What a form that sets the filter sends besides, such as the order.
    pub(super) kept: Vec<(String, String)>,
}

impl Filters {
    /// The filter of a page over the facets of its list.
    pub(super) fn new(here: &Place, facets: Vec<Facet>) -> Self {
        let query = &here.query;
        let groups = KNOWN.iter().filter_map(|(parameter, title, free)| {
            let facet = facets.iter().find(|facet| facet.parameter == *parameter);
            group(query, parameter, title, *free, facet)
        });
        let pills = query.filters().map(|(name, value)| Pill {
            title: title(name).to_owned(),
            text: words(name, value),
            without: here.without_value(name, value),
        });
        let kept = query.only(&["sort", "q", "layer", "view"]);
        Self {
            groups: groups.collect(),
            pills: pills.collect(),
            cleared: here.with(query.only(&["sort", "view"])),
            kept: kept.rest(&[]).map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        }
    }
}

fn group(
    query: &Query,
    parameter: &'static str,
    title: &'static str,
    free: Option<&'static str>,
    facet: Option<&Facet>,
) -> Option<Group> {
    let single = parameter == "except";
    let mut choices: Vec<Choice> = facet
        .map(|facet| facet.values.as_slice())
        .unwrap_or_default()
        .iter()
        .map(|value| Choice {
            value: value.value.clone(),
            text: words(parameter, &value.value),
            images: value.images,
            chosen: value.selected || query.all(parameter).any(|chosen| chosen == value.value),
        })
        .collect();
    // What is chosen can be let go again, even where it has nothing.
    for chosen in query.all(parameter) {
        if parameter != "layer" && parameter != "repository" && !choices.iter().any(|choice| choice.value == chosen) {
            choices.push(Choice { value: chosen.to_owned(), text: words(parameter, chosen), images: 0, chosen: true });
        }
    }
    if choices.is_empty() && free.is_none() {
        return None;
    }
    let left_out = choices.len().saturating_sub(SENT);
    // The chosen ones first, so that none of them is left out.
    choices.sort_by_key(|choice| !choice.chosen);
    choices.truncate(SENT);
    if !["namespace", "label", "repository", "cluster"].contains(&parameter) {
        choices.sort_by_key(|choice| facet.and_then(|facet| facet.values.iter().position(|v| v.value == choice.value)));
    }
    let more = choices.split_off(choices.len().min(SHOWN));
    let open = !matches!(parameter, "label" | "repository" | "except") || choices.iter().any(|choice| choice.chosen);
    Some(Group { parameter, title, free, open, single, choices, more, left_out })
}

/// The name of a parameter on pages.
fn title(parameter: &str) -> &str {
    let known = KNOWN.iter().find(|(known, ..)| *known == parameter).map(|(_, title, _)| *title);
    known.unwrap_or(match parameter {
        "q" => "Search",
        "pulled" => "Pulled",
        "ran" => "Ran",
        "state" => "State",
        other => other,
    })
}

/// A value on pages.
fn words(parameter: &str, value: &str) -> String {
    match (parameter, value) {
        ("fixable" | "known_exploited", "true") => "yes".to_owned(),
        ("fixable" | "known_exploited", "false") => "no".to_owned(),
        ("except", "active") => "without excepted".to_owned(),
        ("except", "excepted") => "only excepted".to_owned(),
        ("except", "all") => "all, excepted too".to_owned(),
        ("scan_status", status) => super::shown::scan_state(status).word.to_owned(),
        ("state", state) => super::shown::plain(state),
        ("layer", digest) => super::shown::short(digest).to_owned(),
        _ => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::shape::FacetValue;

    fn facet(parameter: &str, values: &[&str]) -> Facet {
        let values = values.iter().map(|value| FacetValue { value: (*value).to_owned(), images: 3, selected: false });
        Facet { parameter: parameter.to_owned(), values: values.collect() }
    }

    #[test]
    fn each_value_that_narrows_has_a_pill_that_takes_it_away() {
        let here = Place::new("/", Query::parse("severity=high&severity=low&q=nginx&sort=name&tab=x"));
        let filters = Filters::new(&here, vec![facet("severity", &["critical", "high"])]);
        let pills: Vec<_> = filters.pills.iter().map(|pill| (pill.text.as_str(), pill.without.to_string())).collect();
        assert_eq!(pills[0], ("high", "/?severity=low&q=nginx&sort=name&tab=x".to_owned()));
        assert_eq!(pills.len(), 3);
        // `low` has nothing, and can be let go all the same.
        let chosen: Vec<_> =
            filters.groups[0].choices.iter().map(|choice| (choice.value.as_str(), choice.chosen)).collect();
        assert!(chosen.contains(&("high", true)) && chosen.contains(&("low", true)), "{chosen:?}");
    }

    #[test]
    fn long_lists_are_cut_but_never_what_is_chosen() {
        let names: Vec<String> = (0..100).map(|at| format!("ns-{at}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let here = Place::new("/", Query::parse("namespace=ns-99"));
        let filters = Filters::new(&here, vec![facet("namespace", &names)]);
        let group = filters.groups.iter().find(|group| group.parameter == "namespace").unwrap();
        assert_eq!((group.choices[0].value.as_str(), group.choices.len(), group.left_out), ("ns-99", SHOWN, 60));
    }
}
