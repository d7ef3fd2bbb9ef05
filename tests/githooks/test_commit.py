from __future__ import annotations

import pytest

from kcode.githooks.checks import conflict_markers
from kcode.githooks.staged import Added, parse
from tests.githooks.conftest import KCODE, Repository

# Put together here, so that this file itself can be committed.
KEY = "sk-" + "Zk3v9QpL7xWm2TnR8sYb4HcD"
OURS, THEIRS = "<" * 7 + " HEAD\n", ">" * 7 + " topic\n"


def test_a_clean_first_commit_goes_through(hooked: Repository) -> None:
    hooked.stage("a.py", "print('hello')\n")
    done = hooked.commit()
    assert (done.returncode, done.stderr) == (0, "")
    assert hooked.count() == 1


def test_a_staged_key_stops_the_commit_masked_and_with_its_place(hooked: Repository) -> None:
    hooked.stage("src/app.py", f"a = 1\nb = 2\ntoken = '{KEY}'\n")
    done = hooked.commit()
    assert done.returncode == 1
    assert hooked.count() == 0
    assert "src/app.py:3: " in done.stderr
    assert KEY not in done.stderr
    assert "KCODE_HOOKS=0" in done.stderr


def test_conflict_markers_stop_the_commit(hooked: Repository) -> None:
    hooked.stage("a.txt", "one\n" + OURS + "two\n=======\nthree\n" + THEIRS)
    done = hooked.commit()
    assert done.returncode == 1
    for line in (2, 4, 6):
        assert f"a.txt:{line}: a conflict marker is left" in done.stderr


def test_an_underlined_heading_is_no_conflict(hooked: Repository) -> None:
    hooked.stage("README.rst", "Heading\n=======\n\n>>>>>>>> eight\n")
    assert hooked.commit().returncode == 0


def test_only_what_is_staged_counts(hooked: Repository) -> None:
    hooked.stage("a.py", "a = 1\n")
    hooked.write("a.py", f"a = '{KEY}'\n")
    hooked.write("untracked.py", f"a = '{KEY}'\n")
    assert hooked.commit().returncode == 0


def test_a_staged_key_counts_when_the_work_tree_is_clean_again(hooked: Repository) -> None:
    hooked.stage("a.py", f"a = '{KEY}'\n")
    hooked.write("a.py", "a = 1\n")
    assert hooked.commit().returncode == 1


def test_a_line_that_was_there_before_does_not_count(hooked: Repository) -> None:
    hooked.stage("a.py", f"a = '{KEY}'\nb = 1\n")
    assert hooked.commit(env={"KCODE_HOOKS": "0"}).returncode == 0
    hooked.stage("a.py", f"a = '{KEY}'\nb = 2\n")
    assert hooked.commit().returncode == 0


def test_a_partial_commit_is_judged_by_its_own_files(hooked: Repository) -> None:
    hooked.stage("a.py", "a = 1\n")
    hooked.stage("b.py", "b = 1\n")
    hooked.commit()
    hooked.write("a.py", "a = 2\n")
    hooked.stage("b.py", f"b = '{KEY}'\n")
    assert hooked.commit("a.py").returncode == 0
    assert hooked.commit().returncode == 1


def test_commit_all_is_judged_too(hooked: Repository) -> None:
    hooked.stage("a.py", "a = 1\n")
    hooked.commit()
    hooked.write("a.py", f"a = '{KEY}'\n")
    assert hooked.commit("-a").returncode == 1


def test_a_line_can_say_that_it_is_meant_so(hooked: Repository) -> None:
    hooked.stage("a.py", f"a = '{KEY}'  # kcode: allow\n")
    assert hooked.commit().returncode == 0


@pytest.mark.parametrize("way", ["variable", "no-verify"])
def test_both_ways_around_the_hook_work(hooked: Repository, way: str) -> None:
    hooked.stage("a.py", f"a = '{KEY}'\n")
    done = hooked.commit(env={"KCODE_HOOKS": "0"}) if way == "variable" else hooked.commit("--no-verify")
    assert done.returncode == 0


def test_binary_and_huge_files_are_passed_over(hooked: Repository) -> None:
    hooked.stage("data.bin", b"\0" + KEY.encode())
    hooked.stage("huge.txt", f"{KEY}\n" * 100_000)
    assert hooked.commit().returncode == 0


@pytest.mark.parametrize("name", ["spaced name.py", "naïve/文件.py", 'quo"te.py', "tab\there.py", "-dash.py"])
def test_unusual_names_are_named(hooked: Repository, name: str) -> None:
    hooked.stage(name, f"a = '{KEY}'\n")
    done = hooked.commit()
    assert done.returncode == 1
    assert name.replace("\t", "") in done.stderr.replace("\\t", "").replace("␉", "").replace("\t", "")


def test_deleted_and_renamed_files_are_no_trouble(hooked: Repository) -> None:
    hooked.stage("a.py", f"a = '{KEY}'\n" + "b = 1\n" * 20)
    hooked.stage("gone.py", f"a = '{KEY}'\n")
    hooked.commit(env={"KCODE_HOOKS": "0"})
    hooked.git("mv", "a.py", "b.py")
    hooked.git("rm", "-q", "gone.py")
    assert hooked.commit().returncode == 0


def test_a_merge_is_checked_for_markers_but_not_for_old_keys(hooked: Repository) -> None:
    hooked.stage("a.txt", "base\n")
    hooked.commit()
    hooked.git("checkout", "-q", "-b", "topic")
    hooked.stage("a.txt", "topic\n")
    hooked.stage("key.py", f"a = '{KEY}'\n")
    hooked.commit(env={"KCODE_HOOKS": "0"})
    hooked.git("checkout", "-q", "main")
    hooked.stage("a.txt", "main\n")
    hooked.commit()
    assert hooked.run("git", "merge", "topic").returncode == 1
    hooked.git("add", "a.txt")
    stopped = hooked.commit()
    assert stopped.returncode == 1
    assert "conflict marker" in stopped.stderr
    assert "key.py" not in stopped.stderr
    hooked.stage("a.txt", "both\n")
    assert hooked.commit().returncode == 0


def test_the_check_can_be_run_by_hand(hooked: Repository) -> None:
    hooked.stage("a.py", f"a = '{KEY}'\n")
    assert hooked.kcode("hook", "run", "pre-commit").returncode == 1


def test_when_the_check_cannot_run_the_commit_goes_on_unless_told_otherwise(hooked: Repository) -> None:
    hooked.stage("a.py", "a = 1\n")
    outside = Repository(hooked.root.parent)
    assert outside.kcode("hook", "run", "pre-commit").returncode == 0
    outside.kcode("config", "set", "hooks.fail_closed", "true")
    closed = outside.kcode("hook", "run", "pre-commit")
    assert closed.returncode == 1
    assert "nothing was checked" in closed.stderr


def test_a_kcode_that_is_gone_blocks_nothing_and_says_so(hooked: Repository) -> None:
    script = hooked.root / ".git" / "hooks" / "pre-commit"
    script.write_text(script.read_text().replace(f"kcode='{KCODE}'", "kcode='/gone/kcode'"))
    hooked.stage("a.py", f"a = '{KEY}'\n")
    git = hooked.run("sh", "-c", "command -v git").stdout.strip()
    tools = hooked.root.parent / "bin"
    tools.mkdir()
    for name in ("git", "sh", "dirname"):
        (tools / name).symlink_to(hooked.run("sh", "-c", f"command -v {name}").stdout.strip() or git)
    done = hooked.commit(env={"PATH": str(tools)})
    assert done.returncode == 0
    assert "kcode was not found" in done.stderr


def test_a_kcode_that_moved_is_found_on_the_path(hooked: Repository) -> None:
    script = hooked.root / ".git" / "hooks" / "pre-commit"
    script.write_text(script.read_text().replace(f"kcode='{KCODE}'", "kcode='/gone/kcode'"))
    hooked.stage("a.py", f"a = '{KEY}'\n")
    path = f"{KCODE.parent}:{hooked.run('sh', '-c', 'echo $PATH').stdout.strip()}"
    assert hooked.commit(env={"PATH": path}).returncode == 1


def test_a_plus_line_that_looks_like_a_header_is_content() -> None:
    diff = "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -0,0 +1,3 @@\n+++ b/y\n++ more\n+diff --git a/z b/z\n"
    assert parse(diff) == [Added("x", ((1, "++ b/y"), (2, "+ more"), (3, "diff --git a/z b/z")))]


def test_a_lone_closing_marker_is_found() -> None:
    (finding,) = conflict_markers([Added("x", ((9, THEIRS.rstrip()),))])
    assert (finding.path, finding.line) == ("x", 9)
