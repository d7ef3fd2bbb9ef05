"""grep: lines that match, by the best engine there is, in one spelling whichever it was."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from pydantic import Field

from kcode.errors import KcodeError
from kcode.tools.base import Arguments, Intent, Tool, ToolContext, ToolOutcome
from kcode.tools.bounds import around, bounded, plural
from kcode.tools.grep_engines import Found, Match, Query, search
from kcode.tools.grep_output import Kind, python_pattern
from kcode.tools.nearness import Near, asked_about, near
from kcode.workspace.workspace import Workspace

DEFAULT_RESULTS = 100
SHOWN_OF_LINE = 300  # characters
_NEAR = 200  # files


class GrepArguments(Arguments):
    pattern: str = Field(min_length=1)
    path: str = "."
    glob: str | None = None
    type: str | None = None
    context: int | None = Field(None, ge=0, le=20)
    ignore_case: bool = False
    fixed: bool = False
    word: bool = False
    show: Kind = "lines"
    max_results: int | None = Field(None, ge=1, le=1000)


@dataclass(frozen=True, slots=True)
class GrepResult:
    """What renderers get. ``more`` tells that the search stopped at the limit."""

    matches: tuple[Match, ...]
    more: bool
    engine: str


class Grep(Tool[GrepArguments]):
    name = "grep"
    read_only = True
    arguments = GrepArguments

    def title(self, args: GrepArguments) -> str:
        where = "" if args.path == "." else f" in {args.path}"
        kinds = ", ".join(filter(None, (args.glob, args.type)))
        return f"grep {args.pattern!r}{where}" + (f" ({kinds})" if kinds else "")

    async def plan(self, args: GrepArguments, context: ToolContext) -> Intent:
        why = "" if args.path == "." else context.workspace.sensitive(args.path)
        return Intent("read", sensitive=why, paths=(args.path,))

    async def run(self, args: GrepArguments, context: ToolContext) -> ToolOutcome:
        workspace = context.workspace
        target = workspace.readable(args.path)
        query = Query(
            args.pattern,
            workspace.relative(target),
            args.glob or "",
            args.ignore_case,
            args.fixed,
            args.max_results or DEFAULT_RESULTS,
            args.type or "",
            args.word,
            not args.fixed and _spans_lines(args.pattern),
            args.show,
            (*await asked_about(context), *workspace.seen_files())[:_NEAR],
        )
        found = await search(workspace, query)
        named = not target.is_dir()  # asked about, so the policy had its say
        if args.show != "lines":
            return _counted(workspace, args, query, found, named)
        visible = [match for match in found.matches if named or not workspace.sensitive(match.path)]
        hidden = len(found.matches) - len(visible)
        many = len(visible) > query.limit
        nearest = await near(context, {match.path for match in visible}) if many else Near()
        shown = _chosen(visible, nearest.order, query.limit)
        lines = _with_context(workspace, query, shown, args.context or 0)
        total = len(visible)
        notes = [
            *_totals(args, len(shown), total, len({match.path for match in visible}), found),
            *([f"first come {nearest.because}"] if shown != visible[: query.limit] else []),
            *_hidden(hidden),
            *_stopped(found),
        ]
        return ToolOutcome(
            _text(lines, notes),
            _brief(visible, len(shown), found),
            payload=GrepResult(tuple(shown), found.more or total > len(shown), found.engine),
        )


def _spans_lines(pattern: str) -> bool:
    r"""Whether a pattern asks for a line end in so many words: ``\n``, a line end itself, ``(?s)``."""
    if "\n" in pattern or re.match(r"\(\?\w*s\w*\)", pattern):
        return True
    return re.search(r"(?<!\\)(?:\\\\)*\\n", pattern) is not None


def _counted(
    workspace: Workspace, args: GrepArguments, query: Query, found: Found, named: bool
) -> ToolOutcome:
    counts = {path: number for path, number in found.counts.items() if named or not workspace.sensitive(path)}
    hidden = sum(found.counts.values()) - sum(counts.values())
    total, files = sum(counts.values()), len(counts)
    shown = list(counts.items())[: query.limit]
    lines = [f"{path}:{number}" if args.show == "counts" else path for path, number in shown]
    many = f"{plural(total, 'match')} in " if args.show == "counts" else ""
    least = "at least " if found.more else ""
    notes = [
        f"{least}{many}{plural(files, 'file')}" + (f", the first {len(shown)} shown" * (files > len(shown)))
    ]
    if not counts:
        notes = [_no_match(args)]
    notes += [*_hidden(hidden), *_stopped(found)]
    return ToolOutcome(
        _text(lines, notes),
        f"{least}{many}{plural(files, 'file')}" if counts else "no match",
        payload=dict(counts),
    )


def _chosen(visible: Sequence[Match], near: Sequence[str], limit: int) -> list[Match]:
    """Those to show: of near files first, each file's share bounded where one would take all."""
    if len(visible) <= limit or not near:
        return list(visible[:limit])
    rank = {path: place for place, path in enumerate(near)}
    ordered = sorted(visible, key=lambda match: (rank.get(match.path, len(rank)), match.path, match.line))
    return ordered[:limit]


def _totals(args: GrepArguments, shown: int, total: int, files: int, found: Found) -> list[str]:
    if not total:
        return [_no_match(args)]
    if found.more:
        return [
            f"the first {shown} matches; there are more than {max(found.least, shown):,}: narrow the search"
        ]
    if total > shown:
        return [
            f"the first {shown} matches; there are more, {total:,} in {plural(files, 'file')}:"
            " narrow the search or raise max_results"
        ]
    return []


def _no_match(args: GrepArguments) -> str:
    return f"no match for {args.pattern!r} (ignored and binary files are not searched)"


def _hidden(hidden: int) -> list[str]:
    return (
        [f"{plural(hidden, 'match')} in sensitive files not shown; read_file asks the user"] if hidden else []
    )


def _stopped(found: Found) -> list[str]:
    if not found.timed_out:
        return []
    return ["the search was stopped at its limit of time or steps and may have missed matches"]


def _brief(visible: Sequence[Match], shown: int, found: Found) -> str:
    if not visible:
        return "no match"
    files = len({match.path for match in visible})
    count = f"{max(found.least, len(visible)):,}+ matches" if found.more else plural(len(visible), "match")
    of = f"{shown} of " if shown < len(visible) else ""
    return f"{of}{count}" + ("" if found.more else f" in {plural(files, 'file')}")


def _text(lines: Sequence[str], notes: Sequence[str]) -> str:
    text = bounded("\n".join(lines), hint="narrow the search")
    return "\n".join(part for part in (text, f"[{'; '.join(notes)}]" if notes else "") if part)


def _with_context(workspace: Workspace, query: Query, shown: Sequence[Match], many: int) -> list[str]:
    """``path:line:text`` for matches, ``path-line-text`` for the lines around, ``--`` between groups."""
    pattern = python_pattern(replace(query, multiline=False))

    def cut(text: str, matched: bool) -> str:
        if len(text) <= SHOWN_OF_LINE:
            return text
        place = pattern.search(text[:200_000]) if matched and pattern and _is_plain(query) else None
        return around(text, place.start() if place else 0, SHOWN_OF_LINE)

    if not many:
        return [f"{match.path}:{match.line}:{cut(match.text, True)}" for match in shown]
    out: list[str] = []
    for path, group in groupby(shown, key=lambda match: match.path):
        hits = {match.line: match.text for match in group}
        try:
            text = workspace.read(path).text.removesuffix("\n")
            all_lines = [line.removesuffix("\r") for line in text.split("\n")]
        except KcodeError:  # deleted or too large meanwhile: the matches alone
            all_lines = []
        wanted = {n for hit in hits for n in range(max(1, hit - many), min(hit + many, len(all_lines)) + 1)}
        previous = 0
        for number in sorted(wanted | set(hits)):
            if out and number != previous + 1:
                out.append("--")
            mark = ":" if number in hits else "-"
            line = hits.get(number) or (all_lines[number - 1] if number <= len(all_lines) else "")
            out.append(f"{path}{mark}{number}{mark}{cut(line, number in hits)}")
            previous = number
    return out


def _is_plain(query: Query) -> bool:
    """Whether looking for the match again cannot take long: no repetition of what repeats."""
    return query.fixed or not re.search(r"[)\]][*+{]|\.[*+].*[*+]", query.pattern)
