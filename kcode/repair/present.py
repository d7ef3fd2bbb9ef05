"""A verified patch in words: what was wrong, what was changed, and what to be wary of."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kcode.repair.candidates import Candidate
from kcode.repair.judge import TracedFailure
from kcode.repair.localise import Localisation
from kcode.repair.rank import rival, special_case
from kcode.tools.base import FileEdit
from kcode.workspace.diff import unified

if TYPE_CHECKING:
    from kcode.repair.search import Search

_ODD_GAIN = -2.0  # nats: a changed line that the model finds so much less likely than the old one is named
_SHOWN = 100  # characters of a value or a line


def diff_of(candidate: Candidate, found: Localisation) -> str:
    return unified(found.sources[candidate.path].text, candidate.text, candidate.path)


def patch_of(edits: Sequence[FileEdit]) -> str:
    """Several files as a patch that ``git apply`` takes, permission bits too."""
    return "".join(_file_patch(edit) for edit in edits)


def _file_patch(edit: FileEdit) -> str:
    text = unified(edit.before, edit.after, edit.path)
    if edit.mode is None:
        return text
    kinds = ("100644", "100755") if edit.mode & stat.S_IXUSR else ("100755", "100644")
    head = (
        f"new file mode {kinds[1]}\n"
        if edit.before is None
        else f"old mode {kinds[0]}\nnew mode {kinds[1]}\n"
    )
    return f"diff --git a/{edit.path} b/{edit.path}\n{head}{text}"


def explain(candidate: Candidate, found: Localisation, failures: Sequence[TracedFailure]) -> str:
    """Two sentences: how the failure showed, and what the patch does about it."""
    source = found.sources[candidate.path]
    scope = source.scope_at(min(candidate.hole.first, len(source.lines)))
    where = f"{candidate.path}:{candidate.hole.first}"
    place = f"`{scope.name}` ({where})" if scope.name else where
    old = [line.strip() for line in source.lines[candidate.hole.first - 1 : candidate.hole.last]]
    new = [line.strip() for line in candidate.new]
    if not old:
        change = f"a line was missing: `{_short('; '.join(new))}`"
    elif not new:
        change = f"a line was one too many: `{_short('; '.join(old))}`"
    elif len(old) == len(new) == 1:
        change = f"`{_short(old[0])}` becomes `{_short(new[0])}`"
    else:
        change = f"{len(old)} lines become {len(new)}"
    return f"{_symptom(failures)}In {place} {change}."


def _symptom(failures: Sequence[TracedFailure]) -> str:
    if not failures:
        return ""
    claimed = [one for one in failures if one.call and len(one.call) <= _SHOWN]
    failure = min(claimed or failures, key=lambda one: len(one.call))
    what = {
        "TookTooLong": "did not come to an end",
        "AssertionError": f"gave another result than {_short(failure.expected)}",
    }.get(failure.type, f"raised {failure.type}")
    if failure.type == "AssertionError" and not failure.expected:
        what = f"did not hold: {_short(failure.message.splitlines()[0])}"
    subject = f"`{failure.call}`" if failure.call and len(failure.call) <= _SHOWN else "The test"
    return f"{subject} {what}. "


def others_left(tests: Sequence[str]) -> str:
    """Where nothing was asked for by name and some tests still fail: it may be one defect or two."""
    named = tests[0] if len(tests) == 1 else f"{len(tests)} other tests, such as {tests[0]},"
    fail = "fails" if len(tests) == 1 else "fail"
    return f"{named} still {fail}: another defect, or this patch is not the repair"


def suspicion(found: Localisation) -> str:
    """How many lines are suspected, and the first of them."""
    if not found.suspects:
        return "no suspicious line"
    first = found.suspects[0]
    where = found.scope_of(first).name or first.path
    lines = "1 suspicious line" if len(found.suspects) == 1 else f"{len(found.suspects)} suspicious lines"
    return f"{lines}, first {where} ({first.path}:{first.line})"


def nothing_found(search: Search) -> str:
    """Why a search in which no patch passes ended."""
    if search.imitating:
        line = "; ".join(line.strip() for line in search.imitating[0].new)
        return f"what passes would only imitate the test, such as `{line}`"
    if search.exhausted:
        return f"{search.tried} different candidates were tried, none passes"
    return f"the time was used up after {search.tried} different candidates"


def warning_of(
    candidate: Candidate,
    found: Localisation,
    failures: Sequence[TracedFailure],
    passing: Sequence[Candidate] = (),
) -> str:
    """What to know before a yes; ``passing`` are all patches that pass, this one among them."""
    value = special_case(found.sources[candidate.path].text, candidate.text, failures)
    if not value and candidate.gain is not None and candidate.gain < _ODD_GAIN:
        return "the model finds the changed line unlikely: it passes the tests, and may still be wrong"
    if not value:
        other = rival(candidate, passing, {path: one.text for path, one in found.sources.items()})
        if other is None:
            return ""
        line = _short("; ".join(line.strip() for line in other.new)) or "leaving the line out"
        return f"the tests leave open what is meant: `{line}` passes them too and does something else"
    return f"the patch decides by {_short(value)}, a value of the test itself: it may only imitate the test"


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else text[: _SHOWN - 4] + " ..."
