//! What stands beside statements: procedures, classes, types, declared functions of Windows (MS-VBAL 5.2, 5.3).

use super::Dialect;
use super::lexer::Token;
use super::parser::{Parser, Read};
use super::syntax::{Bound, Class, Declare, Kind, Parameter, Procedure, ProcedureKind, Record, Statement, Variable, What};

impl Parser<'_> {
    /// All of the source; what cannot be read is skipped to the end of its line.
    pub fn whole(&mut self) {
        while !self.is_over() {
            self.skip_newlines();
            let before = self.at;
            match self.top() {
                // What else stands beside procedures of VBA was written by itself.
                Ok(mut statements) if self.dialect == Dialect::Vba => {
                    statements.retain(|s| matches!(s.what, What::Declare { .. }));
                    self.unit.body.append(&mut statements);
                }
                Ok(mut statements) => self.unit.body.append(&mut statements),
                Err(fault) => self.leave_out(fault),
            }
            if self.at == before {
                self.at += 1;
            }
        }
    }

    fn top(&mut self) -> Read<Vec<Statement>> {
        if self.is_procedure() {
            let procedure = self.procedure()?;
            self.unit.procedures.push(procedure);
            return Ok(Vec::new());
        }
        match self.name() {
            Some("class") if self.dialect == Dialect::VbScript && self.name_at(1).is_some() => self.class()?,
            Some("attribute" | "version" | "begin") if self.dialect == Dialect::Vba => self.attribute(),
            _ if self.is_described() => self.described()?,
            _ => return self.statement(),
        }
        Ok(Vec::new())
    }

    /// Written by VBA itself: of these lines the module's name matters, and whether it is a class to make objects of.
    fn attribute(&mut self) {
        let value = self.token_at(3);
        match (self.name_at(1), value) {
            (Some("vb_name"), Some(Token::Text(name))) => self.unit.name = Some(name.to_lowercase()),
            (Some("vb_predeclaredid"), Some(Token::Name(value))) => self.unit.is_class = value == "false",
            _ => {}
        }
        self.skip_line();
    }

    /// Whether a procedure begins here, behind words of who sees it.
    fn is_procedure(&self) -> bool {
        let mut ahead = 0;
        while matches!(self.name_at(ahead), Some("public" | "private" | "friend" | "static" | "default" | "global")) {
            ahead += 1;
        }
        let is_named = matches!(self.token_at(ahead + 1), Some(Token::Name(_) | Token::Bracketed(_)));
        is_named && matches!(self.name_at(ahead), Some("sub" | "function" | "property")) && !self.is_sign_at(ahead + 1, "=")
    }

    /// Whether a type, a declared function or the like begins here.
    fn is_described(&self) -> bool {
        let ahead = usize::from(matches!(self.name(), Some("public" | "private" | "global")));
        self.name_at(ahead + 1).is_some() && matches!(self.name_at(ahead), Some("type" | "enum" | "declare" | "event" | "implements"))
    }

    fn described(&mut self) -> Read<()> {
        let _ = self.take("public") || self.take("private") || self.take("global");
        match self.name() {
            Some("type") => self.record()?,
            Some("enum") => self.enumeration()?,
            Some("declare") => self.declare()?,
            _ => self.skip_line(),
        }
        Ok(())
    }

    fn procedure(&mut self) -> Read<Procedure> {
        let (mut is_default, mut is_static) = (false, false);
        loop {
            match self.name() {
                Some("default") => is_default = true,
                Some("static") => is_static = true,
                Some("public" | "private" | "friend" | "global") => {}
                _ => break,
            }
            self.at += 1;
        }
        let word = self.name().unwrap_or_default();
        self.at += 1;
        let kind = match word {
            "sub" => ProcedureKind::Sub,
            "function" => ProcedureKind::Function,
            _ if self.take("get") => ProcedureKind::Get,
            _ if self.take("let") || self.take("set") => ProcedureKind::Let,
            _ => return Err(self.fault("a property is none of Get, Let and Set")),
        };
        let written = self.written().to_owned();
        let name = self.need_name()?;
        let parameters = if self.take_sign("(") { self.parameters()? } else { Vec::new() };
        self.kind()?;
        self.end_of_head()?;
        let body = self.deeper(|p| Ok(p.block_to("end", word)))?;
        Ok(Procedure { name, written, kind, is_default, is_static, parameters, body })
    }

    /// A line of its own, or a colon.
    fn end_of_head(&mut self) -> Read<()> {
        if self.is_line_end() || matches!(self.token(), Some(Token::Colon)) {
            return Ok(());
        }
        // VBScript takes a body right behind the brackets.
        if self.dialect == Dialect::VbScript { Ok(()) } else { Err(self.fault("the head of a procedure goes on where none does")) }
    }

    fn parameters(&mut self) -> Read<Vec<Parameter>> {
        let mut parameters = Vec::new();
        while !self.take_sign(")") {
            let (mut is_by_value, mut is_rest) = (false, false);
            loop {
                match self.name() {
                    // A parameter may be called so, too.
                    _ if self.is_sign_at(1, ",") || self.is_sign_at(1, ")") => break,
                    Some("byval") => is_by_value = true,
                    Some("paramarray") => is_rest = true,
                    Some("byref" | "optional") => {}
                    _ => break,
                }
                self.at += 1;
            }
            let name = self.need_name()?;
            if self.take_sign("(") {
                self.need_sign(")", "a bracket is not closed")?;
            }
            self.kind()?;
            let default = if self.take_sign("=") { Some(self.expression()?) } else { None };
            parameters.push(Parameter { name, is_by_value, is_rest, default });
            if !self.is_sign(")") {
                self.need_sign(",", "a parameter is not ended")?;
            }
        }
        Ok(parameters)
    }

    /// `As New Class`, `As String * 20`; whether it is made at once.
    pub fn kind(&mut self) -> Read<(Kind, bool)> {
        if !self.take("as") {
            return Ok((Kind::Any, false));
        }
        let is_new = self.take("new");
        let name = self.type_name()?;
        if self.take_sign("*") {
            self.expression()?;
        }
        if self.is_sign("(") && self.is_sign_at(1, ")") {
            self.at += 2;
        }
        let kind = match name.as_str() {
            "string" => Kind::Text,
            "integer" | "long" | "longlong" | "longptr" => Kind::Integer,
            "single" | "double" | "currency" => Kind::Real,
            "byte" => Kind::Byte,
            "boolean" => Kind::Truth,
            "variant" | "object" | "date" | "any" => Kind::Any,
            _ => Kind::Named(name),
        };
        Ok((kind, is_new))
    }

    /// `a, b(5) As Byte, c As New Collection`
    pub fn variables(&mut self) -> Read<Vec<Variable>> {
        let mut variables = Vec::new();
        loop {
            let _ = self.take("withevents");
            let name = self.need_name()?;
            let bounds = if self.take_sign("(") { Some(self.bounds()?) } else { None };
            let (kind, is_new) = self.kind()?;
            variables.push(Variable { name, kind, bounds, is_new, value: None });
            if !self.take_sign(",") {
                return Ok(variables);
            }
        }
    }

    /// Up to the bracket.
    pub fn bounds(&mut self) -> Read<Vec<Bound>> {
        let mut bounds = Vec::new();
        while !self.take_sign(")") {
            let first = self.expression()?;
            let bound = if self.take("to") { Bound { from: Some(first), to: self.expression()? } } else { Bound { from: None, to: first } };
            bounds.push(bound);
            if !self.is_sign(")") {
                self.need_sign(",", "a bound is not ended")?;
            }
        }
        Ok(bounds)
    }

    fn class(&mut self) -> Read<()> {
        self.at += 1;
        let mut class = Class { name: self.need_name()?, fields: Vec::new(), procedures: Vec::new() };
        loop {
            self.skip_newlines();
            if self.is_over() || self.take_two("end", "class") {
                break;
            }
            let before = self.at;
            let read = if self.is_procedure() {
                self.procedure().map(|procedure| class.procedures.push(procedure))
            } else {
                self.statement().map(|mut fields| class.fields.append(&mut fields))
            };
            if let Err(fault) = read {
                self.leave_out(fault);
            }
            if self.at == before {
                self.at += 1;
            }
        }
        self.unit.classes.push(class);
        Ok(())
    }

    fn record(&mut self) -> Read<()> {
        self.at += 1;
        let mut record = Record { name: self.need_name()?, members: Vec::new(), is_enum: false };
        self.skip_newlines();
        while !self.is_over() && !self.take_two("end", "type") {
            record.members.append(&mut self.variables()?);
            self.skip_newlines();
        }
        self.unit.records.push(record);
        Ok(())
    }

    fn enumeration(&mut self) -> Read<()> {
        self.at += 1;
        let mut record = Record { name: self.need_name()?, members: Vec::new(), is_enum: true };
        self.skip_newlines();
        while !self.is_over() && !self.take_two("end", "enum") {
            let name = self.need_name()?;
            let value = if self.take_sign("=") { Some(self.expression()?) } else { None };
            record.members.push(Variable { name, kind: Kind::Any, bounds: None, is_new: false, value });
            self.skip_newlines();
        }
        self.unit.records.push(record);
        Ok(())
    }

    fn declare(&mut self) -> Read<()> {
        self.at += 1;
        let _ = self.take("ptrsafe");
        if !(self.take("sub") || self.take("function")) {
            return Err(self.fault("what is declared is no procedure"));
        }
        let name = self.need_name()?;
        self.need("lib", "a declared procedure lacks its library")?;
        let library = self.need_text()?;
        let alias = if self.take("alias") { self.need_text()? } else { name.clone() };
        self.skip_line();
        self.unit.declares.push(Declare { name, library, alias });
        Ok(())
    }

    /// `Const a = 1, b As String = "x"`, behind its word.
    pub fn constants(&mut self) -> Read<What> {
        let mut variables = Vec::new();
        loop {
            let name = self.need_name()?;
            let (kind, _) = self.kind()?;
            self.need_sign("=", "a constant lacks its value")?;
            let value = Some(self.expression()?);
            variables.push(Variable { name, kind, bounds: None, is_new: false, value });
            if !self.take_sign(",") {
                return Ok(What::Declare { variables, is_static: false });
            }
        }
    }
}
