//! Python, Ruby and PHP.

use weir_scanner::version::Scheme;

use super::oracle::check;
use super::pool::Recipe;

#[test]
fn python_orders_as_packaging() {
    let recipe = Recipe {
        grammar: "v?([0-2]!)?[0-9]{1,3}(\\.[0-9]{1,3}){0,4}(\\.0{1,3}[1-9]?|[0-9]{19,24})?([._-]?(a|b|c|rc|alpha|beta|pre|preview|RC|Alpha)([._-]?[0-9]{1,3})?)?(-[0-9]{1,2}|[._-]?(post|rev|r)([._-]?[0-9]{1,3})?)?([._-]?dev([._-]?[0-9]{1,3})?)?(\\+[a-c0-9]{1,3}([._-][a-cA0-9]{1,3}){0,2})?",
        pieces: &[
            "0", "1", "9", "00", ".0", ".1", "a", "b", "rc", "c1", ".post1", "-1", ".dev1", ".dev", "+a", "+1", ".",
            "-", "_", "1!", "v",
        ],
        ecosystems: &["PyPI"],
    };
    // A Python from elsewhere has packaging inside its pip.
    let script = "
import sys
try:
    from packaging.version import InvalidVersion, Version
except ImportError:
    from pip._vendor.packaging.version import InvalidVersion, Version
for line in sys.stdin:
    try:
        a, b = map(Version, line.rstrip('\\n').split('\\t'))
        print('<' if a < b else '=' if a == b else '>')
    except InvalidVersion:
        print('?')
";
    check(Scheme::Pep440, &recipe, 2, "python3", &["-c", script]);
}

#[test]
fn ruby_orders_as_gem_version() {
    let recipe = Recipe {
        grammar: "[0-9]{1,3}(\\.[0-9]{1,3}){0,4}(\\.0{1,3}[1-9]?|[0-9]{19,24})?(\\.(a|b|rc|pre|beta|RC)(\\.?[0-9]{1,3})?){0,2}(-[a-c0-9]{1,3}(\\.[0-9]{1,2})?)?",
        pieces: &[
            "0",
            "1",
            "9",
            "00",
            ".0",
            ".1",
            ".a",
            ".b",
            ".rc1",
            "rc",
            "-",
            "-1",
            ".pre",
            ".",
            "A",
            "99999999999999999999",
        ],
        ecosystems: &["RubyGems"],
    };
    let script = r#"
        $stdin.each_line do |line|
            a, b = line.chomp.split("\t", -1)
            valid = Gem::Version.correct?(a) && Gem::Version.correct?(b)
            puts valid ? ["=", ">", "<"][Gem::Version.new(a) <=> Gem::Version.new(b)] : "?"
        end
    "#;
    check(Scheme::Gem, &recipe, 2, "ruby", &["-e", script]);
}

#[test]
fn php_orders_as_composer() {
    let recipe = Recipe {
        grammar: "v?([0-9]{1,3}(\\.[0-9]{1,3}){0,3}(\\.0{1,3}[1-9]?|\\.[0-9]{15,18})?|20[0-9]{2}([.:-]?[0-2][0-9]){1,6}([.:-]?[0-9]{1,3})?|[0-9]{1,2}(\\.[0-9]){0,2}\\.[xX*][.-]dev)([._-]?(stable|beta|b|RC|rc|alpha|a|patch|pl|p)([.-]?[0-9]{1,3}){0,2})?([.-]?dev)?(\\+[a-c0-9.-]{1,4})?(@(dev|beta|RC|stable))?",
        pieces: &[
            "0", "1", "9", "00", ".0", ".1", "a", "b", "-RC1", "-beta", "p1", "-dev", ".x-dev", ".", "-", "_", "@dev",
            "+a", "v", "20",
        ],
        ecosystems: &["Packagist"],
    };
    // Composer does not order branches.
    let script = r#"
        require "Composer/Semver/autoload.php";
        $parser = new Composer\Semver\VersionParser();
        while (($line = fgets(STDIN)) !== false) {
            try {
                [$a, $b] = array_map([$parser, "normalize"], explode("\t", rtrim($line, "\n")));
            } catch (UnexpectedValueException $refused) {
                $a = "dev-";
            }
            $branch = str_starts_with($a, "dev-") || str_starts_with($b, "dev-");
            $less = Composer\Semver\Comparator::lessThan($a, $b);
            $equal = Composer\Semver\Comparator::equalTo($a, $b);
            echo $branch ? "?" : ($less ? "<" : ($equal ? "=" : ">")), "\n";
        }
    "#;
    check(Scheme::Composer, &recipe, 3, "php", &["-r", script]);
}
