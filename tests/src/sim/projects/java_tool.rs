//! A Java program built by javac alone: words of texts, counted and reported; a main class runs its tests.

mod faults;

use crate::sim::project::{Part, Project, sources};

/// The project with all that may go wrong in it.
#[must_use]
pub fn project() -> Project {
    Project {
        name: "java_tool",
        language: "Java",
        task: r#"A Java 17 command line tool "wordstat" without Maven or any library that counts the words of text files: most frequent words with bars, a summary, an index of lines; with tests that a main class runs"#,
        tools: &["javac", "java", "sh"],
        check: Some(
            "javac -Xlint -d .et-build $(find src test -name '*.java' | sort) && java -cp .et-build wordstat.TestMain",
        ),
        shared: SHARED,
        conventions: &[
            "Java 17, the standard library only; everything is in the package wordstat, sources in src/wordstat, tests in test/wordstat",
            "No build tool: javac compiles src and test together, then java runs wordstat.TestMain, which ends with Check.finish()",
            "A test class has a static void all() that calls Check.test(name, body) per test; Check.equal takes what is expected first",
            r"Text that is written ends its lines with \n; records for values, no nulls",
        ],
        parts: parts(),
        files: sources("java_tool", "tree"),
        given: Vec::new(),
        faults: faults::faults(),
    }
}

const SHARED: &str = r"package wordstat;

public record Token(Kind kind, String text, int line) {
    public enum Kind { WORD, NUMBER, STOP, MARK }
    public String stem();      // small letters, without 's at the end
    public boolean isWord();
}

public final class Tokenizer {
    public static List<Token> tokenize(String text);
}

public record Options(Report report, int limit, int minLength, List<String> files) {
    public enum Report { TOP, SUMMARY, INDEX }
    public static final class UsageException extends Exception {}
    public static Options parse(List<String> arguments) throws UsageException;
}

public final class Counter {
    public record Entry(String name, int count) {}
    public void add(String name);
    public void add(String name, int count);
    public void addAll(Counter other);
    public int count(String name);
    public int total();
    public int distinct();
    public List<Entry> top(int limit);
}

public final class Statistics {
    public Statistics(int minLength);
    public void read(List<Token> tokens);
    public Counter words();
    public int sentences();
    public String longest();
    public double averageLength();
    public double averageSentence();
    public Map<String, TreeSet<Integer>> index();
}

public final class Reporter {
    public Reporter(Statistics statistics);
    public String write(Options.Report report, int limit);
    static String ranges(SortedSet<Integer> numbers);
}

final class Check {
    interface Body { void run() throws Exception; }
    static void test(String name, Body body);
    static void equal(Object expected, Object actual);
    static String thrown(Class<? extends Exception> kind, Body body);
    static int finish();
}
";

fn parts() -> Vec<Part> {
    vec![
        Part {
            id: "text",
            title: "Tokens, and their tests",
            instructions: "Write the record Token and the Tokenizer: words keep apostrophes and hyphens between letters, numbers keep points and commas between digits, `.!?` are stops, anything else that is no white space is a mark; lines are counted from 1. Write TextTest, which tests tokens and the options too.",
            owns: &["src/wordstat/Token.java", "src/wordstat/Tokenizer.java", "test/wordstat/TextTest.java"],
            reads: &[],
            after: &[],
            provides: &[
                "record Token(Kind kind, String text, int line)",
                "String Token.stem()",
                "boolean Token.isWord()",
                "static List<Token> Tokenizer.tokenize(String text)",
                "static void TextTest.all()",
            ],
            requires: &[
                "record Options(Report report, int limit, int minLength, List<String> files)",
                "static Options Options.parse(List<String> arguments) throws UsageException",
                "static void Check.test(String name, Body body)",
                "static void Check.equal(Object expected, Object actual)",
                "static String Check.thrown(Class<? extends Exception> kind, Body body)",
            ],
        },
        Part {
            id: "options",
            title: "Options",
            instructions: "Write the record Options with its parser: --report=top|summary|index in any case (top), --limit=N (10), --min-length=N (1), then files. Unknown options and reports, numbers that are not above zero and no file at all throw a UsageException; TextTest says with which words.",
            owns: &["src/wordstat/Options.java"],
            reads: &[],
            after: &[],
            provides: &[
                "record Options(Report report, int limit, int minLength, List<String> files)",
                "static Options Options.parse(List<String> arguments) throws UsageException",
            ],
            requires: &[],
        },
        Part {
            id: "count",
            title: "Counting, and its tests",
            instructions: "Write Counter, whose top is by number and then by name, and Statistics: words of a least length by their stem, sentences that hold a word, averages, the first of the longest words, and the lines of each word. A text without a stop at its end has one more sentence. Test both in CountTest.",
            owns: &["src/wordstat/Counter.java", "src/wordstat/Statistics.java", "test/wordstat/CountTest.java"],
            reads: &[],
            after: &[],
            provides: &[
                "record Counter.Entry(String name, int count)",
                "List<Entry> Counter.top(int limit)",
                "Statistics(int minLength)",
                "void Statistics.read(List<Token> tokens)",
                "Counter Statistics.words()",
                "double Statistics.averageSentence()",
                "Map<String, TreeSet<Integer>> Statistics.index()",
                "static void CountTest.all()",
            ],
            requires: &[
                "record Token(Kind kind, String text, int line)",
                "String Token.stem()",
                "boolean Token.isWord()",
                "static List<Token> Tokenizer.tokenize(String text)",
                "static void Check.test(String name, Body body)",
                "static void Check.equal(Object expected, Object actual)",
                "static String Check.thrown(Class<? extends Exception> kind, Body body)",
            ],
        },
        Part {
            id: "report",
            title: "Reports",
            instructions: r"Write the Reporter: the top with a bar of at most twenty signs per word, a summary of six lines with its names in a column of eleven signs, and an index with lines in short form such as `1-3, 7`. Each line ends with \n. TestMain, which another part writes, says what the text looks like.",
            owns: &["src/wordstat/Reporter.java"],
            reads: &[],
            after: &[],
            provides: &[
                "Reporter(Statistics statistics)",
                "String Reporter.write(Options.Report report, int limit)",
                "static String Reporter.ranges(SortedSet<Integer> numbers)",
            ],
            requires: &[
                "record Options(Report report, int limit, int minLength, List<String> files)",
                "record Counter.Entry(String name, int count)",
                "List<Entry> Counter.top(int limit)",
                "Counter Statistics.words()",
                "double Statistics.averageSentence()",
                "Map<String, TreeSet<Integer>> Statistics.index()",
            ],
        },
        Part {
            id: "main",
            title: "The command line",
            instructions: "Write Main: it parses the options, reads all files into one Statistics and prints the report. `run` returns 0, 1 if a file cannot be read and 2 if the arguments are wrong, with one line on err that begins with `wordstat: `. Only `main` ends the program.",
            owns: &["src/wordstat/Main.java"],
            reads: &[],
            after: &[],
            provides: &["static int Main.run(List<String> arguments, PrintStream out, PrintStream err)"],
            requires: &[
                "static Options Options.parse(List<String> arguments) throws UsageException",
                "static List<Token> Tokenizer.tokenize(String text)",
                "Statistics(int minLength)",
                "void Statistics.read(List<Token> tokens)",
                "Reporter(Statistics statistics)",
                "String Reporter.write(Options.Report report, int limit)",
            ],
        },
        Part {
            id: "checks",
            title: "What runs the tests",
            instructions: "Write Check, the little that tests need: a failing test prints its stack trace to standard output and the others go on. Write TestMain, which runs all test classes and tests the reports and the command line on a file in a temporary folder, then exits with Check.finish().",
            owns: &["test/wordstat/Check.java", "test/wordstat/TestMain.java"],
            reads: &[],
            after: &["main"],
            provides: &[
                "static void Check.test(String name, Body body)",
                "static void Check.equal(Object expected, Object actual)",
                "static String Check.thrown(Class<? extends Exception> kind, Body body)",
                "static int Check.finish()",
            ],
            requires: &[
                "static void TextTest.all()",
                "static void CountTest.all()",
                "static int Main.run(List<String> arguments, PrintStream out, PrintStream err)",
                "static String Reporter.ranges(SortedSet<Integer> numbers)",
            ],
        },
    ]
}
