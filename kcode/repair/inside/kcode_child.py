"""Runs pytest in this process under limits and reports every result as it comes (see kcode_judge)."""

import importlib
import importlib.util
import os
import signal
import sys
import threading
from importlib import metadata
from typing import Any, Callable, Dict, FrozenSet, Iterable, Iterator, List, Optional, Set

import kcode_expect  # type: ignore[import-not-found]
import kcode_observe  # type: ignore[import-not-found]
import pytest

Note = Dict[str, Any]
Tell = Callable[[Note], None]

RESERVE_MB = 1024  # address space above what the interpreter already maps
PATIENCE = 1  # tests that may use up their time limit before the rest get less of it
IMPATIENT_S = 0.3
IMPORT_S = 10.0  # CPU time for importing tests and what they import, above the limit of one test


class TookTooLong(BaseException):
    """Not an Exception: the code under test must not swallow it by ``except Exception``."""


def run(request: Note, tell: Tell) -> None:
    root = request["roots"][1]
    inherited = frozenset(sys.modules)
    limit_memory(request["memory_mb"])
    limit_cpu(request["wall_s"])
    redirect_imports(*request["roots"])
    importlib.invalidate_caches()
    os.chdir(root)
    sys.path.insert(0, root)  # as `python -m pytest` does
    sys.argv = ["pytest"]
    reporter = Reporter(request, tell)
    plugins: List[object] = [reporter]
    if "probe" in request:
        tell({"answers": kcode_observe.answers(request["probe"])})
        tell({"finished": 0, "modules": []})
        return
    tracer = observer = None
    if "serve" in request:
        import kcode_swap  # type: ignore[import-not-found]

        plugins.append(kcode_swap.Server(reporter, *request["serve"]))
    if "observe" in request:
        observer = kcode_observe.Observer(os.path.join(root, request["observe"][0]), request["observe"][1])
        plugins.append(observer)
    if request.get("trace"):
        tracer = Tracer(root)
        plugins.append(tracer)
    code = pytest.main(options(request), plugins=plugins)
    if tracer:
        tell({"trace": {"lines": tracer.result(), "failures": reporter.failures}})
    if observer:
        tell({"observed": observer.result()})
    tell({"finished": int(code), "modules": foreign_modules(root, inherited)})


def warm_plugins() -> None:
    """Import what pytest's installed plugins need once, in the judge, so that each child has it."""
    if os.environ.get("PYTEST_DISABLE_PLUGIN_AUTOLOAD"):
        return
    for distribution in metadata.distributions():
        for entry in distribution.entry_points:
            if entry.group == "pytest11":
                warm_modules([entry.value.partition(":")[0]])


def warm_modules(names: Iterable[str]) -> None:
    for name in names:
        if name not in sys.modules:
            try:
                importlib.import_module(name)
            except BaseException:  # outer door: a foreign module may raise anything when imported alone
                sys.modules.pop(name, None)


def foreign_modules(root: str, inherited: FrozenSet[str]) -> List[str]:
    """The modules this run imported from outside the repository, in the order of their import."""
    root = os.path.realpath(root) + os.sep
    found = []
    for name, module in list(sys.modules.items()):
        path = None if name in inherited else getattr(module, "__file__", None)
        if path and not os.path.realpath(path).startswith(root) and name != "__main__":
            found.append(name)
    return found


def options(request: Note) -> List[str]:
    chosen = [
        *request["args"],
        "--rootdir=" + request["roots"][1],
        "-q",
        "--tb=no",
        "--continue-on-collection-errors",
        "-o",
        "cache_dir=" + os.path.join(request["roots"][1], ".kcode-cache"),
        "-p",
        "no:randomly",
        "-W",  # the plugins are warm on purpose; a project that makes warnings errors must not mind
        "ignore:Module already imported:pytest.PytestAssertRewriteWarning",
    ]
    if request.get("first"):
        chosen.append("--assert=plain")  # nobody reads why a candidate failed: half the time of a large file
    if request.get("collect"):
        chosen.append("--collect-only")
    if os.environ.get("PYTEST_DISABLE_PLUGIN_AUTOLOAD"):
        return chosen
    if importlib.util.find_spec("xdist"):
        chosen.append("-n0")
    if importlib.util.find_spec("pytest_cov"):
        chosen.append("--no-cov")
    return chosen


def limit_memory(megabytes: int) -> None:
    try:
        import resource

        with open("/proc/self/statm") as file:
            mapped = int(file.read().split()[0]) * resource.getpagesize()
    except (ImportError, OSError):
        return
    limit = max(megabytes << 20, mapped + (RESERVE_MB << 20))
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def limit_cpu(wall_s: float) -> None:
    """The last line of defence should the judge die: the kernel ends a loop that nobody else ends."""
    try:
        import resource
    except ImportError:
        return
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    limit = int(wall_s * 4) + 5
    if hard == resource.RLIM_INFINITY or limit < hard:
        resource.setrlimit(resource.RLIMIT_CPU, (limit, hard))


def redirect_imports(original: str, scratch: str) -> None:
    """An editable installation points at the user's tree: let it point at the scratch copy instead."""
    if original == scratch:
        return

    def moved(path: Any) -> Any:
        if not isinstance(path, str) or not (path == original or path.startswith(original + os.sep)):
            return path
        there = scratch + path[len(original) :]
        return there if os.path.exists(there) else path

    sys.path[:] = [moved(path) for path in sys.path]
    for finder in list(sys.meta_path):
        module = sys.modules.get(getattr(finder, "__module__", "") or "")
        for table in (getattr(module, "MAPPING", None), getattr(finder, "known_paths", None)):
            if isinstance(table, dict):
                for name, path in table.items():
                    table[name] = moved(path)


# --- what pytest tells ----------------------------------------------------------------------


class Reporter:
    """Tells each test's outcome, limits its CPU time, and stops the run where that was asked."""

    def __init__(self, request: Note, tell: Tell) -> None:
        self.session: Any = None
        self.begin(request, tell)

    def begin(self, request: Note, tell: Tell) -> None:
        self.tell = tell
        self.limit = request["per_test_s"]
        self.tolerated = set(request.get("tolerated", ()))
        self.stop = request.get("stop", False)
        self.trace = request.get("trace", False)
        self.collect = request.get("collect", False)
        self.first = list(request.get("first", ()))
        self.failures: Dict[str, Note] = {}
        self.seen: Dict[str, str] = {}
        self.hung = 0
        self.running = ""

    def pytest_sessionstart(self, session: Any) -> None:
        self.session = session

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: List[Any]) -> None:
        """The tests that decide come first; the others keep their order, which they may rely on."""
        rank = {name: number for number, name in enumerate(self.first)}
        items.sort(key=lambda item: rank.get(item.nodeid, len(rank)))

    def pytest_collection_finish(self, session: Any) -> None:
        if self.collect:
            for item in session.items:
                self.tell({"id": item.nodeid, "outcome": "skipped", "seconds": 0.0})

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: Any, nextitem: Any) -> Iterator[None]:
        self.running = item.nodeid
        timed = self.arm(self.limit if self.hung < PATIENCE else min(self.limit, IMPATIENT_S))
        try:
            yield
        finally:
            if timed:
                self.arm(0)

    def arm(self, seconds: float) -> bool:
        """CPU time, so that a busy machine does not fail a test; the judge's own limit is wall time."""
        if not hasattr(signal, "ITIMER_PROF") or threading.current_thread() is not threading.main_thread():
            return False
        signal.signal(signal.SIGPROF, self.too_long)
        signal.setitimer(signal.ITIMER_PROF, seconds, 0.2 if seconds else 0)
        return True

    def too_long(self, number: int, frame: Any) -> None:
        self.hung += 1
        self.tell({"hung": self.hung})
        if self.running in self.first:
            self.end()  # the others of them would most likely take their time too
        raise TookTooLong("it was stopped after %.1f s of CPU time" % self.limit)

    @pytest.hookimpl(hookwrapper=True)
    def pytest_collection(self, session: Any) -> Iterator[None]:
        """Importing the candidate may not end either."""
        timed = self.arm(IMPORT_S + self.limit)
        try:
            yield
        finally:
            if timed:
                self.arm(0)

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item: Any, call: Any) -> Iterator[None]:
        outcome: Any = yield
        report = outcome.get_result()
        if self.first and report.failed and call.excinfo is not None:
            self.tell(
                {
                    "at": kcode_expect.line_in(call.excinfo, str(getattr(item, "path", item.fspath))),
                    "of": item.nodeid,
                }
            )
        if self.trace and report.failed and call.excinfo is not None and item.nodeid not in self.failures:
            root = str(item.config.rootpath) if hasattr(item.config, "rootpath") else os.getcwd()
            self.failures[item.nodeid] = kcode_expect.describe(call.excinfo, root)

    def pytest_runtest_logreport(self, report: Any) -> None:
        before = self.seen.get(report.nodeid, "passed")
        now = report.outcome if report.when == "call" or report.outcome != "passed" else before
        if before == "failed":
            now = "failed"
        self.seen[report.nodeid] = now
        if now == "failed" or report.when == "teardown":
            self.tell({"id": report.nodeid, "outcome": now, "seconds": report.duration})
        if report.nodeid in self.first:
            over = report.nodeid == self.first[-1] and report.when == "teardown"
            if over and any(self.seen.get(one) != "passed" for one in self.first):
                self.end()
        elif now == "failed" and self.stop and report.nodeid not in self.tolerated:
            self.end()

    def end(self) -> None:
        """Not ``shouldstop``: that is an interruption; its traceback takes longer to write than the tests."""
        self.session.shouldfail = "a test that must pass failed"

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self.tell({"problem": "%s: %s" % (report.nodeid, str(report.longrepr)[-2000:])})


# --- which lines ran ------------------------------------------------------------------------


class Tracer:
    """The lines of repository files that each test ran, and ``""`` for what importing them ran."""

    def __init__(self, root: str) -> None:
        self.root = os.path.realpath(root) + os.sep
        self.wanted: Dict[str, Any] = {}
        self.hits: Dict[str, Dict[str, Set[int]]] = {"": {}}
        self.current = self.hits[""]

    def result(self) -> Dict[str, Dict[str, List[int]]]:
        return {
            test: {path: sorted(lines) for path, lines in files.items()} for test, files in self.hits.items()
        }

    @pytest.hookimpl(hookwrapper=True)
    def pytest_collection(self, session: Any) -> Iterator[None]:
        with self:
            yield

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: Any, nextitem: Any) -> Iterator[None]:
        self.current = self.hits.setdefault(item.nodeid, {})
        with self:
            yield

    def __enter__(self) -> "Tracer":
        threading.settrace(self.enter_frame)
        sys.settrace(self.enter_frame)
        return self

    def __exit__(self, *failure: object) -> None:
        sys.settrace(None)
        threading.settrace(None)

    def enter_frame(self, frame: Any, event: str, arg: Any) -> Any:
        name = frame.f_code.co_filename
        path = self.wanted.get(name, 0)
        if path == 0:
            path = self.wanted[name] = self.relative(name)
        if path is None:
            return None
        lines = self.current.get(path)
        if lines is None:
            lines = self.current[path] = set()
        add = lines.add

        def line(frame: Any, event: str, arg: Any) -> Any:
            if event == "line":
                add(frame.f_lineno)
            return line

        return line

    def relative(self, name: str) -> Optional[str]:
        real = os.path.realpath(name)
        if not real.endswith(".py") or not real.startswith(self.root):
            return None
        path = real[len(self.root) :].replace(os.sep, "/")
        return None if "site-packages" in path or path.startswith((".venv/", "venv/")) else path
