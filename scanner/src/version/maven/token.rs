//! The text of a Maven version as a stream of its items, in the order and with the lists that Maven's parser gives it.
//!
//! A list is always the last item of the list around it, so one mark where it opens says where it is.

use super::super::digits;

/// One item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    Number(&'a str),
    /// In any case; `a`, `b` and `m` right before a digit are written out.
    Qualifier(&'a str),
    /// Whatever follows is in a list of its own.
    List,
}

/// What is left of the text.
#[derive(Clone, Copy)]
pub(super) struct Tokens<'a> {
    rest: &'a str,
    /// A qualifier whose list has just been opened.
    held: Option<Token<'a>>,
    /// A list opens before the rest.
    opens: bool,
    /// The list has no item yet.
    empty: bool,
}

impl<'a> Tokens<'a> {
    pub(super) const fn of(text: &'a str) -> Self {
        Self { rest: text, held: None, opens: false, empty: true }
    }

    pub(super) fn next_token(&mut self) -> Option<Token<'a>> {
        let token = if let Some(held) = self.held.take() {
            held
        } else if self.opens {
            self.opens = false;
            Token::List
        } else {
            self.read()?
        };
        self.empty = token == Token::List;
        Some(token)
    }

    fn read(&mut self) -> Option<Token<'a>> {
        match self.rest.bytes().next()? {
            b'.' | b'-' => {
                self.pass_separator();
                Some(Token::Number(""))
            }
            b'0'..=b'9' => {
                let number;
                (number, self.rest) = digits::split(self.rest);
                self.pass_separator();
                Some(Token::Number(number))
            }
            _ => {
                let ends = |c: char| c.is_ascii_digit() || matches!(c, '.' | '-');
                let (word, rest) = self.rest.split_at(self.rest.find(ends).unwrap_or(self.rest.len()));
                self.rest = rest;
                let before_digit = rest.starts_with(|c: char| c.is_ascii_digit());
                let word = Token::Qualifier(if before_digit { written_out(word) } else { word });
                // `1.x` and `1.x1` read as `1-x`, but Maven keeps `1.x.1` and `1.x-1` in one list.
                let own_list = !self.empty && (before_digit || rest.is_empty());
                self.pass_separator();
                if own_list {
                    self.held = Some(word);
                    return Some(Token::List);
                }
                Some(word)
            }
        }
    }

    /// After an item: a dot is passed over, a hyphen or a change of kind opens a list.
    fn pass_separator(&mut self) {
        match self.rest.bytes().next() {
            None => {}
            Some(b'.') => self.rest = &self.rest[1..],
            Some(b'-') => (self.rest, self.opens) = (&self.rest[1..], true),
            Some(_) => self.opens = true,
        }
    }
}

fn written_out(word: &str) -> &str {
    match word {
        "a" | "A" => "alpha",
        "b" | "B" => "beta",
        "m" | "M" => "milestone",
        _ => word,
    }
}
