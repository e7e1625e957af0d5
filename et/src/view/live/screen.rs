//! Draws on a terminal: lines that stay, and below them a block that is redrawn in place.
//!
//! The cursor always rests at the start of the line below the block, and no mode outlives one write: whoever kills the process finds
//! a usable terminal. indicatif isn't used here: it pads each line to the full width, so that a terminal that becomes
//! narrower wraps them all and the remains stay on the screen.

use std::io::Write;

use super::line::Line;

/// Columns and rows of a terminal.
pub(super) type Size = (usize, usize);

/// Where it is drawn.
pub(super) struct Screen {
    out: Box<dyn Write>,
    size: Box<dyn Fn() -> Size>,
    colour: bool,
    /// Columns of each line of the block that is on the screen.
    drawn: Vec<usize>,
}

impl Screen {
    pub(super) fn new(out: Box<dyn Write>, size: Box<dyn Fn() -> Size>, colour: bool) -> Self {
        Self { out, size, colour, drawn: Vec::new() }
    }

    /// Columns and rows, as they are now.
    pub(super) fn size(&self) -> Size {
        (self.size)()
    }

    /// Writes lines that stay and draws the block anew below them. A terminal that is gone is no error.
    pub(super) fn draw(&mut self, stay: &[Line], block: &[Line]) {
        if stay.is_empty() && block.is_empty() && self.drawn.is_empty() {
            return;
        }
        let mut frame = self.back();
        if !stay.is_empty() {
            frame.push_str("\u{1b}[J");
        }
        let columns = self.size().0;
        for line in stay.iter().flat_map(|line| line.wrap(columns)) {
            frame.push_str(&line.paint(self.colour));
            frame.push_str("\r\n");
        }
        if !block.is_empty() {
            // Without wrapping: a character that is wider than we think is cut off rather than breaking the block.
            frame.push_str("\u{1b}[?7l");
            for line in block {
                frame.push_str(&line.paint(self.colour));
                frame.push_str("\u{1b}[K\r\n");
            }
            frame.push_str("\u{1b}[?7h");
        }
        frame.push_str("\u{1b}[J");
        self.drawn = block.iter().map(Line::width).collect();
        let _ = self.out.write_all(frame.as_bytes());
        let _ = self.out.flush();
    }

    /// Takes the block off the screen.
    pub(super) fn clear(&mut self) {
        self.draw(&[], &[]);
    }

    /// Moves the cursor to the start of the block. A terminal that became narrower has wrapped its lines.
    fn back(&self) -> String {
        let columns = self.size().0.max(1);
        let rows: usize = self.drawn.iter().map(|width| width.div_ceil(columns).max(1)).sum();
        if rows == 0 { "\r".to_owned() } else { format!("\r\u{1b}[{rows}A") }
    }
}
