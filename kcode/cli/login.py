"""``kcode login``: store a service's key, checked, where only the user can read it."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from kcode.cli.door import with_tilde
from kcode.errors import EnvironmentProblem, Interrupted, UsageError
from kcode.i18n import _, from_below

if TYPE_CHECKING:
    from kcode.config.settings import Settings
    from kcode.providers.endpoint import Endpoint
    from kcode.providers.profiles import Profile

app = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "allow_extra_args": True},
)

_LONGEST_KEY = 4096  # characters; more is another file by mistake


@app.command()
def login(
    ctx: typer.Context,
    profile: Annotated[
        str, typer.Argument(help="The service: moonshot, ark, …; asked for if left out.")
    ] = "",
    check: Annotated[
        bool, typer.Option("--check/--no-check", help="Ask the service for its models with the key.")
    ] = True,
    stdin: Annotated[bool, typer.Option("--stdin", help="Read the key from standard input.")] = False,
) -> int:
    """Store a service's key: in the keyring, or in a file of yours where there is none.

    The key is typed without being shown, or comes on standard input; it never goes on the command line.
    """
    if ctx.args or looks_like_key(profile):
        raise UsageError(
            "a key does not go on the command line: it would stay in the shell's history",
            "`kcode login` asks for it. If that was a real key, make a new one and delete the old one.",
        )
    from kcode.cli.start import begin

    settings = begin(ctx.find_root().obj).settings
    chosen = choose(profile or settings.provider.name, settings, ask=not stdin and _is_terminal(sys.stdin))
    endpoint_with(chosen, settings, "-")  # a missing address is told before the key is typed
    key = read_key(chosen, from_stdin=stdin or not _is_terminal(sys.stdin))
    endpoint = endpoint_with(chosen, settings, key)
    if check:
        endpoint = checked(endpoint, settings)
    _say_what_comes_first(endpoint, settings, keep(endpoint))
    return 0


def looks_like_key(word: str) -> bool:
    """No profile's name is that long or has such a beginning."""
    return word.startswith("sk-") or len(word) > 30


# --- which service -----------------------------------------------------------------------------


def choose(name: str, settings: Settings, *, ask: bool) -> Profile:
    """The profile that was named, by argument or settings, or chosen from the list on the terminal."""
    from kcode.providers.profiles import PROFILES

    name = name.strip().lower()
    if name in ("", "auto"):
        if settings.provider.base_url:
            return PROFILES["openai-compatible"]
        hosted = [p for p in PROFILES.values() if p.needs_key and p.base_url]
        if not ask:
            names = ", ".join(p.name for p in hosted)
            raise UsageError("which service is the key for?", f"kcode login NAME; there are: {names}")
        return _asked(hosted)
    if name not in PROFILES:
        import difflib

        near = difflib.get_close_matches(name, PROFILES, 1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise UsageError(f"there is no provider {name!r}", f"{hint}there are: {', '.join(PROFILES)}")
    if PROFILES[name].embedded:
        raise UsageError("the embedded model needs no key")
    return PROFILES[name]


def _asked(hosted: list[Profile]) -> Profile:
    print(_("Which service is the key for?"), file=sys.stderr)
    for number, profile in enumerate(hosted, 1):
        print(f"  {number}  {profile.title:<24} {profile.console}", file=sys.stderr)
    while True:
        print(f"1-{len(hosted)}: ", end="", file=sys.stderr, flush=True)
        answer = sys.stdin.readline()
        if not answer:
            raise Interrupted("nothing was chosen")
        answer = answer.strip()
        if answer.isdigit() and 1 <= int(answer) <= len(hosted):
            return hosted[int(answer) - 1]
        named = [p for p in hosted if p.name == answer.lower()]
        if named:
            return named[0]


# --- the key -----------------------------------------------------------------------------------


def read_key(profile: Profile, *, from_stdin: bool) -> str:
    """The key without anything around it. Raises UsageError for none or what no key can be."""
    made = _(" (keys are made at {console})").format(console=profile.console) if profile.console else ""
    question = _("Key for {title}{made}, not shown: ").format(title=profile.title, made=made)
    key = right_form(sys.stdin.readline(_LONGEST_KEY) if from_stdin else hidden(question))
    if profile.name.startswith("moonshot") and key.startswith("sk-kimi-"):
        raise UsageError(
            f"this is a key of a Kimi Code subscription, and {profile.title} takes none",
            "kcode login kimi-code",
        )
    return key


def right_form(key: str) -> str:
    """The key without blanks around it. Raises UsageError for none or what no key can be."""
    key = key.strip()
    if not key:
        raise UsageError("no key was given", "paste it where it is asked for; it is not shown")
    if len(key) >= _LONGEST_KEY - 1 or not re.fullmatch(r"[!-~]+", key):
        raise UsageError(
            "that is no key: it has a space, a control character or a letter outside ASCII, or no end",
            "copy it again, without anything around it",
        )
    return key


def hidden(question: str) -> str:
    """What is typed after ``question``, which is not shown. Raises Interrupted for the end of input."""
    import getpass
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            return getpass.getpass(question, stream=sys.stderr)
        except getpass.GetPassWarning:
            raise EnvironmentProblem(
                "this terminal cannot hide what is typed", "pipe the key in: kcode login … --stdin"
            ) from None
        except EOFError:
            raise Interrupted("no key was given") from None


def endpoint_with(profile: Profile, settings: Settings, key: str) -> Endpoint:
    """The profile's endpoint with this key, at the address that the settings name for it."""
    from kcode.config.credentials import ENVIRONMENT
    from kcode.providers.registry import resolve

    provider = type(settings.provider)(
        name=profile.name, api_key=key, base_url=settings.provider.base_url
    )  # the rest of the settings is about models
    return resolve(settings.model_copy(update={"provider": provider}), {ENVIRONMENT[0]: key})


# --- whether it is right -----------------------------------------------------------------------


def checked(endpoint: Endpoint, settings: Settings) -> Endpoint:
    """The endpoint that takes the key: the asked one, or, after a yes, the same company's other platform.

    Raises what the service answered where that says that the key is not right, or nothing about it.
    """
    from kcode.providers.base import AuthError, ProviderError, QuotaExhausted, RateLimited

    try:
        ids = listed(endpoint)
    except (QuotaExhausted, RateLimited) as error:
        print(
            _("{title} knows the key, and says: {error}").format(
                title=endpoint.profile.title, error=from_below(error.message)
            ),
            file=sys.stderr,
        )
        return endpoint
    except AuthError:
        other = _other_platform(endpoint)
        if other is None or not _agreed(
            _(
                "{title} ({host}) refused the key. Keys of the two platforms are not interchangeable."
                " Try it at {other}?"
            ).format(title=endpoint.profile.title, host=endpoint.host, other=other.host),
            default=False,
        ):
            raise
        return checked(other, settings)
    except ProviderError as error:
        error.remedy = f"{error.remedy} `--no-check` stores the key without asking the service.".strip()
        raise
    shown = ", ".join(ids[:6]) + (", …" if len(ids) > 6 else "")
    print(
        _("{title} ({host}) takes the key and lists {count} models: {shown}").format(
            title=endpoint.profile.title, host=endpoint.host, count=len(ids), shown=shown
        ),
        file=sys.stderr,
    )
    return endpoint


def listed(endpoint: Endpoint) -> list[str]:
    """The models that the service names for the key. Raises what it answers instead."""
    import asyncio

    from kcode.providers.registry import wire_class
    from kcode.providers.retry import RetryPolicy

    async def ask() -> list[str]:
        provider = wire_class(endpoint)(endpoint, timeout_s=20.0, policy=RetryPolicy(1))
        try:
            ids: list[str] = await provider.list_models()
            return ids
        finally:
            await provider.close()

    return asyncio.run(ask())


def _other_platform(endpoint: Endpoint) -> Endpoint | None:
    """China's for the international one and the reverse; None elsewhere, or where nobody can be asked."""
    from kcode.providers.profiles import PROFILES

    names = {"moonshot": "moonshot-intl", "moonshot-intl": "moonshot"}
    name = names.get(endpoint.profile.name)
    if name is None or not endpoint.own_address or not _is_terminal(sys.stdin):
        return None
    return replace(endpoint, profile=PROFILES[name], base_url=PROFILES[name].base_url)


# --- where it is kept --------------------------------------------------------------------------


def keep(endpoint: Endpoint) -> str:
    """Store the endpoint's key, in a file only after a yes; the account it is stored under.

    Raises Interrupted after a no.
    """
    from kcode.config import credentials

    profile = endpoint.profile
    account = credentials.account_of(profile.name, endpoint.base_url, profile.base_url)
    keyring = credentials.keyring_name()
    if keyring:
        try:
            credentials.store_key(account, endpoint.api_key, "keyring")
        except EnvironmentProblem as error:
            print(from_below(error.message), file=sys.stderr)
            keyring = ""
    file = with_tilde(credentials.credentials_file())
    if not keyring:
        print(
            _(
                "There is no keyring here that keeps keys; kcode's own file is {file}: readable for you alone"
                " (mode 600), not encrypted."
            ).format(file=file),
            file=sys.stderr,
        )
        if _is_terminal(sys.stdin) and not _agreed(_("Keep it there?"), default=True):
            variable = (*profile.key_variables, "KCODE_API_KEY")[0]
            raise Interrupted("the key was not stored", f"set {variable} in the environment instead")
        credentials.store_key(account, endpoint.api_key, "file")
    print(
        _("The key for {account} is stored in {keyring}.").format(account=account, keyring=keyring or file),
        file=sys.stderr,
    )
    return account


def _say_what_comes_first(endpoint: Endpoint, settings: Settings, account: str) -> None:
    """Where the environment gives another key, or another service is chosen, the user should know."""
    from kcode.config import credentials
    from kcode.providers.profiles import PROFILES

    profile = endpoint.profile
    variables = (*credentials.ENVIRONMENT, *profile.key_variables)
    if first := next((v for v in variables if os.environ.get(v, "").strip()), ""):
        print(
            _("{first} is set in the environment and comes before it.").format(first=first), file=sys.stderr
        )
    stored = credentials.stored_accounts()
    named = settings.provider.name.strip().lower()
    used = named if named not in ("", "auto") else next((name for name in PROFILES if name in stored), "")
    if used != profile.name and account == profile.name:
        print(
            _(
                "{used} stays the provider that is used;"
                " `kcode config set provider.name {name}` changes that."
            ).format(used=used, name=profile.name),
            file=sys.stderr,
        )


def _agreed(question: str, *, default: bool) -> bool:
    print(f"{question} [{'Y/n' if default else 'y/N'}] ", end="", file=sys.stderr, flush=True)
    answer = sys.stdin.readline()
    if not answer:
        return False
    answer = answer.strip().lower()
    return default if not answer else answer in ("y", "yes")


def _is_terminal(stream: object) -> bool:
    try:
        return stream is not None and bool(stream.isatty())  # type: ignore[attr-defined]
    except ValueError:  # closed
        return False
