//! A simulated programmer: a model that knows a correct project and makes mistakes of chosen kinds on the way to it.

pub mod project;
pub mod projects;
