//! What may go wrong in it.

use crate::sim::project::FaultKind::{
    Duplicate, FailingTest, MissingImport, ModulePath, Signature, Syntax, UndefinedSymbol, WrongType,
};
use crate::sim::project::{Fault, Tier};
use crate::sim::projects::make::fault;

/// All mistakes, by kind.
pub(super) fn faults() -> Vec<Fault> {
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
