"""``kcode provider verify``: one run of the verifier, and how its outcome is shown."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kcode.config.paths import state_dir
from kcode.config.settings import Settings
from kcode.errors import ExitCode
from kcode.providers.catalog import Model
from kcode.providers.endpoint import Endpoint
from kcode.providers.registry import open_provider
from kcode.providers.service import HttpProvider
from kcode.providers.verify.cases import Case, digest
from kcode.providers.verify.metrics import Measured, measure, needed_f1, passes
from kcode.providers.verify.results import ResultFile, header_for
from kcode.providers.verify.runner import run as ask_all
from kcode.safety.sanitize import clean

_SHOWN = 10  # wrong answers and failures that are shown, of each


@dataclass(frozen=True)
class Outcome:
    endpoint: Endpoint
    measured: Measured
    out: Path
    expected_only: bool

    @property
    def passed(self) -> bool | None:
        return passes(self.measured, self.endpoint.model)

    @property
    def exit_code(self) -> int:
        """1 where the vendor fails, or where no answer came at all; 0 also where nothing could be judged."""
        nothing = self.measured.failed == self.measured.requests
        return int(ExitCode.NOT_ACHIEVED if self.passed is False or nothing else ExitCode.OK)


class Run:
    """The cases against one endpoint, in one results file."""

    def __init__(
        self,
        cases: Sequence[Case],
        endpoint: Endpoint,
        settings: Settings,
        out: Path | None,
        concurrency: int,
        resume: bool,
    ) -> None:
        self._cases = cases
        self._settings = settings
        self._concurrency = concurrency
        opened: Any = open_provider(endpoint, settings)
        self._provider: HttpProvider = opened
        self._endpoint = self._provider.endpoint
        self._out = out or _own_file(self._endpoint, cases)
        if out is None and not resume:
            self._out.unlink(missing_ok=True)
        self._resume = resume

    def finish(self, right: Mapping[str, str] | None, *, expected_only: bool) -> Outcome:
        """Asks what is left to ask and measures everything. Interrupted, the file can be resumed."""
        with ResultFile(self._out, header_for(self._endpoint, self._cases), resume=self._resume) as kept:
            rows = dict(kept.rows)
            left = [case for case in self._cases if case.key not in rows]
            _progress(f"{self._endpoint.label}: {len(left)} requests, results in {self._out}")

            def take(row: dict[str, Any]) -> None:
                kept.append(row)
                rows[str(row["case"])] = row
                _progress(f"{len(rows)} of {len(self._cases)}", over=True)

            try:
                asyncio.run(self._ask(left, take))
            except BaseException:
                _progress(f"\nnot finished: --resume goes on from {len(rows)} of {len(self._cases)}")
                raise
        measured = measure(self._cases, rows, right)
        return Outcome(self._provider.endpoint, measured, self._out, expected_only)

    async def _ask(self, left: Sequence[Case], take: Any) -> None:
        temperature = self._settings.provider.temperature
        try:
            await ask_all(self._provider, left, take, concurrency=self._concurrency, temperature=temperature)
        finally:
            await self._provider.close()


def shown(outcome: Outcome) -> str:
    """The table."""
    m, endpoint = outcome.measured, outcome.endpoint
    lines = [f"{endpoint.model.id} at {endpoint.label}", ""]
    lines += [f"{name:<18}{value}" for name, value in _rows(m)]
    lines += [f"{'trigger F1':<18}{_trigger(outcome)}", "", f"{'verdict':<18}{verdict(outcome)}"]
    for title, found in (("wrong tool calls", m.wrong), ("failed requests", m.failures)):
        if found:
            lines += ["", f"{title} (line of the cases):"]
            lines += [f"  {index:>5}  {clean(why)[:150]}" for index, why in [*found.items()][:_SHOWN]]
            lines += [f"  … and {len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
    return "\n".join(lines)


def verdict(outcome: Outcome) -> str:
    """In words: pass, FAIL, or why there is none."""
    m, needed = outcome.measured, needed_f1(outcome.endpoint.model)
    if m.failed == m.requests:
        return "FAIL: no request was answered"
    if outcome.passed is None:
        if m.trigger is None:
            return "none: the trigger rate needs --reference, the results of Moonshot's own service"
        return "none: neither the vendor nor the reference called a tool"
    kind = _kind(outcome.endpoint.model)
    against = "the cases' own expectation" if outcome.expected_only else "the reference"
    compared = f"F1 {'≥' if outcome.passed else '<'} {needed:.2f} for {kind}, against {against}"
    accuracy = m.schema_accuracy
    spoiled = accuracy is not None and accuracy < 1
    but = f"; mind its schema accuracy of {accuracy:.2%}, Moonshot's own is 100%" if spoiled else ""
    return f"{'pass' if outcome.passed else 'FAIL'}: {compared}{but}"


def shown_as_json(outcome: Outcome) -> str:
    m, t = outcome.measured, outcome.measured.trigger
    record = {
        "provider": outcome.endpoint.profile.name,
        "host": outcome.endpoint.host,
        "model": outcome.endpoint.model.id,
        "requests": m.requests,
        "failed": m.failed,
        "retries": m.retries,
        "finish_reasons": dict(m.finishes),
        "count_finish_reason_tool_calls": m.tool_answers,
        "count_successful_tool_call": m.right_answers,
        "schema_accuracy": m.schema_accuracy,
        "tool_call_f1": t.f1 if t else None,
        "trigger": {"tp": t.tp, "fp": t.fp, "fn": t.fn, "tn": t.tn} if t else None,
        "compared": m.compared,
        "reference": "" if t is None else "expected_finish" if outcome.expected_only else "file",
        "needed_f1": needed_f1(outcome.endpoint.model),
        "passed": outcome.passed,
        "wrong": {str(index): why for index, why in m.wrong.items()},
        "failures": {str(index): why for index, why in m.failures.items()},
        "tokens": {"prompt": m.prompt, "cached": m.cached, "completion": m.completion},
        "results": str(outcome.out),
    }
    return json.dumps(record, indent=2, ensure_ascii=False)


def _rows(m: Measured) -> list[tuple[str, str]]:
    rows = [("requests", f"{m.requests}" + (f", {m.failed} failed" if m.failed else ""))]
    if m.retries:
        rows.append(("tried again", str(m.retries)))
    rows += [(f"finish {reason}", str(count)) for reason, count in m.finishes.items()]
    accuracy = m.schema_accuracy
    counted = f"{m.right_answers} of {m.tool_answers} answers with tool calls"
    told = "no answer with tool calls" if accuracy is None else f"{accuracy:.2%}, {counted}"
    rows.append(("schema accuracy", told))
    rows.append(("tokens", f"{m.prompt} in ({m.cached} cached), {m.completion} out"))
    return rows


def _trigger(outcome: Outcome) -> str:
    t = outcome.measured.trigger
    if t is None:
        return "not known without --reference"
    f1 = "-" if t.f1 is None else f"{t.f1:.2%}"
    counts = f"TP {t.tp}  FP {t.fp}  FN {t.fn}  TN {t.tn}"
    return f"{f1}, precision {t.precision:.2%}, recall {t.recall:.2%}  ({counts})"


def _kind(model: Model) -> str:
    return "a thinking model" if model.thinking != "no" else "an instruct model"


def _own_file(endpoint: Endpoint, cases: Sequence[Case]) -> Path:
    """Where the results of this run are kept when nobody says where."""
    where = "".join(c if c.isalnum() or c in "-." else "_" for c in f"{endpoint.host}-{endpoint.model.id}")
    return state_dir() / "verify" / f"{where}-{digest(cases)}.jsonl"


def _progress(text: str, *, over: bool = False) -> None:
    """To stderr; a line that is written over only where somebody watches."""
    if not over:
        print(text, file=sys.stderr, flush=True)
    elif sys.stderr.isatty():
        print(f"\r{text} ", end="", file=sys.stderr, flush=True)
