//! Setting and cancelling exceptions with forms alone.

use super::{field, matched, page, submit};

#[tokio::test]
async fn a_vulnerability_is_excepted_shown_apart_and_counts_again_once_that_is_cancelled() {
    let (_registry, weir, image) = matched().await;
    let at = format!("/images/{}", image.manifest_digest);
    let new = format!(
        "/exceptions/new?target=vulnerability&vulnerability=CVE-2026-1111&image={}&repository=docker.io/team/app&back={at}",
        image.manifest_digest
    );
    let form = page(&weir, &new).await;
    assert!(form.contains("<b>1 finding</b>"), "the preview: {form}");
    let mark = field(&form, "mark");
    let until = field(&form, "until");
    let mut fields = vec![
        ("target", "vulnerability"),
        ("vulnerability", "CVE-2026-1111"),
        ("repository", "docker.io/team/app"),
        ("kind", "false_positive"),
        ("justification", "vulnerable_code_not_in_execute_path"),
        ("scope", "repository"),
        ("until", until.as_str()),
        ("back", at.as_str()),
        ("mark", mark.as_str()),
    ];
    let preview = [&fields[..], &[("reason", "not sure yet"), ("do", "preview")]].concat();
    let got = submit(&weir, "/exceptions", &preview, &[]).await;
    assert_eq!(got.status, 200, "whoever asks for a preview saves nothing");
    assert!(String::from_utf8_lossy(&got.body).contains("not sure yet"));
    assert!(page(&weir, "/exceptions").await.contains("Nothing is excepted"));
    let got = submit(&weir, "/exceptions", &fields, &[]).await;
    assert_eq!(got.status, 200, "without a reason nothing is saved");
    assert!(String::from_utf8_lossy(&got.body).contains("A reason is needed."));
    fields.push(("reason", "the code <b>is never</b> run"));
    let got = submit(&weir, "/exceptions", &fields, &[]).await;
    assert_eq!(got.status, 200, "another kind was not previewed");
    let form = String::from_utf8(got.body).unwrap();
    assert!(form.contains("look at what it would except now"), "{form}");
    let mark = field(&form, "mark");
    fields.retain(|(name, _)| *name != "mark");
    fields.push(("mark", mark.as_str()));
    let got = submit(&weir, "/exceptions", &fields, &[]).await;
    assert_eq!(got.status, 303, "{}", String::from_utf8_lossy(&got.body));
    let place = got.header("location").unwrap().to_owned();
    assert!(place.starts_with(&format!("{at}?made=")), "{place}");

    let text = page(&weir, &place).await;
    assert!(text.contains("1 exception set.") && text.contains(">Undo</a>"), "{text}");
    assert!(!text.contains(">CVE-2026-1111</a>"), "it left the list: {text}");
    let text = page(&weir, &format!("{at}?tab=exceptions")).await;
    assert!(
        text.contains(">CVE-2026-1111</a>") && text.contains("the code &#60;b&#62;is never&#60;/b&#62; run"),
        "{text}"
    );
    let list = page(&weir, "/exceptions").await;
    assert!(list.contains("Exception set on") && list.contains("in repository docker.io/team/app"));

    let id = field(&list, "id");
    let text = page(&weir, &format!("/exceptions/cancel?id={id}")).await;
    assert!(text.contains("Cancel 1 exception") && text.contains("CVE-2026-1111"));
    let got = submit(&weir, "/exceptions/cancel", &[("id", &id), ("reason", "")], &[]).await;
    assert!((400..500).contains(&got.status), "a reason is needed to cancel: {}", got.status);
    let got = submit(&weir, "/exceptions/cancel", &[("id", &id), ("reason", "it is run after all")], &[]).await;
    assert_eq!(got.status, 303, "{}", String::from_utf8_lossy(&got.body));
    assert!(page(&weir, &at).await.contains(">CVE-2026-1111</a>"), "it counts again");
    assert!(page(&weir, "/exceptions?state=cancelled").await.contains("it is run after all"));
    assert!(page(&weir, "/activity?tab=audit").await.contains("exception.cancel"));
}

#[tokio::test]
async fn a_repository_leaves_the_list_and_stands_among_the_excepted() {
    let (_registry, weir, _) = matched().await;
    let form = page(&weir, "/exceptions/new?target=repository&repository=docker.io/team/app").await;
    let (mark, until) = (field(&form, "mark"), field(&form, "until"));
    let fields = [
        ("target", "repository"),
        ("repository", "docker.io/team/app"),
        ("kind", "accepted_risk"),
        ("scope", "everywhere"),
        ("until", until.as_str()),
        ("reason", "a playground"),
        ("mark", mark.as_str()),
    ];
    let got = submit(&weir, "/exceptions", &fields, &[]).await;
    assert_eq!(got.status, 303, "{}", String::from_utf8_lossy(&got.body));
    let row = "href=\"/repositories/docker.io/team/app";
    assert!(!page(&weir, "/?image_status=").await.contains(row));
    assert!(page(&weir, "/?except=excepted").await.contains(row));
    assert!(page(&weir, "/exceptions?target=repository").await.contains("a playground"));
}
