"""The stage of a sitting: which one the terminal can carry, and what stands around its input."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from kcode.i18n import _, n_
from kcode.ui.look import figures

if TYPE_CHECKING:
    from prompt_toolkit.formatted_text import StyleAndTextTuples
    from prompt_toolkit.input import Input
    from prompt_toolkit.output import Output

    from kcode.ui.look.background import Replies
    from kcode.ui.sitting import Sitting
    from kcode.ui.stage.plainstage import PlainStage
    from kcode.ui.stage.prompt import Prompt
    from kcode.ui.stage.stage import Stage

QUEUED_ROWS = 4  # of messages that wait


def make_stage(
    sitting: Sitting, on_first_paint: Callable[[], None], typed: str, replies: Replies | None = None
) -> Stage | PlainStage:
    """The application that lives for the whole sitting; on a terminal that cannot move its cursor, a prompt
    between the turns. ``on_first_paint`` is called once, when the input is there; ``typed`` are keys that
    were pressed before, ``replies`` takes the terminal's own answers out of the later ones."""

    if sitting.look.plain or sys.platform == "win32":
        from kcode.ui.stage.plainstage import PlainStage

        return PlainStage(
            make_prompt=lambda: _prompt(sitting),
            on_escape=sitting.interrupt,
            on_first_paint=on_first_paint,
            typed=typed,
        )
    from kcode.ui.stage.stage import Stage

    stage = Stage(
        sitting.look,
        make_prompt=lambda input, output: _prompt(sitting, input, output),
        queued=lambda columns: _queued(sitting, columns),
        status=lambda columns: _status(sitting, columns),
        on_first_paint=on_first_paint,
        on_end=sitting.leave,
        typed=typed,
        replies=replies,
    )
    if replies is not None:
        replies.on_background = lambda dark: _in_another_light(sitting, stage, dark)
    return stage


def _in_another_light(sitting: Sitting, stage: Stage, dark: bool) -> None:
    """The terminal's background came to be known when the first colours were there already."""
    from prompt_toolkit.styles import Style

    from kcode.ui.look.theme import prompt_rules

    if dark == sitting.look.dark:
        return
    sitting.look = replace(sitting.look, dark=dark)
    stage.app.style = Style(prompt_rules(sitting.theme))
    stage.app.invalidate()


def _prompt(sitting: Sitting, input: Input | None = None, output: Output | None = None) -> Prompt:
    from kcode.ui.completing.completion import completion_of
    from kcode.ui.stage.prompt import Prompt

    return Prompt(
        sitting.root,
        sitting.look,
        completion=completion_of(sitting),
        hands=sitting,
        editing_mode=sitting.settings.ui.editing_mode,
        fold_lines=sitting.settings.ui.paste_fold_lines,
        input=input,
        output=output,
    )


def _queued(sitting: Sitting, columns: int) -> StyleAndTextTuples:
    """The messages that wait, the first ones where there are many, and how to get at them."""
    folds = sitting.stage.prompt.folds
    rows = []
    if sitting.awaiting:
        words = _("starting, then: {message}")
        rows.append(words.format(message=figures.one_line(folds.refold(sitting.awaiting))))
    rows += [
        _("queued: {message}").format(message=figures.one_line(folds.refold(text)))
        for text in sitting.queue[:QUEUED_ROWS]
    ]
    if (more := len(sitting.queue) - QUEUED_ROWS) > 0:
        rows.append(n_("… and {count} more", "… and {count} more", more).format(count=more))
    if sitting.queue:
        rows.append(_("Up takes the last one back · Ctrl-S sends the first one now"))
    if not rows:
        return []
    return [("class:dim", "\n".join("  " + figures.cut(row, columns - 3) for row in rows))]


def _status(sitting: Sitting, columns: int) -> StyleAndTextTuples:
    from kcode.ui import status

    prompt = sitting.stage.prompt
    if prompt.keyboard.quitting:
        text = _("press Ctrl-C again to quit")
    else:
        editing = {"insert": "INSERT", "normal": "NORMAL", "replace": "REPLACE"}.get(prompt.editing, "")
        before = f"{editing} · " if editing else ""
        room = columns - 2 - len(before)
        text = before + status.line(sitting.status, sitting.mode, sitting.branch, room)
    return [("class:status", " " + text)]
