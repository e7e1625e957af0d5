//! A simulated programmer: it knows correct projects, and answers whatever client asks for them.
//!
//! It sees raw requests only and knows no heading or marker of ours: what a request wants, for which part, and in which form is read from
//! its words. It makes the mistakes that its case says, and undoes one only if the prompt holds what a programmer would need for that. It never
//! looks at a clock or at the order in which requests come: an answer follows from the case, the request, and how often the same part was
//! asked before.
//!
//! | module | what it holds |
//! |---|---|
//! | [`project`] | what is known of a project |
//! | `projects` | the projects |
//! | [`case`] | which mistakes, in which format, by which seed |
//! | `read` | what a request wants |
//! | `shown` | which files a request shows, and what it says of mistakes |
//! | `give`, `lines` | how files are given: formats, edits |
//! | `planner` | plans |
//! | [`mind`] | the programmer |
//! | [`run`] | a case played with the real `et`, and measured |

pub mod case;
mod give;
mod lines;
pub mod mind;
mod planner;
pub mod project;
pub mod projects;
mod read;
pub mod run;
mod shown;
#[cfg(test)]
mod tests;
