//! `/openapi.json`: the API as OpenAPI 3.1 describes it, made of the table of routes and a description of each endpoint.
//!
//! Owns the words and what belongs to every answer: problems, tags, CSV. Schemas come from the types that are written, and the parameters
//! are checked by what is described here, so that the description is true.

mod describe;
mod description;
mod govern;
mod model;
mod parameter;
mod people;

use std::sync::OnceLock;

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Response};
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};
use weir_config::Role;

use super::csv::MEDIA_TYPE;
use super::problem::Problem;
use super::route::{Need, ROUTES, Route};
use super::unwritten;
use crate::http::{Body, full};
use description::{Answer, Description};
use parameter::{object, of_path};

pub(super) use describe::describe;
pub(super) use parameter::PLATFORM;

/// Where schemas that are referred to stand.
const SCHEMAS: &str = "/components/schemas";

/// The description, as it is sent.
pub(super) fn answer() -> Result<Response<Body>, Problem> {
    static WRITTEN: OnceLock<Bytes> = OnceLock::new();
    let written = match WRITTEN.get() {
        Some(written) => written.clone(),
        None => {
            let written = Bytes::from(serde_json::to_vec(&document()).map_err(unwritten)?);
            WRITTEN.get_or_init(|| written).clone()
        }
    };
    let mut response = Response::new(full(written));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// The generators of schemas: what is answered has members that what is asked may leave out.
struct Schemas {
    answers: SchemaGenerator,
    requests: SchemaGenerator,
}

fn document() -> Value {
    let settings = || SchemaSettings::draft2020_12().with(|settings| settings.definitions_path = SCHEMAS.into());
    let mut schemas = Schemas {
        answers: settings().for_serialize().into_generator(),
        requests: settings().with(|settings| settings.inline_subschemas = true).into_generator(),
    };
    let mut paths = json!({});
    for route in ROUTES {
        let description = describe(route.endpoint);
        if description.is_api() {
            let path = route.path.replace("*}", "}");
            paths[path][route.method.as_str().to_ascii_lowercase()] = operation(route, &description, &mut schemas);
        }
    }
    let mut components = object(schemas.answers.take_definitions(true));
    components["Problem"] = problem();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "weir",
            "summary": "What runs, what is in it, and what is wrong with it",
            "description": "The report of weir. Lists have items and a cursor; errors are problem details (RFC 9457); what is not known \
                            is null and never zero.",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        // Where the report is open, no token is asked for.
        "security": [{ "token": [] }, {}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer", "description": "A token of `weir token create`." },
            },
        },
    })
}

fn operation(route: &Route, description: &Description, schemas: &mut Schemas) -> Value {
    let places = route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let places: Vec<Value> = places.map(|name| of_path(name.trim_end_matches('*'))).collect();
    let has_places = !places.is_empty();
    let query = description.query.iter().map(parameter::Parameter::described);
    let mut operation = json!({
        "operationId": operation_id(route),
        "summary": description.summary,
        "tags": [tag(route)],
        "parameters": places.into_iter().chain(query).collect::<Vec<_>>(),
        "responses": responses(route, description, has_places, schemas),
        "x-role": role(route.need),
    });
    if !description.detail.is_empty() {
        operation["description"] = description.detail.into();
    }
    if let Some(body) = &description.body {
        let schema = (body.schema)(&mut schemas.requests);
        operation["requestBody"] = json!({
            "required": true,
            "description": format!("At most {} bytes.", body.most_bytes),
            "content": { "application/json": { "schema": schema } },
        });
    }
    operation
}

/// `ImagePackages` as `imagePackages`.
fn operation_id(route: &Route) -> String {
    let name = format!("{:?}", route.endpoint);
    let (first, rest) = name.split_at(1);
    format!("{}{rest}", first.to_ascii_lowercase())
}

/// What a path is about: its first segment after the version.
fn tag(route: &Route) -> &'static str {
    let path = route.path.strip_prefix("/api/v1/").unwrap_or("api");
    path.split('/').next().unwrap_or(path)
}

const fn role(need: Need) -> &'static str {
    match need {
        Need::Nothing => "none",
        Need::Role(Role::Viewer) => "viewer",
        Need::Role(Role::Editor) => "editor",
        Need::Role(Role::Administrator) => "administrator",
        Need::Agent => "agent",
    }
}

fn responses(route: &Route, description: &Description, has_places: bool, schemas: &mut Schemas) -> Value {
    let reads = *route.method == Method::GET;
    let mut responses = json!({});
    let mut refuse = |status: u16, why: &str| {
        responses[status.to_string()] = refusal(why);
    };
    refuse(400, "A parameter, the path or the body is not what it should be; the problem names it.");
    refuse(401, "A token that holds is needed.");
    refuse(403, "The role of the token is too low, or a page of another site asks.");
    if has_places {
        refuse(404, "It is not known here.");
    }
    if let Answer::List(_) = description.answer {
        refuse(406, "Neither JSON nor CSV is accepted.");
    }
    if description.body.is_some() {
        refuse(413, "The body is too long.");
        refuse(415, "The body is not JSON.");
    }
    refuse(503, "The index cannot be read now, or there is no room.");
    for (status, why) in &description.refusals {
        refuse(*status, why);
    }
    let (status, mut answer) = match &description.answer {
        Answer::List(schema) => {
            let schema = schema(&mut schemas.answers);
            let content = json!({
                "application/json": { "schema": schema },
                MEDIA_TYPE.split(';').next().unwrap_or(MEDIA_TYPE): { "schema": { "type": "string" } },
            });
            (200, json!({ "description": "A page of the list, or as CSV all of it.", "content": content }))
        }
        Answer::Document { schema, status } => {
            let content = json!({ "application/json": { "schema": schema(&mut schemas.answers) } });
            (*status, json!({ "description": description.summary, "content": content }))
        }
        Answer::Forms(schema, media_types) => {
            let schema = schema(&mut schemas.answers);
            let form = |media_type: &&'static str| {
                let schema =
                    if *media_type == "application/json" { json!(schema) } else { json!({ "type": "object" }) };
                ((*media_type).to_owned(), json!({ "schema": schema }))
            };
            let content = object(media_types.iter().map(form));
            (200, json!({ "description": description.summary, "content": content }))
        }
        Answer::Nothing(status) => (*status, json!({ "description": "Done, or begun." })),
    };
    if reads {
        let tag = json!({ "description": "For `If-None-Match`.", "schema": { "type": "string" } });
        answer["headers"] = json!({ "ETag": tag });
        responses["304"] = json!({ "description": "It is what `If-None-Match` names." });
    } else if status == 202 && matches!(description.answer, Answer::Document { .. }) {
        answer["headers"] = json!({ "Location": { "schema": { "type": "string" }, "description": "What was begun." } });
    }
    responses[status.to_string()] = answer;
    for (status, what, schema) in &description.or {
        let content = json!({ "application/json": { "schema": schema(&mut schemas.answers) } });
        responses[status.to_string()] = json!({ "description": what, "content": content });
    }
    responses
}

fn refusal(why: &str) -> Value {
    let schema = json!({ "$ref": format!("#{SCHEMAS}/Problem") });
    json!({ "description": why, "content": { "application/problem+json": { "schema": schema } } })
}

/// Problem details (RFC 9457); some have more members, such as the platforms of an index.
fn problem() -> Value {
    json!({
        "type": "object",
        "description": "Problem details, RFC 9457.",
        "properties": {
            "type": { "type": "string", "format": "uri-reference" },
            "title": { "type": "string" },
            "status": { "type": "integer", "minimum": 400, "maximum": 599 },
            "detail": { "type": "string" },
            "platforms": { "type": "array", "items": { "type": "string" } },
            "code": { "type": "string" },
            "resync": { "type": "boolean" },
        },
        "required": ["type", "title", "status", "detail"],
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_route_is_described_and_every_reference_leads_somewhere() {
        let document = document();
        for route in ROUTES {
            if describe(route.endpoint).is_api() {
                let path = route.path.replace("*}", "}");
                let operation = &document["paths"][&path][route.method.as_str().to_ascii_lowercase()];
                assert!(operation["summary"].as_str().is_some_and(|summary| !summary.is_empty()), "{path}");
                assert!(operation["responses"].as_object().unwrap().len() > 3, "{path}");
            }
        }
        let mut references = BTreeSet::new();
        collect(&document, &mut references);
        assert!(references.contains("#/components/schemas/Problem"), "{references:?}");
        for reference in references {
            assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
        }
    }

    fn collect(value: &Value, references: &mut BTreeSet<String>) {
        match value {
            Value::Object(members) => {
                references.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
                members.values().for_each(|value| collect(value, references));
            }
            Value::Array(values) => values.iter().for_each(|value| collect(value, references)),
            _ => {}
        }
    }

    #[test]
    fn ids_of_operations_are_theirs_alone() {
        let ids: BTreeSet<String> = ROUTES.iter().map(operation_id).collect();
        assert_eq!(ids.len(), ROUTES.len());
    }

    #[test]
    fn a_page_for_people_checks_its_own_parameters() {
        let page = Description::page();
        assert!(!page.is_api() && page.check(&crate::report::Parameters::parse("any=thing")).is_ok());
    }
}
