"""``kcode resolve`` without a terminal: what is shown, proposed, checked and added."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import pytest

from kcode.errors import ExitCode
from tests.gitwork.conflicted import BASE, BOTH, OURS, TEST, THEIRS, branches, merge, proposed, put, shop
from tests.gitwork.conftest import Project
from tests.k2sim import Simulator

Sim = Callable[..., Simulator]


def asked(sim: Simulator, number: int = -1) -> str:
    return "\n".join(message["content"] for message in sim.chats[number].json["messages"])


def status(project: Project) -> str:
    return project.git("status", "--short")


def answer(project: Project, sim: Simulator, *options: str) -> dict[str, Any]:
    done = project.kcode(sim, "resolve", "--json", *options)
    data: dict[str, Any] = json.loads(done.stdout)
    assert data["exit_code"] == done.returncode, done.stderr
    return data


def test_without_anybody_to_ask_the_conflicts_are_listed_and_no_model_is_asked(
    project: Project, k2sim: Sim
) -> None:
    shop(project)
    before = (project.root / "shop.py").read_bytes()
    sim = k2sim([])
    done = project.kcode(sim, "resolve", env={"KCODE_PROVIDER": "no-such-provider"})
    assert done.returncode == ExitCode.NOT_ACHIEVED
    assert "merge: 1 file in conflict" in done.stderr
    assert "shop.py: both sides changed the same lines" in done.stderr
    (file,) = answer(project, sim)["files"]
    (hunk,) = file["hunks"]
    assert (hunk["ours"], hunk["theirs"]) == (OURS.split("\n")[1], THEIRS.split("\n")[1])
    assert hunk["base"] == BASE.split("\n")[1]
    assert not sim.chats
    assert (project.root / "shop.py").read_bytes() == before
    assert status(project) == "UU shop.py"


def test_nothing_in_conflict_is_fine(project: Project, k2sim: Sim) -> None:
    done = project.kcode(k2sim([]), "resolve")
    assert (done.returncode, done.stdout) == (0, "")
    assert "nothing is in conflict" in done.stderr


def test_a_sure_proposal_is_written_tested_and_added_but_nothing_is_committed(
    project: Project, k2sim: Sim
) -> None:
    put(project, "test_shop.py", TEST, "A test")
    shop(project)
    head = project.git("rev-parse", "HEAD")
    sim = k2sim([proposed()])
    done = project.kcode(sim, "resolve", "--yes")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "shop.py\n"
    assert (project.root / "shop.py").read_text() == BASE.replace("    return sum(prices)\n", BOTH)
    assert "tests: 1 passed" in done.stderr
    assert "git merge --continue goes on" in done.stderr
    assert status(project) == "M  shop.py"
    assert project.git("rev-parse", "HEAD") == head
    assert (project.root / ".git" / "MERGE_HEAD").exists()
    told = asked(sim)
    assert "Round totals to cents" in told
    assert "Add the tax" in told
    assert "=== base\n    return sum(prices)\n" in told


def test_with_failing_tests_the_conflicts_come_back(project: Project, k2sim: Sim) -> None:
    put(project, "test_shop.py", TEST, "A test")
    shop(project)
    before = (project.root / "shop.py").read_bytes()
    sim = k2sim([proposed("    return round(sum(prices) * 1.07, 2)\n")])
    done = project.kcode(sim, "resolve", "--yes")
    assert done.returncode == ExitCode.NOT_ACHIEVED
    assert "1 failed" in done.stderr
    assert "test_shop.py::test_total" in done.stderr
    assert "the conflicts are back as they were" in done.stderr
    assert (project.root / "shop.py").read_bytes() == before
    assert status(project) == "UU shop.py"


def test_where_too_many_tests_are_affected_all_of_them_run(project: Project, k2sim: Sim) -> None:
    for number in range(401):
        path = project.root / "tests" / f"test_total_{number}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text("import shop\n\n\ndef test_it() -> None:\n    assert shop\n")
    put(project, "test_shop.py", TEST, "Tests")
    shop(project)
    sim = k2sim([proposed("    return round(sum(prices) * 1.07, 2)\n")])
    done = project.kcode(sim, "resolve", "--yes")
    assert "1 failed, 401 passed" in done.stderr
    assert status(project).startswith("UU shop.py")


def test_no_tests_leaves_them_out(project: Project, k2sim: Sim) -> None:
    put(project, "test_shop.py", TEST, "A test")
    shop(project)
    data = answer(project, k2sim([proposed("    return 0\n")]), "--yes", "--no-tests")
    assert (data["tests"], data["tests_ok"], data["left"]) == ("", None, [])
    assert status(project) == "M  shop.py"


def test_dry_run_asks_and_changes_nothing(project: Project, k2sim: Sim) -> None:
    shop(project)
    before = (project.root / "shop.py").read_bytes()
    data = answer(project, k2sim([proposed()]), "--dry-run")
    assert data["files"][0]["hunks"][0]["resolution"] == BOTH.rstrip("\n")
    assert (data["files"][0]["state"], data["exit_code"]) == ("resolved", 0)
    assert (project.root / "shop.py").read_bytes() == before
    assert status(project) == "UU shop.py"


def test_what_the_model_is_not_sure_of_is_left(project: Project, k2sim: Sim) -> None:
    shop(project)
    before = (project.root / "shop.py").read_bytes()
    data = answer(project, k2sim([proposed(sure=False, why="Cents or tax?")]), "--yes")
    assert data["exit_code"] == ExitCode.NOT_ACHIEVED
    assert "Cents or tax?" in data["files"][0]["hunks"][0]["why"]
    assert (project.root / "shop.py").read_bytes() == before


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("<<<<<<< HEAD\n    return 1\n", "a conflict marker is left"),
        ("    return round(sum(prices) * 1.19, 2\n", "no longer parses as Python"),
    ],
)
def test_a_proposal_with_markers_or_broken_syntax_is_asked_for_again(
    project: Project, k2sim: Sim, bad: str, why: str
) -> None:
    shop(project)
    sim = k2sim([proposed(bad), proposed()])
    done = project.kcode(sim, "resolve", "--yes")
    assert done.returncode == 0, done.stderr
    assert why in asked(sim)
    assert BOTH in (project.root / "shop.py").read_text()


def test_a_second_bad_proposal_is_not_taken(project: Project, k2sim: Sim) -> None:
    shop(project)
    sim = k2sim([proposed("    return (\n"), proposed("    return (\n")])
    done = project.kcode(sim, "resolve", "--yes")
    assert done.returncode == ExitCode.NOT_ACHIEVED
    assert "no longer parses as Python" in done.stderr
    assert status(project) == "UU shop.py"


def test_continue_lets_git_finish_the_merge(project: Project, k2sim: Sim) -> None:
    shop(project)
    data = answer(project, k2sim([proposed()]), "--yes", "--continue")
    assert data["continued"] is True
    assert len(project.git("rev-list", "--parents", "-1", "HEAD").split()) == 3
    assert project.message().startswith("Merge branch 'feature'")
    assert status(project) == ""


def test_a_rebase_goes_from_conflict_to_conflict(project: Project, k2sim: Sim) -> None:
    branches(project, "shop.py", BASE, OURS, THEIRS)
    project.git("switch", "-q", "feature")
    put(project, "shop.py", THEIRS.replace("1.19", "1.20"), "Raise the tax")
    project.git("rebase", "main", check=False)
    sim = k2sim([proposed(), proposed(BOTH.replace("1.19", "1.20"))])
    data = answer(project, sim, "--yes", "--continue")
    assert (data["operation"], data["continued"], data["exit_code"]) == ("rebase", True, 0)
    assert "the commit that is being rebased" in asked(sim)
    assert "Raise the tax" in asked(sim)
    assert project.git("log", "--format=%s", "-3").split("\n") == [
        "Raise the tax",
        "Add the tax",
        "Round totals to cents",
    ]
    assert "1.20" in project.git("show", "HEAD:shop.py")


@pytest.mark.parametrize("name", ["cherry-pick", "revert", "stash"])
def test_other_operations_are_known_by_name(project: Project, k2sim: Sim, name: str) -> None:
    branches(project, "shop.py", BASE, OURS, THEIRS)
    if name == "cherry-pick":
        project.git("cherry-pick", "feature", check=False)
    elif name == "revert":
        put(project, "shop.py", OURS.replace("2)", "3)"), "More digits")
        project.git("revert", "--no-edit", "HEAD~1", check=False)
    else:
        project.write("shop.py", THEIRS)
        project.git("stash", "-q")
        put(project, "shop.py", OURS.replace("2)", "3)"), "More digits")
        project.git("stash", "pop", check=False)
    sim = k2sim([proposed()])
    data = answer(project, sim, "--yes", "--continue")
    assert data["operation"] == {"stash": ""}.get(name, name)
    assert data["left"] == []
    assert data["continued"] is (name != "stash")
    assert "UU" not in status(project)


@pytest.mark.parametrize("style", ["merge", "diff3", "zdiff3"])
def test_every_style_of_markers_gives_the_base(project: Project, k2sim: Sim, style: str) -> None:
    project.git("config", "merge.conflictStyle", style)
    base = "".join(f"line {n}\n" for n in range(1, 9))
    ours = base.replace("line 4\n", "line four\nsame\n")
    theirs = base.replace("line 4\n", "line IV\nsame\n")
    branches(project, "text.txt", base, ours, theirs)
    merge(project)
    (file,) = answer(project, k2sim([]))["files"]
    (hunk,) = file["hunks"]
    assert hunk["base"] == "line 4"
    assert hunk["ours"].startswith("line four")
    assert hunk["theirs"].startswith("line IV")


def test_bytes_beside_the_conflict_are_untouched(project: Project, k2sim: Sim) -> None:
    base = "# 店铺\r\nname = '店'\r\nend\n\xa0".encode("gb18030")
    ours, theirs = (
        base.replace(b"name", b"title"),
        base.replace("店'".encode("gb18030"), "铺子'".encode("gb18030")),
    )
    branches(project, "shop.ini", base, ours, theirs)
    merge(project)
    sim = k2sim([proposed("title = '铺子'")])
    done = project.kcode(sim, "resolve", "--yes")
    assert done.returncode == 0, done.stderr
    assert "title = '店'" in asked(sim)
    expected = "# 店铺\r\ntitle = '铺子'\r\nend\n\xa0".encode("gb18030")
    assert (project.root / "shop.ini").read_bytes() == expected


def test_characters_that_the_encoding_lacks_are_refused(project: Project, k2sim: Sim) -> None:
    base = "# caf\xe9\nname = 1\n".encode("latin-1")
    branches(project, "a.ini", base, base.replace(b"= 1", b"= 2"), base.replace(b"= 1", b"= 3"))
    merge(project)
    sim = k2sim([proposed("name = '店'"), proposed("name = '店'")])
    data = answer(project, sim, "--yes")
    assert "which has no '店'" in data["files"][0]["hunks"][0]["why"]
    assert status(project) == "UU a.ini"


def test_a_secret_in_the_conflict_is_not_sent(project: Project, k2sim: Sim) -> None:
    key = 'KEY = "sk-Zk3vQ9xT7mB2wL5pR8nYaJ4cHdE6fGuS"\n'
    branches(project, "a.py", "x = 1\n", key + "x = 2\n", "x = 3\n")
    merge(project)
    sim = k2sim([])
    data = answer(project, sim, "--yes")
    assert "a secret" in data["files"][0]["hunks"][0]["why"]
    assert not sim.chats


@pytest.mark.parametrize("ours", ["password: plum7-cherry!\n", "greeting: of-the-environment-7\n"])
def test_what_would_be_masked_is_not_sent_so_that_no_placeholder_comes_back(
    project: Project, k2sim: Sim, ours: str
) -> None:
    branches(project, "a.yml", "x: 1\n", ours, "x: 3\n")
    merge(project)
    sim = k2sim([])
    done = project.kcode(sim, "resolve", "--json", "--yes", env={"DEPLOY_SECRET": "of-the-environment-7"})
    assert "a secret" in json.loads(done.stdout)["files"][0]["hunks"][0]["why"], done.stderr
    assert not sim.chats


def test_a_proposal_with_the_placeholder_of_a_secret_is_not_taken(project: Project, k2sim: Sim) -> None:
    shop(project)
    made_up = "    return KCODE_SECRET_PASSWORD_0A1B2C3D\n"
    sim = k2sim([proposed(made_up), proposed()])
    answer(project, sim, "--yes", "--no-tests")
    assert "KCODE_SECRET" not in (project.root / "shop.py").read_text()
    assert BOTH in (project.root / "shop.py").read_text()
    assert "placeholder" in asked(sim)


def test_deleted_and_binary_conflicts_wait_for_a_person(project: Project, k2sim: Sim) -> None:
    branches(project, "gone.py", "x = 1\n", "x = 2\n", None)
    project.git("branch", "-D", "feature")
    branches(project, "logo.png", b"\x89PNG\0base", b"\x89PNG\0ours", b"\x89PNG\0theirs")
    merge(project)
    data = answer(project, k2sim([]), "--yes")
    assert {file["path"]: file["kind"] for file in data["files"]} == {"logo.png": "binary"}
    assert data["left"] == ["logo.png"]


def test_one_path_of_several_is_resolved(project: Project, k2sim: Sim) -> None:
    put(project, "sub/a.txt", "one\n", "a")
    branches(project, "b.txt", "one\n", "two\n", "three\n")
    project.git("switch", "-q", "feature")
    put(project, "sub/a.txt", "three\n", "a three")
    project.git("switch", "-q", "main")
    put(project, "sub/a.txt", "two\n", "a two")
    merge(project)
    done = project.kcode(k2sim([proposed("two and three\n")]), "resolve", "--yes", "sub")
    assert done.returncode == 0, done.stderr
    assert status(project) == "UU b.txt\nM  sub/a.txt"
    assert "the tests of all of them are run when the last one is resolved" in done.stderr
    wrong = project.kcode(k2sim([]), "resolve", "--yes", "shop.py")
    assert wrong.returncode == ExitCode.USAGE
    assert "shop.py has no conflict" in wrong.stderr


def test_a_file_resolved_by_hand_is_added_and_one_left_as_ours_is_not(project: Project, k2sim: Sim) -> None:
    shop(project)
    project.write("shop.py", BASE.replace("    return sum(prices)\n", BOTH))
    assert answer(project, k2sim([]), "--yes")["left"] == []
    assert status(project) == "M  shop.py"
    project.git("checkout", "-m", "--", "shop.py")
    project.git("checkout", "--ours", "--", "shop.py")
    data = answer(project, k2sim([]), "--yes")
    assert "exactly our side" in data["files"][0]["why"]
    assert data["left"] == ["shop.py"]


def test_markers_that_lost_their_others_are_named(project: Project, k2sim: Sim) -> None:
    shop(project)
    text = (project.root / "shop.py").read_text()
    project.write("shop.py", text.replace("=======\n", ""))
    data = answer(project, k2sim([]), "--yes")
    assert data["files"][0]["kind"] == "stray"
    assert "markers are left at line 2, 5" in data["files"][0]["why"]


def test_a_submodule_goes_where_one_side_contains_the_other(project: Project, k2sim: Sim) -> None:
    inner = Project(project.root / "lib")
    inner.root.mkdir()
    inner.git("init", "-q")
    commits = []
    for number in range(3):
        put(inner, "a.txt", f"{number}\n", str(number))
        commits.append(inner.git("rev-parse", "HEAD"))

    def at(number: int) -> None:
        project.git("update-index", "--add", "--cacheinfo", f"160000,{commits[number]},lib")
        project.git("commit", "-qm", f"lib {number}")

    inner.git("branch", "side", commits[0])
    inner.git("checkout", "-q", "side")
    put(inner, "b.txt", "side\n", "side")
    commits.append(inner.git("rev-parse", "HEAD"))
    at(0)
    project.git("switch", "-qc", "feature")
    at(2)
    project.git("switch", "-q", "main")
    at(3)
    project.git("merge", "feature", check=False)
    assert "lib" in project.git("ls-files", "--unmerged")
    data = answer(project, k2sim([]), "--yes")
    assert data["files"][0]["kind"] == "submodule"
    assert "neither side of the submodule contains the other" in data["files"][0]["why"]


def test_outside_a_repository(project: Project, k2sim: Sim, tmp_path: Any) -> None:
    bare = Project(tmp_path / "nowhere")
    bare.root.mkdir()
    done = bare.kcode(k2sim([]), "resolve")
    assert done.returncode == ExitCode.USAGE
    assert "no git repository" in done.stderr


def test_the_mode_of_the_side_that_changed_it_stays(project: Project, k2sim: Sim) -> None:
    branches(project, "run.sh", "echo 1\n", "echo 2\n", "echo 3\n")
    project.git("switch", "-q", "feature")
    project.git("update-index", "--chmod=+x", "run.sh")
    project.git("commit", "-qm", "executable")
    project.git("reset", "-q", "--hard")
    project.git("switch", "-q", "main")
    merge(project)
    assert answer(project, k2sim([proposed("echo 4\n")]), "--yes")["left"] == []
    assert project.git("ls-files", "--stage", "run.sh").startswith("100755")
    assert os.access(project.root / "run.sh", os.X_OK)


def test_what_is_left_and_why_is_told_in_the_users_language(project: Project, k2sim: Sim) -> None:
    shop(project)
    bad = proposed("<<<<<<< HEAD\n    return 1\n")
    done = project.kcode(k2sim([bad, bad]), "resolve", "--dry-run", env={"KCODE_UI__LANGUAGE": "zh"})
    assert "shop.py: 双方改了相同的行" in done.stderr
    assert "未解决：其中留有冲突标记" in done.stderr


def test_a_test_that_failed_before_the_merge_is_not_held_against_it(project: Project, k2sim: Sim) -> None:
    bad = "from shop import name\n\n\ndef test_name():\n    assert name() == 'market'\n"
    put(project, "test_shop.py", TEST, "A test")
    put(project, "test_name.py", bad, "A test that fails")
    shop(project)
    data = answer(project, k2sim([proposed()]), "--yes")
    assert data["failed_before"] == ["test_name.py::test_name"]
    assert (data["tests_ok"], data["left"], data["exit_code"]) == (True, [], 0)
    assert status(project) == "M  shop.py"


def test_a_new_failure_beside_an_old_one_brings_the_conflict_back(project: Project, k2sim: Sim) -> None:
    bad = "from shop import name\n\n\ndef test_name():\n    assert name() == 'market'\n"
    put(project, "test_shop.py", TEST, "A test")
    put(project, "test_name.py", bad, "A test that fails")
    shop(project)
    data = answer(project, k2sim([proposed("    return 0\n")]), "--yes")
    assert data["failed_before"] == ["test_name.py::test_name"]
    assert (data["tests_ok"], data["left"]) == (False, ["shop.py"])
    assert status(project) == "UU shop.py"


def test_the_last_resolution_runs_the_tests_of_all_of_them(project: Project, k2sim: Sim) -> None:
    put(project, "test_shop.py", TEST, "A test")
    put(project, "names.py", "a = 1\n", "names")
    project.git("switch", "-qc", "feature")
    put(project, "shop.py", THEIRS, "Add the tax")
    put(project, "names.py", "a = 2\n", "names there")
    project.git("switch", "-q", "main")
    put(project, "shop.py", OURS, "Round")
    put(project, "names.py", "a = 3\n", "names here")
    merge(project)
    sim = k2sim([proposed("    return 0\n"), proposed("a = 3\n")])
    first = answer(project, sim, "--yes", "shop.py")
    assert (first["tests"], first["tests_ok"]) == ("not run: other files are still in conflict", None)
    assert status(project).splitlines() == ["UU names.py", "M  shop.py"]
    last = answer(project, sim, "--yes")
    assert last["tests_ok"] is False
    assert "1 failed" in last["tests"]
    assert status(project).splitlines() == ["UU names.py", "M  shop.py"]


def two_sides(project: Project, *names: str) -> None:
    """``main`` and ``feature`` changed each file's only line; ``main`` is checked out."""
    for name in names:
        put(project, name, "x = 0\n", f"{name} as it was")
    project.git("switch", "-qc", "feature")
    for name in names:
        put(project, name, "x = 2\n", f"{name} there")
    project.git("switch", "-q", "main")
    for name in names:
        put(project, name, "x = 1\n", f"{name} here")


def test_a_patch_of_git_am_is_resolved_and_goes_on(project: Project, k2sim: Sim) -> None:
    two_sides(project, "a.py", "b.py")
    patches = project.git("format-patch", "-q", "-2", "feature", "--stdout")
    (project.root.parent / "mail").write_text(patches + "\n")
    project.git("am", "-q", "--3way", str(project.root.parent / "mail"), check=False)
    sim = k2sim([proposed("x = 12\n"), proposed("x = 21\n")])
    done = project.kcode(sim, "resolve", "--yes", "--continue", "--no-tests")
    assert done.returncode == 0, done.stderr
    assert "am: 1 file in conflict" in done.stderr
    assert project.git("log", "--format=%s", "-2").splitlines() == ["b.py there", "a.py there"]
    assert (project.root / "a.py").read_text() + (project.root / "b.py").read_text() == "x = 12\nx = 21\n"
    assert not (project.root / ".git" / "rebase-apply").exists()


def test_an_octopus_that_stopped_is_resolved_as_any_merge(project: Project, k2sim: Sim) -> None:
    two_sides(project, "a.py")
    project.git("switch", "-qc", "third", "main~1")
    put(project, "b.py", "y = 1\n", "another file")
    project.git("switch", "-q", "main")
    project.git("merge", "-q", "third", "feature", check=False)
    assert project.git("ls-files", "--unmerged")
    data = answer(project, k2sim([proposed("x = 12\n")]), "--yes", "--no-tests")
    assert (data["operation"], data["left"]) == ("merge", [])
    assert status(project).splitlines() == ["M  a.py", "A  b.py"]


def test_links_that_lead_elsewhere_on_both_sides_wait_for_a_person(project: Project, k2sim: Sim) -> None:
    def link(target: str, message: str) -> None:
        (project.root / "link").unlink(missing_ok=True)
        (project.root / "link").symlink_to(target)
        project.git("add", "link")
        project.git("commit", "-qm", message)

    link("shop.py", "A link")
    project.git("switch", "-qc", "feature")
    link("there.py", "there")
    project.git("switch", "-q", "main")
    link("here.py", "here")
    merge(project)
    (file,) = answer(project, k2sim([]), "--yes")["files"]
    assert (file["kind"], file["state"]) == ("link", "left")
    assert "only a person can choose" in file["why"]
    assert (project.root / "link").readlink().name == "here.py"


def test_a_repository_of_sha256(k2sim: Sim, tmp_path: Any) -> None:
    project = Project(tmp_path / "sha256")
    project.root.mkdir()
    project.git("init", "-q", "--object-format=sha256")
    two_sides(project, "a.py")
    merge(project)
    data = answer(project, k2sim([proposed("x = 12\n")]), "--yes", "--no-tests")
    assert data["left"] == []
    assert status(project) == "M  a.py"
    assert len(project.git("rev-parse", "HEAD")) == 64


def test_the_embedded_model_decides_nothing_alone(project: Project, k2sim: Sim, tmp_path: Any) -> None:
    shop(project)
    weights = tmp_path / "tiny.gguf"
    weights.write_bytes(b"GGUF" + bytes(64))
    more = {"KCODE_PROVIDER": "embedded", "KCODE_EMBEDDED__MODEL": str(weights), "KCODE_MODEL": ""}
    done = project.kcode(k2sim([]), "resolve", "--yes", env=more)
    assert done.returncode != 0
    assert status(project) == "UU shop.py"
