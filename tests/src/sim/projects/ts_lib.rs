//! A TypeScript library without dependencies: task lists, their graph, schedules and queries; node runs its tests.

mod faults;

use crate::sim::project::{Part, Project, sources};

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
        faults: faults::faults(),
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
