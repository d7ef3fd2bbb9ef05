"""The table of ``kcode models``: every known model with what the account, the catalogue and the disk say."""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kcode.errors import KcodeError

if TYPE_CHECKING:
    from kcode.config.settings import Settings
    from kcode.providers.account_list import Listing
    from kcode.providers.catalog import Model
    from kcode.providers.embedded.store import ModelEntry
    from kcode.providers.endpoint import Endpoint


@dataclass(frozen=True)
class Row:
    """One model. ``listed`` is None where nobody could be asked; ``entry`` is an embedded model's on disk."""

    model: Model
    configured: bool
    listed: bool | None
    entry: ModelEntry | None = None


def rows(settings: Settings, *, provider: str, everything: bool) -> list[Row]:
    """The rows to show: the configured provider's live models and the embedded ones; with ``provider`` that
    one's; with ``everything`` all providers' and retired ones too.

    Accounts with a key are asked for their lists, within a few seconds.
    """
    from kcode.providers import catalog
    from kcode.providers.profiles import PROFILES

    chosen = _configured(settings)
    names = [provider] if provider else list(PROFILES) if everything else []
    if not names:
        names = [n for n in PROFILES if n == "embedded" or (chosen and n == chosen.profile.name)]
    endpoints = {name: e for name in names if (e := _endpoint(settings, name, chosen)) is not None}
    lists = _lists(endpoints.values())
    found: list[Row] = []
    for name in names:
        known = [m for m in catalog.models() if m.provider == name]
        listing = lists.get(name)
        known += _news(name, known, listing)
        own = chosen.model.id if chosen is not None and chosen.profile.name == name else None
        for model in _ordered(known, everything, own):
            there = None if listing is None or listing.absent else model.id in listing.ids
            found.append(Row(model, model.id == own, there, _on_disk().get(model.id)))
    return found


def _configured(settings: Settings) -> Endpoint | None:
    """The endpoint that a session would use, where the settings mean one."""
    from kcode.providers import account_list, choice
    from kcode.providers.registry import resolve

    try:
        endpoint = resolve(settings, os.environ)
    except KcodeError:
        return None
    listing = account_list.kept(endpoint) if endpoint.profile.remote and not endpoint.named else None
    best = choice.best_first(listing.usable, endpoint.profile.name) if listing else []
    return choice.described(endpoint, best[0]) if best else endpoint


def _endpoint(settings: Settings, name: str, chosen: Endpoint | None) -> Endpoint | None:
    """Whom to ask about a provider's models: the configured address, or a service whose key is there."""
    from kcode.providers.profiles import PROFILES
    from kcode.providers.registry import resolve

    if chosen is not None and chosen.profile.name == name:
        return None if chosen.profile.embedded else chosen
    profile = PROFILES.get(name)
    if profile is None or not profile.remote:
        return None
    other = {"name": name, "model": "", "base_url": "", "dialect": "", "wire": "auto"}
    try:
        return resolve(
            settings.model_copy(update={"provider": settings.provider.model_copy(update=other)}), os.environ
        )
    except KcodeError:  # no key for it
        return None


def _lists(endpoints: Iterable[Endpoint]) -> dict[str, Listing]:
    from kcode.providers.choice import listed

    asked = list(endpoints)
    if not asked:
        return {}
    with ThreadPoolExecutor(len(asked)) as threads:
        answers = threads.map(lambda endpoint: listed(endpoint, ask=True), asked)
    return {e.profile.name: answer for e, answer in zip(asked, answers, strict=True) if answer is not None}


def _news(name: str, known: list[Model], listing: Listing | None) -> list[Model]:
    """Models that the account lists and the catalogue does not know; of Ark's, the Kimi ones."""
    from kcode.providers import catalog
    from kcode.providers.account_list import window
    from kcode.providers.choice import best_first
    from kcode.providers.profiles import PROFILES

    if listing is None:
        return []
    ids = {m.id for m in known}
    listed = best_first(listing.usable, name) if PROFILES[name].remote else listing.usable
    return [catalog.unknown_model(str(r["id"]), name, window(r)) for r in listed if r["id"] not in ids]


def _ordered(known: list[Model], everything: bool, own: str | None) -> list[Model]:
    shown = [m for m in known if everything or m.status != "retired" or m.id == own]
    return sorted(shown, key=lambda m: (m.status == "retired", -m.coding_rank, m.id))


def _on_disk() -> dict[str, ModelEntry]:
    from kcode.config.paths import data_dir
    from kcode.providers.embedded.store import ModelStore

    return {entry.name: entry for entry in ModelStore(data_dir()).entries()}


# --- as JSON -----------------------------------------------------------------------------------


def as_json(row: Row) -> dict[str, Any]:
    model = row.model
    found: dict[str, Any] = {
        "name": model.id,
        "provider": model.provider,
        "configured": row.configured,
        "status": model.status,
        "retired_on": model.retired_on,
        "replaced_by": model.replaced_by,
        "listed": row.listed,
        "currency": model.currency,
        "prices": [
            {
                name: None if value is None else int(value) if name == "upto" else str(value)
                for name, value in (
                    ("upto", step.upto),
                    ("input", step.input),
                    ("cached", step.cached),
                    ("output", step.output),
                    ("write", step.write),
                )
            }
            for step in model.prices
        ],
        "cache_storage": None if model.cache_storage is None else str(model.cache_storage),
        "context": model.context,
        "max_output": model.max_output,
        "thinking": model.thinking,
        "notes": model.notes,
    }
    if row.entry is not None:
        entry = row.entry
        found |= {
            "title": entry.model.title,
            "licence": entry.model.licence,
            "size": entry.model.size,
            "sha256": entry.model.sha256,
            "state": entry.state,
            "path": str(entry.path),
        }
    return found


# --- as text -----------------------------------------------------------------------------------

_HEADS = {
    "mark": "",
    "model": "model",
    "status": "status",
    "price": "in/cached/out",
    "window": "window",
    "listed": "listed",
    "thinks": "thinks",
    "provider": "provider",
}
_DROPPED = ("thinks", "provider", "window", "listed", "price")
"""The columns that are left out one after the other where the terminal is too narrow."""


def as_text(found: list[Row], columns: int | None) -> str:
    """The table, at most ``columns`` wide; None for a pipe, which gets all of it.

    Where the column with the providers does not fit, they are headings.
    """
    from rich.cells import cell_len, set_cell_size

    from kcode.safety.sanitize import clean

    table = [dict(_HEADS), *({name: clean(text) for name, text in _cells(row).items()} for row in found)]
    shown = [name for name in _HEADS if any(line[name] for line in table[1:])]

    def width(name: str) -> int:
        return max(cell_len(line[name]) for line in table)

    def too_wide() -> bool:
        return columns is not None and sum(map(width, shown)) + 2 * (len(shown) - 1) > columns

    if too_wide():
        for line in table:
            line["status"] = line["status"].partition(", now ")[0]
    for name in _DROPPED:
        if too_wide() and name in shown:
            shown.remove(name)
    several = len({line["provider"] for line in table[1:]}) > 1 and "provider" not in shown
    lines: list[str] = []
    heading = ""
    for line in table:
        if several and line is not table[0] and line["provider"] != heading:
            heading = line["provider"]
            lines.append(f"{heading}:\n")
        text = "  ".join(set_cell_size(line[name], width(name)) for name in shown).rstrip()
        if columns is not None and cell_len(text) > columns:
            text = set_cell_size(text, columns - 1).rstrip() + "…"
        lines.append(text + "\n")
    return "".join(lines)


def _cells(row: Row) -> dict[str, str]:
    model = row.model
    return {
        "mark": "*" if row.configured else "",
        "model": model.id,
        "status": _state(row.entry) if row.entry is not None else _status(model),
        "price": price(model),
        "window": f"{model.context // 1000}k" if model.context >= 1000 else str(model.context),
        "listed": "-" if row.listed is None else "yes" if row.listed else "no",
        "thinks": {"no": "no", "forced": "always", "toggle": "can"}[model.thinking],
        "provider": model.provider,
    }


def _status(model: Model) -> str:
    from kcode.providers.catalog import UNLISTED

    if model.status == "retired":
        instead = f", now {model.replaced_by}" if model.replaced_by else ""
        return f"retired {model.retired_on}{instead}"
    return "live" if model.status == "live" else "new" if model.notes == UNLISTED else "not sure"


def _state(entry: ModelEntry) -> str:
    from kcode.cli.progress import size

    words = {"absent": f"not here, {size(entry.model.size)}", "partial": f"{size(entry.have)} fetched so far"}
    return words.get(entry.state, entry.state)


def price(model: Model) -> str:
    """``¥4/1/16``: input, cached input and output per 1M tokens; ``2-10`` over the steps; "" for unknown."""
    if not model.prices:
        return "-"
    if all(step.input == step.output == 0 for step in model.prices):
        return "free"

    def span(name: str) -> str:
        sums = [getattr(step, name) for step in model.prices]
        if any(amount is None for amount in sums):
            return "?"
        low, high = min(sums), max(sums)
        return f"{low.normalize():f}" if low == high else f"{low.normalize():f}-{high.normalize():f}"

    sign = {"CNY": "¥", "USD": "$"}.get(model.currency, model.currency + " ")
    return f"{sign}{span('input')}/{span('cached')}/{span('output')}"
