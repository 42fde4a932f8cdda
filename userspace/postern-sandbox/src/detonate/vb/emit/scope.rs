//! Which names a procedure has for its own, and which of them are whose.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::super::names::mangled;
use super::super::syntax::{Expression, Kind, Parameter, Procedure, ProcedureKind, Statement, Unit, What};

/// What is known around a unit.
#[derive(Debug, Default)]
pub struct Outside {
    /// Variables of the same world's other units.
    pub globals: HashSet<String>,
    /// Of the procedure that runs text as script; `None` outside of one.
    pub locals: Option<HashSet<String>>,
}

/// How a procedure is called.
#[derive(Debug, Default)]
pub struct Signature {
    pub parameters: Vec<String>,
    /// Of each parameter: whether what is assigned to it is the caller's, too.
    pub gives_back: Vec<bool>,
}

impl Signature {
    pub fn of(procedure: &Procedure) -> Self {
        let mut assigned = HashSet::new();
        visit(&procedure.body, &mut |s| assigned.extend(assigned_by(s)));
        let gives_back = |p: &Parameter| !p.is_by_value && !p.is_rest && assigned.contains(&p.name);
        Self {
            parameters: procedure.parameters.iter().map(|p| p.name.clone()).collect(),
            gives_back: procedure.parameters.iter().map(gives_back).collect(),
        }
    }

    /// What is given back, when anything is.
    pub fn back(&self) -> Option<String> {
        let names: Vec<String> = self.parameters.iter().map(|p| mangled(p)).collect();
        self.gives_back.contains(&true).then(|| names.join(","))
    }
}

#[derive(Clone, Debug, Default)]
pub struct Local {
    pub code: String,
    pub kind: Kind,
    pub is_array: bool,
}

/// What a class has, by name.
#[derive(Debug, Default)]
pub struct Members {
    pub fields: HashSet<String>,
    pub procedures: HashSet<(String, ProcedureKind)>,
}

impl Members {
    pub fn of(fields: &[Statement], procedures: &[Procedure]) -> Self {
        let mut names = HashSet::new();
        visit(fields, &mut |s| names.extend(declared_by(s).into_iter().map(|(name, _)| name)));
        Self { fields: names, procedures: procedures.iter().map(|p| (p.name.clone(), p.kind)).collect() }
    }

    /// The function behind a name that is read or called.
    pub fn function(&self, name: &str) -> Option<String> {
        let kinds = [ProcedureKind::Function, ProcedureKind::Sub, ProcedureKind::Get];
        let kind = kinds.into_iter().find(|kind| self.procedures.contains(&(name.to_owned(), *kind)))?;
        Some(format!("{}{}", member(kind).0, mangled(name)))
    }

    /// And behind one that something is assigned to.
    pub fn setter(&self, name: &str) -> Option<String> {
        self.procedures
            .contains(&(name.to_owned(), ProcedureKind::Let))
            .then(|| format!("{}{}", member(ProcedureKind::Let).0, mangled(name)))
    }
}

/// The begin of a member's name in code, and what it is called for.
pub fn member(kind: ProcedureKind) -> (&'static str, &'static str) {
    match kind {
        ProcedureKind::Sub | ProcedureKind::Function => ("$m_", "call"),
        ProcedureKind::Get => ("$g_", "get"),
        ProcedureKind::Let => ("$l_", "let"),
    }
}

/// One procedure, or the script itself, while its code is written.
#[derive(Debug, Default)]
pub struct Scope {
    pub locals: BTreeMap<String, Local>,
    /// Those that are declared at the begin; parameters are not.
    own: Vec<String>,
    /// The procedure's name, which is its result's.
    pub result: Option<String>,
    pub is_procedure: bool,
    /// `On Error Resume Next` stands in it.
    pub goes_on: bool,
    pub labels: HashMap<String, usize>,
    pub temporaries: u32,
    pub loops: Vec<(bool, String)>,
    pub withs: Vec<String>,
}

impl Scope {
    pub fn of_script(body: &[Statement]) -> Self {
        let mut scope = Self::default();
        scope.look(body);
        scope
    }

    pub fn of_procedure(procedure: &Procedure, module: &HashSet<String>, class: Option<&Members>, outside: &Outside) -> Self {
        let mut scope = Self { is_procedure: true, ..Self::default() };
        let is_named = matches!(procedure.kind, ProcedureKind::Function | ProcedureKind::Get);
        scope.result = is_named.then(|| procedure.name.clone());
        for parameter in &procedure.parameters {
            scope.locals.insert(parameter.name.clone(), Local { code: mangled(&parameter.name), ..Local::default() });
        }
        let mut declared = Vec::new();
        let mut assigned = Vec::new();
        visit(&procedure.body, &mut |s| {
            declared.extend(
                declared_by(s).into_iter().map(|(name, local)| (name, local, matches!(s.what, What::Declare { is_static: true, .. }))),
            );
            assigned.extend(assigned_by(s));
        });
        for (name, mut local, is_static) in declared {
            // A static variable is everybody's, under a name that nobody else has.
            if is_static || procedure.is_static {
                local.code = format!("$g.s${}${}", mangled(&procedure.name), mangled(&name));
            } else if !scope.locals.contains_key(&name) {
                scope.own.push(mangled(&name));
            }
            scope.locals.insert(name, local);
        }
        for name in assigned {
            let is_field = class.is_some_and(|c| c.fields.contains(&name) || c.setter(&name).is_some());
            let is_known = scope.locals.contains_key(&name) || scope.result.as_deref() == Some(&name) || is_field;
            let is_outer = outside.globals.contains(&name) || outside.locals.as_ref().is_some_and(|l| l.contains(&name));
            if !(is_known || module.contains(&name) || is_outer) {
                scope.own.push(mangled(&name));
                scope.locals.insert(name.clone(), Local { code: mangled(&name), ..Local::default() });
            }
        }
        scope.look(&procedure.body);
        scope
    }

    fn look(&mut self, body: &[Statement]) {
        visit(body, &mut |s| self.goes_on |= matches!(s.what, What::OnErrorNext));
        for (n, statement) in body.iter().enumerate() {
            if let What::Label(label) = &statement.what {
                self.labels.insert(label.clone(), n);
            }
        }
    }

    /// Declarations of all that the code uses.
    pub fn head(&self) -> String {
        let mut names: Vec<String> = self.own.clone();
        names.extend((0..self.temporaries).map(|n| format!("${n}")));
        let more = if names.is_empty() { String::new() } else { format!(",{}", names.join(",")) };
        format!("let $r,$t,$n=0,$h=-1,$s=0,$a=0{more};")
    }

    pub fn temporary(&mut self) -> String {
        self.temporaries += 1;
        format!("${}", self.temporaries - 1)
    }
}

/// Variables of a unit that are none of a procedure's.
pub fn module_names(unit: &Unit) -> HashSet<String> {
    let mut names = HashSet::new();
    visit(&unit.body, &mut |s| {
        names.extend(declared_by(s).into_iter().map(|(name, _)| name));
        names.extend(assigned_by(s));
    });
    for record in unit.records.iter().filter(|r| r.is_enum) {
        names.extend(record.members.iter().map(|m| m.name.clone()));
        names.insert(record.name.clone());
    }
    for procedure in &unit.procedures {
        names.remove(&procedure.name);
    }
    names
}

/// Every statement, also those in others.
pub fn visit(statements: &[Statement], see: &mut impl FnMut(&Statement)) {
    for statement in statements {
        see(statement);
        match &statement.what {
            What::If { branches, otherwise } => {
                for (_, body) in branches {
                    visit(body, see);
                }
                visit(otherwise, see);
            }
            What::Select { cases, otherwise, .. } => {
                for (_, body) in cases {
                    visit(body, see);
                }
                visit(otherwise, see);
            }
            What::For { body, .. } | What::ForEach { body, .. } | What::Loop { body, .. } | What::With { body, .. } => visit(body, see),
            _ => {}
        }
    }
}

pub fn declared_by(statement: &Statement) -> Vec<(String, Local)> {
    let What::Declare { variables, .. } = &statement.what else { return Vec::new() };
    let local = |v: &super::super::syntax::Variable| {
        (v.name.clone(), Local { code: mangled(&v.name), kind: v.kind.clone(), is_array: v.bounds.is_some() })
    };
    variables.iter().map(local).collect()
}

fn assigned_by(statement: &Statement) -> Vec<String> {
    let name = |e: &Expression| if let Expression::Name(name) = e { Some(name.clone()) } else { None };
    match &statement.what {
        What::Assign { target, .. } | What::AssignMid { target, .. } | What::Redim { target, .. } => name(target).into_iter().collect(),
        What::For { variable, .. } | What::ForEach { variable, .. } => name(variable).into_iter().collect(),
        What::File { into, .. } => into.iter().filter_map(name).collect(),
        _ => Vec::new(),
    }
}
