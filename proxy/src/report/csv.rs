//! Lists as CSV (RFC 4180), for whoever works on in a spreadsheet.
//!
//! Owns the columns and the cells. Columns come from the schema of the items, in the order of their fields, so that an empty list has the
//! same header as a full one: an object's members are columns of their own (`counts.fixable`), a list is one cell with `; ` between its
//! parts, a map one of `key=value`. The invariant: no cell is taken for a formula by a spreadsheet; those that could be begin with `'`.

use csv::{QuoteStyle, Terminator, WriterBuilder};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde_json::Value;

/// What is between the parts of a list.
const BETWEEN: &str = "; ";
/// Objects in objects that columns are made of; what lies deeper is one cell.
const DEPTH: usize = 4;

/// The media type, as RFC 7111 and RFC 4180 write it.
pub(super) const MEDIA_TYPE: &str = "text/csv; charset=utf-8; header=present";

/// The columns of a kind of items: the names on the way to each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Columns(Vec<Vec<String>>);

impl Columns {
    /// The columns of `T`.
    pub(super) fn of<T: JsonSchema>() -> Self {
        let settings =
            SchemaSettings::draft2020_12().for_serialize().with(|settings| settings.inline_subschemas = true);
        let schema = settings.into_generator().into_root_schema_for::<T>();
        let mut columns = Vec::new();
        add(schema.as_value(), &mut Vec::new(), &mut columns);
        Self(columns)
    }

    /// The first line.
    ///
    /// # Errors
    /// None: memory takes everything.
    pub(super) fn header(&self) -> Result<Vec<u8>, csv::Error> {
        let mut writer = writer();
        writer.write_record(self.0.iter().map(|path| path.join(".")))?;
        finished(writer)
    }

    /// A line for each item.
    ///
    /// # Errors
    /// An item that is no JSON.
    pub(super) fn rows<T: Serialize>(&self, items: &[T]) -> Result<Vec<u8>, csv::Error> {
        let mut writer = writer();
        for item in items {
            let item = serde_json::to_value(item).map_err(std::io::Error::from)?;
            writer.write_record(self.0.iter().map(|path| at(&item, path).map(cell).unwrap_or_default()))?;
        }
        finished(writer)
    }
}

fn writer() -> csv::Writer<Vec<u8>> {
    WriterBuilder::new().terminator(Terminator::CRLF).quote_style(QuoteStyle::Necessary).from_writer(Vec::new())
}

fn finished(writer: csv::Writer<Vec<u8>>) -> Result<Vec<u8>, csv::Error> {
    writer.into_inner().map_err(|error| error.into_error().into())
}

fn add(schema: &Value, path: &mut Vec<String>, columns: &mut Vec<Vec<String>>) {
    let names = if path.len() < DEPTH { names(schema) } else { Vec::new() };
    if names.is_empty() {
        columns.push(path.clone());
    }
    for (name, schema) in names {
        path.push(name.to_owned());
        add(schema, path, columns);
        path.pop();
    }
}

/// The members of an object in the order of its fields, none for anything else. An object that may be missing is one, too.
fn names(schema: &Value) -> Vec<(&str, &Value)> {
    if let Some(choices) = schema.get("anyOf").and_then(Value::as_array) {
        return choices.iter().map(names).find(|names| !names.is_empty()).unwrap_or_default();
    }
    let Some(members) = schema.get("properties").and_then(Value::as_object) else { return Vec::new() };
    // schemars keeps the order of the fields here; the members themselves are sorted by name.
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let mut names: Vec<(&str, &Value)> =
        required.filter_map(|name| members.get_key_value(name)).map(|(name, schema)| (name.as_str(), schema)).collect();
    for (name, schema) in members {
        if !names.iter().any(|(known, _)| known == name) {
            names.push((name, schema));
        }
    }
    names
}

fn at<'a>(item: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(item, |value, name| value.get(name))
}

fn cell(value: &Value) -> String {
    match value {
        // Numbers and booleans are none of ours to guard: a negative number is a number.
        Value::Null | Value::Bool(_) | Value::Number(_) => plain(value),
        _ => guarded(plain(value)),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().map(part).collect::<Vec<_>>().join(BETWEEN),
        Value::Object(members) => {
            let member = |(key, value): (&String, &Value)| format!("{key}={}", part(value));
            members.iter().map(member).collect::<Vec<_>>().join(BETWEEN)
        }
        other => other.to_string(),
    }
}

/// A part of a list: what has parts itself stays JSON.
fn part(value: &Value) -> String {
    match value {
        Value::Array(_) | Value::Object(_) => value.to_string(),
        plain_value => plain(plain_value),
    }
}

/// A text that no spreadsheet takes for a formula (OWASP, CSV injection). The last four are the first four as Japanese keyboards write them.
fn guarded(text: String) -> String {
    match text.chars().next() {
        Some('=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '＝' | '＋' | '－' | '＠') => format!("'{text}"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Default, Serialize, JsonSchema)]
    struct Name {
        zone: String,
        first: String,
    }

    #[derive(Default, Serialize, JsonSchema)]
    struct Inner {
        zeta: Option<f64>,
        alpha: u64,
    }

    #[derive(Default, Serialize, JsonSchema)]
    struct Item {
        #[serde(flatten)]
        name: Name,
        text: String,
        inner: Option<Inner>,
        list: Vec<String>,
        objects: Vec<Inner>,
        map: BTreeMap<String, u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        at_last: Option<bool>,
    }

    fn csv(items: &[Item]) -> String {
        let columns = Columns::of::<Item>();
        let mut text = columns.header().unwrap();
        text.extend(columns.rows(items).unwrap());
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn columns_stand_in_the_order_of_fields_and_are_there_without_items() {
        assert_eq!(csv(&[]), "zone,first,text,inner.zeta,inner.alpha,list,objects,map,at_last\r\n");
    }

    #[test]
    fn cells_are_quoted_and_hold_what_is_nested() {
        let item = Item {
            text: "a \"quoted\", line\r\nand another".into(),
            inner: Some(Inner { zeta: Some(9.8), alpha: 3 }),
            list: vec!["a".into(), "b c".into()],
            objects: vec![Inner::default()],
            map: BTreeMap::from([("high".into(), 2), ("low".into(), 0)]),
            at_last: Some(true),
            ..Item::default()
        };
        let rows = csv(&[item]);
        let row = rows.split_once("\r\n").unwrap().1;
        assert_eq!(
            row,
            ",,\"a \"\"quoted\"\", line\r\nand another\",9.8,3,a; b c,\"{\"\"alpha\"\":0,\"\"zeta\"\":null}\",high=2; low=0,true\r\n"
        );
    }

    #[test]
    fn no_cell_is_a_formula() {
        for text in ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\nx", "＝1+1", "＋1", "－1", "＠SUM(A1)"] {
            let rows = Columns::of::<Item>()
                .rows(&[Item { text: text.into(), list: vec![text.into()], ..Item::default() }])
                .unwrap();
            let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(&rows[..]);
            let row = reader.records().next().unwrap().unwrap();
            assert_eq!((&row[2], &row[5]), (&*format!("'{text}"), &*format!("'{text}")));
        }
        assert_eq!(guarded("a=b".into()), "a=b");
    }
}
