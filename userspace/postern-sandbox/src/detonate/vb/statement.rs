//! Statements (MS-VBAL 5.4), and the blocks they stand in.

use super::Dialect;
use super::lexer::Token;
use super::parser::{Parser, Read};
use super::syntax::{Case, Expression, Resume, Statement, Step, Until, What};

/// What ends a procedure ends what was left open in it, too.
const OUTER: &[&str] = &["sub", "function", "property", "class"];

impl Parser<'_> {
    /// Statements up to what ends their block, which stays. What cannot be read is left out.
    fn block(&mut self, is_end: impl Fn(&Self) -> bool) -> Vec<Statement> {
        let mut statements = Vec::new();
        loop {
            self.skip_newlines();
            if self.is_over() || is_end(self) || self.is_outer_end() {
                return statements;
            }
            let before = self.at;
            match self.statement() {
                Ok(mut read) => statements.append(&mut read),
                Err(fault) => self.leave_out(fault),
            }
            if self.at == before {
                self.at += 1;
            }
        }
    }

    fn is_outer_end(&self) -> bool {
        self.name() == Some("end") && self.name_at(1).is_some_and(|n| OUTER.contains(&n))
    }

    /// Up to `End Sub` and the like, which is taken.
    pub fn block_to(&mut self, first: &str, second: &str) -> Vec<Statement> {
        let body = self.block(|p| p.name() == Some(first) && p.name_at(1) == Some(second));
        if !self.take_two(first, second) {
            let fault = self.fault("a block is not ended");
            self.unit.faults.push(fault);
        }
        body
    }

    /// One statement, perhaps behind labels; a line of declarations is one, too.
    pub fn statement(&mut self) -> Read<Vec<Statement>> {
        let mut statements = Vec::new();
        while let Some(label) = self.label() {
            statements.push(Statement { line: self.line(), what: What::Label(label) });
        }
        if self.is_line_end() || matches!(self.token(), Some(Token::Colon)) {
            return Ok(statements);
        }
        let line = self.line();
        let what = self.deeper(Self::what)?;
        // `Next b, a` ends the loop around as well.
        let is_two_loops = matches!(what, Some(What::For { .. } | What::ForEach { .. })) && self.is_sign(",");
        if !(self.is_end() || self.is_outer_end() || is_two_loops) {
            return Err(self.fault("a statement goes on where none does"));
        }
        self.unit.statements += 1;
        statements.extend(what.map(|what| Statement { line, what }));
        Ok(statements)
    }

    fn label(&mut self) -> Option<String> {
        let is_at_begin = self.at == 0 || matches!(self.token_of(self.at - 1), Some(Token::Newline));
        if self.dialect == Dialect::VbScript || !is_at_begin {
            return None;
        }
        let label = match (self.token()?, self.token_at(1)) {
            (Token::Name(name), Some(Token::Colon))
                if !matches!(
                    name.as_str(),
                    "else" | "loop" | "next" | "wend" | "do" | "end" | "stop" | "beep" | "doevents" | "return" | "close" | "reset"
                ) =>
            {
                self.at += 1;
                name.clone()
            }
            (Token::Number(number), _) => number.to_string(),
            _ => return None,
        };
        self.at += 1;
        Some(label)
    }

    fn what(&mut self) -> Read<Option<What>> {
        let Some(name) = self.name() else { return self.assignment_or_call().map(Some) };
        // Most words are names as well, where something is done with them.
        if self.is_sign_at(1, "=") || self.is_sign_at(1, ".") {
            return self.assignment_or_call().map(Some);
        }
        let begin = self.at;
        self.at += 1;
        let what = match name {
            "dim" => What::Declare { variables: self.variables()?, is_static: false },
            "static" => What::Declare { variables: self.variables()?, is_static: true },
            "public" | "private" | "global" | "friend" => {
                if self.take("const") {
                    self.constants()?
                } else {
                    What::Declare { variables: self.variables()?, is_static: false }
                }
            }
            "const" => self.constants()?,
            "redim" => self.redim()?,
            "erase" => What::Erase(self.list()?),
            "if" => self.branches()?,
            "select" => self.select()?,
            "for" => self.counted()?,
            "do" => self.repeated()?,
            "while" => {
                let condition = self.expression()?;
                let body = self.block(|p| p.name() == Some("wend"));
                self.need("wend", "a While lacks its Wend")?;
                What::Loop { before: Some(Until { condition, is_until: false }), after: None, body }
            }
            "with" => {
                let of = self.expression()?;
                self.withs += 1;
                let body = self.block_to("end", "with");
                self.withs -= 1;
                What::With { of, body }
            }
            "set" | "let" | "lset" | "rset" => {
                let target = self.path()?;
                self.need_sign("=", "an assignment lacks its =")?;
                assign(target, self.expression()?)
            }
            "call" => What::Call(called(self.path()?)),
            "exit" => return self.exit().map(Some),
            "end" => {
                // The end of a block that was not begun, or not read.
                if matches!(self.name(), Some("if" | "select" | "with" | "sub" | "function" | "property" | "class" | "type" | "enum")) {
                    self.at += 1;
                    return Ok(None);
                }
                What::End
            }
            "goto" => What::GoTo(self.target()?),
            "on" => self.on_error()?,
            "resume" => What::Resume(match self.token() {
                Some(Token::Name(name)) if name == "next" => {
                    self.at += 1;
                    Resume::Next
                }
                Some(Token::Name(_) | Token::Number(_)) => Resume::At(self.target()?),
                _ => Resume::Again,
            }),
            "stop" if self.is_end() => return Ok(None),
            "option" | "implements" | "event" | "raiseevent" | "attribute" | "defint" | "deflng" | "defstr" | "defvar" | "defobj"
            | "defbool" | "defdbl" => {
                self.skip_line();
                return Ok(None);
            }
            // Ends of blocks whose begin could not be read.
            "else" | "elseif" | "case" | "next" | "loop" | "wend" => {
                self.skip_line();
                return Ok(None);
            }
            _ => {
                if self.dialect == Dialect::Vba
                    && let Some(what) = self.file(name)?
                {
                    return Ok(Some(what));
                }
                self.at = begin;
                self.assignment_or_call()?
            }
        };
        Ok(Some(what))
    }

    pub fn list(&mut self) -> Read<Vec<Expression>> {
        let mut list = vec![self.expression()?];
        while self.take_sign(",") {
            list.push(self.expression()?);
        }
        Ok(list)
    }

    /// `a.b(1) = c`, or a call with what is handed over in brackets or without them.
    fn assignment_or_call(&mut self) -> Read<What> {
        let begin = self.at;
        self.is_called = true;
        let path = self.path();
        self.is_called = false;
        let path = path?;
        if self.take_sign("=") {
            return Ok(assign(path, self.expression()?));
        }
        if self.is_end() {
            return Ok(What::Call(called(path)));
        }
        // What looked like brackets of the call was the begin of its first value: `f (a) & b, c`.
        let (base, mut steps) = match path {
            Expression::Path(base, steps) => (base, steps),
            name => (Box::new(name), Vec::new()),
        };
        if matches!(steps.last(), Some(Step::Call(_))) {
            steps.pop();
            self.at = self.last_bracket(begin);
        }
        let values = self.values()?;
        steps.push(Step::Call(values));
        Ok(What::Call(Expression::Path(base, steps)))
    }

    /// Where the last brackets of the path begin that ends here.
    fn last_bracket(&self, begin: usize) -> usize {
        let (mut at, mut depth) = (self.at, 0_usize);
        while at > begin {
            at -= 1;
            match self.token_of(at) {
                Some(Token::Sign(")")) => depth += 1,
                Some(Token::Sign("(")) if depth == 1 => return at,
                Some(Token::Sign("(")) => depth -= 1,
                _ => {}
            }
        }
        begin
    }

    /// Several on a line become one after the other in a block that is always run.
    fn redim(&mut self) -> Read<What> {
        let is_kept = self.take("preserve");
        let line = self.line();
        let mut all = Vec::new();
        loop {
            let Some(target) = self.bounded()? else { return Err(self.fault("a ReDim lacks its bounds")) };
            let bounds = self.bounds()?;
            let (kind, _) = self.kind()?;
            all.push(What::Redim { target, bounds, is_kept, kind });
            if !self.take_sign(",") {
                break;
            }
        }
        match <[What; 1]>::try_from(all) {
            Ok([one]) => Ok(one),
            Err(all) => {
                let body = all.into_iter().map(|what| Statement { line, what }).collect();
                Ok(What::If { branches: vec![(Expression::Literal("true"), body)], otherwise: Vec::new() })
            }
        }
    }

    /// What gets bounds, up to their bracket.
    fn bounded(&mut self) -> Read<Option<Expression>> {
        let mut target = match self.token() {
            Some(Token::Sign(".")) => Expression::With,
            _ => Expression::Name(self.need_name()?),
        };
        let mut steps = Vec::new();
        while self.take_sign(".") {
            steps.push(Step::Member(self.need_name()?));
        }
        if !steps.is_empty() {
            target = Expression::Path(Box::new(target), steps);
        }
        Ok(self.take_sign("(").then_some(target))
    }

    fn branches(&mut self) -> Read<What> {
        let condition = self.expression()?;
        let _ = self.take("then") || self.take("goto");
        if !self.is_line_end() {
            return self.one_line(condition);
        }
        let is_end = |p: &Self| matches!(p.name(), Some("else" | "elseif")) || (p.name() == Some("end") && p.name_at(1) == Some("if"));
        let mut branches = vec![(condition, self.block(is_end))];
        let mut otherwise = Vec::new();
        loop {
            if self.take("elseif") || self.take_two("else", "if") {
                let condition = self.expression()?;
                self.take("then");
                branches.push((condition, self.block(is_end)));
            } else if self.take("else") {
                otherwise = self.block(is_end);
            } else {
                self.take_two("end", "if");
                return Ok(What::If { branches, otherwise });
            }
        }
    }

    fn one_line(&mut self, condition: Expression) -> Read<What> {
        let body = self.on_line()?;
        let otherwise = if self.take("else") { self.on_line()? } else { Vec::new() };
        self.take_two("end", "if");
        Ok(What::If { branches: vec![(condition, body)], otherwise })
    }

    /// Statements up to the line's end, or `Else`.
    fn on_line(&mut self) -> Read<Vec<Statement>> {
        let mut statements = Vec::new();
        loop {
            while matches!(self.token(), Some(Token::Colon)) {
                self.at += 1;
            }
            if self.is_end() {
                return Ok(statements);
            }
            // `Then 10`: a label.
            if let Some(Token::Number(number)) = self.token() {
                statements.push(Statement { line: self.line(), what: What::GoTo(number.to_string()) });
                self.at += 1;
                continue;
            }
            statements.append(&mut self.statement()?);
        }
    }

    fn select(&mut self) -> Read<What> {
        self.need("case", "a Select lacks its Case")?;
        let of = self.expression()?;
        let is_end = |p: &Self| p.name() == Some("case") || (p.name() == Some("end") && p.name_at(1) == Some("select"));
        self.block(is_end);
        let (mut cases, mut otherwise) = (Vec::new(), Vec::new());
        while self.take("case") {
            if self.take("else") {
                otherwise = self.block(is_end);
                continue;
            }
            let mut tests = vec![self.case()?];
            while self.take_sign(",") {
                tests.push(self.case()?);
            }
            cases.push((tests, self.block(is_end)));
        }
        self.take_two("end", "select");
        Ok(What::Select { of, cases, otherwise })
    }

    fn case(&mut self) -> Read<Case> {
        self.take("is");
        for (written, name) in [("<>", "ne"), ("<=", "le"), (">=", "ge"), ("=", "eq"), ("<", "lt"), (">", "gt")] {
            if self.take_sign(written) {
                return Ok(Case::Compare(name, self.expression()?));
            }
        }
        let first = self.expression()?;
        Ok(if self.take("to") { Case::Range(first, self.expression()?) } else { Case::Is(first) })
    }

    fn counted(&mut self) -> Read<What> {
        // `Next b, a` ends two.
        let is_end = |p: &Self| p.name() == Some("next") || p.is_sign(",");
        if self.take("each") {
            let variable = self.path()?;
            self.need("in", "a For Each lacks its In")?;
            let of = self.expression()?;
            let body = self.block(is_end);
            self.next_of_loop();
            return Ok(What::ForEach { variable, of, body });
        }
        let variable = self.path()?;
        self.need_sign("=", "a For lacks its =")?;
        let from = self.expression()?;
        self.need("to", "a For lacks its To")?;
        let to = self.expression()?;
        let step = if self.take("step") { Some(self.expression()?) } else { None };
        let body = self.block(is_end);
        self.next_of_loop();
        Ok(What::For { variable, from, to, step, body })
    }

    fn next_of_loop(&mut self) {
        if (self.take("next") || self.take_sign(",")) && matches!(self.token(), Some(Token::Name(_))) && !self.is_end() {
            self.at += 1;
        }
    }

    fn repeated(&mut self) -> Read<What> {
        let before = self.until()?;
        let body = self.block(|p| p.name() == Some("loop"));
        self.need("loop", "a Do lacks its Loop")?;
        Ok(What::Loop { before, after: self.until()?, body })
    }

    fn until(&mut self) -> Read<Option<Until>> {
        let is_until = self.name() == Some("until");
        if !(self.take("while") || self.take("until")) {
            return Ok(None);
        }
        Ok(Some(Until { condition: self.expression()?, is_until }))
    }

    fn exit(&mut self) -> Read<What> {
        let what = match self.name() {
            Some("sub" | "function" | "property") => What::ExitProcedure,
            Some("for") => What::ExitFor,
            Some("do") => What::ExitDo,
            _ => return Err(self.fault("an Exit of nothing")),
        };
        self.at += 1;
        Ok(what)
    }

    fn target(&mut self) -> Read<String> {
        match self.token() {
            Some(Token::Number(number)) => {
                self.at += 1;
                Ok(number.to_string())
            }
            _ => self.need_name(),
        }
    }

    fn on_error(&mut self) -> Read<What> {
        self.need("error", "an On without its Error")?;
        if self.take_two("resume", "next") {
            return Ok(What::OnErrorNext);
        }
        self.need("goto", "an On Error that goes nowhere")?;
        if self.take_sign("-") {
            self.target()?;
            return Ok(What::OnErrorOff);
        }
        let target = self.target()?;
        Ok(if target == "0" { What::OnErrorOff } else { What::OnErrorGoTo(target) })
    }
}

/// A statement that is a path alone calls it.
fn called(path: Expression) -> Expression {
    match path {
        Expression::Path(base, mut steps) => {
            if !matches!(steps.last(), Some(Step::Call(_))) {
                steps.push(Step::Call(Vec::new()));
            }
            Expression::Path(base, steps)
        }
        base => Expression::Path(Box::new(base), vec![Step::Call(Vec::new())]),
    }
}

fn assign(target: Expression, value: Expression) -> What {
    if let Expression::Path(base, steps) = target {
        return match (*base, <[Step; 1]>::try_from(steps)) {
            (Expression::Name(name), Ok([Step::Call(mut values)])) if name == "mid" || name == "midb" => {
                let mut taken = values.drain(..).map(|v| v.value.unwrap_or(Expression::Literal("undefined")));
                match (taken.next(), taken.next(), taken.next()) {
                    (Some(target), Some(from), length) => What::AssignMid { target, from, length, value },
                    _ => What::Assign { target: Expression::Name(name), value },
                }
            }
            (base, Ok(steps)) => What::Assign { target: Expression::Path(Box::new(base), steps.into()), value },
            (base, Err(steps)) => What::Assign { target: Expression::Path(Box::new(base), steps), value },
        };
    }
    What::Assign { target, value }
}
