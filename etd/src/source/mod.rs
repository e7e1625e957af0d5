//! What source files declare and take from one another, by the look of their lines: no parser, no grammar. Pure.
//!
//! It is a help for choosing what is shown and who is asked. It may miss or invent a line where code is laid out in an unusual way; nothing
//! that is written may depend on it.

pub(crate) mod imports;
pub(crate) mod outline;
pub(crate) mod words;
