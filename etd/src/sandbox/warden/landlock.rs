//! From a confinement to a Landlock ruleset: what `partial` has instead of a file system of its own.

use std::io;
use std::path::Path;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, PathBeneath, PathFd, Ruleset,
    RulesetAttr as _, RulesetCreatedAttr as _, RulesetStatus, Scope,
};

use crate::sandbox::confine::{Confinement, DEVICES};

/// The least that counts as confined: from here on a file can't be truncated or moved past the rules (Linux 6.2).
const LEAST: ABI = ABI::V3;
/// What is asked for where the kernel has it: TCP (6.7), devices (6.10), signals and abstract sockets (6.12).
const BEST: ABI = ABI::V6;

/// Paths with what may be done there.
pub(super) struct Rules {
    paths: Vec<(PathFd, BitFlags<AccessFs>)>,
    network: bool,
}

fn wrong<E: std::fmt::Display>(error: E) -> io::Error {
    io::Error::other(format!("Landlock: {error}"))
}

/// Opens every place. Those that aren't there are passed over.
pub(super) fn rules(confinement: &Confinement) -> io::Result<Rules> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir | AccessFs::Execute;
    // No devices, and no commands to them.
    let write = AccessFs::from_all(BEST) & !(AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::IoctlDev);
    let device = AccessFs::ReadFile | AccessFs::WriteFile;
    let readable = confinement.read_only.iter().map(|place| (place.as_path(), read));
    let proc = [(Path::new("/proc"), AccessFs::ReadFile | AccessFs::ReadDir)];
    let writable = confinement.read_write.iter().map(|place| (place.as_path(), write));
    let devices = DEVICES.iter().map(|device_path| (Path::new(*device_path), device));
    let mut paths = Vec::new();
    for (place, access) in readable.chain(proc).chain(writable).chain(devices) {
        if let Ok(opened) = PathFd::new(place) {
            let access = if place.is_dir() { access } else { access & AccessFs::from_file(BEST) };
            paths.push((opened, access));
        }
    }
    Ok(Rules { paths, network: confinement.network })
}

/// Restricts this thread, and what comes of it, for ever.
pub(super) fn restrict(rules: &Rules) -> io::Result<()> {
    let ruleset = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    let ruleset = ruleset.handle_access(AccessFs::from_all(LEAST)).map_err(wrong)?;
    let ruleset = ruleset.set_compatibility(CompatLevel::BestEffort);
    let mut ruleset =
        ruleset.handle_access(AccessFs::from_all(BEST)).map_err(wrong)?.scope(Scope::from_all(BEST)).map_err(wrong)?;
    if !rules.network {
        ruleset = ruleset.handle_access(AccessNet::from_all(BEST)).map_err(wrong)?;
    }
    let mut created = ruleset.create().map_err(wrong)?;
    for (path, access) in &rules.paths {
        created = created.add_rule(PathBeneath::new(path, *access)).map_err(wrong)?;
    }
    let status = created.restrict_self().map_err(wrong)?;
    match status.ruleset {
        RulesetStatus::NotEnforced => Err(wrong("not enforced")),
        _ => Ok(()),
    }
}
