"""The index against a repository that changes under it: what it holds, and what no crash takes."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from kcode.codemap import asking, store
from kcode.codemap.build import build, update_few
from kcode.codemap.files import MOST_LOOSE, listing
from kcode.codemap.languages import QUERIES
from kcode.codemap.ranking import around, ranking
from kcode.codemap.service import build_now
from kcode.codemap.standby import Standby
from kcode.tools.mapping import measure
from kcode.workspace.listing import list_files
from tests.codemap.conftest import git, write

MODULE = """\
from m{a} import f{a}


class C{n}:
    def go{n}(self):
        return f{a}(f{b}())


def f{n}():
    return C{n}()
"""


def module(number: int, chance: random.Random) -> str:
    return MODULE.format(n=number, a=chance.randrange(30), b=chance.randrange(30))


def content(root: Path) -> dict[str, object]:
    """All that the index says, by path: definitions, ranks, neighbours, and the map that is drawn of it."""
    index = store.open_for_reading(store.index_path(root))
    assert index is not None
    ranked = ranking(index)
    paths = dict(index.execute("SELECT id, path FROM files"))
    graph = around(index)
    near = {
        paths[file]: {paths[ranked.files[at]]: share for at, share in graph.neighbours(place).items()}
        for place, file in enumerate(ranked.files)
    }
    found: dict[str, object] = {
        "definitions": {path: store.definitions_in(index, path) for path in sorted(paths.values())},
        "ranks": {paths[file]: score for file, score in ranked.by_file().items()},
        "near": near,
        "map": asking.draw(index, 3_000, measure),
        "focus": asking.draw(index, 500, measure, ("m3.py",)),
    }
    index.close()
    return found


def cold(root: Path) -> dict[str, object]:
    store.forget(store.index_path(root))
    build(root)
    return content(root)


def change(root: Path, chance: random.Random, step: int) -> None:
    """One of the things that people and tools do to a repository."""
    files = sorted(path.name for path in root.glob("*.py"))
    chosen = chance.choice(files)
    what = chance.choice(["edit", "edit", "new", "delete", "rename", "commit", "branch", "folder"])
    if what == "edit":
        (root / chosen).write_text(module(int(chosen[1:-3]), chance) + f"# {step}\n")
    elif what == "new":
        (root / f"m{100 + step}.py").write_text(module(100 + step, chance))
    elif what == "delete" and len(files) > 5:
        (root / chosen).unlink()
    elif what == "rename":
        (root / chosen).rename(root / f"m{200 + step}.py")
    elif what == "commit":
        git(root, "add", "-A")
        git(root, "commit", "-q", "--allow-empty", "-m", str(step))
    elif what == "branch":
        git(root, "add", "-A")
        git(root, "commit", "-q", "--allow-empty", "-m", str(step))
        git(root, "checkout", "-q", "-B", f"b{step}")
        git(root, "checkout", "-q", chance.choice(git(root, "branch", "--format=%(refname:short)").split()))
    elif what == "folder":
        write(root, {f"sub{step}/deep/x{step}.py": module(300 + step, chance)})


@pytest.mark.parametrize("seed", range(4))
def test_after_any_changes_the_index_is_what_a_new_one_would_be(repo: Path, seed: int) -> None:
    chance = random.Random(seed)
    write(repo, {f"m{number}.py": module(number, chance) for number in range(12)})
    git(repo, "add", "-A")
    git(repo, "commit", "-q", "-m", "begin")
    build(repo)
    for step in range(8):
        for _ in range(chance.randrange(1, 4)):
            change(repo, chance, step)
        build(repo)
    assert content(repo) == cold(repo)


def test_hash_seeds_processes_and_workers_make_no_difference(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(5)
    write(repo, {f"m{number}.py": module(number, chance) for number in range(200)})
    found = []
    for seed, workers in (("0", "1"), ("1", "2"), ("77", "3")):
        monkeypatch.setenv("PYTHONHASHSEED", seed)
        store.forget(store.index_path(repo))
        command = [sys.executable, "-m", "kcode.codemap.build", str(repo), "--workers", workers]
        done = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        assert (done["files"], done["parsed"]) == (200, 200)
        found.append(content(repo))
    assert found[0] == found[1] == found[2]


def test_what_is_unchanged_is_not_read_again_and_a_known_content_not_parsed(repo: Path) -> None:
    write(repo, {"m1.py": "def one(): pass\n", "m2.py": "def two(): pass\n"})
    assert build(repo).parsed == 2
    assert build(repo).parsed == 0
    (repo / "m1.py").rename(repo / "m3.py")
    moved = build(repo)
    assert (moved.parsed, moved.removed) == (0, 1)


def test_a_builder_killed_at_any_moment_leaves_an_index_that_the_next_one_completes(repo: Path) -> None:
    chance = random.Random(9)
    write(repo, {f"m{number}.py": module(number, chance) * 20 for number in range(300)})
    for wait_s in (0.1, 0.25, 0.4, 0.7):
        running = subprocess.Popen(
            [sys.executable, "-m", "kcode.codemap.build", str(repo)], stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        time.sleep(wait_s)
        running.send_signal(signal.SIGKILL)
        running.wait()
    build(repo)
    left = content(repo)
    assert left == cold(repo)


@pytest.mark.parametrize("harm", ["garbage", "cut", "inside", "empty", "version"])
def test_a_damaged_index_is_built_anew(repo: Path, harm: str) -> None:
    write(repo, {f"m{number}.py": module(number, random.Random(number)) for number in range(80)})
    build(repo)
    before = content(repo)
    path = store.index_path(repo)
    size = path.stat().st_size
    if harm == "garbage":
        path.write_bytes(b"no database at all" * 500)
    elif harm == "cut":
        os.truncate(path, size // 2)
    elif harm == "inside":
        with path.open("r+b") as stream:
            stream.seek(8_192)
            stream.write(b"\xa5" * (size - 8_192))
    elif harm == "empty":
        path.write_bytes(b"")
    else:
        with sqlite3.connect(path) as connection:
            connection.execute("UPDATE facts SET value = '0' WHERE name = 'version'")
    (repo / "m1.py").write_text((repo / "m1.py").read_text())  # something to do
    build(repo)
    assert content(repo) == before


def test_two_builders_at_once_both_succeed(repo: Path) -> None:
    write(repo, {f"m{number}.py": module(number, random.Random(number)) for number in range(120)})
    command = [sys.executable, "-m", "kcode.codemap.build", str(repo)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(2)]
    done = [json.loads(process.communicate(timeout=60)[0]) for process in both]
    assert sorted(each["parsed"] for each in done) == [0, 120]
    assert content(repo) == cold(repo)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_cache_that_may_not_be_written_is_an_error_in_words(repo: Path, cache: Path) -> None:
    write(repo, {"m1.py": "def one(): pass\n"})
    cache.chmod(0o500)
    done = subprocess.run(
        [sys.executable, "-m", "kcode.codemap.build", str(repo)], capture_output=True, text=True
    )
    assert done.returncode == 9
    assert "error" in json.loads(done.stdout)


def test_a_full_disk_is_an_error_in_words_and_the_index_stays(repo: Path) -> None:
    write(repo, {"m1.py": "def one(): pass\n"})
    build(repo)
    write(repo, {f"n{number}.py": module(number, random.Random(number)) * 40 for number in range(70)})
    limited = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000));"
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "from kcode.codemap.build import main; raise SystemExit(main(sys.argv[1:]))"
    )
    done = subprocess.run([sys.executable, "-c", limited, str(repo)], capture_output=True, text=True)
    assert done.returncode == 9, done.stderr
    assert json.loads(done.stdout)["error"]
    build(repo)
    assert content(repo) == cold(repo)


def test_submodules_and_repositories_within_are_part_of_it_as_for_searches_and_links_are_not(
    repo: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "-q")
    write(other, {"secret.py": "def outside(): pass\n"})
    git(other, "add", "-A")
    git(other, "commit", "-q", "-m", "x")
    write(repo, {"m1.py": "def one(): pass\n"})
    (repo / "link.py").symlink_to(other / "secret.py")
    (repo / "linked").symlink_to(other)
    git(repo, "submodule", "add", "-q", str(other), "sub")
    subprocess.run(["git", "clone", "-q", str(other), str(repo / "nested")], check=True)
    git(repo, "add", "m1.py", "link.py", "linked")
    git(repo, "commit", "-q", "-m", "x")
    build(repo)
    index = store.open_for_reading(store.index_path(repo))
    assert index is not None
    paths = [path for (path,) in index.execute("SELECT path FROM files ORDER BY path")]
    index.close()
    assert paths == ["m1.py", "nested/secret.py", "sub/secret.py"]
    assert set(paths) == set(list_files(repo)) - {".gitmodules", "link.py", "linked"}
    tree = tmp_path / "tree"
    git(repo, "worktree", "add", "-q", str(tree))
    assert listing(tree).paths == ["link.py", "m1.py"]
    write(tree, {"here.py": "def here(): pass\n"})
    build(tree)
    assert set(content(tree)["ranks"]) == {"here.py", "m1.py"}  # type: ignore[call-overload]
    assert "here.py" not in content(repo)["ranks"]  # type: ignore[operator]


def test_names_that_are_no_text_are_left_out(repo: Path) -> None:
    write(repo, {"m1.py": "def one(): pass\n", "größe.py": "def two(): pass\n"})
    try:
        Path(os.fsdecode(os.fsencode(repo) + b"/caf\xe9.py")).write_text("def three(): pass\n")
    except OSError:
        pytest.skip("names are Unicode there")
    assert listing(repo).paths == ["größe.py", "m1.py"]
    assert build(repo).files == 2


def test_a_folder_that_is_no_repository_is_bounded_and_says_so(tmp_path: Path) -> None:
    home = tmp_path / "home"
    for number in range(MOST_LOOSE + 5):
        if number % 100 == 0:
            (home / f"d{number // 100:03}").mkdir(parents=True)
        (home / f"d{number // 100:03}" / f"f{number}.toml").touch()
    found = listing(home)
    assert len(found.paths) == MOST_LOOSE
    assert found.cut == f"this is no git repository: only {MOST_LOOSE:,} of its files are in the map"


def test_a_few_files_are_read_again_at_once(repo: Path) -> None:
    write(repo, {"m1.py": "def one(): pass\n", "m2.py": "def two(): one()\n"})
    build(repo)
    write(repo, {"m1.py": "def one(more): pass\n"})
    standby = Standby()
    assert update_few(repo, ["m1.py"], standby), "what connects files is as it was: so are the ranks"
    write(repo, {"m1.py": "def other(): two()\n", "m3.py": "def three(): pass\n"})
    (repo / "m2.py").unlink()
    assert not update_few(repo, ["m1.py", "m2.py", "m3.py", "never.py"], standby)
    standby.close()
    index = store.open_for_reading(store.index_path(repo))
    assert index is not None
    assert [place.path for place in asking.find_symbol(index, "three")] == ["m3.py"]
    assert asking.find_symbol(index, "other")[0].definition.signature == "def other()"
    assert "two" not in {
        each.name for path in ("m1.py", "m3.py") for each in store.definitions_in(index, path)
    }
    index.close()
    build(repo)
    assert content(repo) == cold(repo)


FAULTS = {
    "faults": "import os, signal\n\ndef language():\n    os.kill(os.getpid(), signal.SIGSEGV)\n",
    "hangs": "def language():\n    while True:\n        pass\n",
}


SOON = (  # a minute is long for a test
    "import signal\nreal = signal.setitimer\n"
    "signal.setitimer = lambda which, seconds: real(which, min(seconds, 0.5))\n"
)


@pytest.mark.parametrize("many", [False, True], ids=["few files", "many files"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_file_on_which_a_grammar_fails_is_left_out_and_the_others_are_read(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str, many: bool
) -> None:
    (tmp_path / "tree_sitter_kotlin.py").write_text(FAULTS[fault])
    (tmp_path / "sitecustomize.py").write_text(SOON)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    write(repo, {f"m{number}.py": f"def f{number}(): pass\n" for number in range(200 if many else 5)})
    write(repo, {"m3a.kt": "class Hidden\n"})
    outcome = build_now(repo, 120)
    assert outcome.cut == ""
    index = store.open_for_reading(store.index_path(repo))
    assert index is not None
    assert store.count_files(index) == len(listing(repo).paths)
    assert not store.definitions_in(index, "m3a.kt")
    assert all(asking.find_symbol(index, f"f{number}") for number in (0, 2, 3, 4))
    index.close()
    assert (
        json.loads(
            subprocess.run(
                [sys.executable, "-m", "kcode.codemap.build", str(repo)],
                capture_output=True,
                text=True,
                check=True,
            ).stdout
        )["parsed"]
        == 0
    ), "what fails is not tried again"


def test_a_grammar_that_fails_on_every_file_costs_its_own_language_only(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tree_sitter_kotlin.py").write_text(FAULTS["faults"])
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    write(repo, {f"m{number}.py": f"def f{number}(): pass\n" for number in range(130)})
    write(repo, {f"a{number}.kt": f"class A{number}\n" for number in range(40)})
    write(repo, {"z.rs": "fn last() {}\n"})
    build(repo, workers=1)
    index = store.open_for_reading(store.index_path(repo))
    assert index is not None
    assert store.count_files(index) == len(listing(repo).paths)
    assert all(asking.find_symbol(index, name) for name in ("f0", "f129", "last"))
    assert not asking.find_symbol(index, "A7")
    index.close()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_grammar_that_fails_on_a_changed_file_does_not_take_the_session(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    write(repo, {"m1.py": "def one(): pass\n", "m2.py": "def two(): pass\n", "m3.kt": "class Three\n"})
    build(repo)
    (tmp_path / "tree_sitter_kotlin.py").write_text(FAULTS[fault])
    (tmp_path / "sitecustomize.py").write_text(SOON)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    for name, text in (("m1.py", "new"), ("m2.py", "other")):
        write(repo, {name: f"def {text}(): pass\n", "m3.kt": f"class {text.title()}\n"})
    standby = Standby()
    update_few(repo, ["m1.py", "m3.kt", "m2.py"], standby)
    index = store.open_for_reading(store.index_path(repo))
    assert index is not None
    assert [place.path for place in asking.find_symbol(index, "new")] == ["m1.py"]
    assert [place.path for place in asking.find_symbol(index, "other")] == ["m2.py"]
    assert not store.definitions_in(index, "m3.kt")
    index.close()
    write(repo, {"m1.py": "def again(): pass\n"})
    child = standby._child
    update_few(repo, ["m1.py", "m3.kt"], standby)  # what fails is not tried again
    assert standby._child is child is not None
    child.process.kill()
    child.process.wait()
    with pytest.raises(OSError, match="-9"):
        standby.read(repo, ["m1.py"])
    assert [path for path, *_ in standby.read(repo, ["m1.py"])] == ["m1.py"]
    started = standby._child
    standby.close()
    assert started is not None
    assert started.process.returncode is not None


def test_files_whose_grammar_is_not_installed_are_told_and_read_once_it_is(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(repo, {"a.py": "def one(): pass\n", "b.kt": "class Two\n", "c.cs": "class Three {}\n"})
    with monkeypatch.context() as without:
        (tmp_path / "sitecustomize.py").write_text(
            "import sys\nsys.modules.update(tree_sitter_kotlin=None, tree_sitter_c_sharp=None)\n"
        )
        without.setenv("PYTHONPATH", str(tmp_path))
        assert build_now(repo, 120).unread == ("csharp", "kotlin")
    assert build_now(repo, 120).unread == ()
    index = store.open_for_reading(store.index_path(repo))
    assert index is not None
    assert asking.find_symbol(index, "Two")
    index.close()


def test_the_wheel_has_the_queries_of_every_language(tmp_path: Path) -> None:
    pytest.importorskip("hatchling")
    top = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=top, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        packed = {name for name in wheel.namelist() if name.endswith(".scm")}
    assert packed == {f"kcode/codemap/queries/{path.name}" for path in QUERIES.glob("*.scm")}
