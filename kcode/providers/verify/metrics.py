"""The verifier's two numbers, exactly as facts H.1 has them.

*Trigger F1* compares, request by request, whether the vendor and the reference finished with tool calls.
*Schema accuracy* is the share of the vendor's tool-call answers whose every call is right.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kcode.providers.catalog import Model
from kcode.providers.verify.cases import Case

THINKING_F1 = 0.73
INSTRUCT_F1 = 0.80
"""What Moonshot accepts: its own service against itself reached 0.758 at worst, and 0.827 (facts H.1)."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """How often both called tools, only the vendor, only the reference, neither. No tool call anywhere
    leaves ``f1`` without a value."""

    tp: int
    fp: int
    fn: int
    tn: int

    @property
    def precision(self) -> float:
        return self.tp / (self.tp + self.fp) if self.tp + self.fp else 0.0

    @property
    def recall(self) -> float:
        return self.tp / (self.tp + self.fn) if self.tp + self.fn else 0.0

    @property
    def f1(self) -> float | None:
        either = 2 * self.tp + self.fp + self.fn
        # 2PR/(P+R) in one division, so that a rate exactly at the bar is not rounded below it
        return 2 * self.tp / either if either else None


@dataclass(frozen=True, slots=True)
class Measured:
    """What a run came to. ``wrong`` says per line of the cases what was wrong with a tool-call answer.

    ``trigger`` is None without a reference; ``compared`` counts the requests it is about.
    """

    requests: int
    failed: int
    finishes: Mapping[str, int]
    tool_answers: int
    right_answers: int
    wrong: Mapping[int, str]
    trigger: Trigger | None = None
    compared: int = 0
    retries: int = 0
    prompt: int = 0
    cached: int = 0
    completion: int = 0
    failures: Mapping[int, str] = field(default_factory=dict)

    @property
    def schema_accuracy(self) -> float | None:
        """Right tool-call answers among all of them, None where there was none."""
        return self.right_answers / self.tool_answers if self.tool_answers else None


def needed_f1(model: Model) -> float:
    return THINKING_F1 if model.thinking != "no" else INSTRUCT_F1


def measure(
    cases: Sequence[Case], rows: Mapping[str, Mapping[str, Any]], reference: Mapping[str, str] | None
) -> Measured:
    """``rows`` are the results by case key, ``reference`` the reference's finish reasons by case key.

    A request that failed or never ran finished without tool calls: that counts as no (facts H.1).
    """
    finishes: Counter[str] = Counter()
    wrong: dict[int, str] = {}
    failures: dict[int, str] = {}
    tool_answers = 0
    for case in cases:
        row = rows.get(case.key, {})
        if row.get("status") != "success":
            failures[case.index] = str(row.get("error") or "not asked")
            continue
        reason = str(row.get("finish_reason"))
        finishes[reason] += 1
        if reason == "tool_calls":
            tool_answers += 1
            if why := what_is_wrong(row.get("tool_calls") or (), case):
                wrong[case.index] = why
    pairs = [
        (_called(rows.get(case.key, {})), reference[case.key] == "tool_calls")
        for case in cases
        if reference is not None and case.key in reference
    ]
    counted = Counter(pairs)
    return Measured(
        requests=len(cases),
        failed=len(failures),
        finishes=dict(sorted(finishes.items())),
        tool_answers=tool_answers,
        right_answers=tool_answers - len(wrong),
        wrong=wrong,
        trigger=_trigger(counted) if pairs else None,
        compared=len(pairs),
        retries=sum(int(row.get("retries") or 0) for row in rows.values()),
        failures=failures,
        **_tokens(rows),
    )


def passes(measured: Measured, model: Model) -> bool | None:
    """The verdict; None where there is nothing to judge by: no reference, or no tool call on either side."""
    f1 = measured.trigger.f1 if measured.trigger else None
    return None if f1 is None else f1 >= needed_f1(model)


def what_is_wrong(calls: Sequence[Mapping[str, Any]], case: Case) -> str:
    """Why an answer that finished with tool calls is no success; ``""`` where all of its calls are right."""
    if not calls:
        return "announced tool calls and sent none"
    return next((why for call in calls if (why := _wrong_call(call, case))), "")


def _wrong_call(call: Mapping[str, Any], case: Case) -> str:
    from jsonschema import Draft202012Validator, SchemaError, ValidationError
    from jsonschema.validators import validator_for
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    function = call.get("function") or {}
    name = str(function.get("name") or "")
    schema = case.schema_of(name)
    if schema is None:
        return f"{name or 'a call without a name'}: no such tool was declared"
    arguments = function.get("arguments")
    try:
        value = json.loads(arguments, parse_constant=_refuse) if isinstance(arguments, str) else arguments
    except ValueError as problem:
        return f"{name}: the arguments are not JSON: {problem}"
    kind = validator_for(schema, default=Draft202012Validator)
    try:
        # a registry without a way to fetch: nothing that a schema refers to is looked up in the network
        kind(schema, registry=Registry()).validate(value)
    except ValidationError as problem:
        at = "/".join(str(step) for step in problem.absolute_path)
        return f"{name}: {at + ': ' if at else ''}{problem.message}"
    except (SchemaError, Unresolvable) as problem:
        return f"{name}: its declared schema cannot be used: {problem}"
    return ""


def _refuse(constant: str) -> object:
    raise ValueError(f"{constant} is not JSON")


def _called(row: Mapping[str, Any]) -> bool:
    return row.get("status") == "success" and row.get("finish_reason") == "tool_calls"


def _trigger(counted: Mapping[tuple[bool, bool], int]) -> Trigger:
    return Trigger(
        tp=counted.get((True, True), 0),
        fp=counted.get((True, False), 0),
        fn=counted.get((False, True), 0),
        tn=counted.get((False, False), 0),
    )


def _tokens(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    usages = [row.get("usage") or {} for row in rows.values()]
    fields = {"prompt": "prompt_tokens", "cached": "cached_tokens", "completion": "completion_tokens"}
    return {ours: sum(int(u.get(theirs) or 0) for u in usages) for ours, theirs in fields.items()}
