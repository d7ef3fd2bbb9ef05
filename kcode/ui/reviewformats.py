"""A review for other programs: SARIF for code scanning, workflow commands for GitHub's annotations."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kcode.agent.reviewing import Review, ReviewFinding
    from kcode.workspace.change import FileEdit
    from kcode.workspace.workspace import Workspace

_LEVELS = {"high": "error", "medium": "warning", "low": "note"}
_COMMANDS = {"high": "error", "medium": "warning", "low": "notice"}
_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def sarif(result: Review, workspace: Workspace) -> str:
    """SARIF 2.1.0, one run, a rule for each severity; a finding that can be applied to the files of
    ``workspace`` has its fix."""
    from kcode import __version__

    rules = [
        {
            "id": f"review/{severity}",
            "shortDescription": {"text": f"A finding of severity {severity}"},
            "defaultConfiguration": {"level": level},
        }
        for severity, level in _LEVELS.items()
    ]
    run = {
        "tool": {"driver": {"name": "kcode", "version": __version__, "rules": rules}},
        "originalUriBaseIds": {"ROOT": {"description": {"text": "the repository's top folder"}}},
        "results": [
            {**_result(finding), **_fixes(workspace, result, number)}
            for number, finding in enumerate(result.findings, 1)
        ],
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, ensure_ascii=False, indent=2)


def _result(finding: ReviewFinding) -> dict[str, Any]:
    from urllib.parse import quote

    place = {
        "artifactLocation": {"uri": quote(finding.file), "uriBaseId": "ROOT"},
        "region": {"startLine": max(1, finding.line)},
    }
    made_of = "\0".join([finding.file, finding.problem])
    return {
        "ruleId": f"review/{finding.severity}",
        "level": _LEVELS[finding.severity],
        "message": {"text": _message(finding)},
        "locations": [{"physicalLocation": place}],
        "partialFingerprints": {"finding/v1": hashlib.sha256(made_of.encode()).hexdigest()[:32]},
    }


def _fixes(workspace: Workspace, result: Review, number: int) -> dict[str, Any]:
    """The change of a finding as lines to be replaced; nothing where it does not fit the file as it is."""
    from kcode.agent.suggested import edits_of
    from kcode.errors import KcodeError

    if not result.findings[number - 1].applicable:
        return {}
    try:
        edits = edits_of(workspace, result.findings, [number])
    except KcodeError:
        return {}
    changes = [_change(edit) for edit in edits if edit.before is not None and edit.after is not None]
    description = {"text": result.findings[number - 1].suggestion or result.findings[number - 1].problem}
    return {"fixes": [{"description": description, "artifactChanges": changes}]} if changes else {}


def _change(edit: FileEdit) -> dict[str, Any]:
    from urllib.parse import quote

    from kcode.workspace.diff import split_lines
    from kcode.workspace.linediff import opcodes

    old, new = split_lines(edit.before or ""), split_lines(edit.after or "")
    replacements = []
    for code in opcodes(old, new):
        if code.tag == "equal":
            continue
        region = {"startLine": code.a0 + 1, "startColumn": 1, "endLine": code.a1 + 1, "endColumn": 1}
        text = "".join(new[code.b0 : code.b1])
        replacements.append({"deletedRegion": region, "insertedContent": {"text": text}})
    location = {"uri": quote(edit.path), "uriBaseId": "ROOT"}
    return {"artifactLocation": location, "replacements": replacements}


def github(result: Review) -> str:
    """A workflow command for each finding: GitHub shows it at its line of the pull request."""
    lines = []
    for finding in result.findings:
        where = f"file={_property(finding.file)},line={max(1, finding.line)}"
        title = _property(f"kcode review: {finding.severity}")
        lines.append(f"::{_COMMANDS[finding.severity]} {where},title={title}::{_data(_message(finding))}")
    return "\n".join(lines)


def _message(finding: ReviewFinding) -> str:
    parts = [finding.problem]
    if finding.scenario:
        parts.append(f"Fails when: {finding.scenario}")
    if finding.suggestion:
        parts.append(f"Suggested: {finding.suggestion}")
    return "\n".join(parts)


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
