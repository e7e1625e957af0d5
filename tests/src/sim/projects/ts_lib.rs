//! A TypeScript library without dependencies: task lists, their graph, schedules and queries; node runs its tests.

use super::make::fault;
use crate::sim::project::FaultKind::{
    Duplicate, FailingTest, ManifestEntry, MissingImport, ModulePath, Signature, Syntax, UndefinedSymbol, WrongType,
};
use crate::sim::project::{Fault, Part, Project, Tier, sources};

/// The project with all that may go wrong in it.
#[must_use]
pub fn project() -> Project {
    Project {
        name: "ts_lib",
        language: "TypeScript",
        task: r#"A TypeScript library "taskgraph" without dependencies (strict, ES modules, checked by tsc, tests with node:test) that reads task lists with durations and dependencies, orders and schedules them over workers, and answers queries"#,
        tools: &["node", "npm", "tsc"],
        check: None,
        shared: SHARED,
        conventions: &[
            "Strict TypeScript as ES modules (NodeNext): relative imports end in .js; no dependencies, no @types packages",
            "Sources in src/, tests in test/NAME.test.ts with node:test and node:assert/strict, which test/node.d.ts declares; tests run from dist/",
            "What a user may get wrong returns a Result<T>; what a caller gets wrong throws a TaskError",
            "Durations are whole minutes; a day has 480 of them; types are readonly",
            r#"test/index.test.ts imports the library by its own name, taskgraph, through "exports" in package.json"#,
        ],
        parts: parts(),
        files: sources("ts_lib", "tree"),
        given: Vec::new(),
        faults: faults(),
    }
}

const SHARED: &str = r#"// src/types.ts
export const PRIORITIES = ["high", "normal", "low"] as const;
export type Priority = (typeof PRIORITIES)[number];
export interface Task {
  readonly id: string;
  readonly title: string;
  readonly priority: Priority;
  readonly minutes: number;
  readonly after: readonly string[];
  readonly tags: readonly string[];
  readonly done: boolean;
}
export interface Slot {
  readonly task: Task;
  readonly worker: number;
  readonly start: number;
  readonly end: number;
}
export type Result<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: string };
export function ok<T>(value: T): Result<T>;
export function fail<T>(error: string): Result<T>;
export class TaskError extends Error {
  constructor(readonly id: string, reason: string); // message: "ID: REASON"
}
export function task(id: string, title: string, rest?: Partial<Omit<Task, "id" | "title">>): Task; // normal, 30 minutes
export function comparePriority(a: Priority, b: Priority): number; // negative if a is more pressing

// src/duration.ts
export function parseDuration(text: string): Result<number>;
export function formatDuration(minutes: number): string;

// src/graph.ts
export class TaskGraph {
  constructor(tasks: Iterable<Task>);
  get size(): number;
  tasks(): Task[];
  get(id: string): Task;
  followers(id: string): readonly string[];
  ready(): Task[];
  order(): Task[];
  criticalMinutes(): Map<string, number>;
}

// src/schedule.ts
export function schedule(graph: TaskGraph, workers: number): Slot[];
export function makespan(slots: readonly Slot[]): number;
export function formatSchedule(slots: readonly Slot[]): string;
export function formatChart(slots: readonly Slot[], step: number): string;
"#;

fn parts() -> Vec<Part> {
    vec![
        Part {
            id: "types",
            title: "Manifest, compiler settings and shared types",
            instructions: r#"Write package.json (name taskgraph, type module, "exports" for dist/src/index.js, script test: tsc, then node --test on dist/test), tsconfig.json (strict, NodeNext, ES2022, no types, src and test to dist) and a .gitignore. Write src/types.ts with all that the parts share, letter by letter as in the contract."#,
            owns: &["package.json", "tsconfig.json", ".gitignore", "src/types.ts"],
            reads: &[],
            after: &[],
            provides: &[
                "type Priority",
                "interface Task",
                "interface Slot",
                "type Result<T>",
                "function ok<T>(value: T): Result<T>",
                "function fail<T>(error: string): Result<T>",
                "class TaskError: constructor(id: string, reason: string)",
                r#"function task(id: string, title: string, rest?: Partial<Omit<Task, "id" | "title">>): Task"#,
                "function comparePriority(a: Priority, b: Priority): number",
            ],
            requires: &[],
        },
        Part {
            id: "parse",
            title: "Durations and task lists as text",
            instructions: "Write durations (`90`, `45m`, `1h30m`, `1d`) as text and back, and the reader and writer of task lists: `[x] id: Title !priority ~duration <before #tag`. A mistake is an error with the number of its line; a written list reads back. Test all forms and all mistakes.",
            owns: &["src/duration.ts", "src/parse.ts", "test/parse.test.ts"],
            reads: &[],
            after: &[],
            provides: &[
                "function parseDuration(text: string): Result<number>",
                "function formatDuration(minutes: number): string",
                "function parseLine(line: string): Result<Task>",
                "function parseTasks(text: string): Result<Task[]>",
                "function formatTasks(tasks: readonly Task[]): string",
            ],
            requires: &[
                "type Result<T>",
                "interface Task",
                "function ok<T>(value: T): Result<T>",
                "function fail<T>(error: string): Result<T>",
            ],
        },
        Part {
            id: "graph",
            title: "The graph of tasks, and tests of graph and schedule",
            instructions: "Write the class TaskGraph: unique and known ids, what is ready, an order in which each task stands behind what it waits for (pressing ones first, then by id), and the minutes to the end of all that waits. A cycle throws with the ids in it. Its tests build a house, and test schedules and charts of that house as well.",
            owns: &["src/graph.ts", "test/graph.test.ts"],
            reads: &[],
            after: &[],
            provides: &[
                "class TaskGraph: constructor(tasks: Iterable<Task>)",
                "TaskGraph.order(): Task[]",
                "TaskGraph.ready(): Task[]",
                "TaskGraph.criticalMinutes(): Map<string, number>",
            ],
            requires: &[
                "interface Task",
                "class TaskError: constructor(id: string, reason: string)",
                "function comparePriority(a: Priority, b: Priority): number",
                r#"function task(id: string, title: string, rest?: Partial<Omit<Task, "id" | "title">>): Task"#,
                "function schedule(graph: TaskGraph, workers: number): Slot[]",
                "function makespan(slots: readonly Slot[]): number",
                "function formatSchedule(slots: readonly Slot[]): string",
                "function formatChart(slots: readonly Slot[], step: number): string",
            ],
        },
        Part {
            id: "schedule",
            title: "Schedules",
            instructions: "Write the scheduler: open tasks over some workers, the one with the longest way to the end first, nobody before what they wait for. Give its end, a line per slot, and a chart with a row per worker. Tests of it are in test/graph.test.ts, which another part writes.",
            owns: &["src/schedule.ts"],
            reads: &[],
            after: &[],
            provides: &[
                "function schedule(graph: TaskGraph, workers: number): Slot[]",
                "function makespan(slots: readonly Slot[]): number",
                "function formatSchedule(slots: readonly Slot[]): string",
                "function formatChart(slots: readonly Slot[], step: number): string",
            ],
            requires: &[
                "interface Slot",
                "class TaskError: constructor(id: string, reason: string)",
                "function formatDuration(minutes: number): string",
                "class TaskGraph: constructor(tasks: Iterable<Task>)",
                "TaskGraph.order(): Task[]",
                "TaskGraph.criticalMinutes(): Map<string, number>",
            ],
        },
        Part {
            id: "query",
            title: "Queries",
            instructions: "Write find (by tag, text in any case, state, least priority), groupBy with several keys per task, progress in percent of minutes rounded down, open work per tag, and a summary with a line per priority. All of it works on plain arrays and changes nothing.",
            owns: &["src/query.ts"],
            reads: &[],
            after: &[],
            provides: &[
                "interface Query",
                "function find(tasks: readonly Task[], query: Query): Task[]",
                "function groupBy(tasks: readonly Task[], keys: (task: Task) => readonly string[]): Map<string, Task[]>",
                "function progress(tasks: readonly Task[]): number",
                "function summary(tasks: readonly Task[]): string",
                "function workByTag(tasks: readonly Task[]): [tag: string, minutes: number][]",
            ],
            requires: &[
                "interface Task",
                "type Priority",
                "function comparePriority(a: Priority, b: Priority): number",
                "function formatDuration(minutes: number): string",
            ],
        },
        Part {
            id: "index",
            title: "Entry point and tests of the whole",
            instructions: r#"Write src/index.ts, which exports everything public by name, and test/node.d.ts, which declares the few functions of node:test and node:assert/strict that tests use. Write the tests of queries and of the whole on one list, importing from "taskgraph"."#,
            owns: &["src/index.ts", "test/index.test.ts", "test/node.d.ts"],
            reads: &[],
            after: &["types"],
            provides: &[],
            requires: &[
                "function parseTasks(text: string): Result<Task[]>",
                "function formatTasks(tasks: readonly Task[]): string",
                "interface Query",
                "function find(tasks: readonly Task[], query: Query): Task[]",
                "function groupBy(tasks: readonly Task[], keys: (task: Task) => readonly string[]): Map<string, Task[]>",
                "function progress(tasks: readonly Task[]): number",
                "function summary(tasks: readonly Task[]): string",
                "function workByTag(tasks: readonly Task[]): [tag: string, minutes: number][]",
                "function formatChart(slots: readonly Slot[], step: number): string",
                "class TaskGraph: constructor(tasks: Iterable<Task>)",
                "class TaskError: constructor(id: string, reason: string)",
            ],
        },
    ]
}

fn faults() -> Vec<Fault> {
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
            Some(("test/index.test.ts", r#"  assert.equal(progress([task("a", "A", { done: true })]), 100);"#)),
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
