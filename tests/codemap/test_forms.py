"""Forms that real code has: what a definition belongs to, and its signature on one line."""

from __future__ import annotations

import pytest

from kcode.codemap.asking import outline_of
from kcode.codemap.languages import LANGUAGES
from kcode.codemap.signature import SIGNATURE
from kcode.codemap.tags import LARGEST, MOST, tags_of

FORMS = [
    ("a.go", "package p\nfunc (s *S[T]) Get(k string) (T, error) { return s.m() }\n",
     "method S.Get | func (s *S[T]) Get(k string) (T, error)"),
    ("a.rs", "impl fmt::Display for Foo<u8> {\n  fn fmt(&self) -> R {}\n}\n",
     "method Foo.fmt | fn fmt(&self) -> R"),
    ("a.cpp", "template <typename T>\nT Foo<T>::get(int a) const { return 1; }\n",
     "method Foo.get | T Foo<T>::get(int a) const"),
    ("a.cc", "void ns::Foo::set() {}\n", "method Foo.set | void ns::Foo::set()"),
    ("a.cc", "A& A::operator=(const A& o) { return *this; }\n",
     "method A.operator= | A& A::operator=(const A& o)"),
    ("a.cc", "Foo::~Foo() {}\n", "method Foo.~Foo | Foo::~Foo()"),
    ("a.ts", "export const f = async (\n  a: number, // why\n  b: string,\n): Promise<void> => {\n};\n",
     "function f | export const f = async (a: number, b: string): Promise<void>"),
    ("a.ts", "class S {\n  static make = () => 1;\n}\n", "method S.make | static make = ()"),
    ("a.py", "@deco(\n  a=1)\ndef f(a,\n      b='# no',  # why\n      ):  # no\n    pass\n",
     "function f | def f(a, b='# no')"),
    ("a.kt", "fun String.shout(): String = uppercase()\n",
     "function shout | fun String.shout(): String = uppercase()"),
    ("a.java", "class A {\n  @Override\n  public <X> List<X> m(int a,\n    String b) throws E { }\n}\n",
     "method A.m | public <X> List<X> m(int a, String b) throws E"),
    ("a.php", "<html><?php function f($x) { return 1; } ?>\n", "function f | <html><?php function f($x)"),
    ("a.h", '#ifdef __cplusplus\nextern "C" {\n#endif\nint f(int a);\n#ifdef __cplusplus\n}\n#endif\n',
     "prototype f | int f(int a);"),
    ("a.h", "#ifndef A_H\n#define A_H\nchar **names(int a);\n#endif\n",
     "prototype names | char **names(int a);"),
    ("a.cpp", 'extern "C" int h(void) { return 0; }\n', 'function h | extern "C" int h(void)'),
    ("a.c", "char **names(int a) { return 0; }\n", "function names | char **names(int a)"),
    ("a.cs", "namespace A.B;\nclass C {\n  public const int Max = 3;\n}\n",
     "constant C.Max | public const int Max = 3;"),
    ("a.cs", "class C {\n  public static C operator +(C a, C b) => a;\n}\n",
     "method C.+ | public static C operator +(C a, C b)"),
    ("a.cs", "class C {\n  public event Action Changed;\n}\n",
     "property C.Changed | public event Action Changed;"),
    ("a.cs", 'class C {\n  public string this[int i] => "";\n}\n',
     'property C.this | public string this[int i] => "";'),
    ("a.kt", "class A {\n  companion object {\n    const val K = 1\n  }\n}\n",
     "constant A.K | const val K = 1"),
    ("a.kt", "class A {\n  private var x = 1\n}\n", "property A.x | private var x = 1"),
    ("a.kt", "enum class E {\n  ONE;\n  fun f() = 1\n}\n", "method E.f | fun f() = 1"),
    ("a.js", "var a={};function b(x){return 1}\n", "function b | function b(x)"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "source", "expected"), FORMS)
def test_a_definition_with_its_owner_and_signature(path: str, source: str, expected: str) -> None:
    found = outline_of(path, source.encode())
    assert found is not None
    assert expected in [f"{each.kind} {each.full} | {each.signature}" for each in found]


def test_a_section_ends_before_the_next_heading_of_its_level() -> None:
    found = outline_of("a.md", b"# One\n## Two\nx\n```\n# code\n```\n## Three\ny\n# Four\n")
    assert found is not None
    assert [(each.name, each.line, each.end) for each in found] == [
        ("One", 1, 8), ("Two", 2, 6), ("Three", 7, 8), ("Four", 9, 9),
    ]  # fmt: skip


def test_a_name_that_is_assigned_again_is_one_definition_and_only_a_written_constant_is_one() -> None:
    found = outline_of("a.py", b"x = 1\nx = 2\nLIMIT = 3\nkept: int = 4\n")
    assert found is not None
    assert [(each.kind, each.name) for each in found] == [
        ("variable", "x"), ("constant", "LIMIT"), ("constant", "kept"),
    ]  # fmt: skip


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
def test_encodings_and_line_ends_make_no_difference(encoding: str, end: str) -> None:
    source = end.join(["class 订单:", "    def 总计(self):", "        pass", ""])
    found = outline_of("a.py", source.encode(encoding))
    assert found is not None
    assert [(each.full, each.line, each.end) for each in found] == [("订单", 1, 3), ("订单.总计", 2, 3)]


def test_broken_code_tells_what_is_whole() -> None:
    found = outline_of("a.py", b"def f(:\n  class\n\n\nclass G:\n    def m(self): return 1\n")
    assert found is not None
    assert "G.m" in {each.full for each in found}


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.name)
def test_no_source_is_too_strange(language) -> None:  # type: ignore[no-untyped-def]
    for source in (b"", b"\n" * 9, b"(" * 20_000, b"{" * 20_000 + b"}" * 20_000, bytes(range(256)) * 40,
                   b"x" * LARGEST, b"\xff\xfe\x00\xd8" * 50, b"<?php " * 2_000, b"`" * 999):  # fmt: skip
        tags = tags_of(source, language)
        assert tags is not None
        assert all(len(each.signature) <= SIGNATURE and each.line <= each.end for each in tags.definitions)


def test_a_minified_file_is_bounded() -> None:
    found = outline_of("a.js", b"function a(){return b()};" * (MOST + 50))
    assert found is not None
    assert len(found) == MOST
    assert {each.signature for each in found} == {"function a()"}
