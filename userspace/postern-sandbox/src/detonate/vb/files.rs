//! Statements on files by their number (MS-VBAL 5.4.5).

use super::lexer::Token;
use super::parser::{Parser, Read};
use super::syntax::{Expression, What};

impl Parser<'_> {
    /// Where the word begins such a statement.
    pub fn file(&mut self, name: &str) -> Read<Option<What>> {
        let is_numbered = self.is_sign("#");
        let (what, values, into) = match name {
            "open" if !self.is_sign("(") || self.opens() => return self.open().map(Some),
            "name" if !self.is_end() => {
                let from = self.expression()?;
                self.need("as", "a Name lacks its As")?;
                ("rename", vec![Some(from), Some(self.expression()?)], Vec::new())
            }
            "close" if is_numbered || self.is_end() || matches!(self.token(), Some(Token::Number(_) | Token::Name(_))) => {
                let mut values = Vec::new();
                while !self.is_end() {
                    self.take_sign("#");
                    values.push(Some(self.expression()?));
                    if !self.take_sign(",") {
                        break;
                    }
                }
                ("close", values, Vec::new())
            }
            "print" | "write" if is_numbered => ("print", self.numbered()?, Vec::new()),
            "put" if is_numbered || matches!(self.token(), Some(Token::Number(_) | Token::Name(_))) => {
                ("put", self.numbered()?, Vec::new())
            }
            "seek" if is_numbered => ("seek", self.numbered()?, Vec::new()),
            "get" if is_numbered || matches!(self.token(), Some(Token::Number(_) | Token::Name(_))) => {
                let mut values = self.numbered()?;
                let into = if values.len() > 2 { values.pop().flatten() } else { None };
                ("get", values, into.into_iter().collect())
            }
            "input" if is_numbered => return self.input().map(Some),
            "line" if self.name() == Some("input") => {
                self.at += 1;
                return self.input().map(Some);
            }
            "lock" | "unlock" | "width" if is_numbered => {
                self.skip_line();
                return Ok(None);
            }
            _ => return Ok(None),
        };
        Ok(Some(What::File { what, values, into }))
    }

    /// Whether `For` stands on the line that begins with `Open (`.
    fn opens(&self) -> bool {
        (0..64).map_while(|n| self.token_at(n).filter(|t| !matches!(t, Token::Newline))).any(|t| *t == Token::Name("for".into()))
    }

    /// `#1, , x`
    fn numbered(&mut self) -> Read<Vec<Option<Expression>>> {
        self.take_sign("#");
        Ok(self.values()?.into_iter().map(|v| v.value).collect())
    }

    fn input(&mut self) -> Read<What> {
        self.take_sign("#");
        let number = self.expression()?;
        self.need_sign(",", "an Input lacks its variable")?;
        Ok(What::File { what: "input", values: vec![Some(number)], into: self.list()? })
    }

    /// `Open path For Output Access Write As #1 Len = 5`
    fn open(&mut self) -> Read<What> {
        let path = self.expression()?;
        let mut mode = "random".to_owned();
        if self.take("for") {
            mode = self.need_name()?;
        }
        while !self.is_end() && self.name() != Some("as") {
            self.at += 1;
        }
        self.need("as", "an Open lacks its number")?;
        self.take_sign("#");
        let number = self.expression()?;
        if self.take("len") {
            self.need_sign("=", "an Open lacks its length")?;
            self.expression()?;
        }
        Ok(What::File { what: "open", values: vec![Some(path), Some(Expression::Text(mode)), Some(number)], into: Vec::new() })
    }
}
