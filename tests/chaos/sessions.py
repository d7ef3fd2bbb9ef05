"""One session, from its project to its resumption, and what was found."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos import laws
from tests.chaos.faults import PATIENCE_S
from tests.chaos.machine import Machine, small_disk
from tests.chaos.people import Ending, Person, Script
from tests.chaos.plan import Plan, Turn
from tests.chaos.speaker import LAST, Speaker
from tests.k2sim import TEST_KEY, Simulator

MODEL = "kimi-k2-thinking"


@dataclass(frozen=True)
class Told:
    """One turn: ``retried`` are requests beyond one a step."""

    turn: Turn
    kind: str
    answered: bool
    reported: bool
    retried: int
    peak: int
    broken: tuple[str, ...]


@dataclass
class Report:
    plan: Plan
    turns: list[Told] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)  # at the session's end


def run(plan: Plan, base: Path) -> Report:
    """Play the whole session below ``base``, which is removed where every law held."""
    report = Report(plan)
    with ExitStack() as stack:
        if any(row.only == "root" for turn in plan.turns for row in turn.rows):
            stack.enter_context(small_disk(base))
        _play(plan, base, report)
        if report.broken or any(told.broken for told in report.turns):
            with (base.parent / f"{base.name}.journals").open("wb") as kept:
                for path in base.rglob("*.jsonl"):
                    kept.write(path.read_bytes())
    shutil.rmtree(base, ignore_errors=True)
    return report


def _play(plan: Plan, base: Path, report: Report) -> None:
    machine = Machine(base)
    machine.make()
    token = base.name
    speaker = Speaker({t.number: t for t in plan.turns}, token, machine.while_waiting)
    with Simulator(speaker, shape="moonshot") as sim:
        env = {**machine.environment(), **_settings(sim, plan), "CHAOS_SESSION": token}
        person: Person | Script | None = None
        for turn in plan.turns:
            machine.before_start(turn)
            if person is None:
                person = (Person if plan.kind == "terminal" else Script)(machine, env, "--mode", "auto")
            before = len(sim.chats)
            ending = person.turn(turn)
            machine.mend()
            requests = sim.chats[before:]
            found = laws.after_turn(machine, turn, ending, requests)
            broken = list(found.broken)
            if plan.kind == "script":
                broken += laws.orphans(token)
            retried = max(0, len(requests) - speaker.steps[turn.number])
            report.turns.append(
                Told(turn, plan.kind, found.answered, found.reported, retried, ending.peak, tuple(broken))
            )
            if not ending.over:
                break
        if person is not None:
            code, wrong = person.leave()
            report.broken += wrong if code == 0 else [*wrong, f"left with {code}"]
        report.broken += laws.orphans(token)
        last: Ending = Script(machine, env, "--mode", "auto").run(LAST)
        final = sim.chats[-1] if sim.chats and LAST in str(sim.chats[-1].json) else None
        report.broken += laws.at_the_end(machine, plan.turns, last, final)
        report.broken += laws.orphans(token)


def _settings(sim: Simulator, plan: Plan) -> dict[str, str]:
    return {
        "KCODE_PROVIDER": "moonshot",
        "KCODE_MODEL": MODEL,
        "KCODE_BASE_URL": sim.base_url,
        "KCODE_API_KEY": TEST_KEY,
        "KCODE_PROVIDER__TIMEOUT_S": str(PATIENCE_S),
        "KCODE_PROVIDER__RETRIES": str(plan.retries),
        "KCODE_SAFETY__MEMORY_MB": "200",
        "KCODE_SAFETY__PROCESSES": "40",
        "KCODE_AGENT__MAX_TURNS": "30",
    }
