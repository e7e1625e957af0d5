//! A Java program built by javac alone: words of texts, counted and reported; a main class runs its tests.

use super::make::fault;
use crate::sim::project::FaultKind::{
    Duplicate, FailingTest, MissingImport, ModulePath, Signature, Syntax, UndefinedSymbol, WrongType,
};
use crate::sim::project::{Fault, Part, Project, Tier, sources};

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
        faults: faults(),
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

fn faults() -> Vec<Fault> {
    vec![
        fault(
            Syntax,
            Tier::Syntax,
            "src/wordstat/Statistics.java",
            r"            longest = stem;
        }",
            r"            longest = stem
        }",
            "';' expected",
            None,
        ),
        fault(
            Syntax,
            Tier::Syntax,
            "src/wordstat/Tokenizer.java",
            "        boolean before = at + 1 < text.length();",
            "        boolean before = (at + 1 < text.length();",
            r"'\)'(?: or ',')? expected",
            None,
        ),
        fault(
            Syntax,
            Tier::Syntax,
            "test/wordstat/CountTest.java",
            r#"        equal("[1, 2]", statistics(TEXT, 1).index().get("dog").toString());
    }
}"#,
            r#"        equal("[1, 2]", statistics(TEXT, 1).index().get("dog").toString());

}"#,
            "reached end of file while parsing",
            None,
        ),
        fault(
            MissingImport,
            Tier::Names,
            "src/wordstat/Counter.java",
            r"import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;",
            r"import java.util.ArrayList;
import java.util.List;",
            r"symbol:\s+variable Comparator",
            None,
        ),
        fault(
            MissingImport,
            Tier::Names,
            "src/wordstat/Reporter.java",
            r"import java.util.SortedSet;
import java.util.StringJoiner;

/** Writes statistics as text, each line with its end. */",
            r"import java.util.SortedSet;

/** Writes statistics as text, each line with its end. */",
            r"symbol:\s+class StringJoiner",
            None,
        ),
        fault(
            MissingImport,
            Tier::Names,
            "src/wordstat/Main.java",
            r"import java.nio.file.Path;
import java.util.List;",
            r"import java.nio.file.Paths;
import java.util.List;",
            r"symbol:\s+variable Path\b",
            None,
        ),
        fault(
            MissingImport,
            Tier::Names,
            "test/wordstat/TestMain.java",
            r"import java.util.List;
import java.util.TreeSet;",
            r"import java.util.List;
import java.util.Set;",
            r"symbol:\s+class TreeSet",
            None,
        ),
        fault(
            WrongType,
            Tier::Types,
            "src/wordstat/Statistics.java",
            "        lines.computeIfAbsent(stem, key -> new TreeSet<>()).add(token.line());",
            "        lines.computeIfAbsent(stem, key -> new TreeSet<>()).add(token.text());",
            "incompatible types: String cannot be converted to Integer",
            Some(("src/wordstat/Token.java", "public record Token(Kind kind, String text, int line) {")),
        ),
        fault(
            WrongType,
            Tier::Types,
            "src/wordstat/Options.java",
            r#"                case "--limit" -> limit = positive(name, value);"#,
            r#"                case "--limit" -> limit = value;"#,
            r"incompatible types: String cannot be converted to int\b",
            None,
        ),
        fault(
            WrongType,
            Tier::Types,
            "src/wordstat/Reporter.java",
            "        int most = entries.isEmpty() ? 1 : entries.get(0).count();",
            "        int most = entries.isEmpty() ? 1 : entries.get(0);",
            "Entry cannot be converted to int",
            Some(("src/wordstat/Counter.java", "public record Entry(String name, int count) {}")),
        ),
        fault(
            UndefinedSymbol,
            Tier::Names,
            "src/wordstat/Tokenizer.java",
            "        return new Token(kind, text.substring(start, at), line);",
            "        return new Token(kind, text.substring(start, position), line);",
            r"symbol:\s+variable position",
            None,
        ),
        fault(
            UndefinedSymbol,
            Tier::Names,
            "src/wordstat/Main.java",
            "        Statistics statistics = new Statistics(options.minLength());",
            "        Statistics statistics = new Statistics(options.minimum());",
            r"symbol:\s+method minimum\(\)",
            Some((
                "src/wordstat/Options.java",
                "public record Options(Report report, int limit, int minLength, List<String> files) {",
            )),
        ),
        fault(
            UndefinedSymbol,
            Tier::Names,
            "src/wordstat/Reporter.java",
            "                statistics.averageSentence(),",
            "                statistics.averageSentenceLength(),",
            r"symbol:\s+method averageSentenceLength\(\)",
            Some(("src/wordstat/Statistics.java", "    public double averageSentence() {")),
        ),
        fault(
            Signature,
            Tier::Types,
            "src/wordstat/Counter.java",
            "    public List<Entry> top(int limit) {",
            "    public List<Entry> top(int limit, int least) {",
            "method top in class Counter cannot be applied to given types",
            Some((
                "src/wordstat/Reporter.java",
                "        List<Counter.Entry> entries = statistics.words().top(limit);",
            )),
        ),
        fault(
            Signature,
            Tier::Types,
            "src/wordstat/Tokenizer.java",
            "    public static List<Token> tokenize(String text) {",
            "    public static Iterable<Token> tokenize(String text) {",
            "incompatible types: Iterable<Token> cannot be converted to List<Token>",
            Some(("src/wordstat/Main.java", "statistics.read(Tokenizer.tokenize(Files.readString(Path.of(file))));")),
        ),
        fault(
            Signature,
            Tier::Types,
            "src/wordstat/Main.java",
            "        out.print(new Reporter(statistics).write(options.report(), options.limit()));",
            "        out.print(new Reporter(statistics).write(options.limit(), options.report()));",
            "incompatible types: int cannot be converted to Report",
            Some(("src/wordstat/Reporter.java", "    public String write(Options.Report report, int limit) {")),
        ),
        fault(
            Signature,
            Tier::Types,
            "test/wordstat/TextTest.java",
            "        return new Token(Token.Kind.WORD, text, 1);",
            "        return new Token(text, Token.Kind.WORD, 1);",
            "incompatible types: String cannot be converted to Kind",
            Some(("src/wordstat/Token.java", "public record Token(Kind kind, String text, int line) {")),
        ),
        fault(
            ModulePath,
            Tier::Names,
            "src/wordstat/Main.java",
            "import java.nio.file.NoSuchFileException;",
            "import java.io.NoSuchFileException;",
            r"symbol:\s+class NoSuchFileException",
            None,
        ),
        fault(
            ModulePath,
            Tier::Names,
            "test/wordstat/CountTest.java",
            "import static wordstat.Check.thrown;",
            "import static wordstat.util.Check.thrown;",
            r"package wordstat\.util does not exist",
            None,
        ),
        fault(
            ModulePath,
            Tier::Names,
            "src/wordstat/Options.java",
            r"package wordstat;

import java.util.ArrayList;",
            r"package wordstat.cli;

import java.util.ArrayList;",
            r"package Options does not exist|symbol:\s+(?:class|variable) Options",
            Some(("src/wordstat/Main.java", "package wordstat;")),
        ),
        fault(
            Duplicate,
            Tier::Names,
            "test/wordstat/TestMain.java",
            r#"        equal("1 wordstat: /nowhere/a.txt isn't there\n", run(List.of("/nowhere/a.txt")));
    }
}"#,
            r#"        equal("1 wordstat: /nowhere/a.txt isn't there\n", run(List.of("/nowhere/a.txt")));
    }
}

final class Check {
    static void equal(Object expected, Object actual) {
        if (!expected.equals(actual)) {
            throw new AssertionError(actual);
        }
    }
}"#,
            r"duplicate class: wordstat\.Check",
            Some(("test/wordstat/Check.java", "final class Check {")),
        ),
        fault(
            Duplicate,
            Tier::Names,
            "src/wordstat/Tokenizer.java",
            r"        return Character.isLetter(here) || joint;
    }
}",
            r"        return Character.isLetter(here) || joint;
    }
}

record Token(Kind kind, String text, int line) {
    enum Kind { WORD, NUMBER, STOP, MARK }
}",
            r"duplicate class: wordstat\.Token",
            Some(("src/wordstat/Token.java", "public record Token(Kind kind, String text, int line) {")),
        ),
        fault(
            FailingTest,
            Tier::Tests,
            "src/wordstat/Token.java",
            r#"        return small.endsWith("'s") ? small.substring(0, small.length() - 2) : small;"#,
            r#"        return small.endsWith("'s") ? small.substring(0, small.length() - 1) : small;"#,
            "expected <cat> but was <cat'>",
            Some(("test/wordstat/TextTest.java", r#"equal("cat", word("Cat's").stem());"#)),
        ),
        fault(
            FailingTest,
            Tier::Tests,
            "src/wordstat/Tokenizer.java",
            r"        boolean joint = (here == '\'' || here == '-') && before && Character.isLetter(text.charAt(at + 1));",
            r"        boolean joint = here == '\'' || here == '-';",
            r"but was <it's\|a\|well-known-\|end'>",
            Some((
                "test/wordstat/TextTest.java",
                r#"equal("it's|a|well-known|end", texts("it's a well-known- end'"))"#,
            )),
        ),
        fault(
            FailingTest,
            Tier::Tests,
            "src/wordstat/Statistics.java",
            r"                count(token);
            }
        }
        sentences += open ? 1 : 0;
    }",
            r"                count(token);
            }
        }
    }",
            "expected <3> but was <2>",
            Some(("test/wordstat/CountTest.java", "        equal(3, statistics(TEXT, 1).sentences());")),
        ),
        fault(
            FailingTest,
            Tier::Tests,
            "src/wordstat/Counter.java",
            "        entries.sort(Comparator.comparingInt(Entry::count).reversed().thenComparing(Entry::name));",
            "        entries.sort(Comparator.comparingInt(Entry::count).thenComparing(Entry::name));",
            r"expected <\[b, a, c\]> but was <\[a, c, d\]>",
            Some((
                "test/wordstat/CountTest.java",
                r#"equal(List.of("b", "a", "c"), top.stream().map(Counter.Entry::name).toList());"#,
            )),
        ),
        fault(
            FailingTest,
            Tier::Tests,
            "src/wordstat/Reporter.java",
            "            if (first != 0 && number == last + 1) {",
            "            if (first != 0 && number == first + 1) {",
            "expected <1-3, 7, 9-10> but was <1-2, 3, 7, 9-10>",
            Some(("test/wordstat/TestMain.java", r#""1-3, 7, 9-10", Reporter.ranges("#)),
        ),
        fault(
            FailingTest,
            Tier::Tests,
            "src/wordstat/Options.java",
            "            if (number > 0) {",
            "            if (number >= 0) {",
            "UsageException but nothing was thrown",
            Some((
                "test/wordstat/TextTest.java",
                r#"equal("--limit needs a number above zero", usage("--limit=0", "a"));"#,
            )),
        ),
        fault(
            FailingTest,
            Tier::Tests,
            "src/wordstat/Main.java",
            r#"                err.print("wordstat: " + file + " isn't there\n");
                return 1;"#,
            r#"                err.print("wordstat: " + file + " isn't there\n");
                return 2;"#,
            r"expected <1 wordstat: /nowhere/a\.txt isn't there",
            Some(("test/wordstat/TestMain.java", r#"equal("1 wordstat: /nowhere/a.txt isn't there\n""#)),
        ),
    ]
}
