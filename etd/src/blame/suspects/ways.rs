//! What a failing test may have gone through, and what the others go through, each with the cost of the way. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use proto::diagnostic::Diagnostic;

use super::graph::Sources;

/// Steps that are followed; twice that of hops from function to function.
const FAR: usize = 14;
/// Tests that pass and are followed; more of them tell nothing new.
const TESTS: usize = 1000;

impl Sources<'_> {
    /// Where a failure stands in tests: file and line, from 0.
    pub(super) fn places(&self, failure: &Diagnostic) -> Vec<(usize, usize)> {
        let own = failure.file.as_deref().zip(failure.line);
        let related = failure.related.iter().filter_map(|place| Some((place.file.as_str(), place.line?)));
        let find = |(path, line): (&str, u32)| {
            let file = self.files.iter().position(|file| file.test && file.path.as_str() == path)?;
            let line = (line as usize).checked_sub(1)?;
            (line < self.files[file].of_line.len()).then_some((file, line))
        };
        own.into_iter().chain(related).filter_map(find).collect()
    }

    /// The functions that a failure went through, the innermost first.
    pub(super) fn frames(&self, failure: &Diagnostic) -> Vec<usize> {
        let own = failure.file.as_deref().zip(failure.line);
        let related = failure.related.iter().filter_map(|place| Some((place.file.as_str(), place.line?)));
        let find = |(path, line): (&str, u32)| {
            let file = self.files.iter().find(|file| !file.test && file.path.as_str() == path)?;
            file.of_line.get((line as usize).checked_sub(1)?).copied()
        };
        own.into_iter().chain(related).filter_map(find).collect()
    }

    /// The functions that these places stand in.
    pub(super) fn nodes_of(&self, places: &[(usize, usize)]) -> impl Iterator<Item = usize> {
        places.iter().map(|(file, line)| self.files[*file].of_line[*line])
    }

    /// How many tests reach each function that don't fail. `failing`: places in tests that fail.
    pub(super) fn passing(&self, failing: &[(usize, usize)]) -> HashMap<usize, usize> {
        let fail: BTreeSet<usize> = self.nodes_of(failing).collect();
        // What each names, and the function that it stands in.
        type Named = (Vec<(usize, usize)>, Option<usize>);
        let mut passing: Vec<Named> = self
            .tests
            .iter()
            .filter(|test| !fail.contains(test))
            .map(|test| (self.whole(*test), Some(*test)))
            .collect();
        for (index, file) in self.files.iter().enumerate().filter(|(_, file)| file.test) {
            let fails: BTreeSet<usize> =
                failing.iter().filter(|(file, _)| *file == index).map(|(_, line)| *line).collect();
            for (start, end) in file.handed.iter().copied() {
                let own = file.of_line.get(start).copied();
                if fails.range(start..=end).next().is_some() || own.is_some_and(|own| self.tests.contains(&own)) {
                    continue;
                }
                let named = (start..=end).filter_map(|line| file.line_names.get(line)).flatten();
                passing.push((named.map(|node| (*node, 2)).collect(), own));
            }
        }
        let mut times = HashMap::new();
        for (named, own) in passing.into_iter().take(TESTS) {
            for node in self.reach_or_run(named, &own.into_iter().collect()).into_keys() {
                *times.entry(node).or_default() += 1;
            }
        }
        times
    }

    /// What a failure may have gone through, with the cost of the way. `places`: where it stands in tests.
    pub(super) fn ways(&self, failure: &Diagnostic, places: &[(usize, usize)]) -> HashMap<usize, usize> {
        let through: BTreeSet<usize> = self.nodes_of(places).collect();
        let mut begin: Vec<(usize, usize)> = Vec::new();
        for (file, line) in places {
            let test = self.files[*file].of_line[*line];
            begin.extend(self.until(*file, *line).into_iter().filter(|(node, _)| !through.contains(node)));
            begin.extend(self.before(test).into_iter().map(|node| (node, 2)));
        }
        let mut costs = self.reach(begin, &through);
        if !(places.is_empty() || costs.keys().any(|node| !self.is_test(*node))) {
            // Its lines tell nothing: all of the function may.
            costs = self.reach_or_run(self.nodes_of(places).flat_map(|test| self.whole(test)).collect(), &through);
        }
        for (at, frame) in self.frames(failure).into_iter().enumerate() {
            let known = costs.entry(frame).or_insert(FAR);
            *known = (*known).min(2 + 2 * at);
        }
        costs
    }

    /// What the lines name that run until one of a test fails, each with how far that is.
    fn until(&self, file: usize, line: usize) -> Vec<(usize, usize)> {
        let here = &self.files[file];
        let slice = here.layout.slice(self.nodes[here.of_line[line]].lines, line);
        let mut named: BTreeMap<usize, usize> = BTreeMap::new();
        let mut cost = 1;
        for lines in std::iter::once(slice.statement).chain(slice.before.into_iter().map(|line| vec![line])) {
            let mut code = false;
            for node in lines.iter().filter_map(|line| here.line_names.get(*line)).flatten() {
                named.entry(*node).or_insert(cost);
                code |= !self.is_test(*node);
            }
            // What comes nearest is nearest, on whatever line it stands.
            if code {
                cost = 2;
            }
        }
        let implied: Vec<usize> = named.keys().flat_map(|node| self.implied(*node)).copied().collect();
        named.into_iter().chain(implied.into_iter().map(|node| (node, 2))).collect()
    }

    /// What a function names.
    fn whole(&self, node: usize) -> Vec<(usize, usize)> {
        self.named[node].iter().map(|named| (*named, 2)).collect()
    }

    /// What can be reached from what a test names; if that is no code, the test may run the program.
    fn reach_or_run(&self, mut named: Vec<(usize, usize)>, but: &BTreeSet<usize>) -> HashMap<usize, usize> {
        let costs = self.reach(named.clone(), but);
        if costs.keys().any(|node| !self.is_test(*node)) {
            return costs;
        }
        named.extend(self.entries.iter().map(|entry| (*entry, 2)));
        self.reach(named, but)
    }

    /// What can be reached from what a test names, with the cost of the way. `but`: functions that aren't entered again.
    fn reach(&self, named: Vec<(usize, usize)>, but: &BTreeSet<usize>) -> HashMap<usize, usize> {
        let first = |(node, cost): (usize, usize)| (cost + usize::from(!self.is_test(node)), node);
        let mut costs: HashMap<usize, usize> = HashMap::new();
        let mut open: BTreeSet<(usize, usize)> = named.into_iter().map(first).collect();
        while let Some((cost, node)) = open.pop_first() {
            if cost > FAR || but.contains(&node) || costs.get(&node).is_some_and(|known| *known <= cost) {
                continue;
            }
            costs.insert(node, cost);
            let one = &self.nodes[node];
            for next in &self.named[node] {
                open.insert((cost + if self.is_test(*next) { 1 } else { 2 }, *next));
            }
            // What a file says at its top counts as far away as its functions.
            let file = &self.files[one.file];
            if file.top != node && !file.test {
                open.insert((cost + 3, file.top));
            }
        }
        costs
    }
}
