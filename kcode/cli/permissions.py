"""``kcode permissions``: what would be asked about and by which rule, and which folders are trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from kcode.i18n import _, from_below

if TYPE_CHECKING:
    from pathlib import Path

    from kcode.safety.findings import Finding
    from kcode.safety.policy import Judgement
    from kcode.safety.rules import Rule, Verdict

SCHEMA = "kcode.permissions/1"

app = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Explain what is allowed or asked; trust a folder.",
)


@app.command()
def explain(
    command: Annotated[list[str], typer.Argument(help="The command, best after --, in quotes as a whole.")],
    mode: Annotated[str, typer.Option("--mode", metavar="MODE", help="plan, ask, edits or auto.")] = "",
    allow: Annotated[list[str] | None, typer.Option(metavar="RULE", help="A rule for this time.")] = None,
    ask: Annotated[list[str] | None, typer.Option(metavar="RULE", help="A rule for this time.")] = None,
    deny: Annotated[list[str] | None, typer.Option(metavar="RULE", help="A rule for this time.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
) -> int:
    """Say whether a command would be allowed (exit 0), asked about (10) or denied (11), and why.

    Nothing is run. One word is a command line with pipes and all; several words are the words of one command.
    """
    from pathlib import Path

    from kcode.cli.table import padded
    from kcode.config.layers import load_settings
    from kcode.config.paths import project_root
    from kcode.errors import ExitCode
    from kcode.safety.policy import judge_command, parts
    from kcode.safety.rules import rules_for
    from kcode.safety.sandbox import status
    from kcode.ui.look.figures import one_line

    root = project_root(Path.cwd())
    overrides = {"agent.mode": mode} if mode else {}
    chosen = load_settings(root, overrides).settings.agent.mode
    rules = rules_for(root, flags=_flag_rules(allow=allow, ask=ask, deny=deny))
    text = _as_text(command)
    real = root.resolve()
    how: dict[str, Any] = {"tool": "run_command", "rules": rules, "root": real}
    how["confined"] = chosen != "auto" or status().holds
    decided = _with_searches(text, judge_command(text, chosen, frozenset(), **how), root)
    each = parts(text, chosen, frozenset(), **how)
    hosts = _hosts(text, rules)
    if as_json:
        _print_json(text, chosen, decided, each, hosts)
    else:
        _print(decided, each)
        for host, verdict, why in hosts:
            print(f"  {padded(_('host'), 6)} {one_line(host)}: {_host_words()[verdict]} ({one_line(why)})")
    return {"allow": 0, "ask": int(ExitCode.WOULD_ASK), "deny": int(ExitCode.DENIED)}[decided.verdict]


def _hosts(text: str, rules: tuple[Rule, ...]) -> list[tuple[str, Verdict, str]]:
    """The machines that the command names, and what rules say of a connection from the sandbox to each."""
    from kcode.safety.hosts import NoWay, by_rules, plain_name
    from kcode.safety.rules import hosts_in

    found: list[tuple[str, Verdict, str]] = []
    for named in hosts_in(text):
        try:
            verdict, passage = by_rules(plain_name(named), rules)
            found.append((named, verdict, passage.why))
        except NoWay as problem:
            found.append((named, "deny", str(problem)))
    return found


def _host_words() -> dict[Verdict, str]:
    return {
        "allow": _("reached from the sandbox"),
        "ask": _("asked about at its first use, once in a session"),
        "deny": _("never reached from the sandbox"),
    }


def _with_searches(text: str, decided: Judgement, start: Path) -> Judgement:
    """A search that is allowed is asked about where it reaches a file of secrets."""
    from kcode.safety.commands import touches_sensitive
    from kcode.safety.policy import Judgement

    if decided.verdict != "allow" or not (why := touches_sensitive(text, start)):
        return decided
    return Judgement("ask", f"sensitive in every mode: {why}")


@app.command()
def trust(
    remove: Annotated[bool, typer.Option("--remove", help="Trust it no longer.")] = False,
) -> int:
    """Let this project's own rules allow things, not only ask and deny. Kept on this machine, for you."""
    import sys
    from pathlib import Path

    from kcode.config.paths import project_root
    from kcode.safety import trust as folders
    from kcode.ui.look.figures import one_line

    root = project_root(Path.cwd())
    name = one_line(str(root.resolve()))
    if remove:
        said = _("{name} is no longer trusted") if folders.distrust(root) else _("{name} was not trusted")
    else:
        said = _("{name} is trusted now") if folders.trust(root) else _("{name} was trusted already")
    print(said.format(name=name), file=sys.stderr)
    return 0


@app.command(name="list")
def list_rules(as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False) -> int:
    """List the rules that hold here, by layer, and whether the folder is trusted."""
    import json
    from pathlib import Path

    from kcode.config.paths import project_root
    from kcode.safety.rules import rules_for
    from kcode.safety.trust import is_trusted
    from kcode.ui.look.figures import one_line

    root = project_root(Path.cwd())
    rules, trusted = rules_for(root), is_trusted(root)
    if as_json:
        rows = [
            {"layer": rule.layer, "verdict": rule.verdict, "kind": rule.kind, "pattern": rule.pattern}
            for rule in rules
        ]
        print(json.dumps({"schema": SCHEMA, "trusted": trusted, "rules": rows}, indent=2))
        return 0
    print(
        _("this folder is trusted")
        if trusted
        else _("this folder is not trusted: its own rules can only ask and deny")
    )
    for rule in rules:
        print(f"{rule.layer:<8}  {one_line(str(rule))}")
    if any(rule.layer in ("folder", "user") for rule in rules):
        print(_("remove one of yours with: kcode permissions forget 'allow command: …'"))
    return 0


@app.command()
def forget(
    rule: Annotated[str, typer.Argument(help="As `list` shows it, in quotes, without the layer.")],
) -> int:
    """Remove a rule of yours: one for this folder, else one that holds everywhere."""
    import sys
    from pathlib import Path

    from kcode.config.paths import project_root
    from kcode.errors import UsageError
    from kcode.safety.rulebook import forget as remove
    from kcode.safety.rules import project_rules_file
    from kcode.ui.look.figures import one_line

    root = project_root(Path.cwd())
    removed = remove(root, rule)
    if not removed:
        raise UsageError(
            f"there is no rule {rule!r} of yours here",
            f"kcode permissions list shows them; the project's own are in {project_rules_file(root)}",
        )
    for one in removed:
        said = _("forgotten for this folder: {rule}") if one.layer == "folder" else _("forgotten: {rule}")
        print(said.format(rule=one_line(str(one))), file=sys.stderr)
    return 0


def _as_text(words: list[str]) -> str:
    """One word is a command line; several are the words of one command, unless a sign stands among them."""
    import re
    import shlex

    signs = any(re.fullmatch(r"[|&;<>()]+|\d*[<>]+&?\S*|.*;", word) for word in words)
    return " ".join(words) if len(words) == 1 or signs else shlex.join(words)


def _flag_rules(**given: list[str] | None) -> list[Rule]:
    from kcode.safety.rules import rule_from

    verdicts: dict[str, Verdict] = {"allow": "allow", "ask": "ask", "deny": "deny"}
    return [
        rule_from(text, verdicts[name], "command line", f"--{name}")
        for name, texts in given.items()
        for text in texts or []
    ]


def _print(decided: Judgement, each: list[tuple[Finding, Judgement]]) -> None:
    from kcode.cli.table import padded
    from kcode.ui.look.figures import one_line

    print(f"{decided.verdict}: {one_line(from_below(decided.why))}")
    print(f"  {padded(_('rule'), 6)} {one_line(from_below(decided.named))}")
    print(f"  {padded(_('layer'), 6)} {_(decided.layer)}")
    if len(each) > 1 and decided.part:
        print(f"  {padded(_('part'), 6)} {one_line(decided.part)}")
    for finding, judgement in each if len(each) > 1 else []:
        print(f"  {judgement.verdict:<5}  {one_line(finding.command)}: {one_line(from_below(finding.why))}")


def _print_json(
    text: str,
    mode: str,
    decided: Judgement,
    each: list[tuple[Finding, Judgement]],
    hosts: list[tuple[str, Verdict, str]],
) -> None:
    import json

    shown: dict[str, Any] = {
        "schema": SCHEMA,
        "command": text,
        "mode": mode,
        "verdict": decided.verdict,
        "why": decided.why,
        "rule": decided.named,
        "layer": decided.layer,
        "parts": [
            {
                "command": finding.command,
                "effect": finding.effect,
                "why": finding.why,
                "verdict": judgement.verdict,
                "rule": judgement.named,
                "layer": judgement.layer,
            }
            for finding, judgement in each
        ],
        "hosts": [{"host": host, "verdict": verdict, "why": why} for host, verdict, why in hosts],
    }
    print(json.dumps(shown, indent=2))
