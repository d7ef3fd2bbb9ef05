"""Results on disk: one JSON object a line, appended as they come, so that a run that was killed goes on.

The first line names the run. A reference may be such a file, or one that the K2 Vendor Verifier wrote
(``data_index``, ``finish_reason``, ``status``).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from kcode.errors import EnvironmentProblem, UsageError
from kcode.providers.endpoint import Endpoint
from kcode.providers.verify.cases import Case, digest

_KIND = "kcode-verify"


class ResultFile:
    """An open results file. ``rows`` are those of an earlier run by case key, failed ones left out."""

    def __init__(self, path: Path, header: Mapping[str, Any], *, resume: bool) -> None:
        """Raises UsageError where the file is there and not to be resumed, or is another run's."""
        self.path = path
        self.rows: dict[str, dict[str, Any]] = {}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists() and path.stat().st_size and not resume:
                raise UsageError(
                    f"{path} is there already.", "--resume goes on with it; or name another file."
                )
            keep = self._read(header) if resume and path.exists() else 0
            self._file: BinaryIO = path.open("r+b" if path.exists() else "w+b")
            self._file.truncate(keep)
            self._file.seek(keep)
            if not keep:
                self.append(header)
        except OSError as problem:
            raise EnvironmentProblem(f"{path}: {problem.strerror}", "Name another file with --out.") from None

    def append(self, row: Mapping[str, Any]) -> None:
        """One row, on disk when this returns."""
        self._file.write(json.dumps(row, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def __enter__(self) -> ResultFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def _read(self, header: Mapping[str, Any]) -> int:
        """Reads what is there; the length in bytes of what is whole: a line that a kill tore is dropped."""
        data = self.path.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        rows = list(_lines(whole, self.path))
        if not rows:
            return 0
        other = [name for name in ("provider", "host", "model", "cases") if rows[0].get(name) != header[name]]
        if rows[0].get("kind") != _KIND or other:
            raise UsageError(
                f"{self.path} holds the results of another run"
                + (f" ({other[0]}: {rows[0].get(other[0])})." if rows[0].get("kind") == _KIND else "."),
                "Name another file with --out.",
            )
        self.rows = {str(row["case"]): row for row in rows[1:] if row.get("status") == "success"}
        return len(whole)


def header_for(endpoint: Endpoint, cases: Sequence[Case]) -> dict[str, Any]:
    return {
        "kind": _KIND,
        "version": 1,
        "provider": endpoint.profile.name,
        "host": endpoint.host,
        "model": endpoint.model.id,
        "cases": digest(cases),
    }


def read_reference(path: Path, cases: Sequence[Case]) -> dict[str, str]:
    """The reference's finish reasons by case key. Raises UsageError where it is about other cases."""
    try:
        rows = list(_lines(path.read_bytes(), path))
    except OSError as problem:
        raise UsageError(f"{path} cannot be read: {problem.strerror}") from None
    rows = [row for row in rows if row.get("kind") != _KIND]
    by_key = {str(row["case"]): _finish(row) for row in rows if "case" in row}
    by_line = {row["data_index"]: _finish(row) for row in rows if "case" not in row and "data_index" in row}
    found = {}
    for case in cases:
        finish = by_key.get(case.key, by_line.get(case.index))
        if finish is not None:
            found[case.key] = finish
    if not found:
        raise UsageError(
            f"{path} has no result for any of these cases.",
            "A reference is a results file of the same cases: `case` or `data_index`, and `finish_reason`.",
        )
    return found


def expected(cases: Sequence[Case]) -> dict[str, str] | None:
    """What the cases themselves say is right; None where not all of them do."""
    return {c.key: c.expected for c in cases} if all(c.expected for c in cases) else None


def _finish(row: Mapping[str, Any]) -> str:
    return str(row.get("finish_reason")) if row.get("status", "success") == "success" else "failed"


def _lines(data: bytes, path: Path) -> list[dict[str, Any]]:
    rows = []
    for number, line in enumerate(data.splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as problem:
            raise UsageError(f"{path}:{number}: not valid JSON: {problem}") from None
        if not isinstance(row, dict):
            raise UsageError(f"{path}:{number}: a result is a JSON object.")
        rows.append(row)
    return rows
