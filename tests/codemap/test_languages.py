# ruff: noqa: E501
"""What each language's query file finds, in a small file of that language."""

from __future__ import annotations

import pytest

from kcode.codemap.languages import LANGUAGES, language_for
from kcode.codemap.tags import number, tags_of

# file name, source, definitions as "kind name line-end", names that must be seen as used
CASES: list[tuple[str, str, list[str], list[str]]] = [
    (
        "a.py",
        "X = 1\nclass A(B):\n    @deco\n    def m(self, a): return f(a)\n    def n(self): pass\nasync def g(x: Foo) -> Bar:\n    def inner(): pass\n    return h.k(x)\ntype T = int\n",
        [
            "constant X 1-1",
            "class A 2-5",
            "method m 4-4",
            "method n 5-5",
            "function g 6-8",
            "function inner 7-7",
            "type T 9-9",
        ],
        ["B", "deco", "f", "Foo", "Bar", "k"],
    ),
    (
        "a.js",
        'export class A extends B { m() { foo(); } }\nfunction f(){ return new C() }\nconst g = (a) => a.b(c);\nmodule.exports.h = function () {};\nexport const K = 3;\nimport {x} from "y";\n',
        [
            "class A 1-1",
            "method m 1-1",
            "function f 2-2",
            "function g 3-3",
            "function h 4-4",
            "constant K 5-5",
        ],
        ["B", "foo", "C", "b", "x"],
    ),
    (
        "a.ts",
        "interface I { m(): void }\ntype T = I | null;\nenum E { A }\nabstract class Q<T> extends R implements I { abstract z(): T; private p(x: Foo): Bar { return x } }\nnamespace N { export function q() {} }\nexport default function d() {}\n",
        [
            "interface I 1-1",
            "method m 1-1",
            "type T 2-2",
            "enum E 3-3",
            "class Q 4-4",
            "method z 4-4",
            "method p 4-4",
            "module N 5-5",
            "function q 5-5",
            "function d 6-6",
        ],
        ["I", "R", "Foo", "Bar"],
    ),
    (
        "a.tsx",
        "export const App: React.FC<Props> = ({a}) => <div>{foo(a)}</div>;\n",
        ["function App 1-1"],
        ["foo", "Props"],
    ),
    (
        "a.go",
        'package m\nimport "fmt"\nconst A = 1\nvar B int\ntype S struct { x int }\ntype I interface { M() error }\ntype F func(int)\nfunc (s *S) M() error { fmt.Println(x); return nil }\nfunc main() { s := S{}; s.M() }\n',
        [
            "constant A 3-3",
            "variable B 4-4",
            "struct S 5-5",
            "interface I 6-6",
            "method M 6-6",
            "type F 7-7",
            "method M 8-8",
            "function main 9-9",
        ],
        ["Println", "S", "M", "fmt"],
    ),
    (
        "a.rs",
        'use a::b::C;\nstruct S;\nenum E { A }\ntrait T { fn r(&self); }\nimpl T for S { fn r(&self) { x.y(); foo::bar(); println!("a"); } }\nfn main() { S::new(); }\nmacro_rules! mm { () => {} }\nconst K: u8 = 1;\nmod inner { pub fn z() {} }\n',
        [
            "struct S 2-2",
            "enum E 3-3",
            "trait T 4-4",
            "method r 4-4",
            "impl S 5-5",
            "method r 5-5",
            "function main 6-6",
            "macro mm 7-7",
            "constant K 8-8",
            "module inner 9-9",
            "method z 9-9",
        ],
        ["C", "y", "bar", "println", "S", "new"],
    ),
    (
        "a.java",
        "package p;\nimport a.B;\npublic class A extends B implements C {\n  static final int K = 1;\n  public A(int x) { foo(); }\n  @Override public List<D> m(E e) { return e.f(); }\n  enum G { X }\n  record R(int a) {}\n  interface J { void q(); }\n}\n",
        [
            "class A 3-10",
            "constant K 4-4",
            "method A 5-5",
            "method m 6-6",
            "enum G 7-7",
            "class R 8-8",
            "interface J 9-9",
            "method q 9-9",
        ],
        ["B", "C", "foo", "D", "E", "f", "Override"],
    ),
    (
        "a.kt",
        "package p\nclass A(val x: Int) : B() {\n  fun m(e: E): F { return e.g() }\n}\nobject O\nfun top() { h(); A(1).m() }\ninterface J { fun q() }\nval K = 1\ntypealias T = Int\n",
        [
            "class A 2-4",
            "method m 3-3",
            "class O 5-5",
            "function top 6-6",
            "class J 7-7",
            "function q 7-7",
            "constant K 8-8",
            "type T 9-9",
        ],
        ["B", "E", "F", "g", "h", "A"],
    ),
    (
        "a.c",
        "#define M 1\n#define F(x) x\nstruct s { int a; };\ntypedef struct { int b; } t;\nenum e { A };\nint g = 1;\nstatic int f(int x) { return h(x, g); }\nchar *p(void) { return 0; }\nint proto(int);\n",
        [
            "macro M 1-1",
            "macro F 2-2",
            "struct s 3-3",
            "type t 4-4",
            "enum e 5-5",
            "variable g 6-6",
            "function f 7-7",
            "function p 8-8",
            "prototype proto 9-9",
        ],
        ["h"],
    ),
    (
        "a.cpp",
        "namespace n { class A : public B { public: void m(); int k() { return z(); } }; }\nvoid n::A::m() { std::sort(a, b); }\ntemplate <class T> T tt(T x) { return x; }\nusing U = int;\nA& ref() { }\n",
        [
            "module n 1-1",
            "class A 1-1",
            "method m 1-1",
            "method k 1-1",
            "method m 2-2",
            "function tt 3-3",
            "type U 4-4",
            "function ref 5-5",
        ],
        ["B", "z", "sort"],
    ),
    (
        "a.cs",
        "namespace N { public class A : B { public A() {} public int P { get; set; } public C M(D d) { return d.E(); } } interface I { void Q(); } enum E { X } struct S {} record R(int a); }\n",
        [
            "module N 1-1",
            "class A 1-1",
            "method A 1-1",
            "property P 1-1",
            "method M 1-1",
            "interface I 1-1",
            "method Q 1-1",
            "enum E 1-1",
            "struct S 1-1",
            "class R 1-1",
        ],
        ["B", "E", "D"],
    ),
    (
        "a.rb",
        "module M\n  class A < B\n    K = 1\n    def m(x) = foo(x)\n    def self.s; bar; end\n  end\nend\n",
        ["module M 1-7", "class A 2-6", "constant K 3-3", "method m 4-4", "method s 5-5"],
        ["B", "foo"],
    ),
    (
        "a.php",
        "<?php\nnamespace N;\nuse X\\Y;\ninterface I {}\ntrait T {}\nclass A extends B implements I { const K = 1; public function m(C $c): D { return $c->e(f()); } }\nfunction g() { return new H(); }\n",
        ["interface I 4-4", "trait T 5-5", "class A 6-6", "constant K 6-6", "method m 6-6", "function g 7-7"],
        ["B", "I", "C", "D", "e", "f", "H", "Y"],
    ),
    (
        "a.swift",
        "import X\nprotocol P { func q() }\nclass A: B { func m(e: E) -> F { return e.g() } }\nstruct S {}\nenum E { case a }\nextension A { func ext() {} }\nfunc top() { h() }\nlet K = 1\n",
        [
            "interface P 2-2",
            "method q 2-2",
            "class A 3-3",
            "method m 3-3",
            "class S 4-4",
            "class E 5-5",
            "extension A 6-6",
            "method ext 6-6",
            "function top 7-7",
            "constant K 8-8",
        ],
        ["B", "E", "F", "g", "h"],
    ),
    (
        "a.scala",
        "package p\ntrait T { def q: Int }\nclass A(x: Int) extends B with T { def m(e: E): F = e.g(); val v = 1 }\nobject O { def apply() = new A(1) }\ntype U = Int\ndef top() = h()\n",
        [
            "trait T 2-2",
            "method q 2-2",
            "class A 3-3",
            "method m 3-3",
            "constant v 3-3",
            "class O 4-4",
            "method apply 4-4",
            "type U 5-5",
            "function top 6-6",
        ],
        ["B", "T", "E", "F", "g", "h", "A"],
    ),
    (
        "a.lua",
        "local function f(x) return g(x) end\nfunction M.h(a) end\nfunction M:i() end\nM.j = function() end\nlocal k = function() end\nlocal t = { n = function() end }\n",
        [
            "function f 1-1",
            "function h 2-2",
            "method i 3-3",
            "function j 4-4",
            "function k 5-5",
            "method n 6-6",
        ],
        ["g"],
    ),
    (
        "a.sh",
        'A=1\nf() { g "$A"; }\nfunction h { f; }\nexport B=2\n',
        ["variable A 1-1", "function f 2-2", "function h 3-3", "variable B 4-4"],
        ["g", "f"],
    ),
    (
        "a.sql",
        "CREATE TABLE users (id int);\nCREATE VIEW v AS SELECT * FROM users;\nCREATE FUNCTION f(a int) RETURNS int AS $$ SELECT 1 $$ LANGUAGE sql;\nCREATE INDEX ix ON users (id);\nINSERT INTO users VALUES (1);\n",
        ["table users 1-1", "view v 2-2", "function f 3-3", "index ix 4-4"],
        ["users"],
    ),
    (
        "a.html",
        '<div id="main" class="x"><a href="#main">x</a></div>\n',
        ["id main 1-1"],
        ["#main", "x"],
    ),
    (
        "a.css",
        ".x { color: red } #main { --v: 1px; } @keyframes k { from {} }\n",
        ["rule x 1-1", "rule main 1-1", "variable --v 1-1", "rule k 1-1"],
        [],
    ),
    (
        "a.md",
        "# One\ntext\n## Two `x`\nSet\n===\n",
        ["heading One 1-5", "heading Two `x` 3-5", "heading Set 4-5"],
        [],
    ),
    (
        "a.toml",
        "a = 1\n[b.c]\nd = 2\n[[e]]\nf=1\n",
        ["key a 1-1", "table b.c 2-3", "table e 4-5"],
        [],
    ),
    (
        "a.yaml",
        "a: 1\nb:\n  c: 2\n  d: {e: 1}\n",
        ["key a 1-1", "key b 2-4", "key c 3-3", "key d 4-4"],
        [],
    ),
]


@pytest.mark.parametrize(("path", "source", "defined", "used"), CASES, ids=[case[0] for case in CASES])
def test_definitions_and_uses(path: str, source: str, defined: list[str], used: list[str]) -> None:
    language = language_for(path)
    assert language is not None
    tags = tags_of(source.encode(), language)
    assert tags is not None
    assert [f"{each.kind} {each.name} {each.line}-{each.end}" for each in tags.definitions] == defined
    numbers = dict(tags.uses)
    assert [name for name in used if number(name) not in numbers] == []


def test_every_language_has_a_case() -> None:
    tested = {language.name for case in CASES if (language := language_for(case[0]))}
    assert {language.name for language in LANGUAGES} == tested
