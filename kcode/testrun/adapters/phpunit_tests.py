"""PHPUnit (and Pest, which takes the same options), read from ``--log-junit``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from kcode.config.settings import Settings
from kcode.safety.process import Finished
from kcode.testrun.adapter import Launch, Reading, Signs, Suite, Target, Tools, has_file, text_of
from kcode.testrun.adapters.javascript import relative
from kcode.testrun.junit import UnreadableReport, read_junit_files
from kcode.testrun.report import TestCase, bounded
from kcode.testrun.toolversions import find_tool, local_program


class PhpUnit:
    name = "phpunit"
    suffixes: tuple[str, ...] = (".php", ".phpt")
    signs = Signs(
        re.compile(r"^##teamcity\[testFinished "),
        re.compile(r"^##teamcity\[testFailed "),
        re.compile(r"^##teamcity\[testCount count='(\d{1,9})'"),
        hidden=re.compile(r"^##teamcity\[(?:testStarted name='([^']*)')?"),
        both=True,
    )

    def detect(self, folder: Path) -> str:
        config = has_file(folder, "phpunit.xml", "phpunit.xml.dist", "phpunit.dist.xml")
        named = re.search(r'"(phpunit/phpunit|pestphp/pest)"', text_of(folder / "composer.json"))
        return config or (f"{named[1]} in composer.json" if named else "")

    async def tools(self, suite: Suite, settings: Settings, environ: Mapping[str, str]) -> Tools:
        own = local_program(suite, "vendor/bin/pest", "vendor/bin/phpunit", "bin/phpunit")
        if own:
            return Tools((own,), f"{Path(own).parent.parent.name}/bin")
        remedy = "run `composer install` in the project, or install PHPUnit"
        return find_tool(suite, "php", "phpunit", environ, remedy)[1]

    def launch(self, suite: Suite, tools: Tools, targets: Sequence[Target], report: Path) -> Launch:
        paths = list(dict.fromkeys(target.path for target in targets if target.path))
        names = [target.name for target in targets if target.name]
        pattern = "|".join(re.escape(name).replace(r"\ ", " ").replace("/", r"\/") for name in names)
        whole = [f"--filter=/(^|::)({pattern})( with data set .*)?$/"] if names else []
        shown = (*tools.program, *whole, *paths)
        return Launch(
            (*shown, "--colors=never", "--teamcity", "--log-junit", str(report / "junit.xml")), shown
        )

    def read(self, done: Finished, suite: Suite, report: Path) -> Reading:
        def id_of(file: str, classname: str, name: str) -> str:
            place, title = _pest_file(file, classname, suite.folder), _pest_name(name)
            return f"{relative(place, suite.folder)}::{title}" if place else f"{classname}::{title}"

        try:
            files = [path for path in (report / "junit.xml",) if path.is_file()]
            cases = [_unnamed(case) for case in read_junit_files(files, suite.folder, id_of)]
            return Reading([replace(case, status="passed") if _risky(case, done) else case for case in cases])
        except UnreadableReport:
            return Reading()


_EVALUATED = "eval()'d code"  # where Pest 2 says that its tests are
_PEST = "__pest_evaluable_"


def _pest_file(file: str, classname: str, folder: Path) -> str:
    """The test's file. Pest writes ``tests/CartTest.php::it adds`` into the attribute, or its own innards, or
    words about the class: then the class says where it is, as its namespace is the folder's."""
    named, joint, _ = file.partition("::")
    if not joint and _EVALUATED not in file:
        return file
    if joint and (folder / named).is_file():
        return str(folder / named)
    parts = classname.replace("\\", ".").removeprefix("P.").split(".")
    for first in (parts[0], parts[0].lower()):
        place = folder.joinpath(first, *parts[1:]) if len(parts) > 1 else folder / first
        if (found := place.with_name(f"{place.name}.php")).is_file():
            return str(found)
    return ""


def _pest_name(name: str) -> str:
    """Pest's method for ``it adds`` is ``__pest_evaluable_it_adds``; two underlines stand for one."""
    if not name.startswith(_PEST):
        return name
    words = name.removeprefix(_PEST).split("__")
    return "_".join(word.replace("_", " ") for word in words)


def _risky(case: TestCase, done: Finished) -> bool:
    """PHPUnit's report calls a test without assertions an error, though its run does not fail for it."""
    return done.code == 0 and case.failing


def _unnamed(case: TestCase) -> TestCase:
    """PHPUnit begins a failure's text with the name of its test: the reason is below it."""
    named, _, said = case.assertion.partition("\n")
    if not case.failing or case.id.partition("::")[2].partition(" with data set")[0] not in named:
        return case
    return replace(case, message=bounded(said.strip().partition("\n")[0], 300), assertion=said.strip())


ADAPTERS = {"phpunit": PhpUnit()}
