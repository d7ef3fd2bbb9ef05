"""A review as people read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kcode.i18n import _, from_below, n_
from kcode.safety.sanitize import clean
from kcode.ui.look import figures

if TYPE_CHECKING:
    from rich.console import RenderableType

    from kcode.agent.reviewing import Review
    from kcode.ui.desk import Desk
    from kcode.workspace.workspace import Workspace

STYLES = {"high": "bold red", "medium": "yellow", "low": "cyan"}


def findings(result: Review) -> list[RenderableType]:
    """A block for each finding, numbered as "fix 2" means it."""
    from rich.padding import Padding
    from rich.text import Text

    severities = {"high": _("high"), "medium": _("medium"), "low": _("low")}
    blocks: list[RenderableType] = []
    for number, each in enumerate(result.findings, 1):
        title = Text.assemble(
            (f"{number:>2}  ", "dim"),
            (severities[each.severity], STYLES[each.severity]),
            "  ",
            (f"{figures.one_line(each.file)}:{each.line}", "bold"),
        )
        if each.place == "file":
            title.append("  " + _("(this line is not in the diff: look twice)"), "dim")
        body = Text(figures.one_line(from_below(each.problem)))
        if each.scenario:
            body.append("\n" + _("fails when: {what}").format(what=figures.one_line(each.scenario)), "dim")
        blocks += [title, Padding(body, (0, 0, 0, 4))]
        if each.applicable:
            body.append(
                "\n" + _("can be applied: kcode review --apply {number}").format(number=number), "dim"
            )
        if each.suggestion:
            blocks.append(Padding(Text(each.suggestion, "green"), (0, 0, 0, 4)))
        blocks.append(Text())
    return blocks


async def offer(desk: Desk, workspace: Workspace, result: Review) -> list[str]:
    """Ask which findings to apply, one diff and one yes after the other; the files that were changed."""
    from kcode.agent.suggested import edits_of
    from kcode.errors import KcodeError
    from kcode.ui.desk import yes_or_no
    from kcode.workspace.diff import unified

    open_ = [number for number, each in enumerate(result.findings, 1) if each.applicable]
    changed: dict[str, None] = {}
    while open_ and desk.person:
        shown = ", ".join(map(str, open_))
        said = await desk.line(_("Apply which? ({numbers}; Enter: none)").format(numbers=shown))
        wanted = [int(word) for word in (said or "").replace(",", " ").split() if word.isdigit()]
        if not wanted:
            break
        for number in wanted:
            try:
                edits = edits_of(workspace, result.findings, [number])
            except KcodeError as error:
                desk.say(
                    "; ".join(from_below(each) for each in (error.message, error.remedy) if each), "yellow"
                )
                continue
            for edit in edits:
                desk.say(clean(unified(edit.before, edit.after, edit.path).rstrip("\n")))
            if await desk.key(_("Apply this?"), yes_or_no()) != "y":
                continue
            workspace.apply(edits, label=f"kcode review: finding {number}")
            changed.update(dict.fromkeys(edit.path for edit in edits))
            open_ = [each for each in open_ if each != number]
            desk.say(_("finding {number} is applied").format(number=number), "green")
    return list(changed)


def plain(result: Review) -> str:
    """The findings as lines for pipes: ``file:line: severity: problem``, and the rest indented."""
    lines = []
    for number, each in enumerate(result.findings, 1):
        doubt = _(" (this line is not in the diff: look twice)") if each.place == "file" else ""
        file = figures.one_line(each.file)
        lines.append(
            f"{file}:{each.line}: {each.severity}: {figures.one_line(from_below(each.problem))}{doubt}"
        )
        if each.scenario:
            lines.append("    " + _("fails when: {what}").format(what=figures.one_line(each.scenario)))
        lines += [f"    {line}" for line in each.suggestion.split("\n") if line.strip()]
        if each.applicable:
            lines.append("    " + _("can be applied: kcode review --apply {number}").format(number=number))
    return "\n".join(lines)


def summary(result: Review, what: str, whole: bool) -> list[str]:
    """What was looked at, what came of it and what was left out, a line each."""
    if not result.files:
        return [
            _("there is nothing to look at: no file differs ({what})").format(what=figures.one_line(what))
        ]
    files = len(result.files)
    looked = n_("{what}: {count} file looked at", "{what}: {count} files looked at", files)
    count = len(result.findings)
    found = (
        n_("{count} finding", "{count} findings", count).format(count=count)
        if count
        else _("nothing was found")
    )
    lines = [f"{looked.format(what=figures.one_line(what), count=files)}, {found}"]
    if result.checks_only:
        lines.append(
            _(
                "no model was asked: the embedded one is too small for a review; looked for were keys, "
                "conflict markers and debugging leftovers (kcode login, for a review by a K2 model)"
            )
        )
    if result.seen < result.lines or not whole:
        lines.append(
            _("the change is large: {seen} of {lines} changed lines were looked at").format(
                seen=result.seen, lines=result.lines
            )
        )
    if result.apart:
        named = ", ".join(figures.one_line(path) for path, _why in result.apart[:5])
        more = " …" if len(result.apart) > 5 else ""
        lines.append(_("not looked at: {files}").format(files=named + more))
    if result.dropped:
        words = n_(
            "{count} finding was dropped: it named no file of the change",
            "{count} findings were dropped: they named no file of the change",
            result.dropped,
        )
        lines.append(words.format(count=result.dropped))
    return lines
