from __future__ import annotations

import json
import re
from pathlib import Path

from kcode.config.keys import all_keys, expected
from kcode.config.layers import SHORTCUTS, USER_ONLY
from kcode.errors import ExitCode

DOCS = Path(__file__).parents[2] / "docs"


def test_the_settings_page_shows_every_setting_as_it_is() -> None:
    page = (DOCS / "configuration.md").read_text()
    for key, field in all_keys().items():
        default = field.default
        if default is not None:
            default = json.dumps(default) if isinstance(default, str | bool) else default
        shown = "-" if default is None else default
        assert f"| `{key}` | `{shown}` | {expected(field)} | {field.description} |" in page
    rows = re.findall(r"^\| `(\w+\.\w+)` \| `", page, re.MULTILINE)
    assert rows == [*all_keys()]


def test_the_settings_page_names_the_short_variables_and_what_is_the_users_alone() -> None:
    page = (DOCS / "configuration.md").read_text()
    for word in [*SHORTCUTS, *USER_ONLY]:
        assert f"`{word}" in page


def test_the_exit_code_page_is_the_table_of_exit_codes() -> None:
    page = (DOCS / "exit-codes.md").read_text()
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \|", page, re.MULTILINE)
    assert rows == [(str(int(code)), code.name) for code in ExitCode]
