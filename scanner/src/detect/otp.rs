//! Erlang applications: `ebin/NAME.app`, by which Erlang's runtime knows what it can start. Elixir's compiler writes the same, so the
//! dependencies of an Elixir release are found by them as well.
//!
//! Follows app(4): the term `{application, NAME, [{vsn, "VERSION"}, …]}.` with comments after `%`. The name has to be the file's, as the
//! runtime demands. Only the tokens up to the version are looked at, without building the term.

use super::{Detector, FactList, Want, base_name};
use crate::layer::{Fact, parent};
use crate::package::{Package, PackageType};

pub(crate) struct Otp;

impl Detector for Otp {
    fn name(&self) -> &'static str {
        "otp"
    }

    fn version(&self) -> u32 {
        1
    }

    fn wants(&self, path: &str) -> Option<Want> {
        (path.ends_with(".app") && base_name(parent(path)) == "ebin").then_some(Want::Bytes)
    }

    fn detect(&self, path: &str, bytes: &[u8], facts: &mut FactList) {
        if bytes.is_empty() {
            return;
        }
        let name = base_name(path).trim_end_matches(".app");
        match std::str::from_utf8(bytes).ok().and_then(application) {
            Some((stated, version)) if stated == name && !version.is_empty() => {
                facts.push(Fact::Package(Package::new(PackageType::Otp, name, version)));
            }
            _ => facts.malformed(path, "the file states no Erlang application of its name with a version"),
        }
    }
}

/// The name and the version of the application a term states.
fn application(text: &str) -> Option<(&str, &str)> {
    let mut tokens = Tokens(text);
    let begins = [tokens.next()?, tokens.next()?, tokens.next()?];
    if begins != [Token::Mark('{'), Token::Atom("application"), Token::Mark(',')] {
        return None;
    }
    let Token::Atom(name) = tokens.next()? else { return None };
    if [tokens.next()?, tokens.next()?] != [Token::Mark(','), Token::Mark('[')] {
        return None;
    }
    // Within the list of properties; a property is one level deeper.
    let mut depth = 0_u32;
    let mut last = [Token::Mark('['); 3];
    loop {
        let token = tokens.next()?;
        match token {
            Token::Mark('{' | '[' | '(') => depth += 1,
            Token::Mark('}' | ']' | ')') => depth = depth.checked_sub(1)?,
            Token::Text(version) if depth == 1 && last == [Token::Mark('{'), Token::Atom("vsn"), Token::Mark(',')] => {
                return Some((name, version));
            }
            _ => {}
        }
        last = [last[1], last[2], token];
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    /// An atom without its quotes, a variable or a number.
    Atom(&'a str),
    /// A text without its quotes, its escapes as written.
    Text(&'a str),
    /// Any other character.
    Mark(char),
}

struct Tokens<'a>(&'a str);

impl<'a> Tokens<'a> {
    /// The next token behind blanks and comments; `None` at the end and where a text does not end.
    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            self.0 = self.0.trim_start();
            let Some(comment) = self.0.strip_prefix('%') else { break };
            self.0 = comment.split_once('\n').map_or("", |(_, rest)| rest);
        }
        let first = self.0.chars().next()?;
        match first {
            '"' => self.quoted('"').map(Token::Text),
            '\'' => self.quoted('\'').map(Token::Atom),
            _ if is_word(first) => {
                let end = self.0.find(|character| !is_word(character)).unwrap_or(self.0.len());
                Some(Token::Atom(self.take(end)))
            }
            _ => {
                self.take(first.len_utf8());
                Some(Token::Mark(first))
            }
        }
    }

    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.0.split_at(bytes);
        self.0 = rest;
        taken
    }

    /// What stands between two quotes, of which a backslash may escape one.
    fn quoted(&mut self, quote: char) -> Option<&'a str> {
        self.take(1);
        let mut escaped = false;
        let end = self.0.find(|character| {
            let ends = character == quote && !escaped;
            escaped = character == '\\' && !escaped;
            ends
        })?;
        let text = self.take(end);
        self.take(1);
        Some(text)
    }
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '@')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn detect(path: &str, text: &str) -> Option<(String, String)> {
        let mut facts = FactList::new(1 << 20);
        Otp.detect(path, text.as_bytes(), &mut facts);
        match facts.into_parts().0.pop() {
            Some(Fact::Package(package)) => Some((package.name, package.version)),
            _ => None,
        }
    }

    #[test]
    fn a_term_states_name_and_version() {
        for text in [
            "%% {application, no, [{vsn,\"0\"}]}\n{application, kernel,\n [\n  {description, \"ERTS \\\"x\\\" {vsn, \"},\n  {vsn, \"8.5.3\"}]}.\n",
            "{application,'kernel',[{env,[{vsn,\"1\"},{a,{vsn,\"2\"}}]},{modules,[vsn]},{vsn,\"8.5.3\"}]}.",
        ] {
            let found = Some(("kernel".to_owned(), "8.5.3".to_owned()));
            assert_eq!(detect("usr/lib/erlang/lib/kernel-8.5.3/ebin/kernel.app", text), found, "{text}");
        }
    }

    #[test]
    fn broken_terms_and_other_names_are_malformed() {
        let whole = "{application,a,[{vsn,\"1\"}]}.";
        assert!(detect("ebin/a.app", whole).is_some());
        assert!(detect("ebin/b.app", whole).is_none());
        for text in
            [&whole[..20], "{application", "[]", "{application,a,[]]]]}.", "{application,a,[{vsn,git}]}.", "\"", "%"]
        {
            assert_eq!(detect("ebin/a.app", text), None, "{text}");
        }
    }

    #[test]
    fn applications_lie_in_ebin() {
        assert_eq!(Otp.wants("opt/app/lib/phoenix-1.7.2/ebin/phoenix.app"), Some(Want::Bytes));
        assert_eq!(Otp.wants("src/phoenix.app.src"), None);
        assert_eq!(Otp.wants("Applications/ebin.app"), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(\\{application,a,\\[)?[\\{\\}\\[\\]\"'%\\\\\na,vsné]{0,60}") {
            application(&text);
        }
    }
}
