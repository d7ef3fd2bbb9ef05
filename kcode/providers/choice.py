"""Which model of a hosted service a session uses: the user's, checked, or the best the account lists.

No money is spent on a model that is not there: an id that neither the catalogue nor the account's list
knows is refused before the first request. Where the list was asked within a day, nothing is sent at all.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from kcode.providers import account_list, catalog
from kcode.providers.account_list import Listing, window
from kcode.providers.base import ModelNotFound, ProviderError
from kcode.providers.endpoint import Endpoint


def settled(endpoint: Endpoint) -> Endpoint:
    """The endpoint with the model that will be asked; ``notice`` says how it was chosen, where kcode chose.

    For services with a profile of their own (``profile.remote``), at their own address or another. Raises
    ModelNotFound where the model is not there, or none is.
    """
    if not endpoint.profile.lists_models:
        return _unlisted(endpoint)
    if endpoint.named:
        return _checked(endpoint)
    return _best(endpoint)


def rank(model_id: str, provider: str) -> int:
    """How good a model is for coding, by the catalogue; 0 for one it does not know."""
    known = catalog.find(model_id, provider) or catalog.find(model_id)
    return known.coding_rank if known else 0


def best_first(rows: Iterable[Mapping[str, Any]], provider: str) -> list[Mapping[str, Any]]:
    """The rows of Kimi models, the best for coding first; of those the catalogue does not know, the newest.

    Other makers' models, which Ark lists too, are left out.
    """
    ours = [row for row in rows if rank(str(row["id"]), provider) or "kimi" in str(row["id"]).lower()]
    return sorted(ours, key=lambda row: (-rank(str(row["id"]), provider), -_created(row), str(row["id"])))


def described(endpoint: Endpoint, row: Mapping[str, Any]) -> Endpoint:
    """The endpoint with the listed model, its window as the row says unless the settings say another."""
    model_id, room = str(row["id"]), window(row)
    known = catalog.find(model_id, endpoint.profile.name)
    if known is None or known.status == "retired":
        known = known or catalog.unknown_model(model_id, endpoint.profile.name, room)
        known = replace(known, status="unknown")  # it is there after all
    room = endpoint.window or room
    return endpoint.serving(known.with_window(room) if room else known)


# --- the user named no model -------------------------------------------------------------------


def _best(endpoint: Endpoint) -> Endpoint:
    listing = account_list.kept(endpoint)
    if listing is not None and not listing.fresh:
        account_list.in_background(lambda: _candidate(endpoint, account_list.ask(endpoint)))
    try:
        listing = listing or account_list.ask(endpoint)
    except ProviderError as problem:
        reason = problem.message.rstrip(".")
        return _default(endpoint, f"its model list could not be asked: {reason}")
    if listing.absent:
        return _default(endpoint, f"{endpoint.host} has no model list")
    if not listing.rows:
        return _default(endpoint, f"{endpoint.host} lists no models")
    row = _candidate(endpoint, listing)
    if row is None:
        raise _none_left(endpoint, account_list.kept(endpoint) or listing)
    chosen = described(endpoint, row)
    known = rank(chosen.model.id, endpoint.profile.name)
    which = "the best for coding" if known or endpoint.own_address else "the first"
    how = f"model {chosen.model.id}: {which} that {endpoint.label} lists for this key"
    return replace(chosen, notice=how, why=f"{endpoint.why}; {how}")


def _candidate(endpoint: Endpoint, listing: Listing) -> Mapping[str, Any] | None:
    """The best row that can be called; probed where being listed is no proof.

    At an address of the user's a list may name models as it likes: the first will do where none is known.
    """
    rows = best_first(listing.usable, endpoint.profile.name)
    if not rows and not endpoint.own_address:
        return next(iter(listing.usable), None)
    for row in rows:
        if endpoint.profile.listing_proves or listing.probes.get(str(row["id"])):
            return row
        try:
            listing = account_list.probe(endpoint, listing, str(row["id"]))
        except ProviderError:  # says nothing about the model; the first request meets the same and tells it
            return row
        if listing.probes[str(row["id"])]:
            return row
    return None


def _default(endpoint: Endpoint, because: str) -> Endpoint:
    how = f"model {endpoint.model.id}: the usual one of {endpoint.profile.title}; {because}"
    return replace(endpoint.serving(endpoint.model), notice=how, why=f"{endpoint.why}; {how}")


def _none_left(endpoint: Endpoint, listing: Listing) -> ModelNotFound:
    profile = endpoint.profile
    refused = [name for name, answers in listing.probes.items() if not answers]
    what = f"; {', '.join(refused)} did not answer a test request" if refused else ""
    plans = " or ".join(f"`--provider {name}`" for name in profile.plans)
    elsewhere = f"With a plan: {plans}. " if plans else ""
    return ModelNotFound(
        f"{endpoint.label} lists no Kimi model that can be called{what}.",
        f"Open one in the console ({profile.console}), or name one with --model. {elsewhere}"
        "`kcode models --all` shows what kcode knows.",
    )


# --- the user named one ------------------------------------------------------------------------


def _checked(endpoint: Endpoint) -> Endpoint:
    model = endpoint.model
    unknown = model.notes == catalog.UNLISTED
    if model.id.startswith("ep-") or not (unknown or model.status == "retired"):
        return endpoint
    listing = account_list.kept(endpoint)
    row = _row(listing, model.id)
    if row is None and not (listing and listing.fresh):
        try:
            listing = account_list.ask(endpoint)
        except ProviderError:
            listing = None
        row = _row(listing, model.id)
    if row is not None:
        return described(endpoint, row)
    if listing is not None and not listing.absent and listing.rows:
        raise _not_there(endpoint, listing)
    return _unlisted(endpoint)


def _row(listing: Listing | None, model_id: str) -> Mapping[str, Any] | None:
    rows = listing.rows if listing else ()
    return next((r for r in rows if r["id"] == model_id and r.get("status") != "Shutdown"), None)


def _unlisted(endpoint: Endpoint) -> Endpoint:
    """Without a list: the service's own retired models are refused, all else is let through."""
    if endpoint.model.status == "retired" and endpoint.own_address:
        raise _not_there(endpoint, None)
    return endpoint if endpoint.named else endpoint.serving(endpoint.model)


def _not_there(endpoint: Endpoint, listing: Listing | None) -> ModelNotFound:
    model, profile = endpoint.model, endpoint.profile
    live = catalog.live_models(profile.name)
    ids = [m.id for m in live]
    if listing is not None:
        rows = best_first(listing.usable, profile.name)
        ids = [str(row["id"]) for row in rows] or listing.ids
    if model.status == "retired" and endpoint.own_address:
        happened = f"{profile.title} retired `{model.id}` on {model.retired_on}."
    else:
        happened = f"{endpoint.label} does not serve `{model.id}`."
    successor = model.replaced_by if model.replaced_by in ids else ""
    near = difflib.get_close_matches(model.id, ids, 1)
    instead = f"Its successor there is `{successor}`. " if successor else ""
    if not instead and near:
        instead = f"Did you mean `{near[0]}`? "
    shown = ", ".join(ids[:12]) + (", …" if len(ids) > 12 else "")
    escape = (
        "KCODE_BASE_URL names another server of its weights."
        if model.status == "retired" and endpoint.own_address
        else "A record in your catalog.toml has it sent all the same."
    )
    return ModelNotFound(happened, f"{instead}{'Live are' if ids else 'It lists nothing'}: {shown}. {escape}")


def _created(row: Mapping[str, Any]) -> float:
    created = row.get("created")
    return float(created) if isinstance(created, (int, float)) else 0.0


def listed(endpoint: Endpoint, *, ask: bool) -> Listing | None:
    """The account's list for showing: asked now within a few seconds, else as kept; None for none."""
    if not endpoint.profile.lists_models or endpoint.profile.embedded:
        return None
    try:
        return account_list.ask(endpoint) if ask else account_list.kept(endpoint)
    except ProviderError:
        return None
