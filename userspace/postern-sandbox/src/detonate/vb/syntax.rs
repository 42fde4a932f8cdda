//! What is read: the tree between source and code. Names are in small letters.

use super::Fault;

#[derive(Debug, Default)]
pub struct Unit {
    /// `Attribute VB_Name`.
    pub name: Option<String>,
    /// A class module of VBA: all of it is a class of the module's name.
    pub is_class: bool,
    pub body: Vec<Statement>,
    pub procedures: Vec<Procedure>,
    pub classes: Vec<Class>,
    pub records: Vec<Record>,
    pub declares: Vec<Declare>,
    pub faults: Vec<Fault>,
    /// Statements that were read.
    pub statements: usize,
}

#[derive(Debug)]
pub struct Class {
    pub name: String,
    pub fields: Vec<Statement>,
    pub procedures: Vec<Procedure>,
}

/// `Type`, and `Enum`, whose members have values.
#[derive(Debug)]
pub struct Record {
    pub name: String,
    pub members: Vec<Variable>,
    pub is_enum: bool,
}

/// A function of a library of Windows.
#[derive(Debug)]
pub struct Declare {
    pub name: String,
    pub library: String,
    pub alias: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProcedureKind {
    Sub,
    Function,
    Get,
    /// `Property Let` and `Property Set`.
    Let,
}

#[derive(Debug)]
pub struct Procedure {
    pub name: String,
    /// In its own case.
    pub written: String,
    pub kind: ProcedureKind,
    pub is_default: bool,
    pub is_static: bool,
    pub parameters: Vec<Parameter>,
    pub body: Vec<Statement>,
}

#[derive(Debug)]
pub struct Parameter {
    pub name: String,
    pub is_by_value: bool,
    pub is_rest: bool,
    pub default: Option<Expression>,
}

/// What a variable is declared as, as far as it matters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    #[default]
    Any,
    Text,
    Integer,
    Real,
    Byte,
    Truth,
    /// A class or a record.
    Named(String),
}

#[derive(Debug)]
pub struct Variable {
    pub name: String,
    pub kind: Kind,
    /// An array: its bounds; none when it gets them later.
    pub bounds: Option<Vec<Bound>>,
    pub is_new: bool,
    pub value: Option<Expression>,
}

/// `5`, or `1 To 5`.
#[derive(Debug)]
pub struct Bound {
    pub from: Option<Expression>,
    pub to: Expression,
}

#[derive(Debug)]
pub struct Statement {
    pub line: u32,
    pub what: What,
}

#[derive(Debug)]
pub enum What {
    Label(String),
    Assign {
        target: Expression,
        value: Expression,
    },
    /// `Mid(text, 2, 1) = "x"`
    AssignMid {
        target: Expression,
        from: Expression,
        length: Option<Expression>,
        value: Expression,
    },
    Call(Expression),
    If {
        branches: Vec<(Expression, Vec<Statement>)>,
        otherwise: Vec<Statement>,
    },
    Select {
        of: Expression,
        cases: Vec<(Vec<Case>, Vec<Statement>)>,
        otherwise: Vec<Statement>,
    },
    For {
        variable: Expression,
        from: Expression,
        to: Expression,
        step: Option<Expression>,
        body: Vec<Statement>,
    },
    ForEach {
        variable: Expression,
        of: Expression,
        body: Vec<Statement>,
    },
    Loop {
        before: Option<Until>,
        after: Option<Until>,
        body: Vec<Statement>,
    },
    With {
        of: Expression,
        body: Vec<Statement>,
    },
    Declare {
        variables: Vec<Variable>,
        is_static: bool,
    },
    Redim {
        target: Expression,
        bounds: Vec<Bound>,
        is_kept: bool,
        kind: Kind,
    },
    Erase(Vec<Expression>),
    ExitProcedure,
    ExitFor,
    ExitDo,
    End,
    GoTo(String),
    OnErrorNext,
    OnErrorGoTo(String),
    OnErrorOff,
    Resume(Resume),
    /// A statement on files, by its name.
    File {
        what: &'static str,
        values: Vec<Option<Expression>>,
        into: Vec<Expression>,
    },
}

#[derive(Debug)]
pub enum Resume {
    Again,
    Next,
    At(String),
}

#[derive(Debug)]
pub struct Until {
    pub condition: Expression,
    pub is_until: bool,
}

#[derive(Debug)]
pub enum Case {
    Is(Expression),
    Compare(&'static str, Expression),
    Range(Expression, Expression),
}

#[derive(Debug)]
pub enum Expression {
    Number(f64),
    Text(String),
    Date(String),
    /// As the engine writes it: `true`, `false`, `null`, `undefined`.
    Literal(&'static str),
    Name(String),
    Me,
    /// The object of the `With` around it.
    With,
    Path(Box<Expression>, Vec<Step>),
    New(String),
    Not(Box<Expression>),
    Minus(Box<Expression>),
    /// Operators of one rank, from left to right, by their names in `js/vb.js`.
    Chain(Box<Expression>, Vec<(&'static str, Expression)>),
    IsOfType(Box<Expression>, String),
    AddressOf(String),
}

#[derive(Debug)]
pub enum Step {
    Member(String),
    Call(Vec<Value>),
    /// `!name`
    Key(String),
}

/// A value that is handed over; `None` where one is left out.
#[derive(Debug)]
pub struct Value {
    pub name: Option<String>,
    pub value: Option<Expression>,
}
