//! Version orders: any three texts, one a line, are ordered totally by every scheme.
#![no_main]

use std::cmp::Ordering;

use libfuzzer_sys::fuzz_target;
use weir_scanner::version::{Scheme, compare};

fuzz_target!(|text: &str| {
    let mut lines = text.splitn(3, '\n');
    let (a, b, c) = (lines.next().unwrap_or(""), lines.next().unwrap_or(""), lines.next().unwrap_or(""));
    for scheme in Scheme::ALL {
        let (ab, bc, ac) = (compare(scheme, a, b), compare(scheme, b, c), compare(scheme, a, c));
        assert_eq!(compare(scheme, a, a), Ordering::Equal, "{scheme:?}: {a:?} against itself");
        assert_eq!(ab, compare(scheme, b, a).reverse(), "{scheme:?}: {a:?} and {b:?} turned round");
        if ab == bc {
            assert_eq!(ac, ab, "{scheme:?}: {a:?} {b:?} {c:?}");
        }
        if ab == Ordering::Equal {
            assert_eq!(ac, bc, "{scheme:?}: {a:?} equals {b:?}, but not against {c:?}");
        }
    }
});
