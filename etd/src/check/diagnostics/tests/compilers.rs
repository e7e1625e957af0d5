//! C++, CMake, Java and its build tools.

use super::{check, run, short};

const CPP: &[&str] = &["src/main.cpp", "src/shape.hpp", "src/link.cpp", "src/bad.c"];
const CMAKE: &[&str] = &["CMakeLists.txt", "sub/CMakeLists.txt", "main.c", "sub/store.c"];
const JAVA: &[&str] = &["src/app/Main.java", "src/app/Store.java", "src/app/Bad.java", "src/app/T.java"];
const MAVEN: &[&str] = &[
    "pom.xml",
    "build.gradle",
    "src/main/kotlin/App.kt",
    "src/main/java/app/Main.java",
    "src/main/java/app/Store.java",
    "src/main/java/app/Calc.java",
    "src/test/java/app/CalcTest.java",
];

#[test]
fn cpp() {
    for sample in [sample!("gxx_template"), sample!("gxx_color")] {
        check(
            "gcc",
            sample,
            CPP,
            None,
            &[
                "src/main.cpp:9 ‘gone’ was not declared in this scope",
                "src/shape.hpp:5 no match for ‘operator*’ (operand types are ‘std::__cxx11::basic_string<char>’ and ‘int’) <src/main.cpp:6> <src/main.cpp:1>",
                "src/main.cpp:8 no match for ‘operator<’ (operand types are ‘Point’ and ‘Point’) <src/shape.hpp:2>",
            ],
        );
    }
    for sample in [sample!("gxx_link"), sample!("clang_link")] {
        check(
            "gcc",
            sample,
            CPP,
            None,
            &[
                "src/link.cpp undefined reference to `area(int, int)'",
                "src/link.cpp undefined reference to `Store::get(std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> > const&)'",
            ],
        );
    }
    check(
        "gcc",
        sample!("gxx_link_g"),
        CPP,
        None,
        &[
            "src/link.cpp:4 undefined reference to `area(int, int)'",
            "src/link.cpp:4 undefined reference to `Store::get(std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> > const&)'",
        ],
    );
    check(
        "clang",
        sample!("clang"),
        CPP,
        None,
        &[
            "src/main.cpp:9 use of undeclared identifier 'gone'; did you mean 'goto'?",
            "src/main.cpp:9 expected expression",
            "src/shape.hpp:5 invalid operands to binary expression ('std::basic_string<char>' and 'int') <src/main.cpp:1> <src/main.cpp:6>",
            "src/main.cpp:8 invalid operands to binary expression ('Point' and 'Point') <src/shape.hpp:2> <src/main.cpp:1>",
        ],
    );
    for sample in [sample!("clang_syntax"), sample!("clang_color")] {
        check(
            "clang",
            sample,
            CPP,
            None,
            &[
                "src/bad.c:1 expected parameter declarator",
                "src/bad.c:1 expected ')'",
                "src/bad.c:2 'nope.h' file not found",
            ],
        );
    }
}

#[test]
fn cmake() {
    check("cmake", sample!("cmake"), CMAKE, None, &["sub/CMakeLists.txt:2 Unknown CMake command \"target_nothing\"."]);
    check(
        "cmake",
        sample!("cmake_gone"),
        CMAKE,
        None,
        &["CMakeLists.txt:4 Cannot find source file:", "CMakeLists.txt:4 No SOURCES given to target: app"],
    );
    check("cmake", sample!("cmake_build"), CMAKE, None, &["sub/store.c:1 expected ‘;’ before ‘}’ token"]);
    check(
        "cmake",
        sample!("cmake_syntax"),
        CMAKE,
        None,
        &["CMakeLists.txt:1 Parse error.  Function missing ending \")\".  End of file reached."],
    );
}

#[test]
fn java() {
    check(
        "javac",
        sample!("javac"),
        JAVA,
        None,
        &[
            "src/app/Main.java:3 package app.missing does not exist",
            "src/app/Main.java:8 incompatible types: String cannot be converted to int",
            "src/app/Main.java:10 constructor Store in class Store cannot be applied to given types; <src/app/Store.java>",
            "src/app/Main.java:11 cannot find symbol <src/app/Store.java>",
            "src/app/Main.java:12 cannot find symbol",
            "src/app/Main.java:14 <null> cannot be dereferenced",
            "src/app/Store.java:5 Store is not abstract and does not override abstract method save(String) in Saver",
            "(w) src/app/Main.java:9 found raw type: ArrayList",
            "(w) src/app/Main.java:9 unchecked conversion",
        ],
    );
    check(
        "javac",
        sample!("javac_syntax"),
        JAVA,
        None,
        &[
            "src/app/Bad.java:5 ';' expected",
            "src/app/Bad.java:6 ')' expected",
            "src/app/Bad.java:8 reached end of file while parsing",
        ],
    );
    check(
        "java",
        sample!("java_trace"),
        JAVA,
        None,
        &[
            "src/app/T.java:3 Exception in thread \"main\" java.lang.IllegalStateException: bad state <src/app/T.java:4>",
        ],
    );
}

/// Maven's and Gradle's words; their plugins come from the network.
#[test]
fn maven_and_gradle() {
    type Row<'a> = (&'a str, Option<(u32, u32)>, &'a [&'a str]);
    let table: &[Row<'_>] = &[
        (
            "[INFO] -------------------------------------------------------------\n[ERROR] COMPILATION ERROR : \n[INFO] -------------------------------------------------------------\n[ERROR] /w/proj/src/main/java/app/Main.java:[8,17] incompatible types: java.lang.String cannot be converted to int\n[ERROR] /w/proj/src/main/java/app/Main.java:[11,10] cannot find symbol\n  symbol:   method gone()\n  location: variable s of type app.Store\n[INFO] 2 errors \n[ERROR] Failed to execute goal org.apache.maven.plugins:maven-compiler-plugin:3.11.0:compile (default-compile) on project app: Compilation failure: Compilation failure: \n[ERROR] /w/proj/src/main/java/app/Main.java:[8,17] incompatible types: java.lang.String cannot be converted to int\n[ERROR] /w/proj/src/main/java/app/Main.java:[11,10] cannot find symbol\n[ERROR]   symbol:   method gone()\n[ERROR]   location: variable s of type app.Store\n[ERROR] -> [Help 1]\n",
            None,
            &[
                "src/main/java/app/Main.java:8 incompatible types: java.lang.String cannot be converted to int",
                "src/main/java/app/Main.java:11 cannot find symbol <src/main/java/app/Store.java>",
            ],
        ),
        (
            "[ERROR] Tests run: 3, Failures: 1, Errors: 1, Skipped: 0, Time elapsed: 0.052 s <<< FAILURE! -- in app.CalcTest\n[ERROR] app.CalcTest.adds -- Time elapsed: 0.006 s <<< FAILURE!\norg.opentest4j.AssertionFailedError: expected: <3> but was: <-1>\n\tat org.junit.jupiter.api.AssertionUtils.fail(AssertionUtils.java:55)\n\tat app.CalcTest.adds(CalcTest.java:9)\n\tat java.base/java.lang.reflect.Method.invoke(Method.java:568)\n\n[ERROR] app.CalcTest.boom -- Time elapsed: 0.001 s <<< ERROR!\njava.lang.NullPointerException: Cannot invoke \"Object.hashCode()\" because \"o\" is null\n\tat app.Calc.boom(Calc.java:7)\n\tat app.CalcTest.boom(CalcTest.java:14)\n\n[INFO] \n[INFO] Results:\n[INFO] \n[ERROR] Failures: \n[ERROR]   CalcTest.adds:9 expected: <3> but was: <-1>\n[ERROR] Errors: \n[ERROR]   CalcTest.boom:14 » NullPointer Cannot invoke \"Object.hashCode()\" because \"o\" is null\n[INFO] \n[ERROR] Tests run: 3, Failures: 1, Errors: 1, Skipped: 0\n[INFO] \n[ERROR] Failed to execute goal org.apache.maven.plugins:maven-surefire-plugin:3.1.2:test (default-test) on project app: There are test failures.\n",
            Some((1, 2)),
            &[
                "src/test/java/app/CalcTest.java:9 test adds failed: org.opentest4j.AssertionFailedError: expected: <3> but was: <-1>",
                "src/main/java/app/Calc.java:7 test boom failed: java.lang.NullPointerException: Cannot invoke \"Object.hashCode()\" because \"o\" is null <src/test/java/app/CalcTest.java:14>",
            ],
        ),
        (
            "adds(app.CalcTest)  Time elapsed: 0.006 sec  <<< FAILURE!\njava.lang.AssertionError: expected:<3> but was:<-1>\n\tat org.junit.Assert.fail(Assert.java:89)\n\tat app.CalcTest.adds(CalcTest.java:9)\n\n",
            None,
            &[
                "src/test/java/app/CalcTest.java:9 test adds failed: java.lang.AssertionError: expected:<3> but was:<-1>",
            ],
        ),
        (
            "[ERROR] Failures: \n[ERROR]   CalcTest.adds:9 expected: <3> but was: <-1>\n[ERROR] Tests run: 1, Failures: 1, Errors: 0, Skipped: 0\n",
            Some((0, 1)),
            &["src/test/java/app/CalcTest.java:9 test adds failed: expected: <3> but was: <-1>"],
        ),
        (
            "[ERROR] [ERROR] Some problems were encountered while processing the POMs:\n[ERROR] 'dependencies.dependency.version' for org.junit.jupiter:junit-jupiter:jar is missing. @ line 7, column 17\n @ \n[ERROR] The build could not read 1 project -> [Help 1]\n[ERROR]   \n[ERROR]   The project app:app:1 (/w/proj/pom.xml) has 1 error\n[ERROR]     'dependencies.dependency.version' for org.junit.jupiter:junit-jupiter:jar is missing. @ line 7, column 17\n[ERROR] \n",
            None,
            &["pom.xml:7 'dependencies.dependency.version' for org.junit.jupiter:junit-jupiter:jar is missing."],
        ),
        (
            "[ERROR] [ERROR] Some problems were encountered while processing the POMs:\n[FATAL] Non-parseable POM /w/proj/pom.xml: end tag name </project> must match start tag name <dependencies> from line 6 (position: TEXT seen ...</dependency>\\n  \\n</project>... @9:11)  @ line 9, column 11\n @ \n[ERROR] The build could not read 1 project -> [Help 1]\n[ERROR]   \n[ERROR]   The project  (/w/proj/pom.xml) has 1 error\n[ERROR]     Non-parseable POM /w/proj/pom.xml: end tag name </project> must match start tag name <dependencies> from line 6 (position: TEXT seen ...</dependency>\\n  \\n</project>... @9:11)  @ line 9, column 11 -> [Help 2]\n",
            None,
            &[
                "pom.xml:9 Non-parseable POM /w/proj/pom.xml: end tag name </project> must match start tag name <dependencies> from line 6 (position: TEXT seen ...</dependency>\\n  \\n</project>... @9:11)",
            ],
        ),
        (
            "\nCalcTest > adds() FAILED\n    org.opentest4j.AssertionFailedError at CalcTest.java:9\n\nCalcTest > boom() FAILED\n    java.lang.NullPointerException: x\n        at app.Calc.boom(Calc.java:7)\n        at app.CalcTest.boom(CalcTest.java:14)\n\n3 tests completed, 2 failed\n\nFAILURE: Build failed with an exception.\n\n* What went wrong:\nExecution failed for task ':test'.\n> There were failing tests.\n",
            Some((1, 2)),
            &[
                "src/test/java/app/CalcTest.java:9 test adds failed: org.opentest4j.AssertionFailedError at CalcTest.java:9",
                "src/main/java/app/Calc.java:7 test boom failed: java.lang.NullPointerException: x <src/test/java/app/CalcTest.java:14>",
            ],
        ),
        (
            "[ERROR] Failed to execute goal on project app: Could not resolve dependencies for project app:app:jar:1: The following artifacts could not be resolved: x:y:jar:1\n",
            None,
            &[
                "pom.xml Failed to execute goal on project app: Could not resolve dependencies for project app:app:jar:1: The following artifacts could not be resolved: x:y:jar:1",
            ],
        ),
        (
            "FAILURE: Build failed with an exception.\n\n* Where:\nBuild file '/w/proj/build.gradle' line: 3\n\n* What went wrong:\nA problem occurred evaluating root project 'app'.\n> Could not find method implementatio() for arguments [x]\n\n* Try:\n> Run with --info\n",
            None,
            &["build.gradle:3 A problem occurred evaluating root project 'app'."],
        ),
        (
            "e: file:///w/proj/src/main/kotlin/App.kt:3:5 Unresolved reference: nope\n",
            None,
            &["src/main/kotlin/App.kt:3 Unresolved reference: nope"],
        ),
    ];
    for (text, counts, expected) in table {
        let reading = run("mvn", text, MAVEN, false);
        let found: Vec<String> = reading.diagnostics.iter().map(short).collect();
        assert_eq!(&found, expected, "{text}");
        assert_eq!(reading.tests_passed.zip(reading.tests_failed), *counts, "{text}");
    }
}
