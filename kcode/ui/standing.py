"""``/status``: where this session stands, line by line."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from kcode.i18n import _, from_below, n_
from kcode.ui.look import figures

if TYPE_CHECKING:
    from kcode.agent.session import Session


def rows(session: Session) -> list[tuple[str, str]]:
    """What a person asks when something is odd: version, session, provider, window, cost, call quality."""
    from kcode import __version__

    model, cost = session.provider.model, session.cost
    used, window = session.context_tokens(), session.window
    thinking = _(", thinking") if model.thinking == "forced" else ""
    found = [
        ("kcode", __version__),
        (_("session"), f"{session.id}, {_requests(cost.requests)}"),
        (_("journal"), str(session.journal.path)),
        (_("workspace"), _workspace(session)),
        (_("provider"), _where(session)),
        (_("model"), f"{model.id}{thinking}"),
        (_("mode"), session.mode),
        (
            _("context"),
            _("{used} of {window} tokens").format(used=figures.tokens(used), window=figures.tokens(window)),
        ),
        (
            _("cost"),
            _("{cost}, {share} of the prompt tokens cached").format(
                cost=cost.text(), share=figures.percent(cost.hit_rate)
            )
            if cost.requests
            else cost.text(),
        ),
        *_limits(session),
        (_("schema accuracy"), session.accuracy().text()),
        *_masked(session),
        *_at_work(session),
        (_("sandbox"), _sandbox(session)),
    ]
    if names := session.official_names():
        found.append((_("provider's tools"), ", ".join(names)))
    return found


def _masked(session: Session) -> list[tuple[str, str]]:
    if not session.settings.safety.mask_secrets:
        return [(_("secrets"), _("sent as they are (safety.mask_secrets is off)"))]
    if count := session.secrets.masked:
        return [
            (
                _("secrets"),
                n_("{n} masked before it was sent", "{n} masked before they were sent", count).format(
                    n=count
                ),
            )
        ]
    return []


def _workspace(session: Session) -> str:
    from kcode.config.project import branch_of
    from kcode.safety.trust import is_trusted

    facts = [", ".join(str(folder) for folder in session.workspace.roots)]
    if branch := branch_of(session.root):
        facts.append(_("on {branch}").format(branch=branch))
    facts.append(_("trusted") if is_trusted(session.root) else _("not trusted"))
    return "; ".join(facts)


def _limits(session: Session) -> list[tuple[str, str]]:
    from kcode.ui import costs

    return costs.limit_rows(session)


def _at_work(session: Session) -> list[tuple[str, str]]:
    """What there is beside the conversation: guides, rules, attachments, to-dos, background commands."""
    guides = [guide.path for guide in session.guides]
    rows = [(_("guides"), ", ".join(guides) or _("no AGENTS.md here"))]
    if session.rules:
        rows.append((_("rules of this session"), "; ".join(str(rule) for rule in session.rules)))
    if session.granted:
        rows.append((_("allowed in this session"), ", ".join(sorted(session.granted))))
    if session.attachments:
        rows.append((_("with the next message"), ", ".join(each.name for each in session.attachments)))
    if session.todo:
        done = sum(status == "done" for _text, status in session.todo)
        shown = _("{done} of {count} done").format(done=done, count=len(session.todo))
        rows.append((_("to-do"), shown))
    for task in session.background:
        seconds = figures.seconds(max(0.0, time.time() - task.started))
        running = _("running for {time}").format(time=seconds)
        ended = _("ended with code {code}").format(code=task.code)
        rows.append(
            (_("in the background"), f"{task.id}: {task.command}; {running if task.running else ended}")
        )
    return rows


def _sandbox(session: Session) -> str:
    from kcode.safety.sandbox import status

    if session.settings.safety.sandbox == "off":
        return _("off by the settings")
    return from_below(status().detail)


def _where(session: Session) -> str:
    endpoint = getattr(session.provider, "endpoint", None)  # the embedded provider has none
    if endpoint is None:
        return session.provider.name
    why = f"; {endpoint.why}" if endpoint.why else ""
    return _("{name} at {host}, {wire} wire{why}").format(
        name=session.provider.name, host=endpoint.host, wire=endpoint.dialect.wire, why=why
    )


def _requests(count: int) -> str:
    return n_("{count} request", "{count} requests", count).format(count=count)
