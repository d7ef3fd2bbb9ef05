"""``/permissions``: the rules that hold here, what they say about a command, and rules for this session."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kcode.errors import UsageError
from kcode.i18n import _
from kcode.ui.commands.base import Command, not_known, table
from kcode.ui.look import figures

if TYPE_CHECKING:
    from kcode.agent.session import Session
    from kcode.safety.rules import Rule
    from kcode.ui.sitting import Sitting

_FORM = "/permissions [explain COMMAND|allow RULE|ask RULE|deny RULE|forget RULE|trust|distrust]"


async def _permissions(sitting: Sitting, session: Session, argument: str) -> None:
    what, _space, rest = argument.partition(" ")
    rest = rest.strip()
    if not what:
        return _show(sitting, session)
    if what in ("trust", "distrust") and not rest:
        return _trust(sitting, session, what == "trust")
    if what not in ("explain", "allow", "ask", "deny", "forget"):
        raise not_known(argument if what in ("trust", "distrust") else what, _FORM)
    if not rest:
        example = "git push" if what == "explain" else "'command: npm run *'".strip("'")
        raise UsageError(
            _("/permissions {what} needs something behind it").format(what=what),
            f"/permissions {what} {example}",
        )
    if what == "explain":
        return _explain(sitting, session, rest)
    if what == "forget":
        return _forget(sitting, session, rest)
    return _add(sitting, session, what, rest)


def _rules(session: Session) -> tuple[Rule, ...]:
    from kcode.safety.rules import rules_for

    return rules_for(session.root, session=session.rules, flags=session.flag_rules)


def _show(sitting: Sitting, session: Session) -> None:
    from kcode.safety.rules import file_rules, project_rules_file, user_rules_file
    from kcode.safety.trust import is_trusted

    trusted = is_trusted(session.root)
    words = (
        _("this folder is trusted: its own rules may allow, its own commands may run")
        if trusted
        else _("this folder is not trusted: its own rules only ask and deny; /permissions trust")
    )
    sitting.say(_("{mode} mode; {trust}").format(mode=sitting.mode, trust=words))
    rows: list[tuple[str, str]] = [(rule.layer, str(rule)) for rule in _rules(session)]
    own = project_rules_file(session.root)
    if not trusted and own != user_rules_file():
        waiting = [rule for rule in file_rules(own, "project") if rule.verdict == "allow"]
        rows += [(_("not in force"), _("{rule} (project)").format(rule=rule)) for rule in waiting]
    for kind in sorted(session.granted):
        rows.append(("session", _("you allowed every {kind} in this session").format(kind=kind)))
    if rows:
        sitting.say(table(rows))
    else:
        sitting.say(_("no rules beside the built-in ones"), "dim")
    hint = _("a deny of any layer decides; else the last of these layers that says something")
    sitting.say(f"{hint}: {_layers()}", "dim")


def _layers() -> str:
    from kcode.safety.rules import LAYERS

    return ", ".join(LAYERS)


def _explain(sitting: Sitting, session: Session, command: str) -> None:
    from kcode.safety.policy import judge_command, parts

    mode, granted, rules = session.mode, frozenset(session.granted), _rules(session)
    decided = judge_command(command, mode, granted, tool="run_command", rules=rules, root=session.root)
    each = parts(command, mode, granted, tool="run_command", rules=rules, root=session.root)
    sitting.say(f"{decided.verdict}: {figures.one_line(decided.why)}")
    rows = [(_("rule"), figures.one_line(decided.named)), (_("layer"), decided.layer)]
    if len(each) > 1:
        rows += [
            (judgement.verdict, f"{figures.one_line(finding.command)}: {figures.one_line(finding.why)}")
            for finding, judgement in each
        ]
    sitting.say(table(rows))
    sitting.say(_("nothing was run"), "dim")


def _trust(sitting: Sitting, session: Session, wanted: bool) -> None:
    from kcode.safety.trust import distrust, trust

    changed = trust(session.root) if wanted else distrust(session.root)
    shown = figures.one_line(str(session.root))
    if not changed:
        already = _("{folder} is trusted already") if wanted else _("{folder} is not trusted")
        return sitting.say(already.format(folder=shown), "dim")
    if not wanted:
        return sitting.say(_("{folder} is not trusted any more").format(folder=shown))
    sitting.say(_("{folder} is trusted: its rules and its commands hold").format(folder=shown))
    from kcode.ui import customs

    names = [f"/{c.name}" for c in customs.Customs(session.root, ()).all() if c.origin == "project"]
    if names:
        sitting.say(_("commands of its own: {names}").format(names=", ".join(names)), "dim")
    return None


def _add(sitting: Sitting, session: Session, verdict: str, text: str) -> None:
    from kcode.safety.rules import VERDICTS, rule_from

    known = next(each for each in VERDICTS if each == verdict)
    rule = rule_from(_unquoted(text), known, "session", "/permissions")
    if str(rule) in map(str, session.rules):
        return sitting.say(_("that rule holds already"), "dim")
    session.rules.append(rule)
    sitting.say(_("for this session: {rule}").format(rule=figures.one_line(str(rule))))
    return None


def _forget(sitting: Sitting, session: Session, text: str) -> None:
    from kcode.safety.rulebook import forget

    wanted = " ".join(_unquoted(text).split())
    gone = _matching(session.rules, wanted)
    for rule in gone:
        session.rules.remove(rule)
    gone = gone or forget(session.root, wanted)
    if not gone:
        raise UsageError(
            _("there is no rule {rule!r} of yours").format(rule=wanted), _("/permissions lists them")
        )
    for rule in gone:
        shown = figures.one_line(str(rule))
        sitting.say(_("forgotten: {rule} ({layer})").format(rule=shown, layer=rule.layer))


def _matching(rules: Sequence[Rule], wanted: str) -> list[Rule]:
    return [rule for rule in rules if wanted in (str(rule), f"{rule.kind}: {rule.pattern}")]


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text


def _choices(sitting: Sitting) -> list[tuple[str, str]]:
    return [
        ("explain", _("what would be asked about a command, and why")),
        ("allow", _("a rule for this session")),
        ("ask", _("a rule for this session")),
        ("deny", _("a rule for this session")),
        ("forget", _("remove a rule of yours")),
        ("trust", _("let this folder's own rules and commands hold")),
        ("distrust", _("take that back")),
    ]


COMMANDS = (
    Command(
        "permissions",
        "[explain COMMAND|allow RULE|…]",
        "the rules that hold here; explain COMMAND, trust, allow RULE, ask RULE, deny RULE, forget RULE",
        _permissions,
        "setup",
        "/permissions allow command: npm run *",
        while_working=True,
        choices=_choices,
    ),
)
