//! What changed between two texts, line by line.

/// A place that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hunk {
    /// Its first line in the old text and in the new one, from 0.
    pub(crate) at: (usize, usize),
    /// Its lines: kept, removed, added.
    pub(crate) lines: Vec<(Change, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Kept,
    Removed,
    Added,
}

impl Hunk {
    pub(crate) fn old(&self) -> Vec<&str> {
        self.side(Change::Added)
    }

    pub(crate) fn fresh(&self) -> Vec<&str> {
        self.side(Change::Removed)
    }

    fn side(&self, without: Change) -> Vec<&str> {
        self.lines.iter().filter(|(change, _)| *change != without).map(|(_, line)| line.as_str()).collect()
    }
}

/// All lines of both texts in one list.
fn changes(old: &[&str], new: &[&str]) -> Vec<(Change, String)> {
    let head = old.iter().zip(new).take_while(|(one, other)| one == other).count();
    let rest = old.len().min(new.len()) - head;
    let tail = old.iter().rev().zip(new.iter().rev()).take(rest).take_while(|(one, other)| one == other).count();
    let (a, b) = (&old[head..old.len() - tail], &new[head..new.len() - tail]);
    // The longest common subsequence of what lies between, from the ends.
    let mut common = vec![vec![0_u32; b.len() + 1]; a.len() + 1];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            common[i][j] = if a[i] == b[j] { common[i + 1][j + 1] + 1 } else { common[i + 1][j].max(common[i][j + 1]) };
        }
    }
    let kept = |line: &&str| (Change::Kept, (*line).to_owned());
    let mut out: Vec<_> = old[..head].iter().map(kept).collect();
    let (mut i, mut j) = (0, 0);
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && a[i] == b[j] {
            out.push(kept(&a[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == b.len() || (i < a.len() && common[i + 1][j] >= common[i][j + 1]) {
            out.push((Change::Removed, a[i].to_owned()));
            i += 1;
        } else {
            out.push((Change::Added, b[j].to_owned()));
            j += 1;
        }
    }
    out.extend(old[old.len() - tail..].iter().map(kept));
    out
}

/// Places that changed, each with up to `around` unchanged lines on each side.
pub(crate) fn hunks(old: &str, new: &str, around: usize) -> Vec<Hunk> {
    let all = changes(&old.lines().collect::<Vec<_>>(), &new.lines().collect::<Vec<_>>());
    let mut keep = vec![false; all.len()];
    for (index, _) in all.iter().enumerate().filter(|(_, (change, _))| *change != Change::Kept) {
        let to = (index + around + 1).min(all.len());
        keep[index.saturating_sub(around)..to].fill(true);
    }
    let mut out = Vec::new();
    let (mut before, mut after) = (0, 0);
    let mut open: Option<Hunk> = None;
    for ((change, line), keep) in all.into_iter().zip(keep) {
        if keep {
            let hunk = open.get_or_insert_with(|| Hunk { at: (before, after), lines: Vec::new() });
            hunk.lines.push((change, line));
        } else {
            out.extend(open.take());
        }
        before += usize::from(change != Change::Added);
        after += usize::from(change != Change::Removed);
    }
    out.extend(open);
    out
}

/// The same with as many lines around each place as it takes to find it only once in the old text, all of which `seen` must know. None: there is
/// no such choice.
pub(crate) fn edits(old: &str, new: &str, seen: impl Fn(&str) -> bool) -> Option<Vec<Hunk>> {
    let padded = format!("\n{}\n", old.trim_end_matches('\n'));
    let fits = |hunk: &Hunk| {
        let text = hunk.old().join("\n");
        !text.is_empty() && padded.match_indices(&format!("\n{text}\n")).take(2).count() == 1 && seen(&text)
    };
    let most = old.lines().count() + 1;
    // Two lines are usual; fewer where no more are in sight.
    let mut around = [2, 3, 1, 0].into_iter().chain((4..=most).step_by(2));
    around.find_map(|around| Some(hunks(old, new, around)).filter(|found| found.iter().all(fits)))
}
