"""Django's ``manage.py test``, for projects without pytest-django."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from kcode.config.settings import Settings
from kcode.safety.process import Finished
from kcode.testrun.adapter import Launch, Reading, Signs, Suite, Target, Tools, text_of
from kcode.testrun.adapters.python import label, python_tools, read_verbose


class Django:
    name = "django"
    suffixes: tuple[str, ...] = (".py",)
    signs = Signs(
        re.compile(r"^test\S* .*\.\.\. ok$"),
        re.compile(r"^test\S* .*\.\.\. (?:FAIL|ERROR)$"),
        re.compile(r"^Found (\d{1,9}) test"),
    )

    def detect(self, folder: Path) -> str:
        if "django" not in text_of(folder / "manage.py").lower():
            return ""
        names = (
            "pytest.ini",
            "pyproject.toml",
            "setup.cfg",
            "tox.ini",
            "requirements.txt",
            "requirements-dev.txt",
        )
        said = "".join(text_of(folder / name) for name in names)
        return "" if re.search(r"pytest[-_]django|DJANGO_SETTINGS_MODULE", said) else "manage.py"

    async def tools(self, suite: Suite, settings: Settings, environ: Mapping[str, str]) -> Tools:
        return await python_tools(suite, settings, environ, "django")

    def launch(self, suite: Suite, tools: Tools, targets: Sequence[Target], report: Path) -> Launch:
        words = [
            label(target) if target.path or "." in target.name else f"-k={target.name}" for target in targets
        ]
        shown = (*tools.program, "manage.py", "test", *words)
        return Launch((*shown, "--verbosity=2", "--noinput", "--buffer"), shown, {"PYTHONUNBUFFERED": "1"})

    def read(self, done: Finished, suite: Suite, report: Path) -> Reading:
        return read_verbose("manage.py test", done, suite.folder)


ADAPTERS = {"django": Django()}
