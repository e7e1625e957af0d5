//! What tools say when a call doesn't fit what is called. Pure.

use proto::diagnostic::Diagnostic;

use crate::check::diagnostics::pattern::Pattern;

/// Each with the symbol where the message has it.
static SIGNATURE: [Pattern; 13] = [
    Pattern::new(r"^(?:not enough|too many) arguments in call to (?:\w+\.)*(?P<symbol>\w+)"),
    Pattern::new(r"^cannot use .+ as .+ value in argument to (?:\w+\.)*(?P<symbol>\w+)"),
    Pattern::new(r"^assignment mismatch: .+ but (?:\w+\.)*(?P<symbol>\w+)(?:\(.*\))? returns"),
    Pattern::new(r"too (?:few|many) arguments to (?:function |method )?(?:call)?[`'‘]?(?P<symbol>\w*)"),
    Pattern::new(r"(?:method|constructor) (?P<symbol>\w+) in (?:class|interface|record|enum) \S+ cannot be applied"),
    Pattern::new(r"(?P<symbol>\w+)\(\) (?:takes|missing|got an unexpected|got multiple)"),
    Pattern::new(
        r#"^(?:Too many|Too few|Missing|Unexpected) .*(?:arguments?|argument ".*") (?:for|in call to) "(?P<symbol>\w+)""#,
    ),
    Pattern::new(r#"^Argument \S+ to "(?P<symbol>\w+)" (?:of "\S+" )?has incompatible type"#),
    Pattern::new(r"^Expected \d+(?:-\d+)? (?:positional )?arguments?"),
    Pattern::new(r"^Argument of type .+ is not assignable to parameter"),
    Pattern::new(r"^this (?:function|method|associated function) takes \d+ "),
    Pattern::new(r"^arguments to this (?:function|method) are incorrect"),
    Pattern::new(r"^no matching (?:member )?function for call to [`'‘](?P<symbol>\w+)"),
];

/// Whether a diagnostic says that a call doesn't fit what is called; with the symbol's name, empty where the message lacks it.
pub(super) fn disagreement(diagnostic: &Diagnostic) -> Option<String> {
    let message = diagnostic.message.lines().next().unwrap_or_default();
    let found = SIGNATURE.iter().find_map(|pattern| pattern.captures(message))?;
    Some(found.name("symbol").map_or("", |symbol| symbol.as_str()).to_owned())
}
