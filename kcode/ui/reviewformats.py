"""A review for other programs: SARIF for code scanning, workflow commands for GitHub's annotations."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kcode.agent.reviewing import Review, ReviewFinding

_LEVELS = {"high": "error", "medium": "warning", "low": "note"}
_COMMANDS = {"high": "error", "medium": "warning", "low": "notice"}
_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def sarif(result: Review) -> str:
    """SARIF 2.1.0, one run, a rule for each severity."""
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
        "results": [_result(finding) for finding in result.findings],
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
