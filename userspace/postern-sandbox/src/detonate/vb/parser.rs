//! The parser's place in its tokens, and what all its parts need. Units and procedures are read in `declaration`, statements in
//! `statement`, values in `expression`.

use super::lexer::{Placed, Token};
use super::syntax::{Expression, Unit};
use super::{Dialect, Fault};

/// Statements in statements and brackets in brackets, together.
const DEEPEST: u32 = 60;
const TOO_DEEP: &str = "nested too deep to be run";

pub type Read<T> = Result<T, Fault>;

pub struct Parser<'a> {
    tokens: &'a [Placed<'a>],
    pub at: usize,
    pub depth: u32,
    pub dialect: Dialect,
    pub unit: Unit,
    /// `With` blocks around this place.
    pub withs: u32,
    /// The path of a statement is read, which values may follow without brackets.
    pub is_called: bool,
}

pub fn unit(tokens: &[Placed<'_>], dialect: Dialect) -> Unit {
    let mut parser = Parser { tokens, at: 0, depth: 0, dialect, unit: Unit::default(), withs: 0, is_called: false };
    parser.whole();
    parser.unit
}

pub fn expression(tokens: &[Placed<'_>]) -> Read<Expression> {
    let mut parser = Parser { tokens, at: 0, depth: 0, dialect: Dialect::VbScript, unit: Unit::default(), withs: 0, is_called: false };
    parser.skip_newlines();
    let expression = parser.expression()?;
    parser.skip_newlines();
    if parser.is_over() { Ok(expression) } else { Err(parser.fault("an expression goes on where none does")) }
}

impl<'a> Parser<'a> {
    pub fn token(&self) -> Option<&'a Token> {
        self.tokens.get(self.at).map(|p| &p.token)
    }

    pub fn token_at(&self, ahead: usize) -> Option<&'a Token> {
        self.tokens.get(self.at + ahead).map(|p| &p.token)
    }

    pub fn written(&self) -> &'a str {
        self.tokens.get(self.at).map_or("", |p| p.written)
    }

    pub fn is_apart(&self) -> bool {
        self.tokens.get(self.at).is_some_and(|p| p.is_apart)
    }

    pub fn is_behind_name(&self) -> bool {
        let before = self.at.checked_sub(1).and_then(|at| self.token_of(at));
        matches!(before, Some(Token::Name(_) | Token::Bracketed(_) | Token::Sign(")")))
    }

    pub fn token_of(&self, at: usize) -> Option<&'a Token> {
        self.tokens.get(at).map(|p| &p.token)
    }

    pub fn line(&self) -> u32 {
        self.tokens.get(self.at).or(self.tokens.last()).map_or(1, |p| p.line)
    }

    pub fn is_over(&self) -> bool {
        self.at >= self.tokens.len()
    }

    pub fn fault(&self, what: &'static str) -> Fault {
        Fault { line: self.line(), what }
    }

    /// The name that stands here, in small letters.
    pub fn name(&self) -> Option<&'a str> {
        self.name_at(0)
    }

    pub fn name_at(&self, ahead: usize) -> Option<&'a str> {
        match self.token_at(ahead) {
            Some(Token::Name(name)) => Some(name),
            _ => None,
        }
    }

    pub fn is_sign(&self, sign: &str) -> bool {
        self.is_sign_at(0, sign)
    }

    pub fn is_sign_at(&self, ahead: usize, sign: &str) -> bool {
        matches!(self.token_at(ahead), Some(Token::Sign(s)) if *s == sign)
    }

    /// Goes on when the name stands here.
    pub fn take(&mut self, name: &str) -> bool {
        let is_here = self.name() == Some(name);
        self.at += usize::from(is_here);
        is_here
    }

    /// Two names in a row: `End If`.
    pub fn take_two(&mut self, first: &str, second: &str) -> bool {
        let is_here = self.name() == Some(first) && self.name_at(1) == Some(second);
        self.at += if is_here { 2 } else { 0 };
        is_here
    }

    pub fn take_sign(&mut self, sign: &str) -> bool {
        let is_here = self.is_sign(sign);
        self.at += usize::from(is_here);
        is_here
    }

    pub fn need(&mut self, name: &str, what: &'static str) -> Read<()> {
        if self.take(name) { Ok(()) } else { Err(self.fault(what)) }
    }

    pub fn need_sign(&mut self, sign: &str, what: &'static str) -> Read<()> {
        if self.take_sign(sign) { Ok(()) } else { Err(self.fault(what)) }
    }

    /// A name of the source's own, in brackets or not.
    pub fn need_name(&mut self) -> Read<String> {
        match self.token() {
            Some(Token::Name(name) | Token::Bracketed(name)) => {
                self.at += 1;
                Ok(name.clone())
            }
            _ => Err(self.fault("a name is missing")),
        }
    }

    pub fn need_text(&mut self) -> Read<String> {
        match self.token() {
            Some(Token::Text(text)) => {
                self.at += 1;
                Ok(text.clone())
            }
            _ => Err(self.fault("a text is missing")),
        }
    }

    pub fn is_line_end(&self) -> bool {
        matches!(self.token(), None | Some(Token::Newline))
    }

    /// Where a statement ends: its line, a colon, or `Else` behind it on the same line.
    pub fn is_end(&self) -> bool {
        let is_end_if = self.name() == Some("end") && self.name_at(1) == Some("if");
        self.is_line_end() || matches!(self.token(), Some(Token::Colon)) || self.name() == Some("else") || is_end_if
    }

    /// What is left out to the line's end. Lines that are too deep follow each other, and are one fault.
    pub fn leave_out(&mut self, fault: Fault) {
        if !(fault.what == TOO_DEEP && self.unit.faults.last().is_some_and(|last| last.what == TOO_DEEP)) {
            self.unit.faults.push(fault);
        }
        self.skip_line();
    }

    pub fn skip_newlines(&mut self) {
        while matches!(self.token(), Some(Token::Newline | Token::Colon)) {
            self.at += 1;
        }
    }

    pub fn skip_line(&mut self) {
        while !self.is_line_end() {
            self.at += 1;
        }
    }

    /// One step deeper, as far as the stack reaches.
    pub fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Read<T>) -> Read<T> {
        if self.depth >= DEEPEST {
            return Err(self.fault(TOO_DEEP));
        }
        self.depth += 1;
        let done = read(self);
        self.depth -= 1;
        done
    }
}
