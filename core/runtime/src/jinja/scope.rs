//! The names that a place in a template sees.

use std::cell::RefCell;
use std::rc::Rc;

use super::syntax::Name;
use super::value::Value;

/// Names with values, and the scope around them.
#[derive(Debug, Default)]
pub(crate) struct Scope {
    names: RefCell<Vec<(Name, Value)>>,
    around: Option<Rc<Scope>>,
}

impl Scope {
    pub(super) fn inside(around: &Rc<Scope>) -> Rc<Self> {
        Rc::new(Self { names: RefCell::default(), around: Some(Rc::clone(around)) })
    }

    pub(super) fn get(&self, name: &str) -> Option<Value> {
        let mut scope = self;
        loop {
            if let Some((_, value)) = scope.names.borrow().iter().find(|(n, _)| **n == *name) {
                return Some(value.clone());
            }
            scope = scope.around.as_deref()?;
        }
    }

    pub(super) fn set(&self, name: &Name, value: Value) {
        let mut names = self.names.borrow_mut();
        match names.iter_mut().find(|(n, _)| n == name) {
            Some((_, old)) => *old = value,
            None => names.push((Name::clone(name), value)),
        }
    }

    /// Forgets all, so that macros and the scopes that they were defined in let each other go.
    pub(super) fn clear(&self) {
        let names = self.names.take();
        drop(names);
    }
}
