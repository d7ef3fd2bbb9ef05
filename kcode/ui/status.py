"""The status line under the prompt: model, mode, context, cache hits, cost, branch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kcode.config.project import branch_of as branch_of
from kcode.ui import figures

if TYPE_CHECKING:
    from kcode.agent.session import Session


@dataclass(frozen=True, slots=True)
class Status:
    """What the line shows; ``""`` leaves a part out. Built between turns, not per keystroke."""

    model: str = ""
    context: str = ""
    cached: str = ""
    cost: str = ""

    @classmethod
    def of(cls, session: Session) -> Status:
        used, window = session.context_tokens(), session.window
        share = f" ({figures.percent(used / window)})" if window else ""
        requests = session.cost.requests
        return cls(
            model=session.provider.model.id,
            context=f"{figures.tokens(used)}/{figures.tokens(window)}{share}",
            cached=f"{figures.percent(session.cost.hit_rate)} cached" if requests else "",
            cost=session.cost.text() if requests else "",
        )


def line(status: Status, mode: str, branch: str, columns: int) -> str:
    """The parts that fit ``columns``, the least important left out first."""
    parts = [f"{mode} mode", status.model or "starting…", status.context, status.cost, status.cached, branch]
    while parts:
        text = " · ".join(figures.one_line(part) for part in parts if part)
        if figures.cut(text, columns) == text or len(parts) == 1:
            return figures.cut(text, columns)
        parts.pop()
    return ""
