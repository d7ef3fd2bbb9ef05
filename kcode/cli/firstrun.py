"""The first run with the embedded model: its weights are fetched after a yes, or the remedy is said."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from kcode.i18n import _

if TYPE_CHECKING:
    from kcode.config.settings import Settings


def ensure_model(settings: Settings) -> None:
    """Where the settings mean an embedded model that is not here, offer to fetch it.

    Asks only where a person is at both ends; otherwise raises EmbeddedUnavailable with the remedy.
    Does nothing for other providers. Raises what resolving the provider raises.
    """
    from kcode.providers.registry import resolve

    if not resolve(settings, os.environ).profile.embedded:
        return
    from kcode.config.paths import data_dir
    from kcode.providers.embedded.store import ModelStore, is_path

    name = settings.provider.model or settings.embedded.model
    if is_path(name):
        return
    store = ModelStore(data_dir())
    if store.path(name).exists():  # a damaged one is the provider's to tell
        return
    from kcode.cli.progress import downloading, size

    model = next(entry.model for entry in store.entries() if entry.name == name)
    amount = model.parts.download if model.parts else model.size
    if not _agreed(
        _("The embedded model {name} is not here yet. Fetch it now ({amount})?").format(
            name=name, amount=size(amount)
        )
    ):
        from kcode.providers.base import EmbeddedUnavailable

        raise EmbeddedUnavailable(
            f"the embedded model {name} is not on this machine",
            f"kcode models pull {name} ({size(amount)}), or `kcode login` for a K2 model",
        )
    with downloading(name) as progress:
        store.pull(name, progress=progress)


def fetch(settings: Settings) -> None:
    """Fetch the embedded model of the settings, without asking. Raises what the download raises."""
    from kcode.cli.progress import downloading
    from kcode.config.paths import data_dir
    from kcode.providers.embedded.store import ModelStore

    name = settings.embedded.model
    with downloading(name) as progress:
        ModelStore(data_dir()).pull(name, progress=progress)


def _agreed(question: str) -> bool:
    if not (sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    print(f"{question} [Y/n] ", end="", file=sys.stderr, flush=True)
    answer = sys.stdin.readline()
    return bool(answer) and answer.strip().lower() in ("", "y", "yes")
