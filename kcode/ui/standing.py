"""``/status``: where this session stands, line by line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kcode.ui import figures

if TYPE_CHECKING:
    from kcode.agent.session import Session


def rows(session: Session) -> list[tuple[str, str]]:
    """What a person asks when something is odd: version, session, provider, window, cost, call quality."""
    from kcode import __version__
    from kcode.safety.sandbox import status as sandbox

    model, settings, cost = session.provider.model, session.settings, session.cost
    used, window = session.context_tokens(), session.window
    found = [
        ("kcode", __version__),
        ("session", f"{session.id}, {_plural(cost.requests, 'request')}"),
        ("workspace", str(session.root)),
        ("provider", _where(session)),
        ("model", f"{model.id}{', thinking' if model.thinking == 'forced' else ''}"),
        ("mode", session.mode),
        ("context", f"{figures.tokens(used)} of {figures.tokens(window)} tokens"),
        ("cost", f"{cost.text()}, {figures.percent(cost.hit_rate)} of the prompt tokens cached"),
        ("schema accuracy", session.accuracy().text()),
        ("sandbox", sandbox().detail if settings.safety.sandbox != "off" else "off by the settings"),
    ]
    if names := session.official_names():
        found.append(("provider's tools", ", ".join(names)))
    return found


def _where(session: Session) -> str:
    endpoint = getattr(session.provider, "endpoint", None)  # the embedded provider has none
    if endpoint is None:
        return session.provider.name
    why = f"; {endpoint.why}" if endpoint.why else ""
    return f"{session.provider.name} at {endpoint.host}, {endpoint.dialect.wire} wire{why}"


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
