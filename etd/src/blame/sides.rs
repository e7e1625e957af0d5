//! For one diagnostic: who is asked first, and who stands on the other side of the interface.

use proto::diagnostic::Diagnostic;

use super::class::{self, Class, class};
use super::leads::{LIKELY, PERHAPS};
use super::{INTEGRATOR, Owners};
use crate::check::diagnostics::IS_THERE;
use crate::plan::Subtask;
use crate::source::imports::is_test;
use crate::source::words::mentions;

/// Others that are asked at most.
const OTHERS: usize = 3;

/// Who has to do with a diagnostic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sides {
    /// The owner of the primary place: what the history goes by.
    pub(super) primary: String,
    /// Who is asked first.
    pub(super) first: String,
    /// Who is asked at the same time as `first`, because both are likely; with the reason.
    pub(super) besides: Vec<(String, String)>,
    /// Who is asked next, one after the other; none if there is only one side.
    pub(super) others: Vec<String>,
    /// Whether the diagnostic names no place and nobody in particular.
    pub(super) nowhere: bool,
    /// Why `first`.
    pub(super) why: String,
}

pub(super) fn sides(diagnostic: &Diagnostic, owners: &Owners, subtasks: &[Subtask]) -> Sides {
    let file = diagnostic.file.as_deref();
    let primary = file.map_or(INTEGRATOR, |file| owners.of_file(file)).to_owned();
    let mut others: Vec<String> = Vec::new();
    let mut first: Option<(String, String)> = None;

    if let Some((place, what)) =
        diagnostic.related.iter().find_map(|place| Some((place, place.message.strip_prefix(LIKELY)?)))
    {
        first = Some((owners.of_file(&place.file).to_owned(), format!("owns {}: {what}", place.file)));
    }
    if let Some((owner, path)) = class::missing_module(diagnostic)
        .filter(|_| first.is_none())
        .and_then(|module| module_owner(&module, diagnostic, owners))
    {
        // A reader that knows the file to be there says so among the other places: then the import is wrong, not the file.
        let there = diagnostic
            .related
            .iter()
            .any(|place| parent(&place.file) == parent(&path) && place.message.contains(IS_THERE));
        if owner != primary && !there {
            first = Some((owner, format!("owns {path}, which isn't there or isn't found")));
        }
    }
    if let Some(missing) = class::missing(diagnostic).filter(|_| first.is_none()) {
        let named = provider(&missing.symbol, subtasks, &primary);
        let holder = missing.holder.as_deref().and_then(|holder| holder_owner(holder, owners, subtasks));
        let related = diagnostic
            .related
            .iter()
            .map(|place| owners.of_file(&place.file).to_owned())
            .find(|owner| *owner != primary && owner != INTEGRATOR);
        // A bare Go name is looked up in its own package: who shares the dir may lack it, who doesn't was not imported.
        let same_dir = |owner: &str| {
            let dir = file.map(parent);
            file.is_some_and(|file| file.ends_with(".go"))
                && owners
                    .iter()
                    .any(|(path, other)| other == owner && path.extension() == "go" && Some(path.parent()) == dir)
        };
        match (named, holder) {
            (Some(id), _) if missing.elsewhere || same_dir(&id) => {
                first = Some((id, format!("provides `{}`, which isn't found", missing.symbol)));
            }
            (Some(id), _) => others.push(id),
            (None, Some(id)) if id != primary => others.push(id),
            _ => {}
        }
        others.extend(related);
    }
    if first.is_none()
        && let Some(symbol) = class::duplicate(diagnostic)
        && provider(&symbol, subtasks, "").is_some_and(|provider| provider == primary)
        && let Some(other) =
            diagnostic.related.iter().map(|place| owners.of_file(&place.file)).find(|one| *one != primary)
        && other != INTEGRATOR
    {
        first = Some((other.to_owned(), format!("defines `{symbol}`, which {primary} provides")));
    }
    if class(diagnostic) == Class::Tests
        && first.is_none()
        && let Some(file) = file.filter(|file| is_test(file))
        && let Some((owner, why)) = code_under_test(file, diagnostic, owners, subtasks)
        && owner != primary
    {
        first = Some((owner, why));
    }
    if file.is_none() && first.is_none() {
        // A path in the text is the only lead.
        let mut named = owners.iter().filter(|(path, _)| mentions(&diagnostic.message, path.as_str()));
        if let (Some((path, owner)), None) = (named.next(), named.next()) {
            first = Some((owner.to_owned(), format!("owns {path}, which the log names")));
        }
    }

    others.extend(
        diagnostic
            .related
            .iter()
            .map(|place| owners.of_file(&place.file).to_owned())
            .filter(|owner| owner != INTEGRATOR),
    );
    let nowhere = file.is_none() && first.is_none() && others.is_empty();
    let (first, why) = first.unwrap_or_else(|| {
        let why = match file {
            Some(file) if primary == INTEGRATOR => format!("no subtask owns {file}"),
            Some(file) => format!("owns {file}"),
            None => "the failure names no file".to_owned(),
        };
        (primary.clone(), why)
    });
    if first != primary && primary != INTEGRATOR {
        others.insert(0, primary.clone());
    }
    let mut rest: Vec<String> = Vec::new();
    for owner in others {
        if owner != first && owner != INTEGRATOR && !rest.contains(&owner) && rest.len() < OTHERS {
            rest.push(owner);
        }
    }
    let besides = diagnostic.related.iter().filter(|place| place.message.starts_with(PERHAPS)).map(|place| {
        (owners.of_file(&place.file).to_owned(), format!("owns {}, which the failing test reaches", place.file))
    });
    let besides = besides.filter(|(owner, _)| *owner != first && owner != INTEGRATOR).collect();
    Sides { primary, first, besides, others: rest, nowhere, why }
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// The subtask that provides a symbol, other than `but`.
fn provider(symbol: &str, subtasks: &[Subtask], but: &str) -> Option<String> {
    let provides = |subtask: &&Subtask| subtask.provides.iter().any(|signature| mentions(signature, symbol));
    if subtasks.iter().filter(provides).any(|subtask| subtask.id == but) {
        return None;
    }
    subtasks.iter().find(provides).map(|subtask| subtask.id.clone())
}

/// Who owns the package, module or type of this name, if it is one subtask.
fn holder_owner(holder: &str, owners: &Owners, subtasks: &[Subtask]) -> Option<String> {
    let of_file = |path: &str| {
        let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
        let stem = name.split('.').next().unwrap_or(name);
        stem == holder || dir.rsplit('/').next() == Some(holder)
    };
    let mut found: Vec<&str> =
        owners.iter().filter(|(path, _)| of_file(path.as_str())).map(|(_, owner)| owner).collect();
    found.sort_unstable();
    found.dedup();
    match found.as_slice() {
        [one] => Some((*one).to_owned()),
        _ => subtasks
            .iter()
            .find(|subtask| subtask.provides.iter().any(|signature| mentions(signature, holder)))
            .map(|subtask| subtask.id.clone()),
    }
}

/// Who owns the file or dir that an import means, with that path.
fn module_owner(module: &str, diagnostic: &Diagnostic, owners: &Owners) -> Option<(String, String)> {
    let relative = module.trim_start_matches("./").trim_start_matches("../");
    let dotted = !relative.contains('/') && diagnostic.file.as_deref().is_some_and(|file| file.ends_with(".py"));
    let wanted = if dotted { relative.replace('.', "/") } else { relative.to_owned() };
    let wanted = ["js", "mjs", "cjs", "ts", "tsx"]
        .iter()
        .find_map(|ending| wanted.strip_suffix(&format!(".{ending}")))
        .unwrap_or(&wanted)
        .to_owned();
    // `a/b/c` may be below a root that the tree doesn't show (`example.com/app/…`, an absolute path): drop parts from the left.
    let mut rest = wanted.as_str();
    loop {
        let fits = |path: &str| {
            let stem = path.rsplit_once('.').map_or(path, |(stem, _)| stem);
            path == rest
                || stem == rest
                || path.ends_with(&format!("/{rest}"))
                || stem.ends_with(&format!("/{rest}"))
                || parent(path) == rest
                || [format!("{rest}/index"), format!("{rest}/__init__"), format!("{rest}/mod")]
                    .iter()
                    .any(|inner| stem == inner)
        };
        let mut found: Vec<(&str, &str)> =
            owners.iter().filter(|(path, _)| fits(path.as_str())).map(|(path, owner)| (owner, path.as_str())).collect();
        if found.iter().any(|(_, path)| !is_test(path)) {
            found.retain(|(_, path)| !is_test(path));
        }
        found.dedup_by_key(|(owner, _)| *owner);
        match found.as_slice() {
            [(owner, path)] => return Some(((*owner).to_owned(), (*path).to_owned())),
            [] => {}
            _ => return None,
        }
        // What comes from elsewhere (`github.com/gorilla/mux`) shares at most its last part with the tree by chance.
        rest = rest.split_once('/')?.1;
        if !rest.contains('/') && wanted.contains("github.com/") {
            return None;
        }
    }
}

/// Who owns the code that a failing test is about: a frame in it, what the message names, or the file of the like name.
fn code_under_test(
    test: &str,
    diagnostic: &Diagnostic,
    owners: &Owners,
    subtasks: &[Subtask],
) -> Option<(String, String)> {
    let frame =
        diagnostic.related.iter().find(|place| !is_test(&place.file) && owners.of_file(&place.file) != INTEGRATOR);
    if let Some(place) = frame {
        return Some((
            owners.of_file(&place.file).to_owned(),
            format!("owns {}, which the failing test went through", place.file),
        ));
    }
    let stem = |path: &str| {
        let name = path.rsplit('/').next().unwrap_or(path);
        let stem = name.split('.').next().unwrap_or(name);
        stem.trim_start_matches("test_").trim_end_matches("_test").to_owned()
    };
    let wanted = stem(test);
    let mut alike: Vec<_> =
        owners.iter().filter(|(path, _)| !is_test(path.as_str()) && stem(path.as_str()) == wanted).collect();
    if alike.len() > 1 {
        alike.retain(|(path, _)| path.parent() == parent(test));
    }
    if let [(path, owner)] = alike.as_slice() {
        return Some(((*owner).to_owned(), format!("owns {path}, which the failing test is named after")));
    }
    let called: Vec<&str> = diagnostic
        .message
        .split(|character: char| !(character.is_alphanumeric() || character == '_'))
        .filter(|word| word.len() > 2)
        .collect();
    let owner_of_test = owners.of_file(test);
    subtasks.iter().filter(|subtask| subtask.id != owner_of_test).find_map(|subtask| {
        let word = called.iter().find(|word| {
            subtask
                .provides
                .iter()
                .any(|signature| signature.contains(&format!("{word}(")) && mentions(signature, word))
        })?;
        Some((subtask.id.clone(), format!("provides `{word}`, which the failing test calls")))
    })
}
