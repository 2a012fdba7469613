//! Archives of code: any bytes as a jar, an egg, or another format with one of their extensions are read within limits or refused
//! with a reason.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use weir_scanner::detect::{DetectorSet, FactList};
use weir_scanner::layer::Fact;

static DETECTORS: LazyLock<DetectorSet> = LazyLock::new(DetectorSet::standard);

fuzz_target!(|bytes: &[u8]| {
    for path in ["lib/app-1.0.jar", "app.rar", "app.egg"] {
        let (detector, _) = DETECTORS.wanting(path).expect("each is wanted");
        let mut facts = FactList::new(1 << 20);
        let _ = detector.examine(path, &bytes.to_vec().into(), &mut facts);
        for fact in facts.facts() {
            match fact {
                Fact::Package(package) => {
                    assert!(!package.name.is_empty() && !package.version.is_empty(), "{package:?}");
                }
                Fact::Unread(_) => {}
                other => panic!("{other:?} of an archive"),
            }
        }
    }
});
