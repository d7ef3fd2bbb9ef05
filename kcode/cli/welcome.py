"""The first session without any key: who shall answer? A key, a server, or the embedded model.

Nothing is written before the choice is complete and has been tried; Ctrl-C leaves everything as it was.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from kcode.errors import ConfigError, KcodeError, UsageError
from kcode.i18n import _

if TYPE_CHECKING:
    from kcode.config.settings import Settings
    from kcode.providers.endpoint import Endpoint
    from kcode.ui.look.terminal import Look

KEY, SERVER, EMBEDDED = range(3)
_SERVER = "openai-compatible"


def welcome(settings: Settings) -> bool:
    """Ask who shall answer where nothing says it yet; True where something was set up.

    Only for a person at a terminal. Raises KeyboardInterrupt where they leave without a choice.
    """
    if not nobody_answers(settings):
        return False
    from kcode.ui.look.terminal import look_at, tolerate

    tolerate(sys.stderr)
    look = look_at(sys.stdout, theme=settings.ui.theme)
    _say(_("Welcome to kcode. Nothing is set up yet that could answer you."))
    try:
        while not _set_up(_chosen(settings, look), settings):
            pass
    except (KeyboardInterrupt, EOFError):
        _say("\n" + _("Nothing was changed. `kcode` asks again; `kcode login` stores a key."))
        raise KeyboardInterrupt from None
    return True


def nobody_answers(settings: Settings) -> bool:
    """Whether no provider is named, no key and no address found, and the embedded model is not here."""
    from kcode.config.paths import data_dir
    from kcode.providers.base import AuthError
    from kcode.providers.embedded.store import ModelStore, is_path
    from kcode.providers.registry import resolve

    if settings.provider.name.strip().lower() not in ("", "auto") or settings.provider.base_url:
        return False
    try:
        if not resolve(settings, os.environ).profile.embedded:
            return False
    except AuthError:
        return True
    name = settings.provider.model or settings.embedded.model
    return not (is_path(name) or ModelStore(data_dir()).path(name).exists())


# --- the choice --------------------------------------------------------------------------------


def _chosen(settings: Settings, look: Look) -> int:
    rows = (
        (_("Paste a key"), _("Moonshot, Kimi Code or Volcengine Ark: which one is found out")),
        (_("Use a server of mine"), _("vLLM, SGLang, llama-server, …: give its address")),
        (_("Use the embedded model"), _("runs inside kcode, without a key ({size}, fetched once)")),
    )
    rows = (*rows[:2], (rows[2][0], rows[2][1].format(size=_download(settings))))
    title = _("Who shall answer?")
    if look.plain:
        return _chosen_by_number(title, rows)
    import asyncio

    from kcode.ui.picker import Choice, pick

    choices = [Choice(f"{number}  {name}", detail) for number, (name, detail) in enumerate(rows, 1)]
    found = asyncio.run(pick(choices, look, title=title, digits=True))
    if found is None:
        raise KeyboardInterrupt
    return found


def _chosen_by_number(title: str, rows: tuple[tuple[str, str], ...]) -> int:
    _say(title)
    for number, (name, detail) in enumerate(rows, 1):
        _say(f"  {number}  {name}: {detail}")
    while True:
        answer = _line(f"1-{len(rows)}: ")
        if answer.isdigit() and 1 <= int(answer) <= len(rows):
            return int(answer) - 1


def _download(settings: Settings) -> str:
    from kcode.cli.progress import size
    from kcode.config.paths import data_dir
    from kcode.providers.embedded.store import ModelStore

    for entry in ModelStore(data_dir()).entries():
        if entry.name == settings.embedded.model:
            return size(entry.model.parts.download if entry.model.parts else entry.model.size)
    return "?"


# --- what was chosen ---------------------------------------------------------------------------


def _set_up(choice: int, settings: Settings) -> bool:
    """Ask for what the choice needs until it works; False goes back to the choice."""
    if choice == EMBEDDED:
        from kcode.cli.firstrun import fetch

        fetch(settings)
        _remember({"provider.name": "embedded"})
        return True
    while True:
        try:
            endpoint = _by_key(settings) if choice == KEY else _by_address(settings)
        except KcodeError as error:
            from kcode.ui.errors import report

            report(error)
            continue
        if endpoint is None:
            return False
        return _kept(endpoint, settings)


def _by_key(settings: Settings) -> Endpoint | None:
    """The service that takes the key. Raises what is wrong with it."""
    from kcode.cli import login
    from kcode.providers.base import AuthError
    from kcode.providers.profiles import PROFILES
    from kcode.providers.registry import owner_of

    key = login.hidden(_("Your key, not shown (Enter alone goes back): "))
    if not key.strip():
        return None
    key = login.right_form(key)
    house = owner_of(key)
    # A key is shown to the company whose form it has, and to no other.
    names = ("moonshot", "moonshot-intl") if house == "moonshot" else (house,)
    refused: AuthError | None = None
    for name in names:
        endpoint = login.endpoint_with(PROFILES[name], settings, key)
        try:
            ids = login.listed(endpoint)
        except AuthError as error:
            refused = error
            continue
        words = _("{service} takes the key and lists {count} models.")
        _say(words.format(service=endpoint.profile.title, count=len(ids)))
        return endpoint
    assert refused is not None
    tried = _(" and ").join(PROFILES[name].title for name in names)
    raise UsageError(
        _("the key was refused: {tried} did not take it").format(tried=tried),
        _("copy it again, whole; keys are shown at {console}").format(console=PROFILES[names[0]].console),
    ) from refused


def _by_address(settings: Settings) -> Endpoint | None:
    """The server that lists its models. Raises what is wrong with it."""
    from kcode.cli import login
    from kcode.providers.base import AuthError
    from kcode.providers.profiles import PROFILES

    given = _line(_("The server's address, such as http://127.0.0.1:8000/v1 (Enter alone goes back): "))
    if not given:
        return None
    if "://" not in given:
        given = f"http://{given}"
    there = settings.provider.model_copy(update={"base_url": given})
    at = settings.model_copy(update={"provider": there})
    endpoint = login.endpoint_with(PROFILES[_SERVER], at, "")
    try:
        ids = login.listed(endpoint)
    except AuthError:
        _say(_("{host} wants a key.").format(host=endpoint.host))
        key = login.right_form(login.hidden(_("Its key, not shown: ")))
        endpoint = login.endpoint_with(PROFILES[_SERVER], at, key)
        ids = login.listed(endpoint)
    if not ids:
        raise ConfigError(_("{host} lists no model").format(host=endpoint.host), _("start it with one"))
    _say(_("{host} serves {models}.").format(host=endpoint.host, models=", ".join(ids[:6])))
    return endpoint


def _kept(endpoint: Endpoint, settings: Settings) -> bool:
    from kcode.cli import login

    if endpoint.api_key:
        login.keep(endpoint)
    name = endpoint.profile.name
    _remember({"provider.name": name} | ({"provider.base_url": endpoint.base_url} if name == _SERVER else {}))
    return True


def _remember(values: dict[str, str]) -> None:
    from kcode.cli.door import with_tilde
    from kcode.config.edit import set_value
    from kcode.config.paths import user_config_file

    file = user_config_file()
    for key, value in values.items():
        set_value(file, key, value, project=False)
    _say(_("Remembered in {file}; `kcode config` changes it.").format(file=with_tilde(file)))


def _line(question: str) -> str:
    print(question, end="", file=sys.stderr, flush=True)
    answer = sys.stdin.readline()
    if not answer:
        raise EOFError
    return answer.strip()


def _say(text: str) -> None:
    """To the person; whole words a line on a terminal."""
    from kcode.ui.look.terminal import size_of
    from kcode.ui.look.wrapping import wrapped

    width = size_of(sys.stderr)[0] if sys.stderr.isatty() else 0
    for line in text.split("\n"):
        print("\n".join(wrapped(line, width)) if width and line.strip() else line, file=sys.stderr)
