//! Owns the guess at what a mistyped key was meant to be.

/// The candidate nearest to what was written, if one is near enough to be worth naming: few
/// letters changed, or one of the two begins with the other.
pub(crate) fn nearest<'c>(written: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    // Longer texts are no typing mistakes of a key, and the cost is their product.
    const LONGEST: usize = 100;
    if written.len() > LONGEST {
        return None;
    }
    let written = written.to_ascii_lowercase();
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let lower = candidate.to_ascii_lowercase();
            let begins =
                written.len() >= 3 && lower.len() >= 3 && (lower.starts_with(&written) || written.starts_with(&lower));
            let distance = distance(&written, &lower);
            let near = distance <= (written.len().max(lower.len()) / 3).max(1);
            (begins || near).then_some((distance, candidate))
        })
        .min()
        .map(|(_, candidate)| candidate)
}

/// How many letters have to be inserted, removed, replaced or swapped with their neighbour
/// (optimal string alignment distance).
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before_last[j - 2] + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_single_mistakes() {
        for (a, b, count) in
            [("", "", 0), ("", "abc", 3), ("mirror", "miror", 1), ("mirror", "mirrro", 1), ("mirror", "norror", 2)]
        {
            assert_eq!(distance(a, b), count, "{a} {b}");
            assert_eq!(distance(b, a), count, "{b} {a}");
        }
    }

    #[test]
    fn the_nearest_key_is_found_and_far_ones_are_not() {
        let keys = ["username", "password_file", "url", "name"];
        assert_eq!(nearest("usrname", keys), Some("username"));
        assert_eq!(nearest("password", keys), Some("password_file"));
        assert_eq!(nearest("URL", keys), Some("url"));
        assert_eq!(nearest("blob_budget", keys), None);
        assert_eq!(nearest(&"u".repeat(1000), keys), None);
    }
}
