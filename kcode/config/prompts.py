"""The sentences sent to a model are files; this finds them.

A prompt is looked for in the user's configuration folder, then in the installed package, then in the
source tree. They are read once a session and stored in it, so an upgrade does not change what is sent.
"""

from __future__ import annotations

from pathlib import Path

from kcode.config.paths import config_dir
from kcode.errors import EnvironmentProblem

_PACKAGE = Path(__file__).resolve().parent.parent
_SHIPPED = (_PACKAGE / "_prompts", _PACKAGE.parent / "prompts")


def load_prompt(name: str) -> str:
    """The text of prompt ``name`` (``system``, ``tools/grep``), without the blank lines around it."""
    for folder in (config_dir() / "prompts", *_SHIPPED):
        try:
            return (folder / f"{name}.md").read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError) as error:
            raise EnvironmentProblem(f"the prompt file {folder / name}.md cannot be read: {error}") from error
    raise EnvironmentProblem(f"the prompt {name!r} is missing from this installation", "install kcode again")
