"""The small map of the code that an epoch begins with: what matters most, frozen as it is then."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kcode.config.prompts import load_prompt
from kcode.providers.profiles import PROFILES

if TYPE_CHECKING:
    from kcode.agent.session import Session

FEWEST = 15  # files: a smaller project is seen at a glance
SHARE = 50  # of the window: the map takes at most this part
_LEAST = 200  # tokens: less would only name a few files


def prepare(session: Session) -> None:
    """Bring the map up to date in the background, for the questions and the epochs to come."""
    if _budget(session) >= _LEAST:
        session.map.start(fewest=FEWEST)


def code_map(session: Session) -> list[str]:
    """The block for an epoch's first message, none where there is no index yet: nothing waits for one."""
    budget = _budget(session)
    if budget < _LEAST:
        return []
    from kcode.codemap.asking import draw
    from kcode.codemap.store import count_files
    from kcode.tools.mapping import hidden_from_models, measure

    with session.map.reading() as index:
        if index is None or count_files(index) < FEWEST:
            return []
        drawn = draw(index, budget, measure, hidden=hidden_from_models(session.workspace))
    return [f"<code-map>\n{load_prompt('code_map').strip()}\n{drawn}</code-map>"] if drawn else []


def _budget(session: Session) -> int:
    """Tokens. None for an embedded model: on a few cores a person waits for every token of a prompt."""
    profile = PROFILES.get(session.provider.name)
    if profile is not None and profile.embedded:
        return 0
    return min(session.settings.agent.map_tokens, session.window // SHARE)
