//! What `go vet -json` says.

use serde_json::Value;

use super::log::{Log, Out, error};

/// What `go vet -json` says of a package: analyzers and their findings. It exits 0 whatever it finds.
pub(super) fn vet(log: &Log<'_>, at: usize, out: &mut Out) -> Option<usize> {
    if log.text(at) != "{" || !log.text(at + 1).starts_with("\t\"") {
        return None;
    }
    let end = log.until(at + 1, 5000, |text| text == "}" || text == "{");
    if log.text(end) != "}" {
        return None;
    }
    let text = (at..=end).map(|index| log.text(index)).collect::<Vec<_>>().join("\n");
    let Value::Object(packages) = serde_json::from_str(&text).ok()? else { return None };
    let analyzers = packages.values().filter_map(Value::as_object).flatten();
    for (analyzer, findings) in analyzers {
        for finding in findings.as_array().into_iter().flatten() {
            let (Some(message), Some(place)) = (finding["message"].as_str(), finding["posn"].as_str()) else {
                continue;
            };
            let mut parts = place.rsplitn(3, ':');
            let column = parts.next().and_then(|part| part.parse().ok());
            let line = parts.next().and_then(|part| part.parse().ok());
            let mut diagnostic = error("go", message);
            diagnostic.code = Some(analyzer.clone());
            diagnostic.file = parts.next().and_then(|file| log.find(file, at));
            if diagnostic.file.is_some() {
                (diagnostic.line, diagnostic.column) = (line, column);
            }
            out.push(diagnostic);
        }
    }
    Some(end + 1)
}
