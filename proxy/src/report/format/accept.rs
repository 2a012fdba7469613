//! Which form a request asks for: `?format=` before `Accept`, as RFC 9110 reads it.

use hyper::StatusCode;
use hyper::header::{ACCEPT, HeaderMap};

use super::Format;
use crate::report::problem::Problem;

/// The form that `?format=` names, else the best of `Accept`, else weir's own.
pub(in crate::report) fn negotiate(named: Option<&str>, headers: &HeaderMap) -> Result<Format, Problem> {
    if let Some(name) = named {
        let names = Format::ALL.map(Format::name).join(", ");
        return Format::named(name)
            .ok_or_else(|| Problem::bad_request(format!("format {name:?} is not known; known are {names}")));
    }
    let lines: Vec<String> = headers
        .get_all(ACCEPT)
        .iter()
        .map(|line| String::from_utf8_lossy(line.as_bytes()).to_ascii_lowercase())
        .collect();
    let accept = lines.join(",");
    if accept.trim().is_empty() {
        return Ok(Format::Json);
    }
    let wanted = |format: &Format| preference(&accept, format.media_type());
    // Of equals the first: max_by_key would take the last.
    let best = Format::ALL.into_iter().rev().filter(|format| wanted(format) > 0).max_by_key(wanted);
    best.ok_or_else(|| {
        // CycloneDX alone is written in two forms, of which a media type means the first.
        let own = Format::ALL.into_iter().filter(|format| *format != Format::CycloneDxVex);
        let types = own.map(Format::media_type).collect::<Vec<_>>().join(", ");
        let detail = format!("none of what Accept names is written here; written are {types}");
        Problem::new(StatusCode::NOT_ACCEPTABLE, detail)
    })
}

/// How much a media type is wanted, in thousandths; 0 where it is not. The most specific range that matches decides.
pub(in crate::report) fn preference(accept: &str, media_type: &str) -> u16 {
    let group = media_type.split('/').next().unwrap_or_default();
    let mut decided = (0, 0);
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let specificity = match parts.next().unwrap_or_default() {
            name if name == media_type => 3,
            name if name.strip_suffix("/*") == Some(group) => 2,
            "*/*" => 1,
            _ => continue,
        };
        // Other parameters, such as a version, are passed over: each form is written in one version.
        let quality = parts.find_map(|part| part.strip_prefix("q=")).map_or(1000, thousandths);
        if specificity > decided.0 {
            decided = (specificity, quality);
        }
    }
    decided.1
}

/// A weight as RFC 9110 writes it, `0` to `1` with up to three decimals; what is none counts as 1.
fn thousandths(weight: &str) -> u16 {
    let parsed = weight.parse::<f32>().ok().filter(|weight| (0.0..=1.0).contains(weight));
    parsed.map_or(1000, |weight| (weight * 1000.0).round() as u16)
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn asked(named: Option<&str>, accept: &[&'static str]) -> Result<&'static str, u16> {
        let mut headers = HeaderMap::new();
        for line in accept {
            headers.append(ACCEPT, HeaderValue::from_static(line));
        }
        let found = negotiate(named, &headers);
        found.map(Format::name).map_err(|problem| problem.response().status().as_u16())
    }

    #[test]
    fn the_parameter_wins_and_accept_is_weighed() {
        for (named, accept, expected) in [
            (None, &[][..], Ok("json")),
            (None, &[""], Ok("json")),
            (None, &["*/*"], Ok("json")),
            (None, &["application/*"], Ok("json")),
            (None, &["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"], Ok("json")),
            (None, &["application/json"], Ok("json")),
            (None, &["application/vnd.cyclonedx+json"], Ok("cyclonedx")),
            (None, &["application/vnd.cyclonedx+json; version=1.6"], Ok("cyclonedx")),
            (None, &["APPLICATION/SPDX+JSON"], Ok("spdx")),
            (None, &["application/sarif+json"], Ok("sarif")),
            (None, &["application/openvex+json"], Ok("openvex")),
            (None, &["application/json;q=0.5, application/sarif+json"], Ok("sarif")),
            (None, &["application/sarif+json;q=0.1", "application/spdx+json;q=0.2"], Ok("spdx")),
            (None, &["*/*, application/json;q=0"], Ok("cyclonedx")),
            (None, &["application/json;q=0.2, */*;q=0.1"], Ok("json")),
            (None, &["application/json;q=many"], Ok("json")),
            (None, &["text/html"], Err(406)),
            (None, &["application/json;q=0"], Err(406)),
            (Some("spdx"), &["application/sarif+json"], Ok("spdx")),
            (Some("json"), &["text/html"], Ok("json")),
            (Some("xml"), &["*/*"], Err(400)),
            (Some(""), &[], Err(400)),
            (Some("table"), &[], Err(400)),
        ] {
            assert_eq!(asked(named, accept), expected, "{named:?} {accept:?}");
        }
    }
}
