"""The status line under the prompt: mode, model, context, cost, cache, branch, background tasks, queue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kcode.config.project import branch_of as branch_of
from kcode.i18n import _, n_
from kcode.ui.look import figures, widths

if TYPE_CHECKING:
    from kcode.agent.session import Session

SHORT_BRANCH = 16  # columns: a long branch name is cut to this before anything else is left out


@dataclass(frozen=True, slots=True)
class Status:
    """What the line shows; ``""`` and 0 leave a part out. Built between turns, not per keystroke.

    ``background`` counts the commands that run in the background, ``queued`` the messages that wait.
    """

    model: str = ""
    context: str = ""
    cached: str = ""
    cost: str = ""
    background: int = 0
    queued: int = 0

    @classmethod
    def of(cls, session: Session) -> Status:
        used, window = session.context_tokens(), session.window
        share = f" ({figures.percent(used / window)})" if window else ""
        known = session.cost.prompt or session.cost.money  # nothing: its only request was interrupted
        hits = _("{share} cached").format(share=figures.percent(session.cost.hit_rate))
        return cls(
            model=session.provider.model.id,
            context=f"{figures.tokens(used)}/{figures.tokens(window)}{share}",
            cached=hits if known else "",
            cost=session.cost.text() if known else "",
            background=sum(task.running for task in session.background),
        )


def line(status: Status, mode: str, branch: str, columns: int) -> str:
    """The parts that fit ``columns``; a long branch name is cut first, then the least important go."""
    queued = n_("{count} queued", "{count} queued", status.queued).format(count=status.queued)
    tasks = n_("{count} task running", "{count} tasks running", status.background)
    shown = [  # in the order they are read, each with its importance
        (9, _("{mode} mode").format(mode=mode)),
        (8, queued if status.queued else ""),
        (7, status.model or _("starting…")),
        (6, tasks.format(count=status.background) if status.background else ""),
        (5, status.context),
        (4, status.cost),
        (2, status.cached),
        (3, branch),
    ]
    parts = [(importance, figures.one_line(part)) for importance, part in shown if part]
    text = _joined(parts)
    if widths.columns(text) > columns:
        parts = [(rank, figures.cut(part, SHORT_BRANCH) if rank == 3 else part) for rank, part in parts]
        text = _joined(parts)
    while widths.columns(text) > columns and len(parts) > 1:
        parts.remove(min(parts))
        text = _joined(parts)
    return figures.cut(text, columns)


def _joined(parts: list[tuple[int, str]]) -> str:
    return " · ".join(part for _rank, part in parts)
