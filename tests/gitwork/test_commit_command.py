"""``kcode commit`` without a terminal."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from kcode.errors import ExitCode
from tests.gitwork.conftest import Project
from tests.k2sim import Simulator, say

Sim = Callable[..., Simulator]


def asked(sim: Simulator) -> str:
    """All that the last request told the model."""
    return "\n".join(message["content"] for message in sim.chats[-1].json["messages"])


def test_with_a_yes_the_staged_change_is_committed_with_the_drafted_message(
    project: Project, k2sim: Sim
) -> None:
    project.stage("shop.py", "def total(prices):\n    return round(sum(prices), 2)\n")
    sim = k2sim([say("Round totals to cents\n\nFloats add up to 0.30000000000000004.")])
    done = project.kcode(sim, "commit", "--yes")
    assert done.returncode == 0, done.stderr
    assert project.message() == "Round totals to cents\n\nFloats add up to 0.30000000000000004."
    assert done.stdout.strip() == project.git("rev-parse", "--short", "HEAD")
    assert "cost: ¥" in done.stderr
    assert "return round(sum(prices), 2)" in asked(sim)
    assert len(sim.chats) == 1
    assert not (project.root / ".git" / "KCODE_EDITMSG").exists()


def test_without_a_yes_and_a_person_the_draft_is_printed_and_nothing_committed(
    project: Project, k2sim: Sim
) -> None:
    project.stage("a.py", "x = 1\n")
    before = project.state()
    done = project.kcode(k2sim([say("Add a")]), "commit")
    assert (done.returncode, done.stdout) == (ExitCode.NOT_ACHIEVED, "Add a\n")
    assert "--yes commits it" in done.stderr
    assert project.state() == before


def test_json_says_what_became_of_it(project: Project, k2sim: Sim) -> None:
    project.stage("a.py", "x = 1\n")
    sim = k2sim([say("Add a"), say("Add a")])
    draft = json.loads(project.kcode(sim, "commit", "--json").stdout)
    assert (draft["committed"], draft["message"], draft["files"]) == (False, "Add a", ["a.py"])
    made = json.loads(project.kcode(sim, "commit", "--json", "--yes").stdout)
    assert (made["committed"], made["exit_code"]) == (True, 0)
    assert project.git("rev-parse", "HEAD").startswith(made["commit"])


def test_of_a_file_staged_in_part_exactly_the_staged_part_is_committed(project: Project, k2sim: Sim) -> None:
    project.stage("shop.py", "STAGED = 1\n")
    project.write("shop.py", "STAGED = 1\nLATER = 2\n")
    sim = k2sim([say("Stage a constant")])
    done = project.kcode(sim, "commit", "--yes")
    assert done.returncode == 0, done.stderr
    assert "shop.py: only the staged part is committed" in done.stderr
    assert project.git("show", "HEAD:shop.py") == "STAGED = 1"
    assert "LATER" not in asked(sim)
    assert project.git("status", "--short") == "M shop.py"


def test_with_nothing_staged_all_has_to_be_said(project: Project, k2sim: Sim) -> None:
    project.write("shop.py", "x = 1\n")
    project.write("new.py", "y = 2\n")
    sim = k2sim([say("Rewrite the shop")])
    refused = project.kcode(sim, "commit", "--yes")
    assert refused.returncode == ExitCode.USAGE
    assert "nothing is staged" in refused.stderr
    assert "--all" in refused.stderr
    assert not sim.chats
    done = project.kcode(sim, "commit", "--yes", "--all")
    assert done.returncode == 0, done.stderr
    assert project.git("status", "--short") == ""
    assert project.git("show", "--format=", "--name-only", "HEAD").split() == ["new.py", "shop.py"]


def test_a_draft_of_all_changes_leaves_the_index_as_it_was(project: Project, k2sim: Sim) -> None:
    project.stage("a.py", "x = 1\n")
    project.write("new.py", "y = 2\n")
    before = project.state()
    sim = k2sim([say("Add things")])
    assert project.kcode(sim, "commit", "--all").returncode == ExitCode.NOT_ACHIEVED
    assert "new.py" in asked(sim)
    assert project.state() == before


def test_a_clean_tree_has_nothing_to_commit(project: Project, k2sim: Sim) -> None:
    done = project.kcode(k2sim([]), "commit", "--yes", env={"KCODE_PROVIDER": "no-such-provider"})
    assert done.returncode == ExitCode.NOT_ACHIEVED
    assert "the work tree is clean" in done.stderr


def test_the_first_commit_of_a_repository(empty: Project, k2sim: Sim) -> None:
    empty.stage("shop.py", "x = 1\n")
    sim = k2sim([say("Start the shop")])
    done = empty.kcode(sim, "commit", "--yes")
    assert done.returncode == 0, done.stderr
    assert empty.message() == "Start the shop"
    assert "no commits yet" in asked(sim)


def test_the_first_commit_of_everything_that_a_hook_refuses_leaves_no_index(
    empty: Project, k2sim: Sim
) -> None:
    empty.write("shop.py", "x = 1\n")
    empty.hook("pre-commit", "echo no >&2; exit 1\n")
    done = empty.kcode(k2sim([say("Start the shop")]), "commit", "--yes", "--all")
    assert done.returncode == ExitCode.NOT_ACHIEVED, done.stderr
    assert empty.git("status", "--short") == "?? shop.py"


def test_on_a_detached_head_the_commit_is_made_there(project: Project, k2sim: Sim) -> None:
    project.git("checkout", "-q", "--detach")
    project.stage("a.py", "x = 1\n")
    done = project.kcode(k2sim([say("Add a")]), "commit", "--yes")
    assert done.returncode == 0, done.stderr
    assert project.git("log", "-1", "--format=%s") == "Add a"
    assert project.git("log", "-1", "--format=%s", "main") == "start"


def test_renames_binaries_modes_deletions_and_names_in_chinese_are_described(
    project: Project, k2sim: Sim
) -> None:
    project.stage("old name.txt", "one\ntwo\nthree\nfour\n")
    project.stage("run.sh", "echo\n")
    project.stage("gone.txt", "gone\n")
    project.git("commit", "-qm", "files")
    project.git("mv", "old name.txt", "新名字.txt")
    project.git("rm", "-q", "gone.txt")
    project.git("update-index", "--chmod=+x", "run.sh")
    project.stage("logo.png", b"\x89PNG\r\n\x1a\n\0\0\0")
    sim = k2sim([say("Move things")])
    done = project.kcode(sim, "commit", "--json", "--yes")
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)["files"]) == {"新名字.txt", "gone.txt", "run.sh", "logo.png"}
    told = asked(sim)
    assert "=== old name.txt -> 新名字.txt (renamed" in told
    assert "=== logo.png (added, +0 -0, binary)" in told
    assert "=== gone.txt (deleted, +0 -1)" in told


def test_a_hook_that_says_no_is_shown_whole_and_the_message_is_kept(project: Project, k2sim: Sim) -> None:
    project.stage("a.py", "x = 1\n")
    project.hook("pre-commit", 'for n in 1 2 3; do echo "lint: line $n is wrong"; done\nexit 3\n')
    before = project.state()
    done = project.kcode(k2sim([say("Add a")]), "commit", "--yes")
    assert done.returncode == ExitCode.NOT_ACHIEVED
    for number in (1, 2, 3):
        assert f"lint: line {number} is wrong" in done.stderr
    assert "git commit -F .git/KCODE_EDITMSG" in done.stderr
    assert project.state() == before
    (project.root / ".git" / "hooks" / "pre-commit").unlink()
    project.git("commit", "-q", "-F", ".git/KCODE_EDITMSG")
    assert project.message() == "Add a"


def test_the_users_hooks_and_identity_hold(project: Project, k2sim: Sim) -> None:
    project.git("config", "user.name", "Somebody Else")
    project.hook("commit-msg", 'echo "Change-Id: I123" >> "$1"\n')
    project.hook("pre-commit", "echo formatted > made.txt; git add made.txt\n")
    project.stage("a.py", "x = 1\n")
    done = project.kcode(k2sim([say("Add a")]), "commit", "--yes")
    assert done.returncode == 0, done.stderr
    assert "Change-Id: I123" in project.message()
    assert project.git("log", "-1", "--format=%an") == "Somebody Else"
    assert "a hook changed what was committed" in done.stderr


def test_a_key_stops_the_commit_before_a_model_sees_it(project: Project, k2sim: Sim) -> None:
    project.stage("settings.py", 'API_KEY = "sk-Zk3vQ9xT7mB2wL5pR8nYaJ4cHdE6fGuS"\n')
    before, sim = project.state(), k2sim([])
    done = project.kcode(sim, "commit", "--yes")
    assert done.returncode == ExitCode.NOT_ACHIEVED
    assert "settings.py:1: API key: sk-Z...uS" in done.stderr
    assert "Zk3vQ9xT7" not in done.stderr
    assert not sim.chats
    assert project.state() == before


def test_sensitive_files_and_secrets_among_removed_lines_are_not_sent(project: Project, k2sim: Sim) -> None:
    project.stage("settings.py", 'API_KEY = "sk-Zk3vQ9xT7mB2wL5pR8nYaJ4cHdE6fGuS"\n')
    project.stage(".env", "NAME=shop\n")
    project.git("commit", "-qm", "careless")
    project.stage("settings.py", "API_KEY = environ['API_KEY']\n")
    project.stage(".env", "NAME=market\n")
    sim = k2sim([say("Read the key from the environment")])
    done = project.kcode(sim, "commit", "--yes")
    assert done.returncode == 0, done.stderr
    assert "Zk3vQ9xT7" not in asked(sim)
    assert "market" not in asked(sim)
    assert "=== .env" in asked(sim)
    assert "not shown to the model: .env" in done.stderr


def test_a_large_change_is_bounded_and_that_is_said(project: Project, k2sim: Sim) -> None:
    for number in range(40):
        project.stage(f"part{number}.py", "".join(f"value_{n} = {n}\n" for n in range(400)))
    project.stage("package-lock.json", "{}\n" * 3000)
    sim = k2sim([say("Add parts")])
    done = project.kcode(sim, "commit", "--yes")
    assert done.returncode == 0, done.stderr
    assert len(asked(sim)) < 32_000
    assert "=== part39.py (added, +400 -0)" in asked(sim)
    assert "package-lock.json" in asked(sim)
    assert "the change is large: the draft was made from" in done.stderr or "more lines]" in asked(sim)


def test_trailers_come_only_from_the_setting(project: Project, k2sim: Sim) -> None:
    said = "Add a\n\nCo-authored-by: A Model <model@example.invalid>\nGenerated with something"
    sim = k2sim([say(said), say("Add b\n\nBecause.")])
    project.stage("a.py", "x = 1\n")
    assert project.kcode(sim, "commit", "--yes").returncode == 0
    assert project.message() == "Add a"
    project.stage("b.py", "x = 1\n")
    done = project.kcode(sim, "commit", "--yes", env={"KCODE_COMMIT__TRAILER": "Assisted-by: kcode"})
    assert done.returncode == 0, done.stderr
    assert project.message() == "Add b\n\nBecause.\n\nAssisted-by: kcode"


@pytest.mark.parametrize(
    ("log", "said"),
    [
        (["feat(cart): add", "fix: total", "docs: readme"], "Conventional Commits; types in use: "),
        (["修复合计", "增加折扣", "说明合计", "Add tests"], "Write in Chinese."),
        (["Add carts", "Repair totals", "Explain"], "do not write `feat:`"),
    ],
)
def test_the_style_is_the_repositorys(project: Project, k2sim: Sim, log: list[str], said: str) -> None:
    for number, subject in enumerate(log):
        project.stage(f"{number}.txt", "x\n")
        project.git("commit", "-qm", subject)
    project.stage("a.py", "x = 1\n")
    sim = k2sim([say("Add a")])
    assert project.kcode(sim, "commit").returncode == ExitCode.NOT_ACHIEVED
    assert said in asked(sim)
    assert all(f"- {subject}" in asked(sim) for subject in log)


def test_a_hint_reaches_the_model(project: Project, k2sim: Sim) -> None:
    project.stage("a.py", "x = 1\n")
    sim = k2sim([say("Add a")])
    project.kcode(sim, "commit", "-m", "closes the {diff} race")
    assert "closes the {diff} race" in asked(sim)


def test_a_merge_under_way_is_gits_to_finish(project: Project, k2sim: Sim) -> None:
    project.git("checkout", "-qb", "side")
    project.stage("shop.py", "side\n")
    project.git("commit", "-qm", "side")
    project.git("checkout", "-q", "main")
    project.stage("shop.py", "main\n")
    project.git("commit", "-qm", "main")
    project.git("merge", "side", check=False)
    done = project.kcode(k2sim([]), "commit", "--yes")
    assert done.returncode == ExitCode.USAGE
    assert "a merge is under way" in done.stderr


def test_outside_a_repository_it_says_so(project: Project, k2sim: Sim, tmp_path: object) -> None:
    elsewhere = Project(project.root.parent)
    done = elsewhere.kcode(k2sim([]), "commit")
    assert done.returncode == ExitCode.USAGE
    assert "no git repository" in done.stderr


def test_a_small_window_gets_a_short_question(project: Project, k2sim: Sim) -> None:
    for number in range(20):
        project.stage(f"part{number}.py", "".join(f"value_{n} = {n}\n" for n in range(200)))
    sim = k2sim([say("Add parts")])
    done = project.kcode(sim, "commit", "--yes", env={"KCODE_PROVIDER__CONTEXT": "4096"})
    assert done.returncode == 0, done.stderr
    assert len(asked(sim)) < 8_000
    assert len(sim.chats) == 1
    assert "the change is large: the draft was made from" in done.stderr


def test_commits_are_signed_as_configured(project: Project, k2sim: Sim, tmp_path: Path) -> None:
    signer = tmp_path / "signer"
    signed = "-----BEGIN PGP SIGNATURE-----\\n\\nabc\\n-----END PGP SIGNATURE-----\\n"
    signer.write_text(f"#!/bin/sh\ncat >/dev/null\nprintf %b '{signed}'\necho '[GNUPG:] SIG_CREATED D' >&2\n")
    signer.chmod(0o755)
    project.git("config", "commit.gpgsign", "true")
    project.git("config", "gpg.program", str(signer))
    sim = k2sim([say("Add a"), say("Add b")])
    project.stage("a.py", "x = 1\n")
    done = project.kcode(sim, "commit", "--yes")
    assert done.returncode == 0, done.stderr
    assert "BEGIN PGP SIGNATURE" in project.git("cat-file", "commit", "HEAD")
    project.git("config", "gpg.program", "false")
    project.stage("b.py", "x = 1\n")
    before = project.state()
    refused = project.kcode(sim, "commit", "--yes")
    assert refused.returncode == ExitCode.NOT_ACHIEVED
    assert "gpg failed to sign" in refused.stderr
    assert project.state() == before


def test_kcodes_own_hook_runs_like_any_other(project: Project, k2sim: Sim) -> None:
    sim = k2sim([say("Add a")])
    assert project.kcode(sim, "hook", "install", "pre-commit").returncode == 0
    project.stage("a.py", "x = 1\n")
    done = project.kcode(sim, "commit", "--yes")
    assert done.returncode == 0, done.stderr
    assert project.message() == "Add a"
