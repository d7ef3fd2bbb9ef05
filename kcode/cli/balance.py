"""``kcode balance``: what is left on the account."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Annotated

import typer

from kcode.i18n import _

if TYPE_CHECKING:
    from kcode.providers.endpoint import Endpoint
    from kcode.providers.moonshot.balance import Balance

app = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command()
def balance(
    ctx: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
) -> int:
    """Show what is left on the account, where the provider tells it."""
    from kcode.cli.start import begin, endpoint_of
    from kcode.providers.moonshot.balance import no_balance
    from kcode.providers.moonshot.platform import PLATFORMS

    # The account has a balance whatever model is chosen, a retired one too.
    start = begin(ctx.find_root().obj, {"provider.model": ""})
    endpoint = endpoint_of(start.settings)
    if endpoint.profile.name not in PLATFORMS:
        raise no_balance(endpoint.profile)
    found = asyncio.run(_asked(endpoint))
    print(_object(endpoint, found) if as_json else _lines(endpoint, found))
    return 0


async def _asked(endpoint: Endpoint) -> Balance:
    from kcode.providers.chat import ChatProvider
    from kcode.providers.moonshot.balance import ask_balance

    provider = ChatProvider(endpoint)
    try:
        return await ask_balance(provider)
    finally:
        await provider.close()


def _lines(endpoint: Endpoint, found: Balance) -> str:
    from kcode.cli.table import padded
    from kcode.providers.moonshot.platform import money

    rows = [(_("available"), found.available), (_("cash"), found.cash), (_("voucher"), found.voucher)]
    width = max(len(money(amount, found.currency)) for _name, amount in rows)
    lines = [endpoint.label]
    lines += [f"  {padded(name, 10)} {money(amount, found.currency):>{width}}" for name, amount in rows]
    if found.available <= 0:
        lines.append(
            _("Nothing is left: requests are refused until money is added at {console}.").format(
                console=_console(endpoint)
            )
        )
    return "\n".join(lines)


def _object(endpoint: Endpoint, found: Balance) -> str:
    """Amounts are decimal strings, as everywhere in kcode's JSON."""
    record = {
        "provider": endpoint.profile.name,
        "host": endpoint.host,
        "currency": found.currency,
        "available": format(found.available, "f"),
        "cash": format(found.cash, "f"),
        "voucher": format(found.voucher, "f"),
    }
    return json.dumps(record, indent=2)


def _console(endpoint: Endpoint) -> str:
    return endpoint.profile.console or endpoint.host
