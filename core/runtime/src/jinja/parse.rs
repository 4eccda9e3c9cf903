//! Source text to a [`Program`], by minijinja's parser.
//!
//! minijinja parses; its tree borrows the source and is not ours to walk for ever, so it is
//! lowered to our own. Differences to Jinja's grammar are evened out here. Parsing and lowering
//! recurse as deep as the source is nested: both run on a thread with room for the most that
//! [`SOURCE_BYTES_MAX`] and [`TAG_BYTES_MAX`] let through, and what is kept is no deeper than
//! [`EXPRESSION_DEPTH_MAX`].

use std::sync::Arc;

use minijinja::machinery::ast;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Value as Constant, ValueKind};

use super::failure::{Failure, Result, wrong};
use super::syntax::{
    Argument, Call, Comparison, Expr, Filter, For, Macro, Name, Operator, Rest, Slice, Stmt, Target,
};
use super::text::Text;

/// Bytes of a template's source at most. The longest that models come with has some 30,000.
pub(crate) const SOURCE_BYTES_MAX: usize = 512 << 10;
/// Bytes of one tag (`{% … %}` or `{{ … }}`) at most.
pub(crate) const TAG_BYTES_MAX: usize = 32 << 10;
/// Branches and other tags that may follow each other in one chain of `elif`, and in all.
const TAGS_MAX: usize = 20_000;
/// How deep expressions and statements may be in each other.
pub(crate) const EXPRESSION_DEPTH_MAX: usize = 200;
/// Room for the parser's recursion at those bounds.
const STACK_BYTES_MAX: usize = 256 << 20;
/// What one more byte of source, which may be one more level, can take of it.
const STACK_BYTES_A_BYTE: usize = STACK_BYTES_MAX / TAG_BYTES_MAX;
/// Room for what does not recurse.
const STACK_BYTES_MIN: usize = 2 << 20;

/// A parsed template.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) body: Vec<Stmt>,
    /// All text that the template itself may write.
    pub(super) literals: Vec<String>,
}

/// Parses `source`.
pub(super) fn parse(source: &str) -> Result<Program> {
    if source.len() > SOURCE_BYTES_MAX {
        return wrong(format!(
            "a template of {} bytes; at most {SOURCE_BYTES_MAX} are taken",
            source.len()
        ));
    }
    let source = prepare(source)?;
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("indwell-template".to_owned())
            .stack_size(stack_bytes(source.len()))
            .spawn_scoped(scope, || parse_here(&source));
        match thread.map(std::thread::ScopedJoinHandle::join) {
            Ok(Ok(parsed)) => parsed,
            Ok(Err(_)) => wrong("the template's parser panicked"),
            Err(error) => Err(Failure::NoThread(error.to_string())),
        }
    })
}

/// The stack for a source of so many bytes.
fn stack_bytes(source: usize) -> usize {
    (STACK_BYTES_MIN + source * STACK_BYTES_A_BYTE).min(STACK_BYTES_MAX)
}

fn parse_here(source: &str) -> Result<Program> {
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    let parsed = syntax.and_then(|syntax| minijinja::machinery::parse(source, "chat", syntax));
    let parsed = match parsed {
        Ok(parsed) => parsed,
        Err(error) => return wrong(error.to_string()),
    };
    let mut lowering = Lowering { literals: Vec::new(), depth: 0, rest: Rest::default() };
    let ast::Stmt::Template(template) = &parsed else { return wrong("no template") };
    let body = lowering.body(&template.children)?;
    Ok(Program { body, literals: lowering.literals })
}

/// Newlines and escapes as Jinja has them, and `{% generation %}` blocks of `transformers` as blocks
/// with a scope of their own, which is what they are. Refuses tags beyond the bounds.
fn prepare(source: &str) -> Result<String> {
    let source = source.replace("\r\n", "\n").replace('\r', "\n");
    let mut prepared = String::with_capacity(source.len());
    let mut rest = source.as_str();
    let mut tags = 0;
    while let Some(start) = rest.find("{%").into_iter().chain(rest.find("{{")).min() {
        let is_block = rest[start..].starts_with("{%");
        let end = rest[start..].find(if is_block { "%}" } else { "}}" });
        let end = end.map_or(rest.len(), |end| start + end + 2);
        let tag = &rest[start..end];
        tags += 1;
        if tag.len() > TAG_BYTES_MAX || tags > TAGS_MAX {
            return wrong(format!(
                "a template may have {TAGS_MAX} tags of {TAG_BYTES_MAX} bytes at most"
            ));
        }
        prepared.push_str(&rest[..start]);
        let inside = tag.trim_start_matches("{%").trim_end_matches("%}");
        match inside.trim_matches(|c: char| c.is_whitespace() || c == '-' || c == '+') {
            "generation" if is_block => prepared.push_str(&tag.replacen("generation", "with", 1)),
            "endgeneration" if is_block => {
                prepared.push_str(&tag.replacen("endgeneration", "endwith", 1));
            }
            _ => escapes_into(tag, &mut prepared),
        }
        rest = &rest[end..];
    }
    prepared.push_str(rest);
    Ok(prepared)
}

/// A tag whose texts have Python's escapes, in those that minijinja reads alike.
fn escapes_into(tag: &str, prepared: &mut String) {
    let mut quote = None;
    let mut chars = tag.chars();
    while let Some(c) = chars.next() {
        if quote.is_none() || c != '\\' {
            match quote {
                None if matches!(c, '"' | '\'') => quote = Some(c),
                Some(open) if open == c => quote = None,
                _ => {}
            }
            prepared.push(c);
            continue;
        }
        let rest = chars.as_str();
        match chars.next() {
            Some('a') => prepared.push_str("\\x07"),
            Some('v') => prepared.push_str("\\x0b"),
            // Python knows no such escape, and leaves both characters.
            Some('/') => prepared.push_str("\\\\/"),
            Some('\n') => {}
            Some('U') => match long_escape(rest) {
                Some(letter) => {
                    prepared.push(letter);
                    chars = rest[9..].chars();
                }
                None => prepared.push_str("\\U"),
            },
            Some(other) => prepared.extend(['\\', other]),
            None => prepared.push('\\'),
        }
    }
}

/// The character of `U0001f999`, where it needs no escape itself.
fn long_escape(text: &str) -> Option<char> {
    let letter = char::from_u32(u32::from_str_radix(text.get(1..9)?, 16).ok()?)?;
    (!matches!(letter, '\\' | '\'' | '"')).then_some(letter)
}

struct Lowering {
    literals: Vec<String>,
    depth: usize,
    /// What the macro that is being lowered mentions so far.
    rest: Rest,
}

impl Lowering {
    fn body(&mut self, statements: &[ast::Stmt<'_>]) -> Result<Vec<Stmt>> {
        statements.iter().map(|statement| self.statement(statement)).collect()
    }

    fn nested<T>(&mut self, lower: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.depth += 1;
        if self.depth > EXPRESSION_DEPTH_MAX {
            return wrong(format!("nested deeper than {EXPRESSION_DEPTH_MAX}"));
        }
        let lowered = lower(self);
        self.depth -= 1;
        lowered
    }

    fn statement(&mut self, statement: &ast::Stmt<'_>) -> Result<Stmt> {
        self.nested(|this| this.statement_here(statement))
    }

    fn statement_here(&mut self, statement: &ast::Stmt<'_>) -> Result<Stmt> {
        Ok(match statement {
            ast::Stmt::EmitRaw(raw) => Stmt::Raw(self.text(raw.raw)),
            ast::Stmt::EmitExpr(emit) => Stmt::Emit(self.expression(&emit.expr)?),
            ast::Stmt::IfCond(condition) => Stmt::If(self.branches(condition)?),
            ast::Stmt::ForLoop(each) => Stmt::For(Arc::new(For {
                target: target(&each.target)?,
                items: self.expression(&each.iter)?,
                filter: self.optional(each.filter_expr.as_ref())?,
                recursive: each.recursive,
                body: self.body(&each.body)?,
                otherwise: self.body(&each.else_body)?,
            })),
            ast::Stmt::WithBlock(with) => {
                let assignments: Result<Vec<_>> = with
                    .assignments
                    .iter()
                    .map(|(to, value)| Ok((target(to)?, self.expression(value)?)))
                    .collect();
                Stmt::With(assignments?, self.body(&with.body)?)
            }
            ast::Stmt::Set(set) => Stmt::Set(target(&set.target)?, self.expression(&set.expr)?),
            ast::Stmt::SetBlock(set) => {
                let filters = match &set.filter {
                    Some(filter) => self.filters(filter)?,
                    None => Vec::new(),
                };
                Stmt::SetBlock(target(&set.target)?, filters, self.body(&set.body)?)
            }
            ast::Stmt::FilterBlock(block) => {
                Stmt::FilterBlock(self.filters(&block.filter)?, self.body(&block.body)?)
            }
            ast::Stmt::Block(block) => Stmt::With(Vec::new(), self.body(&block.body)?),
            ast::Stmt::Macro(definition) => Stmt::Macro(self.definition(definition)?),
            ast::Stmt::CallBlock(block) => Stmt::CallBlock(
                Box::new(self.call(&block.call)?),
                self.definition(&block.macro_decl)?,
            ),
            ast::Stmt::Continue(_) => Stmt::Continue,
            ast::Stmt::Break(_) => Stmt::Break,
            ast::Stmt::Include(_)
            | ast::Stmt::Import(_)
            | ast::Stmt::FromImport(_)
            | ast::Stmt::Extends(_) => {
                Stmt::Never("there are no other templates to include, import or extend")
            }
            ast::Stmt::AutoEscape(_) => Stmt::Never("chat templates do not escape HTML"),
            ast::Stmt::Do(_) => return wrong("unknown tag 'do'"),
            ast::Stmt::Template(_) => return wrong("a template inside a template"),
        })
    }

    /// A chain of `elif` as one list, however long it is.
    fn branches(&mut self, first: &ast::IfCond<'_>) -> Result<Vec<(Option<Expr>, Vec<Stmt>)>> {
        let mut branches = Vec::new();
        let mut condition = first;
        loop {
            let test = self.expression(&condition.expr)?;
            branches.push((Some(test), self.body(&condition.true_body)?));
            match &condition.false_body[..] {
                [] => return Ok(branches),
                [ast::Stmt::IfCond(next)] => condition = next,
                otherwise => {
                    branches.push((None, self.body(otherwise)?));
                    return Ok(branches);
                }
            }
        }
    }

    fn definition(&mut self, definition: &ast::Macro<'_>) -> Result<Arc<Macro>> {
        let without = definition.args.len().saturating_sub(definition.defaults.len());
        let mut parameters = Vec::new();
        for (index, argument) in definition.args.iter().enumerate() {
            let ast::Expr::Var(name) = argument else { return wrong("a parameter is a name") };
            let default = index.checked_sub(without).and_then(|at| definition.defaults.get(at));
            parameters.push((Name::from(name.id), self.optional(default)?));
        }
        let outside = std::mem::take(&mut self.rest);
        let body = self.body(&definition.body)?;
        let rest = std::mem::replace(&mut self.rest, outside);
        let name = definition.name.into();
        Ok(Arc::new(Macro { name, parameters, body, rest }))
    }

    fn filters(&mut self, outermost: &ast::Expr<'_>) -> Result<Vec<Filter>> {
        let mut filters = Vec::new();
        let mut next = Some(outermost);
        while let Some(ast::Expr::Filter(filter)) = next {
            filters.push(self.filter(filter.name, &filter.args)?);
            next = filter.expr.as_ref();
        }
        filters.reverse();
        Ok(filters)
    }

    fn filter(&mut self, name: &str, arguments: &[ast::CallArg<'_>]) -> Result<Filter> {
        Ok(Filter { name: name.into(), arguments: self.arguments(arguments)? })
    }

    fn call(&mut self, call: &ast::Call<'_>) -> Result<Call> {
        let callee = self.expression(&call.expr)?;
        Ok(Call { callee, arguments: self.arguments(&call.args)? })
    }

    fn arguments(&mut self, arguments: &[ast::CallArg<'_>]) -> Result<Vec<Argument>> {
        let lower = |argument: &ast::CallArg<'_>| {
            Ok(match argument {
                ast::CallArg::Pos(value) => Argument::Positional(self.expression(value)?),
                ast::CallArg::Kwarg(name, value) => {
                    Argument::Named((*name).into(), self.expression(value)?)
                }
                ast::CallArg::PosSplat(value) => Argument::Values(self.expression(value)?),
                ast::CallArg::KwargSplat(value) => Argument::Members(self.expression(value)?),
            })
        };
        arguments.iter().map(lower).collect()
    }

    fn optional(&mut self, expression: Option<&ast::Expr<'_>>) -> Result<Option<Expr>> {
        expression.map(|expression| self.expression(expression)).transpose()
    }

    fn boxed(&mut self, expression: &ast::Expr<'_>) -> Result<Box<Expr>> {
        Ok(Box::new(self.expression(expression)?))
    }

    fn all(&mut self, expressions: &[ast::Expr<'_>]) -> Result<Vec<Expr>> {
        expressions.iter().map(|expression| self.expression(expression)).collect()
    }

    fn expression(&mut self, expression: &ast::Expr<'_>) -> Result<Expr> {
        self.nested(|this| this.expression_here(expression))
    }

    fn expression_here(&mut self, expression: &ast::Expr<'_>) -> Result<Expr> {
        Ok(match expression {
            ast::Expr::Var(name) => {
                self.rest.values |= name.id == "varargs";
                self.rest.members |= name.id == "kwargs";
                Expr::Name(name.id.into())
            }
            ast::Expr::Const(constant) => self.constant(&constant.value)?,
            ast::Expr::Slice(slice) => Expr::Slice(Box::new(Slice {
                of: self.expression(&slice.expr)?,
                start: self.optional(slice.start.as_ref())?,
                stop: self.optional(slice.stop.as_ref())?,
                step: self.optional(slice.step.as_ref())?,
            })),
            ast::Expr::UnaryOp(operation) => {
                let value = self.boxed(&operation.expr)?;
                match operation.op {
                    ast::UnaryOpKind::Not => Expr::Not(value),
                    ast::UnaryOpKind::Neg => Expr::Negative(value),
                }
            }
            ast::Expr::BinOp(operation) => self.binary(operation)?,
            ast::Expr::Compare(compare) => {
                let others: Result<Vec<_>> = compare
                    .ops
                    .iter()
                    .map(|other| Ok((comparison(other.op), self.expression(&other.expr)?)))
                    .collect();
                Expr::Compare(self.boxed(&compare.expr)?, others?)
            }
            ast::Expr::IfExpr(condition) => Expr::If(Box::new((
                self.expression(&condition.test_expr)?,
                self.expression(&condition.true_expr)?,
                self.optional(condition.false_expr.as_ref())?,
            ))),
            ast::Expr::Filter(filter) => {
                let Some(value) = &filter.expr else { return wrong("a filter of nothing") };
                let value = self.expression(value)?;
                Expr::Filter(Box::new((value, self.filter(filter.name, &filter.args)?)))
            }
            ast::Expr::Test(test) => {
                let value = self.expression(&test.expr)?;
                Expr::Test(Box::new((value, self.filter(test.name, &test.args)?)))
            }
            ast::Expr::GetAttr(get) => Expr::Attribute(self.boxed(&get.expr)?, get.name.into()),
            ast::Expr::GetItem(get) => {
                Expr::Item(self.boxed(&get.expr)?, self.boxed(&get.subscript_expr)?)
            }
            ast::Expr::Call(call) => Expr::Call(Box::new(self.call(call)?)),
            ast::Expr::List(list) => Expr::List(self.all(&list.items)?),
            ast::Expr::Tuple(tuple) => Expr::Tuple(self.all(&tuple.items)?),
            ast::Expr::Map(map) => {
                let members: Result<Vec<_>> = map
                    .keys
                    .iter()
                    .zip(&map.values)
                    .map(|(key, value)| Ok((self.expression(key)?, self.expression(value)?)))
                    .collect();
                Expr::Dict(members?)
            }
        })
    }

    fn binary(&mut self, operation: &ast::BinOp<'_>) -> Result<Expr> {
        use ast::BinOpKind as Kind;
        if matches!(operation.op, Kind::Concat) {
            return self.concat(operation);
        }
        let left = self.boxed(&operation.left)?;
        let right = self.boxed(&operation.right)?;
        let compare = |op, left, right: Box<Expr>| Expr::Compare(left, vec![(op, *right)]);
        let arithmetic = Expr::Arithmetic;
        Ok(match operation.op {
            Kind::ScAnd => Expr::And(left, right),
            Kind::ScOr => Expr::Or(left, right),
            Kind::Add => arithmetic(Operator::Add, left, right),
            Kind::Sub => arithmetic(Operator::Subtract, left, right),
            Kind::Mul => arithmetic(Operator::Multiply, left, right),
            Kind::Div => arithmetic(Operator::Divide, left, right),
            Kind::FloorDiv => arithmetic(Operator::FloorDivide, left, right),
            Kind::Rem => arithmetic(Operator::Remainder, left, right),
            Kind::Pow => arithmetic(Operator::Power, left, right),
            Kind::Concat => Expr::Concat(vec![*left, *right]),
            Kind::Eq => compare(Comparison::Equal, left, right),
            Kind::Ne => compare(Comparison::NotEqual, left, right),
            Kind::Lt => compare(Comparison::Less, left, right),
            Kind::Lte => compare(Comparison::LessOrEqual, left, right),
            Kind::Gt => compare(Comparison::Greater, left, right),
            Kind::Gte => compare(Comparison::GreaterOrEqual, left, right),
            Kind::In => compare(Comparison::In, left, right),
        })
    }

    /// A chain of `~` as one list, however long it is.
    fn concat(&mut self, last: &ast::BinOp<'_>) -> Result<Expr> {
        let mut parts = vec![self.expression(&last.right)?];
        let mut left = &last.left;
        while let ast::Expr::BinOp(operation) = left
            && matches!(operation.op, ast::BinOpKind::Concat)
        {
            parts.push(self.expression(&operation.right)?);
            left = &operation.left;
        }
        parts.push(self.expression(left)?);
        parts.reverse();
        Ok(Expr::Concat(parts))
    }

    fn constant(&mut self, value: &Constant) -> Result<Expr> {
        if let Some(text) = value.as_str() {
            return Ok(Expr::Text(self.text(text)));
        }
        Ok(match value.kind() {
            ValueKind::None => Expr::None,
            ValueKind::Bool => Expr::Bool(value.is_true()),
            ValueKind::Number => match i128::try_from(value.clone()) {
                Ok(whole) if value.is_integer() => Expr::Int(whole),
                _ => match f64::try_from(value.clone()) {
                    Ok(number) => Expr::Float(number),
                    Err(error) => return wrong(error.to_string()),
                },
            },
            other => return wrong(format!("a constant of type {other}")),
        })
    }

    fn text(&mut self, text: &str) -> Text {
        self.literals.push(text.to_owned());
        Text::constant(text)
    }
}

fn comparison(kind: ast::CompareOpKind) -> Comparison {
    match kind {
        ast::CompareOpKind::Eq => Comparison::Equal,
        ast::CompareOpKind::Ne => Comparison::NotEqual,
        ast::CompareOpKind::Lt => Comparison::Less,
        ast::CompareOpKind::Lte => Comparison::LessOrEqual,
        ast::CompareOpKind::Gt => Comparison::Greater,
        ast::CompareOpKind::Gte => Comparison::GreaterOrEqual,
        ast::CompareOpKind::In => Comparison::In,
        ast::CompareOpKind::NotIn => Comparison::NotIn,
    }
}

fn target(expression: &ast::Expr<'_>) -> Result<Target> {
    Ok(match expression {
        ast::Expr::Var(name) => Target::Name(name.id.into()),
        ast::Expr::GetAttr(member) => match &member.expr {
            ast::Expr::Var(name) => Target::Member(name.id.into(), member.name.into()),
            _ => return wrong("only a namespace's own members can be set"),
        },
        ast::Expr::List(list) => {
            let targets: Result<Vec<_>> = list.items.iter().map(target).collect();
            Target::Tuple(targets?)
        }
        _ => return wrong("this can't be assigned to"),
    })
}
