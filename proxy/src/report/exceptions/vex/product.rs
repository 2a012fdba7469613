//! Products of VEX as scopes: images by their OCI package URLs, packages by theirs.
//!
//! A scope never says more than the product: a tag is the image it names now, and a part of something that is no image is nothing that
//! a scope can hold.

use weir_scanner::exception::{Scope, repository};
use weir_scanner::oci::{Digest, Reference, Tag};
use weir_scanner::package::{PackageIdentity, PackageUrl};
use weir_storage::index::{Index, IndexError};

use super::read::ReadComponent;

/// The scopes that a product and its parts are; else why they are none.
pub(super) fn scopes(
    index: &Index,
    product: &ReadComponent,
    parts_of_all: &[ReadComponent],
) -> Result<Result<Vec<Scope>, String>, IndexError> {
    let places = match places(index, product)? {
        Ok(places) => places,
        Err(why) => return Ok(Err(why)),
    };
    let mut packages = Vec::new();
    for part in product.subcomponents.iter().chain(parts_of_all) {
        let package = part.purl.as_deref().and_then(|purl| PackageIdentity::parse(purl).ok());
        match package {
            Some(package) => packages.push(package.to_string()),
            None => return Ok(Err(format!("its part {} has no package URL", part.name()))),
        }
    }
    if packages.is_empty() {
        return Ok(Ok(places));
    }
    if places.iter().any(|place| place.package.is_some()) {
        return Ok(Err("a package inside a package that is no image cannot be told apart here".to_owned()));
    }
    let scopes = places
        .iter()
        .flat_map(|place| packages.iter().map(|package| Scope { package: Some(package.clone()), ..place.clone() }));
    Ok(Ok(scopes.collect()))
}

/// The images, the repository or the package that a product is.
fn places(index: &Index, product: &ReadComponent) -> Result<Result<Vec<Scope>, String>, IndexError> {
    let Some(purl) = product.purl.as_deref() else {
        // An image's manifest is named by its SHA-256; what else has one is not known here.
        let digest = product.sha256.as_deref().and_then(|hex| Digest::parse(&format!("sha256:{hex}")).ok());
        let known = match digest {
            Some(digest) => images(index, digest)?,
            None => Vec::new(),
        };
        let why = || "it has no package URL, and its SHA-256, if any, is no image's known here".to_owned();
        return Ok(if known.is_empty() { Err(why()) } else { Ok(of_images(known)) });
    };
    let url = match PackageUrl::parse(purl) {
        Ok(url) => url,
        Err(error) => return Ok(Err(error.to_string())),
    };
    if url.type_name != "oci" && url.type_name != "docker" {
        let package = PackageIdentity::parse(purl).map(|package| package.to_string());
        let package = package.map(|package| vec![Scope { package: Some(package), ..Scope::default() }]);
        return Ok(package.map_err(|error| error.to_string()));
    }
    if let Some(digest) = url.version.as_deref().and_then(|version| Digest::parse(version).ok()) {
        let known = images(index, digest)?;
        return Ok(Ok(of_images(if known.is_empty() { vec![digest] } else { known })));
    }
    let name = match repository_of(&url) {
        Ok(name) => name,
        Err(why) => return Ok(Err(why)),
    };
    // A Docker URL's version is a tag; an OCI URL has it among its qualifiers.
    let tag = url.qualifier("tag").or_else(|| url.version.clone().filter(|version| !version.is_empty()));
    let Some(tag) = tag else {
        return Ok(Ok(vec![Scope { repository: Some(name), ..Scope::default() }]));
    };
    let known = tagged(index, &name, &tag)?;
    Ok(if known.is_empty() { Err(format!("the tag {name}:{tag} is not known here")) } else { Ok(of_images(known)) })
}

fn of_images(images: Vec<Digest>) -> Vec<Scope> {
    images.into_iter().map(|image| Scope { image: Some(image), ..Scope::default() }).collect()
}

/// The repository of an image's package URL, `<upstream>/<repository>`.
fn repository_of(url: &PackageUrl<'_>) -> Result<String, String> {
    let at = url.qualifier("repository_url");
    let name = match (&at, &url.namespace) {
        (Some(at), _) => {
            let at = at.trim_start_matches("https://").trim_end_matches('/');
            // Some write where the repository is, without its name.
            if at.rsplit('/').next() == Some(&*url.name) { at.to_owned() } else { format!("{at}/{}", url.name) }
        }
        (None, _) if url.type_name == "oci" => {
            return Err("its package URL names no registry: repository_url is missing".to_owned());
        }
        (None, Some(namespace)) => format!("docker.io/{namespace}/{}", url.name),
        (None, None) => format!("docker.io/{}", url.name),
    };
    repository(&name)
}

/// The images a tag leads to now.
fn tagged(index: &Index, repository: &str, tag: &str) -> Result<Vec<Digest>, IndexError> {
    let (Ok(reference), Ok(tag)) = (repository.parse::<Reference>(), Tag::parse(tag)) else { return Ok(Vec::new()) };
    match index.tags().get(&reference.upstream, &reference.repository, &tag)? {
        Some(row) => images(index, row.digest),
        None => Ok(Vec::new()),
    }
}

/// The images known here that a digest leads to.
fn images(index: &Index, digest: Digest) -> Result<Vec<Digest>, IndexError> {
    let mut known = Vec::new();
    for target in index.aliases().resolve(&digest)? {
        if index.images().get(&target.manifest)?.is_some() {
            known.push(target.manifest);
        }
    }
    Ok(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn component(purl: &str, parts: &[&str]) -> ReadComponent {
        let parts = parts.iter().map(|part| component(part, &[])).collect();
        ReadComponent { id: None, purl: Some(purl.to_owned()), sha256: None, subcomponents: parts }
    }

    fn told(product: &ReadComponent) -> Result<Vec<String>, String> {
        let scopes = scopes(&Index::in_memory(), product, &[]).unwrap()?;
        Ok(scopes.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn products_are_scopes() {
        let digest = Digest::of(b"image");
        let by_digest = format!("pkg:oci/nginx@{digest}?repository_url=docker.io/library/nginx&tag=1");
        let encoded = by_digest.replace("sha256:", "sha256%3A");
        for (purl, parts, expected) in [
            (
                "pkg:oci/nginx?repository_url=docker.io/library/nginx",
                &[][..],
                "repository docker.io/library/nginx".to_owned(),
            ),
            (
                "pkg:oci/nginx?repository_url=index.docker.io%2Flibrary",
                &[],
                "repository docker.io/library/nginx".to_owned(),
            ),
            ("pkg:oci/app?repository_url=ghcr.io/org", &[], "repository ghcr.io/org/app".to_owned()),
            ("pkg:docker/nginx", &[], "repository docker.io/library/nginx".to_owned()),
            (&by_digest, &[], format!("image {digest}")),
            (&encoded, &["pkg:deb/debian/curl@1?arch=amd64"], format!("image {digest}, package pkg:deb/debian/curl@1")),
            ("pkg:npm/a@1?x=y", &[], "package pkg:npm/a@1".to_owned()),
        ] {
            assert_eq!(told(&component(purl, parts)), Ok(vec![expected]), "{purl}");
        }
        let two = told(&component("pkg:docker/nginx", &["pkg:npm/a", "pkg:npm/b"])).unwrap();
        assert_eq!(two.len(), 2);
    }

    #[test]
    fn what_is_no_scope_says_why() {
        for (product, says) in [
            (component("pkg:oci/nginx", &[]), "names no registry"),
            (component("pkg:oci/nginx?repository_url=docker.io/library/nginx&tag=1", &[]), "nginx:1 is not known here"),
            (component("pkg:docker/nginx@1.27", &[]), "nginx:1.27 is not known here"),
            (component("pkg:npm", &[]), "no type or no name"),
            (component("pkg:npm/a", &["pkg:npm/b"]), "inside a package"),
            (component("pkg:docker/nginx", &["b"]), "has no package URL"),
            (ReadComponent { sha256: Some("ab".into()), ..ReadComponent::default() }, "no package URL"),
        ] {
            let why = told(&product).unwrap_err();
            assert!(why.contains(says), "{product:?}: {why}");
        }
    }
}
