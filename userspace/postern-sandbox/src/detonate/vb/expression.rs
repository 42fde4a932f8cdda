//! Values (MS-VBAL 5.6): operators by rank, and paths of members, calls and indices.

use super::lexer::Token;
use super::parser::{Parser, Read};
use super::syntax::{Expression, Step, Value};

/// Steps of one path: `a.b(1).c` has three.
const STEPS: usize = 64;

/// Operators by rank, the weakest first: as they are written, and as `js/vb.js` names them. `Not` stands behind the fifth.
const RANKS: &[&[(&str, &str)]] = &[
    &[("imp", "imp")],
    &[("eqv", "eqv")],
    &[("xor", "xor")],
    &[("or", "or")],
    &[("and", "and")],
    &[
        ("=", "eq"),
        ("<>", "ne"),
        ("><", "ne"),
        ("<=", "le"),
        ("=<", "le"),
        (">=", "ge"),
        ("=>", "ge"),
        ("<", "lt"),
        (">", "gt"),
        ("is", "is"),
        ("like", "like"),
    ],
    &[("&", "join")],
    &[("+", "add"), ("-", "sub")],
    &[("mod", "mod")],
    &[("\\", "whole")],
    &[("*", "mul"), ("/", "div")],
    &[("^", "pow")],
];
const COMPARISON: usize = 5;
const POWER: usize = 11;

impl Parser<'_> {
    pub fn expression(&mut self) -> Read<Expression> {
        self.deeper(|p| p.rank(0))
    }

    fn rank(&mut self, rank: usize) -> Read<Expression> {
        if rank >= RANKS.len() {
            return self.primary();
        }
        if rank == COMPARISON && self.take("not") {
            return Ok(Expression::Not(Box::new(self.deeper(|p| p.rank(COMPARISON))?)));
        }
        if rank == POWER {
            if self.take_sign("-") {
                return Ok(Expression::Minus(Box::new(self.deeper(|p| p.rank(POWER))?)));
            }
            if self.take_sign("+") {
                return self.deeper(|p| p.rank(POWER));
            }
        }
        let first = self.rank(rank + 1)?;
        let mut more = Vec::new();
        while let Some(name) = self.operator(RANKS[rank]) {
            self.at += 1;
            // `a = Not b`, `2 ^ -1`
            let is_prefixed = self.name() == Some("not") || self.is_sign("-") || self.is_sign("+");
            let next = match (is_prefixed, rank) {
                (true, POWER) => self.deeper(|p| p.rank(POWER))?,
                (true, _) if self.name() == Some("not") => self.deeper(|p| p.rank(COMPARISON))?,
                _ => self.rank(rank + 1)?,
            };
            more.push((name, next));
        }
        Ok(if more.is_empty() { first } else { Expression::Chain(Box::new(first), more) })
    }

    fn operator(&self, rank: &[(&str, &'static str)]) -> Option<&'static str> {
        let written = match self.token()? {
            Token::Name(name) => name.as_str(),
            Token::Sign(sign) => sign,
            _ => return None,
        };
        rank.iter().find(|(operator, _)| *operator == written).map(|(_, name)| *name)
    }

    fn primary(&mut self) -> Read<Expression> {
        let token = self.token().ok_or_else(|| self.fault("a value is missing"))?;
        let literal = match token {
            Token::Number(value) => Expression::Number(*value),
            Token::Text(text) => Expression::Text(text.clone()),
            Token::Date(date) => Expression::Date(date.clone()),
            Token::Name(name) => match name.as_str() {
                "true" => Expression::Literal("true"),
                "false" => Expression::Literal("false"),
                "nothing" | "null" => Expression::Literal("null"),
                "empty" => Expression::Literal("undefined"),
                "new" => {
                    self.at += 1;
                    let name = self.type_name()?;
                    return self.steps(Expression::New(name));
                }
                "typeof" => {
                    self.at += 1;
                    let of = self.deeper(|p| p.path())?;
                    self.need("is", "TypeOf lacks its Is")?;
                    return Ok(Expression::IsOfType(Box::new(of), self.type_name()?));
                }
                "addressof" => {
                    self.at += 1;
                    let mut name = self.need_name()?;
                    while self.take_sign(".") {
                        name = self.need_name()?;
                    }
                    return Ok(Expression::AddressOf(name));
                }
                _ => return self.path(),
            },
            Token::Sign("(") => {
                self.at += 1;
                let inner = self.expression()?;
                self.need_sign(")", "a bracket is not closed")?;
                return self.steps(inner);
            }
            _ => return self.path(),
        };
        self.at += 1;
        Ok(literal)
    }

    /// `a.b(1)`, `.b`, `Me.b`.
    pub fn path(&mut self) -> Read<Expression> {
        let base = match self.token() {
            Some(Token::Name(name)) if name == "me" => Expression::Me,
            Some(Token::Name(name) | Token::Bracketed(name)) => Expression::Name(name.clone()),
            // The step itself is read below.
            Some(Token::Sign("." | "!")) => return self.steps(Expression::With),
            _ => return Err(self.fault("a value is missing")),
        };
        self.at += 1;
        self.steps(base)
    }

    fn steps(&mut self, base: Expression) -> Read<Expression> {
        let mut steps = Vec::new();
        loop {
            if steps.len() >= STEPS {
                return Err(self.fault("a path of too many members"));
            }
            match self.token() {
                // `Show .Name`, within a With.
                Some(Token::Sign(".")) if self.is_called && self.withs > 0 && self.is_apart() && self.is_behind_name() => break,
                Some(Token::Sign(".")) => {
                    self.at += 1;
                    steps.push(Step::Member(self.need_name()?));
                }
                Some(Token::Sign("!")) => {
                    self.at += 1;
                    steps.push(Step::Key(self.need_name()?));
                }
                Some(Token::Sign("(")) => {
                    self.at += 1;
                    let is_called = std::mem::take(&mut self.is_called);
                    let values = self.values()?;
                    self.is_called = is_called;
                    self.need_sign(")", "a bracket is not closed")?;
                    steps.push(Step::Call(values));
                }
                _ => break,
            }
        }
        Ok(if steps.is_empty() { base } else { Expression::Path(Box::new(base), steps) })
    }

    /// What is handed over, up to the bracket or the statement's end.
    pub fn values(&mut self) -> Read<Vec<Value>> {
        let mut values = Vec::new();
        if self.is_sign(")") || self.is_end() {
            return Ok(values);
        }
        loop {
            if self.is_sign(",") || self.is_sign(")") || self.is_end() {
                values.push(Value { name: None, value: None });
            } else {
                let name = self.name().filter(|_| self.is_sign_at(1, ":=")).map(str::to_owned);
                if name.is_some() {
                    self.at += 2;
                }
                let _ = self.take("byval") || self.take("byref");
                values.push(Value { name, value: Some(self.expression()?) });
            }
            // `Print a; b`
            if !self.take_sign(",") && !self.take_sign(";") {
                return Ok(values);
            }
        }
    }

    /// `Scripting.Dictionary`
    pub fn type_name(&mut self) -> Read<String> {
        let mut name = self.need_name()?;
        while self.take_sign(".") {
            name = format!("{name}.{}", self.need_name()?);
        }
        Ok(name)
    }
}
