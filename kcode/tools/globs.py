"""Globs as the tools take them: git's spelling, ``{a,b}``, several parted by commas, ``!`` leaves out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from pathspec import GitIgnoreSpec

from kcode.tools.base import ToolRefused

_MOST = 64  # alternatives of one glob

TYPES: dict[str, str] = {
    "c": "*.c,*.h", "cpp": "*.cpp,*.cc,*.cxx,*.hpp,*.hh,*.hxx,*.h,*.inl", "cs": "*.cs",
    "css": "*.css,*.scss,*.sass,*.less", "dart": "*.dart", "docker": "Dockerfile*,*.dockerfile",
    "elixir": "*.ex,*.exs", "erlang": "*.erl,*.hrl", "go": "*.go", "haskell": "*.hs,*.lhs",
    "html": "*.html,*.htm,*.xhtml", "java": "*.java", "js": "*.js,*.jsx,*.mjs,*.cjs,*.vue,*.svelte",
    "json": "*.json,*.jsonl,*.json5", "julia": "*.jl", "kotlin": "*.kt,*.kts", "lua": "*.lua",
    "make": "Makefile,makefile,GNUmakefile,*.mk,*.mak,CMakeLists.txt,*.cmake",
    "md": "*.md,*.markdown,*.mdx", "ocaml": "*.ml,*.mli", "perl": "*.pl,*.pm,*.t", "php": "*.php",
    "proto": "*.proto", "py": "*.py,*.pyi,*.pyx", "r": "*.r,*.R,*.Rmd", "rst": "*.rst",
    "ruby": "*.rb,*.rake,Rakefile,Gemfile,*.gemspec", "rust": "*.rs", "scala": "*.scala,*.sbt",
    "sh": "*.sh,*.bash,*.zsh,*.fish", "sql": "*.sql", "swift": "*.swift", "terraform": "*.tf,*.tfvars",
    "toml": "*.toml", "ts": "*.ts,*.tsx,*.mts,*.cts", "txt": "*.txt", "xml": "*.xml,*.xsd,*.xsl,*.svg",
    "yaml": "*.yaml,*.yml", "zig": "*.zig",
}  # fmt: skip
_OTHER_NAMES = {
    "python": "py", "javascript": "js", "jsx": "js", "typescript": "ts", "tsx": "ts", "golang": "go",
    "rs": "rust", "rb": "ruby", "markdown": "md", "yml": "yaml", "csharp": "cs", "c++": "cpp", "h": "c",
    "bash": "sh", "shell": "sh", "kt": "kotlin", "dockerfile": "docker", "tf": "terraform",
}  # fmt: skip


def globs_of(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The globs a file must match one of, and those it must match none of."""
    wanted: list[str] = []
    unwanted: list[str] = []
    for part in _parts(text):
        target, glob = (unwanted, part[1:]) if part.startswith("!") else (wanted, part)
        glob = glob.strip().removeprefix("./")
        if not glob:
            raise ToolRefused(f"{text!r} has an empty glob")
        target.extend(braces(glob))
    return tuple(wanted), tuple(unwanted)


def type_globs(text: str) -> tuple[str, ...]:
    """The globs of file types: ``py`` or ``py,toml``. Raises :class:`ToolRefused` for one unknown."""
    found: list[str] = []
    for name in filter(None, (part.strip().lstrip(".").lower() for part in text.split(","))):
        globs = TYPES.get(_OTHER_NAMES.get(name, name))
        if globs is None:
            raise ToolRefused(f"no file type {name!r}; use glob, or one of: {', '.join(TYPES)}")
        found += globs.split(",")
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Globs:
    """``match_file`` tells whether a relative path is wanted and not left out."""

    wanted: GitIgnoreSpec | None
    unwanted: GitIgnoreSpec | None

    def match_file(self, path: str) -> bool:
        if self.wanted is not None and not self.wanted.match_file(path):
            return False
        return self.unwanted is None or not self.unwanted.match_file(path)


@lru_cache(64)
def matcher(pattern: str) -> Globs:
    """Globs parted by commas as git reads them: one without a slash matches at any depth."""
    wanted, unwanted = globs_of(pattern)
    try:
        specs = [
            GitIgnoreSpec.from_lines(map(_quoted, part)) if part else None for part in (wanted, unwanted)
        ]
    except ValueError as problem:
        raise ToolRefused(f"the pattern {pattern!r} is not a glob: {problem}") from None
    return Globs(*specs)


def _quoted(glob: str) -> str:
    return "\\" + glob if glob[0] in "!#" else glob


def braces(pattern: str) -> list[str]:
    """The alternatives of a glob with ``{a,b}``, nested ones too; at most 64."""
    match = re.search(r"\{([^{}]*,[^{}]*)\}", pattern)
    if not match:
        return [pattern]
    before, after = pattern[: match.start()], pattern[match.end() :]
    options = [before + option + after for option in match.group(1).split(",")]
    return [glob for option in options for glob in braces(option)][:_MOST]


def _parts(text: str) -> list[str]:
    """Parted at commas that are not inside braces or brackets."""
    parts, depth, current = [], 0, ""
    for char in text:
        if char in "{[":
            depth += 1
        elif char in "}]":
            depth = max(depth - 1, 0)
        if char == "," and depth == 0:
            parts.append(current)
            current = ""
        else:
            current += char
    return [part.strip() for part in [*parts, current] if part.strip()]
