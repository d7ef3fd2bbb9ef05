"""Which language server speaks of which files, as the setting ``diagnostics.servers`` names them."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from pathlib import PurePath

from kcode.errors import UsageError

LANGUAGES = {
    ".py": "python", ".pyi": "python",
    ".js": "javascript", ".mjs": "javascript", ".cjs": "javascript", ".jsx": "javascriptreact",
    ".ts": "typescript", ".mts": "typescript", ".cts": "typescript", ".tsx": "typescriptreact",
    ".go": "go", ".rs": "rust", ".java": "java", ".kt": "kotlin", ".kts": "kotlin",
    ".c": "c", ".h": "c", ".cc": "cpp", ".cpp": "cpp", ".cxx": "cpp", ".hpp": "cpp", ".hh": "cpp",
    ".cs": "csharp", ".rb": "ruby", ".php": "php", ".swift": "swift", ".scala": "scala", ".lua": "lua",
    ".sh": "shellscript", ".bash": "shellscript", ".zig": "zig", ".ex": "elixir", ".exs": "elixir",
    ".hs": "haskell", ".ml": "ocaml", ".dart": "dart", ".vue": "vue", ".svelte": "svelte",
    ".html": "html", ".css": "css", ".json": "json", ".yaml": "yaml", ".yml": "yaml", ".tf": "terraform",
}  # fmt: skip

_C = ("c", "cpp")
_SCRIPT = ("javascript", "javascriptreact", "typescript", "typescriptreact")
KNOWN: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {  # program: its words, its languages
    "basedpyright-langserver": (("--stdio",), ("python",)),
    "bash-language-server": (("start",), ("shellscript",)),
    "clangd": ((), _C),
    "gopls": ((), ("go",)),
    "jdtls": ((), ("java",)),
    "jedi-language-server": ((), ("python",)),
    "kotlin-language-server": ((), ("kotlin",)),
    "lua-language-server": ((), ("lua",)),
    "pylsp": ((), ("python",)),
    "pyright-langserver": (("--stdio",), ("python",)),
    "ruby-lsp": ((), ("ruby",)),
    "rust-analyzer": ((), ("rust",)),
    "sourcekit-lsp": ((), ("swift",)),
    "ty": (("server",), ("python",)),
    "typescript-language-server": (("--stdio",), _SCRIPT),
    "vtsls": (("--stdio",), _SCRIPT),
    "zls": ((), ("zig",)),
}


@dataclass(frozen=True, slots=True)
class ServerCommand:
    """``words`` start it; ``suffixes`` are of the files it is asked about."""

    name: str
    words: tuple[str, ...]
    suffixes: tuple[str, ...]

    def speaks_of(self, path: str) -> bool:
        return PurePath(path).suffix in self.suffixes


def configured(setting: str) -> tuple[ServerCommand, ...]:
    """The servers of a setting: parts with ``;`` between them, each the name of a known server or
    ``LANGUAGE,.suffix=COMMAND``. Raises :class:`UsageError` for one that says no files."""
    return tuple(_one(part.strip()) for part in setting.split(";") if part.strip())


def language_of(path: str) -> str:
    suffix = PurePath(path).suffix
    return LANGUAGES.get(suffix, suffix.removeprefix("."))


def _one(part: str) -> ServerCommand:
    kinds, equals, command = part.partition("=")
    if not equals or any(blank in kinds for blank in " /\\"):
        kinds, command = "", part
    words = _split(command)
    if not words:
        raise _wrong(part, "it names no command")
    name = os.path.basename(words[0])  # noqa: PTH119 - a program's name, not a path of ours
    more, languages = KNOWN.get(name, ((), ()))
    wanted = tuple(each.strip() for each in kinds.split(",") if each.strip()) or languages
    suffixes = tuple(suffix for each in wanted for suffix in _suffixes(each))
    if not suffixes:
        raise _wrong(part, "it does not say which files are its")
    return ServerCommand(name, (*words, *more) if len(words) == 1 else tuple(words), suffixes)


def _suffixes(kind: str) -> list[str]:
    if kind.startswith("."):
        return [kind]
    return [suffix for suffix, language in LANGUAGES.items() if language == kind]


def _split(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:
        return command.split()


def _wrong(part: str, why: str) -> UsageError:
    return UsageError(
        f"diagnostics.servers: {part!r} is not a language server: {why}",
        "write the name of one that docs/editing.md lists, or LANGUAGE=COMMAND, such as python=pylsp",
    )
