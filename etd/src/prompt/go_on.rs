//! The question for the rest of an answer that was cut.

use super::Window;
use crate::provider::{Prompt, Speaker, Turn};

const GO_ON: &str = "Your answer was cut by the length limit. Go on exactly where it stopped, in the middle of the line if need be: repeat nothing, put no fence or heading before it, and end with the markers that are still missing.";

/// The same question with the answer so far, and the request to go on. The answer takes its part of the window.
#[must_use]
pub fn go_on(prompt: &dyn Fn(Window) -> Prompt, partial: &str, window: Window) -> Prompt {
    let taken = u32::try_from((partial.len() + GO_ON.len()) / 4 + 1).unwrap_or(u32::MAX);
    let narrow = Window { context: window.context.map(|context| context.saturating_sub(taken).max(1)), ..window };
    let mut prompt = prompt(narrow);
    prompt.turns.push(Turn { speaker: Speaker::Assistant, text: partial.to_owned() });
    prompt.turns.push(Turn { speaker: Speaker::User, text: GO_ON.to_owned() });
    prompt
}
