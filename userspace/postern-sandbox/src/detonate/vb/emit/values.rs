//! Values, and what is assigned to.

use super::super::names::{mangled, quoted};
use super::super::syntax::{Bound, Expression, Kind, Step, Value};
use super::Emitter;
use super::scope::Local;

/// Functions of VB that loops are full of: they are called without a search for the name.
const QUICK: &[&str] = &[
    "abs", "asc", "ascw", "cbyte", "cdbl", "chr", "chrb", "chrw", "cint", "clng", "cstr", "fix", "hex", "instr", "int", "lbound", "lcase",
    "left", "len", "mid", "replace", "right", "ubound", "ucase", "val",
];

impl Emitter<'_> {
    pub(super) fn value(&mut self, expression: &Expression) -> String {
        match expression {
            Expression::Number(value) => number(*value),
            Expression::Text(text) => quoted(text),
            Expression::Date(date) => format!("$vb.date({})", quoted(date)),
            Expression::Literal(literal) => (*literal).to_owned(),
            Expression::Name(name) => self.name(name),
            Expression::Me => if self.class.is_some() { "$me" } else { "$vb.me()" }.to_owned(),
            Expression::With => self.with(),
            Expression::Path(base, steps) => self.path(base, steps),
            Expression::New(name) => format!("$vb.create({})", quoted(name)),
            Expression::Not(of) => format!("$vb.not({})", self.value(of)),
            Expression::Minus(of) => format!("$vb.minus({})", self.value(of)),
            Expression::Chain(first, more) => self.chain(first, more),
            Expression::IsOfType(of, name) => format!("$vb.isOfType({},{})", self.value(of), quoted(name)),
            Expression::AddressOf(name) => format!("$vb.reference({})", quoted(name)),
        }
    }

    fn chain(&mut self, first: &Expression, more: &[(&'static str, Expression)]) -> String {
        if let [(operator, second)] = more {
            return format!("$vb.{operator}({},{})", self.value(first), self.value(second));
        }
        let values: Vec<String> = std::iter::once(first).chain(more.iter().map(|(_, e)| e)).map(|e| self.value(e)).collect();
        if more.iter().all(|(operator, _)| *operator == "join") {
            return format!("$vb.joined([{}])", values.join(","));
        }
        let operators: Vec<String> = more.iter().map(|(operator, _)| format!("$vb.{operator}")).collect();
        format!("$vb.fold([{}],[{}])", values.join(","), operators.join(","))
    }

    /// What decides: a truth of the engine's.
    pub(super) fn condition(&mut self, expression: &Expression) -> String {
        format!("$vb.holds({})", self.value(expression))
    }

    pub(super) fn with(&self) -> String {
        self.scope.withs.last().cloned().unwrap_or_else(|| "$vb.nowhere()".to_owned())
    }

    /// Where the variable of a name is, when it is one.
    pub(super) fn variable(&self, name: &str) -> Option<Local> {
        if let Some(local) = self.scope.locals.get(name) {
            return Some(local.clone());
        }
        let plain = |code: String| Some(Local { code, kind: Kind::Any, is_array: false });
        if self.class.as_ref().is_some_and(|c| c.fields.contains(name)) {
            return plain(mangled(name));
        }
        if self.outside.locals.as_ref().is_some_and(|l| l.contains(name)) {
            return plain(mangled(name));
        }
        let is_global = self.module.contains(name) || self.outside.globals.contains(name);
        (is_global && !self.procedures.contains_key(name)).then(|| plain(format!("$g.{}", mangled(name)))).flatten()
    }

    fn is_result(&self, name: &str) -> bool {
        self.scope.result.as_deref() == Some(name)
    }

    /// A name alone: a variable, or what a function gives without values.
    fn name(&mut self, name: &str) -> String {
        if self.is_result(name) {
            return "$r".to_owned();
        }
        if let Some(local) = self.variable(name) {
            return local.code;
        }
        if let Some(function) = self.class.as_ref().and_then(|c| c.function(name)) {
            return format!("{function}()");
        }
        if self.procedures.contains_key(name) {
            return format!("$g.{}()", mangled(name));
        }
        format!("$vb.name({})", quoted(name))
    }

    /// A name with values: an element, or a call.
    fn call(&mut self, name: &str, values: &[Value]) -> String {
        if let Some(local) = self.variable(name) {
            return format!("$vb.at({},[{}])", local.code, self.values(values));
        }
        if let Some(function) = self.class.as_ref().and_then(|c| c.function(name)) {
            return format!("{function}({})", self.values(values));
        }
        if self.procedures.contains_key(name) {
            return self.call_own(name, values);
        }
        match name {
            "execute" | "executestatement" => return format!("eval($vb.execute({},{}))", self.values(values), self.locals()),
            "eval" => return format!("eval($vb.evaluate({},{}))", self.values(values), self.locals()),
            "executeglobal" => return format!("(0,eval)($vb.execute({},null))", self.values(values)),
            _ if QUICK.contains(&name) => return format!("$vb.f.{name}({})", self.values(values)),
            _ => {}
        }
        format!("$vb.call({},[{}])", quoted(name), self.values(values))
    }

    /// Names of the procedure's own, for text that becomes script in it.
    fn locals(&self) -> String {
        let inherited = self.outside.locals.iter().flatten();
        let fields = self.class.iter().flat_map(|c| &c.fields);
        let own = self.scope.locals.iter().filter(|(_, l)| !l.code.starts_with("$g.")).map(|(name, _)| name);
        let names: Vec<String> = own.chain(inherited).chain(fields).map(|name| quoted(name)).collect();
        format!("[{}]", names.join(","))
    }

    /// A procedure of the unit: names of its parameters are known, and which of them give something back.
    fn call_own(&mut self, name: &str, values: &[Value]) -> String {
        let Some(signature) = self.procedures.get(name) else { return String::new() };
        let (parameters, gives_back) = (signature.parameters.clone(), signature.gives_back.clone());
        let mut ordered: Vec<Option<&Expression>> = Vec::new();
        for (n, value) in values.iter().enumerate() {
            let place = value.name.as_ref().and_then(|name| parameters.iter().position(|p| p == name)).unwrap_or(n);
            if ordered.len() <= place {
                ordered.resize(place + 1, None);
            }
            ordered[place] = value.value.as_ref();
        }
        let handed: Vec<String> = ordered.iter().map(|v| v.map_or_else(|| "undefined".to_owned(), |v| self.value(v))).collect();
        let call = format!("$g.{}({})", mangled(name), handed.join(","));
        let mut back = String::new();
        for (n, value) in ordered.iter().enumerate() {
            if let (Some(true), Some(Expression::Name(name))) = (gives_back.get(n), value)
                && let Some(code) = self.variable(name).map(|l| l.code).or_else(|| self.is_result(name).then(|| "$r".to_owned()))
            {
                back.push_str(&format!("{code}=$b[{n}];"));
            }
        }
        if back.is_empty() { call } else { format!("$vb.after({call},($b)=>{{{back}}})") }
    }

    pub(super) fn values(&mut self, values: &[Value]) -> String {
        let values: Vec<String> =
            values.iter().map(|v| v.value.as_ref().map_or_else(|| "undefined".to_owned(), |value| self.value(value))).collect();
        values.join(",")
    }

    pub(super) fn path(&mut self, base: &Expression, steps: &[Step]) -> String {
        let (mut code, mut rest) = match (base, steps) {
            (Expression::Name(name), [Step::Call(values), rest @ ..]) => (self.call(name, values), rest),
            _ => (self.value(base), steps),
        };
        loop {
            (code, rest) = match rest {
                [] => return code,
                [Step::Member(name), Step::Call(values), rest @ ..] => {
                    (format!("$vb.get({code},{},[{}])", quoted(name), self.values(values)), rest)
                }
                [Step::Member(name), rest @ ..] => (format!("$vb.get({code},{})", quoted(name)), rest),
                [Step::Call(values), rest @ ..] => (format!("$vb.at({code},[{}])", self.values(values)), rest),
                [Step::Key(key), rest @ ..] => (format!("$vb.at({code},[{}])", quoted(key)), rest),
            };
        }
    }

    /// Code that assigns a value, which is code, too.
    pub(super) fn assign(&mut self, target: &Expression, value: &str) -> String {
        match target {
            Expression::Name(name) => self.assign_name(name, value),
            Expression::Path(base, steps) => match steps.as_slice() {
                [before @ .., Step::Member(name)] => {
                    let object = self.path(base, before);
                    format!("$vb.put({object},{},[],{value});", quoted(name))
                }
                [before @ .., Step::Member(name), Step::Call(values)] => {
                    let object = self.path(base, before);
                    format!("$vb.put({object},{},[{}],{value});", quoted(name), self.values(values))
                }
                [Step::Call(values)] if self.setter(base).is_some() => {
                    let setter = self.setter(base).unwrap_or_default();
                    let values = self.values(values);
                    format!("{setter}({values}{}{value});", if values.is_empty() { "" } else { "," })
                }
                [before @ .., Step::Call(values)] => {
                    let object = self.path(base, before);
                    format!("$vb.putAt({object},[{}],{value});", self.values(values))
                }
                [before @ .., Step::Key(key)] => {
                    let object = self.path(base, before);
                    format!("$vb.putAt({object},[{}],{value});", quoted(key))
                }
                [] => String::new(),
            },
            _ => format!("$vb.fail(13,{value});"),
        }
    }

    fn setter(&self, base: &Expression) -> Option<String> {
        let Expression::Name(name) = base else { return None };
        self.class.as_ref().and_then(|c| c.setter(name))
    }

    fn assign_name(&mut self, name: &str, value: &str) -> String {
        if self.is_result(name) {
            return format!("$r={value};");
        }
        if let Some(local) = self.variable(name) {
            return format!("{}={};", local.code, converted(value, &local));
        }
        if let Some(setter) = self.class.as_ref().and_then(|c| c.setter(name)) {
            return format!("{setter}({value});");
        }
        format!("$vb.set({},{value});", quoted(name))
    }

    pub(super) fn bounds(&mut self, bounds: &[Bound]) -> String {
        let mut all = Vec::new();
        for bound in bounds {
            let from = bound.from.as_ref().map_or_else(|| "0".to_owned(), |from| self.value(from));
            all.push(format!("[{from},{}]", self.value(&bound.to)));
        }
        format!("[{}]", all.join(","))
    }
}

/// What becomes of a value in a variable of a type.
fn converted(value: &str, local: &Local) -> String {
    match (&local.kind, local.is_array) {
        (Kind::Byte, true) => format!("$vb.bytes({value})"),
        (_, true) => value.to_owned(),
        (Kind::Text, _) => format!("$vb.f.cstr({value})"),
        (Kind::Integer | Kind::Byte, _) if !value.bytes().all(|b| b.is_ascii_digit()) => format!("$vb.f.clng({value})"),
        (Kind::Real, _) => format!("$vb.f.cdbl({value})"),
        (Kind::Truth, _) => format!("$vb.holds({value})"),
        _ => value.to_owned(),
    }
}

/// As the engine reads it; a sign stands in brackets.
fn number(value: f64) -> String {
    if value < 0.0 {
        format!("({value:?})")
    } else if value.fract() == 0.0 && value < 1e15 {
        format!("{value:.0}")
    } else {
        format!("{value:?}")
    }
}
