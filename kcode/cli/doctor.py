"""``kcode doctor``: what kcode finds on this machine, line by line. Asks no server."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import typer

from kcode.cli.door import with_tilde
from kcode.errors import KcodeError

if TYPE_CHECKING:
    from kcode.config.settings import Settings

app = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Finding(NamedTuple):
    """``ok`` is None where the thing is optional and not there."""

    what: str
    ok: bool | None
    says: str


@app.command()
def doctor(ctx: typer.Context) -> int:
    """Check what kcode finds on this machine: Python, git, settings, provider, model, sandbox."""
    findings = [_python(), _guarded("git", _git)]
    settings: list[Settings] = []

    def read() -> Finding:
        from kcode.cli.start import begin

        start = begin(ctx.find_root().obj)
        settings.append(start.settings)
        used = sorted({with_tilde_in(o) for o in start.loaded.origins.values() if o != "default"})
        return Finding("settings", True, ", ".join(used) or "defaults")

    findings.append(_guarded("settings", read))
    if settings:
        findings.append(_guarded("provider", lambda: _provider(settings[0])))
        findings.append(_guarded("model", lambda: _model(settings[0])))
        findings.append(_guarded("sandbox", lambda: _sandbox(settings[0])))
    for finding in findings:
        mark = {True: "ok", False: "no", None: "-"}[finding.ok]
        print(f"{mark:<3} {finding.what:<9} {finding.says}")
    return 0 if all(finding.ok is not False for finding in findings) else 9


def with_tilde_in(origin: str) -> str:
    for kind in ("user file ", "project file "):
        if origin.startswith(kind):
            return kind + with_tilde(Path(origin[len(kind) :]))
    return origin


def _guarded(what: str, check: Callable[[], Finding]) -> Finding:
    try:
        return check()
    except KcodeError as error:
        return Finding(what, False, f"{error.message} {error.remedy}".strip())


def _python() -> Finding:
    return Finding("python", True, f"{sys.version.split()[0]} ({with_tilde(Path(sys.executable))})")


def _git() -> Finding:
    from kcode.config.paths import project_root
    from kcode.safety.process import run_sync

    version = run_sync(["git", "--version"], cwd=Path.cwd(), timeout_s=10).stdout.strip()
    root = project_root(Path.cwd())
    inside = f"repository {with_tilde(root)}" if os.path.lexists(root / ".git") else "no repository here"
    return Finding("git", True, f"{version.removeprefix('git version ')}; {inside}")


def _provider(settings: Settings) -> Finding:
    from kcode.cli.start import endpoint_of

    endpoint = endpoint_of(settings)
    at = f" at {endpoint.host}" if endpoint.host else ""
    key = f"; key from {endpoint.key_source}" if endpoint.key_source else ""
    model = endpoint.model
    if model.status == "retired" and endpoint.own_address:
        instead = f": {model.replaced_by} replaces it" if model.replaced_by else ""
        return Finding("provider", False, f"{model.id} was retired on {model.retired_on}{instead}")
    return Finding(
        "provider",
        True,
        f"{endpoint.profile.name}{at}, model {endpoint.model.id or 'from its list'}; {endpoint.why}{key}",
    )


def _model(settings: Settings) -> Finding:
    """The embedded model matters where it is the provider; elsewhere it may be missing."""
    from kcode.cli.start import endpoint_of
    from kcode.providers.base import EmbeddedUnavailable
    from kcode.providers.embedded.store import locate

    needed = endpoint_of(settings).profile.embedded
    chosen = settings.provider.model if needed and settings.provider.model else settings.embedded.model
    try:
        path = locate(settings.embedded.model_copy(update={"model": chosen}))
    except EmbeddedUnavailable as error:
        return Finding("model", False if needed else None, f"{error.message}: {error.remedy}")
    return Finding("model", True, f"{chosen} ({with_tilde(path)})")


def _sandbox(settings: Settings) -> Finding:
    if settings.safety.sandbox == "off":
        return Finding("sandbox", None, "off by the settings: commands run unconfined")
    from kcode.safety.sandbox import status

    found = status()
    return Finding("sandbox", True if found.holds else None, found.detail)
