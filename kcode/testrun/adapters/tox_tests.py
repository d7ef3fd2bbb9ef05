"""tox and nox: for projects that say so (``tests.runner``) or have nothing else; pytest's report is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kcode.config.settings import Settings
from kcode.safety.process import Finished
from kcode.testrun.adapter import Launch, Reading, Signs, Suite, Target, Tools, has_file, text_of
from kcode.testrun.live import ANY
from kcode.testrun.toolversions import find_tool, local_program
from kcode.testrun.within import read_within, report_asked


@dataclass(frozen=True, slots=True)
class Tox:
    name: str = "tox"
    suffixes: tuple[str, ...] = (".py",)
    signs: Signs = ANY

    def detect(self, folder: Path) -> str:
        if self.name == "nox":
            return has_file(folder, "noxfile.py")
        for name, section in (("tox.ini", "[tox"), ("tox.toml", "env"), ("pyproject.toml", "[tool.tox")):
            if section in text_of(folder / name):
                return name
        return "setup.cfg" if "[tox:tox]" in text_of(folder / "setup.cfg") else ""

    async def tools(self, suite: Suite, settings: Settings, environ: Mapping[str, str]) -> Tools:
        own = local_program(suite, f".venv/bin/{self.name}", f"venv/bin/{self.name}")
        if own:
            return Tools((own,), "the project's virtual environment")
        return find_tool(suite, self.name, self.name, environ, f"run `pipx install {self.name}`")[1]

    def launch(self, suite: Suite, tools: Tools, targets: Sequence[Target], report: Path) -> Launch:
        words = [
            word
            for target in targets
            for word in (
                ["::".join(filter(None, (target.path, target.name)))] if target.path else ["-k", target.name]
            )
        ]
        shown = (*tools.program, *(["--", *words] if words else []))
        return Launch(shown, shown, report_asked(report))

    def read(self, done: Finished, suite: Suite, report: Path) -> Reading:
        return read_within(done, suite.folder, report, f"all of {self.name}")


ADAPTERS = {"tox": Tox("tox"), "nox": Tox("nox")}
