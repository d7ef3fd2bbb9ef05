"""``kcode logout``: forget a key that ``kcode login`` stored."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from kcode.errors import UsageError
from kcode.i18n import _

app = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command()
def logout(
    profile: Annotated[str, typer.Argument(help="The service, as `kcode logout` lists them.")] = "",
) -> int:
    """Remove a stored key from the keyring or the file it is in. At the service it stays valid."""
    from kcode.cli.login import looks_like_key
    from kcode.config.credentials import forget_key, stored_accounts

    stored = stored_accounts()
    if not stored:
        print(_("No key is stored."), file=sys.stderr)
        return 0
    account = profile.strip() or (next(iter(stored)) if len(stored) == 1 else "")
    if account not in stored and "@" not in account:
        elsewhere = [name for name in stored if name.partition("@")[0] == account]
        account = elsewhere[0] if len(elsewhere) == 1 else account
    if account not in stored:
        if account and not looks_like_key(account):
            raise UsageError(f"no key is stored for {account!r}", f"stored are: {', '.join(stored)}")
        raise UsageError("whose key?", f"kcode logout NAME; stored are: {', '.join(stored)}")
    place = forget_key(account)
    said = (
        _("The key for {account} was removed from the keyring.")
        if place == "keyring"
        else _("The key for {account} was removed from the file.")
    )
    print(said.format(account=account), file=sys.stderr)
    _say_what_is_left(account)
    return 0


def _say_what_is_left(account: str) -> None:
    from kcode.config.credentials import ENVIRONMENT
    from kcode.providers.profiles import PROFILES

    profile = PROFILES.get(account.partition("@")[0])
    variables = (*ENVIRONMENT, *(profile.key_variables if profile else ()))
    if still := [v for v in variables if os.environ.get(v, "").strip()]:
        print(_("{still} is still set in the environment.").format(still=still[0]), file=sys.stderr)
    if profile is not None and profile.console:
        print(
            _("To make the key invalid, delete it at {console}.").format(console=profile.console),
            file=sys.stderr,
        )
