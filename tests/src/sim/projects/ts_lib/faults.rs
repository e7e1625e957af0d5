//! What may go wrong in it.

use crate::sim::project::FaultKind::{
    Duplicate, FailingTest, ManifestEntry, MissingImport, ModulePath, Signature, Syntax, UndefinedSymbol, WrongType,
};
use crate::sim::project::{Fault, Tier};
use crate::sim::projects::make::fault;

/// All mistakes, by kind.
pub(super) fn faults() -> Vec<Fault> {
    vec![
        fault(
            Syntax,
            Tier::Syntax,
            "src/graph.ts",
            r#"    if (found === undefined) throw new TaskError(id, "isn't there");"#,
            "    if (found === undefined) throw new TaskError(id, 'isn't there');",
            "Unterminated string literal",
            None,
        ),
        fault(
            Syntax,
            Tier::Syntax,
            "src/parse.ts",
            r#"  return tasks.map((task) => `${formatTask(task)}\n`).join("");
}"#,
            r#"  return tasks.map((task) => `${formatTask(task)}\n`).join("");

"#,
            r"'\}' expected",
            None,
        ),
        fault(
            Syntax,
            Tier::Syntax,
            "test/index.test.ts",
            r"  assert.equal(find(tasks(), {}).length, 4);
});",
            r"  assert.equal(find(tasks(), {}).length, 4);
};",
            r"'\)' expected",
            None,
        ),
        fault(
            MissingImport,
            Tier::Names,
            "src/schedule.ts",
            r#"/** Says who does what when. */

import { formatDuration } from "./duration.js";"#,
            "/** Says who does what when, as slots. */",
            "Cannot find name 'formatDuration'",
            Some(("src/duration.ts", "export function formatDuration(minutes: number): string {")),
        ),
        fault(
            MissingImport,
            Tier::Names,
            "src/query.ts",
            r#"import { comparePriority, PRIORITIES, type Priority, type Task } from "./types.js";"#,
            r#"import { PRIORITIES, type Priority, type Task } from "./types.js";"#,
            "Cannot find name 'comparePriority'",
            Some(("src/types.ts", "export function comparePriority(a: Priority, b: Priority): number {")),
        ),
        fault(
            MissingImport,
            Tier::Names,
            "test/graph.test.ts",
            r#"import { task, type Task } from "../src/types.js";"#,
            r#"import { task } from "../src/types.js";"#,
            "Cannot find name 'Task'",
            Some(("src/types.ts", "export interface Task {")),
        ),
        fault(
            WrongType,
            Tier::Types,
            "src/parse.ts",
            "        minutes = duration.value;",
            "        minutes = value;",
            "Type 'string' is not assignable to type 'number'",
            None,
        ),
        fault(
            WrongType,
            Tier::Types,
            "src/graph.ts",
            "    return [...this.#tasks.values()];",
            "    return this.#tasks.values();",
            r"from type 'Task\[\]'|not assignable to type 'Task\[\]'",
            None,
        ),
        fault(
            WrongType,
            Tier::Types,
            "src/query.ts",
            "  return all === 0 ? 100 : Math.floor((100 * sum(tasks.filter((task) => task.done))) / all);",
            "  return all === 0 ? null : Math.floor((100 * sum(tasks.filter((task) => task.done))) / all);",
            "Type 'null' is not assignable to type 'number'",
            None,
        ),
        fault(
            WrongType,
            Tier::Types,
            "test/parse.test.ts",
            r#"  const table: [string, number][] = [
    ["90", 90],"#,
            r#"  const table = [
    ["90", 90],"#,
            r"Argument of type 'string \| number(?: \| undefined)?' is not assignable to parameter of type 'string'",
            Some(("src/duration.ts", "export function parseDuration(text: string): Result<number> {")),
        ),
        fault(
            UndefinedSymbol,
            Tier::Names,
            "src/duration.ts",
            "  const days = Math.floor(minutes / DAY);",
            "  const days = Math.floor(minutes / MINUTES_PER_DAY);",
            "Cannot find name 'MINUTES_PER_DAY'",
            None,
        ),
        fault(
            UndefinedSymbol,
            Tier::Names,
            "src/schedule.ts",
            "  const critical = graph.criticalMinutes();",
            "  const critical = graph.criticalPath();",
            "Property 'criticalPath' does not exist on type 'TaskGraph'",
            Some(("src/graph.ts", "  criticalMinutes(): Map<string, number> {")),
        ),
        fault(
            UndefinedSymbol,
            Tier::Names,
            "src/index.ts",
            r#"export { find, groupBy, progress, summary, workByTag, type Query } from "./query.js";"#,
            r#"export { find, groupBy, progress, summarize, workByTag, type Query } from "./query.js";"#,
            "has no exported member(?: named)? '?summarize'?",
            Some(("src/query.ts", "export function summary(tasks: readonly Task[]): string {")),
        ),
        fault(
            Signature,
            Tier::Types,
            "src/schedule.ts",
            "export function formatChart(slots: readonly Slot[], step: number): string {",
            "export function formatChart(step: number, slots: readonly Slot[]): string {",
            r"Argument of type 'Slot\[\]' is not assignable to parameter of type 'number'",
            Some(("test/graph.test.ts", "  assert.equal(formatChart(slots, 30), ")),
        ),
        fault(
            Signature,
            Tier::Types,
            "src/types.ts",
            r#"export function task(id: string, title: string, rest: Partial<Omit<Task, "id" | "title">> = {}): Task {"#,
            r#"export function task(id: string, title: string, rest: Partial<Omit<Task, "id" | "title">>): Task {"#,
            "Expected 3 arguments, but got 2",
            // Any call with two arguments tells it.
            Some(("test/graph.test.ts", r#"task("a", "A")"#)),
        ),
        fault(
            Signature,
            Tier::Types,
            "src/schedule.ts",
            r#"  if (!Number.isInteger(workers) || workers < 1) throw new TaskError("schedule", "needs a worker at least");"#,
            r#"  if (!Number.isInteger(workers) || workers < 1) throw new TaskError("schedule needs a worker at least");"#,
            "Expected 2 arguments, but got 1",
            Some((
                "src/types.ts",
                r"    readonly id: string,
    reason: string,",
            )),
        ),
        fault(
            Signature,
            Tier::Types,
            "src/graph.ts",
            r"      .filter(isReady)
      .sort((a, b) => comparePriority(a.priority, b.priority) || compareIds(a, b));",
            r"      .filter(isReady)
      .sort((a, b) => comparePriority(a, b) || compareIds(a, b));",
            r#"Argument of type 'Task' is not assignable to parameter of type '"high" \| "normal" \| "low"'"#,
            Some(("src/types.ts", "export function comparePriority(a: Priority, b: Priority): number {")),
        ),
        fault(
            ModulePath,
            Tier::Names,
            "src/schedule.ts",
            r#"import { TaskGraph } from "./graph.js";"#,
            r#"import { TaskGraph } from "./graph";"#,
            "Relative import paths need explicit file extensions",
            None,
        ),
        fault(
            ModulePath,
            Tier::Names,
            "test/parse.test.ts",
            r#"import { formatDuration, parseDuration } from "../src/duration.js";"#,
            r#"import { formatDuration, parseDuration } from "./duration.js";"#,
            r"Cannot find module '\./duration\.js'",
            None,
        ),
        fault(
            ModulePath,
            Tier::Names,
            "src/index.ts",
            r#"export { formatTasks, parseLine, parseTasks } from "./parse.js";"#,
            r#"export { formatTasks, parseLine, parseTasks } from "./parser.js";"#,
            r"Cannot find module '\./parser\.js'",
            None,
        ),
        fault(
            ManifestEntry,
            Tier::Types,
            "tsconfig.json",
            r#"    "lib": ["ES2022"],"#,
            r#"    "lib": ["ES2018"],"#,
            "Try changing the 'lib' compiler option to 'es2019'",
            Some(("src/schedule.ts", "graph.tasks().flatMap(")),
        ),
        fault(
            ManifestEntry,
            Tier::Names,
            "package.json",
            r#"  "exports": {
    ".": { "types": "./dist/src/index.d.ts", "default": "./dist/src/index.js" }
  },"#,
            r#"  "files": ["dist"],"#,
            "Cannot find module 'taskgraph'",
            Some(("test/index.test.ts", r#"from "taskgraph";"#)),
        ),
        fault(
            Duplicate,
            Tier::Names,
            "src/schedule.ts",
            "function rank(task: Task, critical: ReadonlyMap<string, number>): number {",
            r"function formatDuration(minutes: number): string {
  return minutes < 60 ? `${minutes}m` : `${Math.floor(minutes / 60)}h${minutes % 60}m`;
}

function rank(task: Task, critical: ReadonlyMap<string, number>): number {",
            "Import declaration conflicts with local declaration of 'formatDuration'",
            Some(("src/duration.ts", "export function formatDuration(minutes: number): string {")),
        ),
        fault(
            Duplicate,
            Tier::Names,
            "src/parse.ts",
            r"const LINE = /^\[([ x])\] ([a-z][\w-]*): (.+)$/;",
            r#"const PRIORITIES = ["high", "normal", "low"] as const;

const LINE = /^\[([ x])\] ([a-z][\w-]*): (.+)$/;"#,
            "Import declaration conflicts with local declaration of 'PRIORITIES'",
            Some(("src/types.ts", r#"export const PRIORITIES = ["high", "normal", "low"] as const;"#)),
        ),
        fault(
            FailingTest,
            Tier::Tests,
            "src/types.ts",
            "    super(`${id}: ${reason}`);",
            "    super(`${id} ${reason}`);",
            "code is too long",
            Some(("test/index.test.ts", r#"  assert.equal(error.message, "code: is too long");"#)),
        ),
        fault(
            FailingTest,
            Tier::Tests,
            "src/duration.ts",
            "  const hours = Math.floor((minutes % DAY) / HOUR);",
            "  const hours = Math.floor(minutes / HOUR);",
            "1d10h30m",
            Some(("test/parse.test.ts", r#"  assert.equal(formatDuration(630), "1d2h30m");"#)),
        ),
        fault(
            FailingTest,
            Tier::Tests,
            "src/graph.ts",
            "    const isReady = (task: Task): boolean => !task.done && task.after.every((id) => this.get(id).done);",
            "    const isReady = (task: Task): boolean => task.after.every((id) => this.get(id).done);",
            r"\+\s+'ground'",
            Some(("test/graph.test.ts", r#"  assert.deepEqual(ids(graph.ready()), ["walls", "garden"]);"#)),
        ),
        fault(
            FailingTest,
            Tier::Tests,
            "src/schedule.ts",
            "    const next = startable.reduce((best, task) => (rank(task, critical) > rank(best, critical) ? task : best));",
            "    const next = startable.reduce((best, task) => (rank(task, critical) < rank(best, critical) ? task : best));",
            r"\+ actual - expected\n(?:[^\n]*\n)*?\+ {3}'garden'|\[ 'garden', 'walls'|worker 1 does garden",
            Some(("test/graph.test.ts", r#"["walls", "garden", "roof", "party"]"#)),
        ),
        fault(
            FailingTest,
            Tier::Tests,
            "src/query.ts",
            "      (query.atLeast === undefined || comparePriority(task.priority, query.atLeast) <= 0),",
            "      (query.atLeast === undefined || comparePriority(task.priority, query.atLeast) >= 0),",
            r"- {3}'plan'|\+ {3}'notes'",
            Some(("test/index.test.ts", r#"["plan", "code", "review"]"#)),
        ),
        fault(
            FailingTest,
            Tier::Tests,
            "src/parse.ts",
            "    if (!parsed.ok) return fail(`line ${index + 1}: ${parsed.error}`);",
            "    if (!parsed.ok) return fail(`line ${index}: ${parsed.error}`);",
            "line 1: not a task: b: Two",
            Some((
                "test/parse.test.ts",
                r#"  assert.equal(errorOf("[ ] a: One\nb: Two"), "line 2: not a task: b: Two");"#,
            )),
        ),
    ]
}
