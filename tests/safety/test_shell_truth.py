# ruff: noqa: E501 - a shell command that is wrapped is another one
"""What the judge of commands says, held against what bash really does with the same text."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kcode.safety.policy import judge_command
from kcode.safety.process import child_environment, run_sync

pytestmark = pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")

SPELLED = st.sampled_from(
    [
        "touch made", "t\\ouch made", "'touch' made", '"to"uch made', "$'touch' made", "$'\\x74ouch' made", "to$@uch made",
        "x=touch; $x made", "x='touch made'; $x", "{touch,made}", "command touch made", "\\touch made", "exec touch made",
        "eval touch made", "eval 'tou'ch made", "env touch made", "env -S 'touch made'", "bash -c 'touch made'", "sh -xc 'touch made'",
        "echo made | xargs touch", "xargs touch <<< made", "find . -maxdepth 0 -exec touch made \\;", "> made", ">> made", ">| made", "&> made",
        "1<> made", "echo x | tee made", "sort -o made /dev/null", "sort --o=made /dev/null", "awk 'BEGIN{print>\"made\"}'", "sed -n 'w made' <<< x",
        "cp /dev/null made", "ln -s x made", "mkdir made", "dd of=made < /dev/null", "git init -q made", "printf '' | sh -c 'cat > made'",
        "git config --file made a.b c", "git diff --no-index --output=made /dev/null /dev/null", "tar cf made /dev/null", "bash <<< 'touch made'",
        "bash <<EOF\ntouch made\nEOF", ". /dev/stdin <<< 'touch made'", "trap 'touch made' EXIT", "f() { touch made; }; f", "ls() { touch made; }; ls",
        "alias ls='touch made'", "PS4='$(touch made)'; set -x; ls", "BASH_ENV=<(echo touch made) bash -c ls", "python3 -c 'open(\"made\",\"w\")'",
        "perl -e 'open F,\">made\"'", "coproc touch made; wait", "touch made &\nwait", "mapfile -c1 -C 'touch made #' a <<< x", "uniq /dev/null made",
        "[[ 'a[$(touch made)]' -eq 0 ]]", "x='a[$(touch made)]'; echo $((x))", "declare -n y=x; touch ma'de'", "GIT_EXTERNAL_DIFF='touch made #' git diff --no-index /dev/null .",
        "printf -v x %s touch; $x made", "read x <<< touch; $x made", "for x in touch; do $x made; done", "case a in a) touch made;; esac", "tou\\\nch made",
        "git -c alias.x='!touch made' x", "git -c core.pager='touch made #' -p --version", "PAGER='touch made #' git --paginate version",
    ]
)  # fmt: skip
AROUND = st.sampled_from(
    [
        "@@", "ls; @@", "ls && @@", "false || @@", "ls | (@@)", "(@@)", "{ @@\n}", "echo $(@@)", "echo `true; :`; @@", 'echo "a $(@@) b"',
        "cat <(@@) ", "if true; then @@\nfi", "for i in 1; do @@\ndone", "while :; do @@\nbreak; done", "! @@", "x=$(@@)", "echo ${y:-$(@@)}",
        "cat <<A\n$(@@)\nA", "cat <<'A' >/dev/null\nnothing\nA\n@@", "ls 2>/dev/null; @@", "# comment\n@@", "echo 'a;b'; @@", "[ -n \"$(@@)\" ]",
        "time @@", "@@\nls", "ls #; ls\n@@", "true; # @@\n@@", "echo a\\\n; @@", "case x in x) @@\n;; esac", "f() { @@\n}; f", "ls | while read l; do @@\ndone <<< x",
        "echo $(( 1 + $(echo 1; @@) ))", ": \"${z:=$(@@)}\"", "printf '%s' \"$(@@)\"", "cd . && @@", "until @@\ndo :; break; done", "select i in a; do break; done <<< 1; @@",
    ]
)  # fmt: skip


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(SPELLED, st.lists(AROUND, max_size=3))
def test_what_makes_a_file_is_never_taken_for_reading(deed: str, around: list[str]) -> None:
    command = deed
    for frame in around:
        command = frame.replace("@@", command)
    if judge_command(command, "ask", frozenset()).verdict != "allow":
        return
    folder = Path(tempfile.mkdtemp(prefix="kcode-truth-"))
    try:
        run_sync(
            ["bash", "-c", command], cwd=folder, env=child_environment({"HOME": str(folder)}), timeout_s=20
        )
        assert not os.path.lexists(folder / "made"), command
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize("command", ["touch made", "x=touch; $x made", "{touch,made}", "1<> made"])
def test_the_deeds_are_real(tmp_path: Path, command: str) -> None:
    run_sync(["bash", "-c", command], cwd=tmp_path, timeout_s=20)
    assert (tmp_path / "made").exists()
