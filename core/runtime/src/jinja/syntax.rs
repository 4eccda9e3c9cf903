//! A parsed template, owned.

use std::sync::Arc;

use super::text::Text;

/// A name in a template.
pub(crate) type Name = Arc<str>;

/// A statement.
#[derive(Debug)]
pub(super) enum Stmt {
    Raw(Text),
    Emit(Expr),
    /// The first branch whose condition holds; none is the last, `else`.
    If(Vec<(Option<Expr>, Vec<Stmt>)>),
    For(Arc<For>),
    Set(Target, Expr),
    /// A block that is captured: its filters, innermost first.
    SetBlock(Target, Vec<Filter>, Vec<Stmt>),
    FilterBlock(Vec<Filter>, Vec<Stmt>),
    With(Vec<(Target, Expr)>, Vec<Stmt>),
    Macro(Arc<Macro>),
    CallBlock(Box<Call>, Arc<Macro>),
    Break,
    Continue,
    /// What fails when it is reached, and why.
    Never(&'static str),
}

/// A loop.
#[derive(Debug)]
pub(crate) struct For {
    pub(super) target: Target,
    pub(super) items: Expr,
    pub(super) filter: Option<Expr>,
    pub(super) recursive: bool,
    pub(super) body: Vec<Stmt>,
    pub(super) otherwise: Vec<Stmt>,
}

/// A macro's definition.
#[derive(Debug)]
pub(crate) struct Macro {
    pub(super) name: Name,
    pub(super) parameters: Vec<(Name, Option<Expr>)>,
    pub(super) body: Vec<Stmt>,
    pub(super) rest: Rest,
}

/// Which arguments a macro takes beyond its parameters: those that its body asks for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rest {
    /// By position, as `varargs`.
    pub(super) values: bool,
    /// By name, as `kwargs`.
    pub(super) members: bool,
}

/// What an assignment sets.
#[derive(Debug)]
pub(super) enum Target {
    Name(Name),
    /// A namespace's member.
    Member(Name, Name),
    Tuple(Vec<Target>),
}

/// An expression.
#[derive(Debug)]
pub(super) enum Expr {
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(Text),
    Name(Name),
    Attribute(Box<Expr>, Name),
    Item(Box<Expr>, Box<Expr>),
    Slice(Box<Slice>),
    Not(Box<Expr>),
    Negative(Box<Expr>),
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    Arithmetic(Operator, Box<Expr>, Box<Expr>),
    Compare(Box<Expr>, Vec<(Comparison, Expr)>),
    Concat(Vec<Expr>),
    If(Box<(Expr, Expr, Option<Expr>)>),
    Filter(Box<(Expr, Filter)>),
    Test(Box<(Expr, Filter)>),
    Call(Box<Call>),
    List(Vec<Expr>),
    Tuple(Vec<Expr>),
    Dict(Vec<(Expr, Expr)>),
}

/// A slice of something.
#[derive(Debug)]
pub(super) struct Slice {
    pub(super) of: Expr,
    pub(super) start: Option<Expr>,
    pub(super) stop: Option<Expr>,
    pub(super) step: Option<Expr>,
}

/// A filter or test by its name.
#[derive(Debug)]
pub(super) struct Filter {
    pub(super) name: Name,
    pub(super) arguments: Vec<Argument>,
}

/// A call.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) callee: Expr,
    pub(super) arguments: Vec<Argument>,
}

/// An argument of a call.
#[derive(Debug)]
pub(super) enum Argument {
    Positional(Expr),
    Named(Name, Expr),
    /// `*values`
    Values(Expr),
    /// `**members`
    Members(Expr),
}

/// Operators on two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    FloorDivide,
    Remainder,
    Power,
}

/// Comparisons of two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    NotIn,
}
