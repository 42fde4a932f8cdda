//! Statements.
//!
//! A procedure with labels is one `switch` within a loop, a case for each of its statements: going to a label is another round. Errors
//! that have a label come there in the same way; where `On Error Resume Next` stands, each statement has a `try` of its own.

use std::fmt::Write;

use super::super::names::quoted;
use super::super::syntax::{Case, Expression, Resume, Statement, Until, What};
use super::{Emitter, initial_of};

impl Emitter<'_> {
    /// The statements of a procedure or script.
    pub(super) fn body(&mut self, statements: &[Statement]) -> String {
        if self.scope.labels.is_empty() {
            return self.block(statements);
        }
        let mut out = "$L:for(;;){try{switch($s){".to_owned();
        for (n, statement) in statements.iter().enumerate() {
            let _ = write!(out, "case {n}:$s={n};");
            self.line = 0;
            self.statement(statement, &mut out);
        }
        out.push_str("}break $L;}catch($e){if($h<0)throw $e;$vb.caught($e,1);$a=$s;$s=$h;$h=-1;}}");
        out
    }

    fn block(&mut self, statements: &[Statement]) -> String {
        let mut out = String::new();
        // Where it is come to from is not known.
        self.line = 0;
        for statement in statements {
            self.statement(statement, &mut out);
        }
        self.line = 0;
        out
    }

    fn statement(&mut self, statement: &Statement, out: &mut String) {
        if self.line != statement.line {
            self.line = statement.line;
            let _ = write!(out, "$vb.line={};", statement.line);
        }
        match &statement.what {
            What::Label(_) => {}
            What::If { branches, otherwise } => self.branches(branches, otherwise, out),
            What::Select { of, cases, otherwise } => self.select(of, cases, otherwise, out),
            What::For { variable, from, to, step, body } => self.counted(variable, [Some(from), Some(to), step.as_ref()], body, out),
            What::ForEach { variable, of, body } => self.each(variable, of, body, out),
            What::Loop { before, after, body } => self.repeated(before.as_ref(), after.as_ref(), body, out),
            What::With { of, body } => {
                let object = self.scope.temporary();
                let value = self.value(of);
                self.guarded(&format!("{object}={value};"), out);
                self.scope.withs.push(object);
                out.push_str(&self.block(body));
                self.scope.withs.pop();
            }
            What::ExitProcedure => out.push_str("return $r;"),
            What::ExitFor => self.leave(true, out),
            What::ExitDo => self.leave(false, out),
            What::GoTo(label) => self.go_to(label, out),
            What::OnErrorNext => out.push_str("$n=1;$h=-1;$vb.clear();"),
            What::OnErrorOff => out.push_str("$n=0;$h=-1;$vb.clear();"),
            What::OnErrorGoTo(label) => {
                let target = self.scope.labels.get(label).map_or(-1, |n| i64::try_from(*n).unwrap_or(-1));
                let _ = write!(out, "$n=0;$h={target};");
            }
            What::Resume(resume) => self.resume(resume, out),
            simple => {
                let code = self.simple(simple);
                self.guarded(&code, out);
            }
        }
    }

    /// What one line of code does.
    fn simple(&mut self, what: &What) -> String {
        match what {
            What::Assign { target, value } => {
                let code = self.value(value);
                // Arrays are values: a name alone is copied.
                let code = if matches!(value, Expression::Name(_)) { format!("$vb.copy({code})") } else { code };
                self.assign(target, &code)
            }
            What::AssignMid { target, from, length, value } => {
                let length = length.as_ref().map_or_else(|| "undefined".to_owned(), |length| self.value(length));
                let code = format!("$vb.replaced({},{},{length},{})", self.value(target), self.value(from), self.value(value));
                self.assign(target, &code)
            }
            What::Call(path) => format!("{};", self.value(path)),
            What::Declare { variables, is_static } => {
                let mut out = String::new();
                for variable in variables {
                    let initial = self.initial(variable);
                    let Some(local) = self.variable(&variable.name) else { continue };
                    if *is_static || local.code.starts_with("$g.s$") {
                        let _ = write!(out, "if(!({} in $g)){}={initial};", quoted(&local.code[3..]), local.code);
                    } else if initial != "undefined" || !self.scope.is_procedure {
                        let _ = write!(out, "{}={initial};", local.code);
                    }
                }
                out
            }
            What::Redim { target, bounds, is_kept, kind } => {
                let bounds = self.bounds(bounds);
                let one = initial_of(kind, false);
                let kept = if *is_kept { self.value(target) } else { "null".to_owned() };
                self.assign(target, &format!("$vb.array({bounds},()=>{one},{kept})"))
            }
            What::Erase(targets) => {
                let mut out = String::new();
                for target in targets {
                    out.push_str(&self.assign(target, "[]"));
                }
                out
            }
            What::End => "$vb.end();".to_owned(),
            What::File { what, values, into } => {
                let values: Vec<String> =
                    values.iter().map(|v| v.as_ref().map_or_else(|| "undefined".to_owned(), |v| self.value(v))).collect();
                let code = format!("$vb.file.{what}({})", values.join(","));
                match into.as_slice() {
                    [] => format!("{code};"),
                    targets => targets.iter().map(|target| self.assign(target, &code)).collect(),
                }
            }
            _ => String::new(),
        }
    }

    /// Code that goes on behind an error where the procedure says so.
    fn guarded(&mut self, code: &str, out: &mut String) {
        if code.is_empty() {
            return;
        }
        if self.scope.goes_on {
            let _ = write!(out, "try{{{code}}}catch($e){{$vb.caught($e,$n);}}");
        } else {
            out.push_str(code);
        }
        out.push('\n');
    }

    /// A condition that is code of its own: behind an error in it, its branch is gone into.
    fn decided(&mut self, condition: &str, out: &mut String) -> String {
        if !self.scope.goes_on {
            return condition.to_owned();
        }
        let _ = write!(out, "try{{$t={condition};}}catch($e){{$vb.caught($e,$n);$t=true;}}");
        "$t".to_owned()
    }

    /// Side by side in a block that is left by name: a chain of `else` would be deep.
    fn branches(&mut self, branches: &[(Expression, Vec<Statement>)], otherwise: &[Statement], out: &mut String) {
        let label = self.scope.temporary();
        let _ = write!(out, "{label}:{{");
        for (condition, body) in branches {
            let condition = self.condition(condition);
            let decided = self.decided(&condition, out);
            let _ = write!(out, "if({decided}){{{}break {label};}}", self.block(body));
        }
        let _ = write!(out, "{}}}", self.block(otherwise));
    }

    fn select(&mut self, of: &Expression, cases: &[(Vec<Case>, Vec<Statement>)], otherwise: &[Statement], out: &mut String) {
        let (label, value) = (self.scope.temporary(), self.scope.temporary());
        let of = self.value(of);
        self.guarded(&format!("{value}={of};"), out);
        let _ = write!(out, "{label}:{{");
        for (tests, body) in cases {
            let tests: Vec<String> = tests
                .iter()
                .map(|test| match test {
                    Case::Is(is) => format!("$vb.holds($vb.eq({value},{}))", self.value(is)),
                    Case::Compare(operator, to) => format!("$vb.holds($vb.{operator}({value},{}))", self.value(to)),
                    Case::Range(from, to) => {
                        format!("$vb.holds($vb.ge({value},{}))&&$vb.holds($vb.le({value},{}))", self.value(from), self.value(to))
                    }
                })
                .collect();
            let decided = self.decided(&tests.join("||"), out);
            let _ = write!(out, "if({decided}){{{}break {label};}}", self.block(body));
        }
        let _ = write!(out, "{}}}", self.block(otherwise));
    }

    fn counted(&mut self, variable: &Expression, [from, to, step]: [Option<&Expression>; 3], body: &[Statement], out: &mut String) {
        let (label, end, by) = (self.scope.temporary(), self.scope.temporary(), self.scope.temporary());
        let goes_up = step.is_none_or(|step| matches!(step, Expression::Number(by) if *by > 0.0));
        let [from, to, step] = [from, to, step].map(|v| v.map_or_else(|| "1".to_owned(), |v| self.value(v)));
        let begin = self.assign(variable, &format!("$vb.number({from})"));
        self.guarded(&format!("{end}=0;{by}=1;{begin}{end}=$vb.number({to});{by}=$vb.number({step});"), out);
        let now = self.value(variable);
        let next = self.assign(variable, &format!("+{now}+{by}"));
        let ends = if goes_up { format!("{now}<={end}") } else { format!("{by}<0?{now}>={end}:{now}<={end}") };
        let _ = write!(out, "{label}:for(;{ends};){{");
        self.looped(true, &label, body, out);
        let _ = write!(out, "{next}}}");
    }

    fn each(&mut self, variable: &Expression, of: &Expression, body: &[Statement], out: &mut String) {
        let (label, items, at) = (self.scope.temporary(), self.scope.temporary(), self.scope.temporary());
        let of = self.value(of);
        self.guarded(&format!("{items}=[];{items}=$vb.each({of});"), out);
        let next = self.assign(variable, &format!("{items}[{at}]"));
        let _ = write!(out, "{label}:for({at}=0;{at}<{items}.length;{at}++){{{next}");
        self.looped(true, &label, body, out);
        out.push('}');
    }

    fn repeated(&mut self, before: Option<&Until>, after: Option<&Until>, body: &[Statement], out: &mut String) {
        let label = self.scope.temporary();
        let _ = write!(out, "{label}:for(;;){{");
        self.ends(before, &label, out);
        self.looped(false, &label, body, out);
        self.ends(after, &label, out);
        out.push('}');
    }

    fn ends(&mut self, until: Option<&Until>, label: &str, out: &mut String) {
        let Some(Until { condition, is_until }) = until else { return };
        let condition = self.condition(condition);
        let decided = self.decided(&condition, out);
        let not = if *is_until { "" } else { "!" };
        let _ = write!(out, "if({not}{decided})break {label};");
    }

    fn looped(&mut self, is_for: bool, label: &str, body: &[Statement], out: &mut String) {
        self.scope.loops.push((is_for, label.to_owned()));
        out.push_str(&self.block(body));
        self.scope.loops.pop();
    }

    fn leave(&mut self, is_for: bool, out: &mut String) {
        if let Some((_, label)) = self.scope.loops.iter().rev().find(|(kind, _)| *kind == is_for) {
            let _ = write!(out, "break {label};");
        }
    }

    fn go_to(&mut self, label: &str, out: &mut String) {
        match self.scope.labels.get(label) {
            Some(n) => drop(write!(out, "$s={n};continue $L;")),
            None => out.push_str("$vb.fail(35);"),
        }
    }

    fn resume(&mut self, resume: &Resume, out: &mut String) {
        if self.scope.labels.is_empty() {
            return;
        }
        match resume {
            Resume::Again => out.push_str("$s=$a;continue $L;"),
            Resume::Next => out.push_str("$s=$a+1;continue $L;"),
            Resume::At(label) => self.go_to(label, out),
        }
    }
}
