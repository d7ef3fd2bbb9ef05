"""``kcode provider``: the provider profiles, whether one works, and how well a vendor calls tools."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kcode.i18n import _, from_below

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kcode.cli.start import Start
    from kcode.config.settings import Settings
    from kcode.providers.base import Usage
    from kcode.providers.catalog import Model
    from kcode.providers.check import Line, Report
    from kcode.providers.endpoint import Endpoint
    from kcode.providers.service import HttpProvider

app = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="List providers, check whether one works, verify how a vendor calls tools.",
)

Json = Annotated[bool, typer.Option("--json", help="Machine-readable.")]
MARKS = {"ok": "ok", "not": "NOT", "not offered": "-", "not tried": "?"}


@app.callback(invoke_without_command=True)
def provider(ctx: typer.Context) -> int:
    return 0 if ctx.invoked_subcommand else list_(ctx)


@app.command("list")
def list_(ctx: typer.Context, as_json: Json = False) -> int:
    """Show the profiles, where they are, whether a key is found, and which one is used."""
    from kcode.cli.start import begin, endpoint_of
    from kcode.cli.table import padded
    from kcode.errors import KcodeError
    from kcode.providers.profiles import PROFILES

    settings = begin(ctx.find_root().obj).settings
    chosen, why = "", ""
    try:
        endpoint = endpoint_of(settings)
        chosen, why = endpoint.profile.name, endpoint.why
    except KcodeError as problem:
        why = problem.message
    rows = [_profile_row(name, settings, chosen) for name in PROFILES]
    if as_json:
        print(json.dumps({"chosen": chosen, "why": why, "profiles": rows}, indent=2, ensure_ascii=False))
        return 0
    for row in rows:
        mark = "*" if row["chosen"] else " "
        key = padded(_key_words(row["key"]), 22)
        print(f"{mark} {row['name']:<21} {key} {_(row['address'])}  {row['title']}".rstrip())
    print(f"{f'* {chosen}' if chosen else _('none is used')}: {from_below(why)}", file=sys.stderr)
    return 0


@app.command()
def check(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="A profile that `kcode provider list` shows.")] = "",
    probe: Annotated[
        bool, typer.Option("--probe", help="Also ask for what no documentation settles.")
    ] = False,
    as_json: Json = False,
) -> int:
    """Make the smallest real calls and say what works: key, model, tools, streaming, caching, usage."""
    from kcode.cli.start import endpoint_of
    from kcode.errors import KcodeError
    from kcode.providers import check as checks

    settings = _begin(ctx, name).settings
    report = checks.Report((lambda line: None) if as_json else _tell)
    endpoint = None
    try:
        endpoint = _remote(endpoint_of(settings))
        if not as_json:
            said = _("{label}: up to {count} small requests, about 2,500 tokens.")
            print(said.format(label=endpoint.label, count=7 if probe else 3), file=sys.stderr)
        endpoint = asyncio.run(_checked(endpoint, settings, report, probe))
    except KcodeError as error:
        if report.lines:
            raise
        checks.refused(error, report)
    print(_as_json(report, endpoint) if as_json else _costs(report, endpoint))
    return report.exit_code


@app.command()
def verify(
    ctx: typer.Context,
    cases: Annotated[Path | None, typer.Option(metavar="FILE", help="Requests, one a line.")] = None,
    reference: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The results of Moonshot's own service.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Where the results are kept.")] = None,
    concurrency: Annotated[int, typer.Option(min=1, max=64, help="Requests at a time.")] = 5,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an earlier run.")] = False,
    as_json: Json = False,
) -> int:
    """Measure how a vendor calls tools: trigger F1 and schema accuracy, as the K2 Vendor Verifier does."""
    from kcode.cli.start import endpoint_of
    from kcode.cli.verifying import Run, shown, shown_as_json
    from kcode.providers.verify.cases import SHIPPED, read_cases
    from kcode.providers.verify.results import expected, read_reference

    given = read_cases(cases or SHIPPED)
    right = read_reference(reference, given) if reference else expected(given)
    settings = _as_vendor(ctx)
    run = Run(given, _remote(endpoint_of(settings)), settings, out, concurrency, resume)
    outcome = run.finish(right, expected_only=reference is None)
    print(shown_as_json(outcome) if as_json else shown(outcome))
    return outcome.exit_code


def _as_vendor(ctx: typer.Context) -> Settings:
    """The settings for measuring: what the vendor sends is not healed, and its answers, which nothing will
    continue, are not stored."""
    from kcode.cli.start import begin, endpoint_of

    flags = ctx.find_root().obj
    settings = begin(flags).settings
    more: dict[str, object] = {"provider.dialect": f"{settings.provider.dialect} heal=false".strip()}
    if endpoint_of(settings).dialect.wire == "responses":
        more["provider.wire"] = "chat"
    return begin(flags, more).settings


# --- list --------------------------------------------------------------------------------------


def _profile_row(name: str, settings: Settings, chosen: str) -> dict[str, Any]:
    """One profile; the key itself is nowhere in it."""
    from kcode.config.credentials import account_of, find_key
    from kcode.errors import KcodeError
    from kcode.providers.profiles import PROFILES

    profile = PROFILES[name]
    mine = name == chosen
    address = settings.provider.base_url if mine and settings.provider.base_url else profile.base_url
    config_value = settings.provider.api_key if mine else ""
    try:
        account = account_of(name, address, profile.base_url)
        source = find_key(account, profile.key_variables, os.environ, config_value)[1]
        key = f"key: {source}" if source else "no key" if profile.needs_key else "no key needed"
    except KcodeError as problem:
        source, key = "", f"key: {problem.message}"
    if profile.embedded:
        address, key = "inside kcode", "no key needed"
    return {
        "name": name,
        "title": profile.title,
        "address": _without_login(address) or "yours: provider.base_url",
        "key": key,
        "key_found": bool(source),
        "chosen": mine,
    }


def _key_words(words: str) -> str:
    """What is said of a key: ``key: SOURCE``, or that there is none."""
    label, colon, source = words.partition(": ")
    return f"{_(label)}: {from_below(source)}" if colon else _(words)


def _without_login(address: str) -> str:
    from kcode.providers.error_facts import without_login

    return without_login(address)


# --- check -------------------------------------------------------------------------------------


def _begin(ctx: typer.Context, name: str) -> Start:
    """The settings, for the profile ``name`` where one is given: the address, the model and the key that
    are configured for another profile are not carried over to it."""
    from kcode.cli.start import begin

    flags = ctx.find_root().obj
    start = begin(flags, {"provider.name": name} if name else None)
    if not name:
        return start
    configured = begin(flags).settings.provider.name
    if configured in ("auto", "", name):
        return start
    given = flags.overrides()
    other = {k: "" for k in ("provider.model", "provider.base_url", "provider.api_key") if k not in given}
    return begin(flags, {**other, "provider.name": name})


def _remote(endpoint: Endpoint) -> Endpoint:
    from kcode.errors import UsageError

    if endpoint.profile.embedded:
        raise UsageError("The embedded model is no service to ask.", "`kcode doctor` looks after it.")
    return endpoint


async def _checked(endpoint: Endpoint, settings: Settings, report: Report, probe: bool) -> Endpoint:
    """Asks; returns the endpoint as it was found to be."""
    from kcode.providers import probes
    from kcode.providers.check import check as run
    from kcode.providers.registry import open_provider, wire_class
    from kcode.providers.retry import RetryPolicy

    opened: Any = open_provider(endpoint, settings)
    provider: HttpProvider = opened
    found = provider.endpoint

    def opened_with(other: Endpoint) -> HttpProvider:
        made: HttpProvider = wire_class(other)(
            other, timeout_s=settings.provider.timeout_s, policy=RetryPolicy(settings.provider.retries)
        )
        return made

    brief = opened_with(replace(found, model=replace(found.model, thinking="no")))
    try:
        await run(provider, brief, report)
        if probe and not report.exit_code:
            await probes.probe(provider.endpoint, opened_with, report)
    finally:
        await provider.close()
        await brief.close()
    return provider.endpoint


def _tell(line: Line) -> None:
    from kcode.cli.table import padded
    from kcode.safety.sanitize import clean

    print(f"{MARKS[line.status]:<4} {padded(_(line.name), 10)} {clean(from_below(line.detail))}", flush=True)


def _costs(report: Report, endpoint: Endpoint | None) -> str:
    prompt, cached, completion, cost, currency = _sums(report.usages, endpoint.model if endpoint else None)
    price = f", {'¥' if currency == 'CNY' else '$' if currency == 'USD' else ''}{cost:f}" if cost else ""
    said = _("{count} answers: {prompt} tokens in ({cached} cached), {completion} out")
    return said.format(count=len(report.usages), prompt=prompt, cached=cached, completion=completion) + price


def _as_json(report: Report, endpoint: Endpoint | None) -> str:
    prompt, cached, completion, cost, currency = _sums(report.usages, endpoint.model if endpoint else None)
    record = {
        "provider": endpoint.profile.name if endpoint else "",
        "host": endpoint.host if endpoint else "",
        "model": endpoint.model.id if endpoint else "",
        "checks": [{"name": x.name, "status": x.status, "detail": x.detail} for x in report.lines],
        "tokens": {"prompt": prompt, "cached": cached, "completion": completion},
        "cost": "" if cost is None else format(cost, "f"),
        "currency": currency,
        "exit_code": report.exit_code,
    }
    return json.dumps(record, indent=2, ensure_ascii=False)


def _sums(usages: Iterable[Usage], model: Model | None) -> tuple[int, int, int, Decimal | None, str]:
    """Tokens and price of the requests; no price where the catalogue knows none."""
    from kcode.conversation.cost import bill

    found = list(usages)
    prompt, cached = sum(u.prompt for u in found), sum(u.cached for u in found)
    completion = sum(u.completion for u in found)
    cost: Decimal | None = Decimal(0)
    for usage in found:
        items = model and bill(
            model,
            prompt=usage.prompt,
            cached=usage.cached,
            completion=usage.completion,
            cache_write=usage.cache_write,
            stored=usage.stored,
            stored_hours=usage.stored_hours,
        )
        cost = cost + items.total if items and cost is not None else None
    return prompt, cached, completion, cost, model.currency if model else ""
