from __future__ import annotations

from pathlib import Path

import pytest

from kcode.errors import KcodeError
from kcode.workspace.workspace import Workspace


@pytest.mark.parametrize(
    "path", ["a" * 5_000, "b" * 300, "c/" * 3_000 + "d", "nul\0", "half\ud800", "half\udfff", "~" * 300]
)
@pytest.mark.parametrize("way", ["resolve", "locate", "read"])
def test_a_name_that_no_file_can_have_is_refused_in_words(tmp_path: Path, path: str, way: str) -> None:
    with pytest.raises(KcodeError):
        getattr(Workspace.open(tmp_path), way)(path)
