"""grep: lines that match, by the best engine there is, in one spelling whichever it was."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from pydantic import Field

from kcode.errors import KcodeError
from kcode.tools.base import Arguments, Intent, Tool, ToolContext, ToolOutcome, ToolRefused
from kcode.tools.bounds import bounded, plural, short_line
from kcode.tools.grep_engines import Found, Match, Query, search
from kcode.workspace.workspace import Workspace

DEFAULT_RESULTS = 100
SHOWN_OF_LINE = 300  # characters


class GrepArguments(Arguments):
    pattern: str = Field(min_length=1)
    path: str = "."
    glob: str | None = None
    context: int | None = Field(None, ge=0, le=20)
    ignore_case: bool = False
    fixed: bool = False
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
        return f"grep {args.pattern!r}{where}" + (f" ({args.glob})" if args.glob else "")

    async def plan(self, args: GrepArguments, context: ToolContext) -> Intent:
        return Intent("read", sensitive="" if args.path == "." else context.workspace.sensitive(args.path))

    async def run(self, args: GrepArguments, context: ToolContext) -> ToolOutcome:
        workspace = context.workspace
        target = workspace.resolve(args.path, must_exist=True)
        if args.glob and args.glob.startswith("!"):
            raise ToolRefused("glob says which files to search; leaving files out by ! is not supported")
        limit = args.max_results or DEFAULT_RESULTS
        query = Query(
            args.pattern, workspace.relative(target), args.glob or "", args.ignore_case, args.fixed, limit
        )
        found = await search(workspace, query)
        named = not target.is_dir()  # asked about, so the policy had its say
        visible = [match for match in found.matches if named or not workspace.sensitive(match.path)]
        hidden = len(found.matches) - len(visible)
        shown = visible[:limit]
        more = found.more or len(visible) > limit
        return ToolOutcome(
            _text(workspace, args, shown, more, hidden, found),
            _brief(shown, more),
            payload=GrepResult(tuple(shown), more, found.engine),
        )


def _brief(shown: list[Match], more: bool) -> str:
    if not shown:
        return "no match"
    files = len({match.path for match in shown})
    count = f"{len(shown)}+ matches" if more else plural(len(shown), "match")
    return f"{count} in {plural(files, 'file')}"


def _text(
    workspace: Workspace, args: GrepArguments, shown: list[Match], more: bool, hidden: int, found: Found
) -> str:
    notes = []
    if not shown:
        notes.append(f"no match for {args.pattern!r} (ignored and binary files are not searched)")
    elif more:
        notes.append(
            f"the first {len(shown)} matches; there are more: narrow the search or raise max_results"
        )
    if hidden:
        notes.append(f"{plural(hidden, 'match')} in sensitive files not shown; read_file asks the user")
    if found.timed_out:
        notes.append("the search was stopped at its time limit and may have missed matches")
    lines = _with_context(workspace, shown, args.context or 0)
    text = bounded("\n".join(lines), hint="narrow the search")
    return "\n".join(part for part in (text, f"[{'; '.join(notes)}]" if notes else "") if part)


def _with_context(workspace: Workspace, shown: list[Match], around: int) -> list[str]:
    """``path:line:text`` for matches, ``path-line-text`` for the lines around, ``--`` between groups."""
    if not around:
        return [f"{match.path}:{match.line}:{short_line(match.text, SHOWN_OF_LINE)}" for match in shown]
    out: list[str] = []
    for path, group in groupby(shown, key=lambda match: match.path):
        hits = {match.line: match.text for match in group}
        try:
            text = workspace.read(path).text.removesuffix("\n")
            all_lines = [line.removesuffix("\r") for line in text.split("\n")]
        except KcodeError:  # deleted or too large meanwhile: the matches alone
            all_lines = []
        wanted = {
            n for hit in hits for n in range(max(1, hit - around), min(hit + around, len(all_lines)) + 1)
        }
        previous = 0
        for number in sorted(wanted | set(hits)):
            if out and number != previous + 1:
                out.append("--")
            mark = ":" if number in hits else "-"
            line = hits.get(number) or (all_lines[number - 1] if number <= len(all_lines) else "")
            out.append(f"{path}{mark}{number}{mark}{short_line(line, SHOWN_OF_LINE)}")
            previous = number
    return out
