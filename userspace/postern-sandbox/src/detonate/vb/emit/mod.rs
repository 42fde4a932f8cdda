//! JavaScript from the tree. Names of the source are `v_…`, and all others here begin with `$`: `$vb` are the functions of
//! `js/vb.js`, `$g` what the source declares for all of its procedures, `$r` a function's result, `$n` and `$h` what becomes of errors.

mod scope;
mod statements;
mod values;

use std::collections::HashSet;
use std::fmt::Write;

pub use scope::Outside;
use scope::{Members, Scope, Signature};

use super::Fault;
use super::names::{mangled, quoted};
use super::syntax::{Class, Expression, Kind, Procedure, ProcedureKind, Record, Statement, Unit, Variable, What};

/// Octets of code.
const MOST: usize = 24 << 20;

pub struct Emitter<'a> {
    outside: &'a Outside,
    /// Variables for all of the unit's procedures.
    module: HashSet<String>,
    procedures: std::collections::HashMap<String, Signature>,
    class: Option<Members>,
    scope: Scope,
    line: u32,
}

/// The code of a unit.
pub fn unit(unit: &Unit, outside: &Outside) -> Result<String, Fault> {
    let mut emitter = Emitter::new(outside);
    let mut out = String::new();
    if unit.is_class && !unit.procedures.is_empty() {
        let class = unit.name.as_deref().unwrap_or("class");
        emitter.describe(unit, &mut out);
        emitter.class(class, &unit.body, &unit.procedures, &mut out);
        return checked(out);
    }
    emitter.module = scope::module_names(unit);
    for procedure in unit.procedures.iter().filter(|p| p.kind != ProcedureKind::Let) {
        emitter.procedures.insert(procedure.name.clone(), Signature::of(procedure));
    }
    emitter.describe(unit, &mut out);
    for Class { name, fields, procedures } in &unit.classes {
        emitter.class(name, fields, procedures, &mut out);
    }
    for procedure in unit.procedures.iter().filter(|p| p.kind != ProcedureKind::Let) {
        let code = emitter.function(procedure);
        let _ = writeln!(out, "$vb.procedure({},{code},{});", quoted(&procedure.name), quoted(&procedure.written));
    }
    emitter.scope = Scope::of_script(&unit.body);
    let body = emitter.body(&unit.body);
    let head = emitter.scope.head();
    let _ = writeln!(out, "(function(){{{head}{body}}})();");
    checked(out)
}

/// As variables of a function the two are found sooner than among all global ones.
fn checked(out: String) -> Result<String, Fault> {
    let out = format!("(function($vb,$g){{{out}}})($vb,$g);");
    if out.len() > MOST { Err(Fault { line: 1, what: "too long to be run" }) } else { Ok(out) }
}

/// The code of an expression, as one.
pub fn expression(expression: &Expression, outside: &Outside) -> String {
    format!("({})", Emitter::new(outside).value(expression))
}

/// Names of a unit that other units of the same world see.
pub fn shared_names(unit: &Unit) -> HashSet<String> {
    if unit.is_class { HashSet::new() } else { scope::module_names(unit) }
}

impl<'a> Emitter<'a> {
    fn new(outside: &'a Outside) -> Self {
        let (module, procedures) = Default::default();
        Self { outside, module, procedures, class: None, scope: Scope::default(), line: 0 }
    }

    /// Declared functions, types and constants.
    fn describe(&mut self, unit: &Unit, out: &mut String) {
        for declare in &unit.declares {
            let _ = writeln!(out, "$vb.declare({},{},{});", quoted(&declare.name), quoted(&declare.library), quoted(&declare.alias));
        }
        for Record { name, members, is_enum } in &unit.records {
            if *is_enum {
                self.enumeration(name, members, out);
                continue;
            }
            let fields: Vec<String> = members.iter().map(|m| format!("[{},{}]", quoted(&m.name), self.initial(m))).collect();
            let _ = writeln!(out, "$vb.shape({},()=>$vb.record([{}]));", quoted(name), fields.join(","));
        }
    }

    fn enumeration(&mut self, name: &str, members: &[Variable], out: &mut String) {
        let mut last = "-1".to_owned();
        let mut fields = Vec::new();
        for member in members {
            let code = format!("$g.{}", mangled(&member.name));
            let value = member.value.as_ref().map_or_else(|| format!("$vb.add({last},1)"), |v| self.value(v));
            let _ = writeln!(out, "{code}={value};");
            fields.push(format!("[{},{code}]", quoted(&member.name)));
            last = code;
        }
        let _ = writeln!(out, "$g.{}=$vb.record([{}]);", mangled(name), fields.join(","));
    }

    /// What a variable is before anything is assigned to it.
    fn initial(&mut self, variable: &Variable) -> String {
        if let Some(value) = &variable.value {
            return self.value(value);
        }
        let one = initial_of(&variable.kind, variable.is_new);
        match &variable.bounds {
            None => one,
            Some(bounds) if bounds.is_empty() => "[]".to_owned(),
            Some(bounds) => format!("$vb.array({},()=>{one})", self.bounds(bounds)),
        }
    }

    fn function(&mut self, procedure: &Procedure) -> String {
        let outer = std::mem::replace(&mut self.scope, Scope::of_procedure(procedure, &self.module, self.class.as_ref(), self.outside));
        let mut parameters = Vec::new();
        for parameter in &procedure.parameters {
            let name = mangled(&parameter.name);
            parameters.push(match (&parameter.default, parameter.is_rest) {
                (_, true) => format!("...{name}"),
                (Some(default), _) => format!("{name}={}", self.value(default)),
                (None, _) => name,
            });
        }
        let body = self.body(&procedure.body);
        let mut out = format!("function({}){{{}", parameters.join(","), self.scope.head());
        let back = Signature::of(procedure).back();
        match back {
            Some(back) => drop(write!(out, "try{{{body}}}finally{{$vb.back=[{back}];}}")),
            None => out.push_str(&body),
        }
        out.push_str("return $r;}");
        self.scope = outer;
        out
    }

    /// A class is a function that makes its objects: fields are its variables.
    fn class(&mut self, name: &str, fields: &[Statement], procedures: &[Procedure], out: &mut String) {
        let members = Members::of(fields, procedures);
        let outer = self.class.replace(members);
        let _ = write!(out, "$vb.define({},()=>{{const $me=$vb.instance({});", quoted(name), quoted(name));
        for variable in
            fields.iter().filter_map(|f| if let What::Declare { variables, .. } = &f.what { Some(variables) } else { None }).flatten()
        {
            let (code, member) = (mangled(&variable.name), quoted(&variable.name));
            let initial = self.initial(variable);
            let _ = write!(
                out,
                "let {code}={initial};$vb.member($me,{member},\"get\",()=>{code});$vb.member($me,{member},\"let\",($v)=>{{{code}=$v;}});"
            );
        }
        for procedure in procedures {
            let code = self.function(procedure);
            let (prefix, kind) = scope::member(procedure.kind);
            let own = format!("{prefix}{}", mangled(&procedure.name));
            let _ = write!(out, "const {own}={code};$vb.member($me,{},\"{kind}\",{own});", quoted(&procedure.name));
            if procedure.is_default {
                let _ = write!(out, "$vb.preset($me,{});", quoted(&procedure.name));
            }
        }
        out.push_str("return $me;});\n");
        self.class = outer;
    }
}

fn initial_of(kind: &Kind, is_new: bool) -> String {
    match kind {
        Kind::Named(name) if is_new => format!("$vb.create({})", quoted(name)),
        Kind::Named(name) => format!("$vb.fresh({})", quoted(name)),
        Kind::Text => "\"\"".to_owned(),
        Kind::Integer | Kind::Real | Kind::Byte => "0".to_owned(),
        Kind::Truth => "false".to_owned(),
        Kind::Any => "undefined".to_owned(),
    }
}
