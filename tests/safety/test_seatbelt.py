from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from kcode.safety import seatbelt

HERE, TEMPORARY, SECRET = Path("/work/a b"), Path("/private/tmp/x"), Path("/Users/me/.ssh")


def profile(network: bool = False, *more: Path) -> str:
    return seatbelt.profile_for((HERE, TEMPORARY, *more), (SECRET,), network=network)


def lines(network: bool = False) -> list[str]:
    return profile(network).splitlines()


def test_every_line_is_one_closed_expression() -> None:
    for line in (*lines(), *lines(network=True)):
        unquoted = re.sub(r'#?"(?:[^"\\\\]|\\\\.)*"', "x", line)
        assert line.startswith("(") and unquoted.count("(") == unquoted.count(")"), line
        assert '"' not in unquoted


def test_writing_is_denied_but_in_the_workspace_and_the_devices() -> None:
    found = lines()
    denied = found.index("(deny file-write*)")
    allowed = next(line for line in found if line.startswith("(allow file-write*"))
    assert found.index(allowed) > denied
    assert '(subpath "/work/a b")' in allowed and '(literal "/dev/null")' in allowed


def test_what_git_obeys_and_what_is_secret_is_denied_last() -> None:
    found = lines()
    allowed = next(place for place, line in enumerate(found) if line.startswith("(allow file-write*"))
    hooks = next(place for place, line in enumerate(found) if ".git/hooks" in line)
    secret = next(place for place, line in enumerate(found) if "file-read-data" in line and ".ssh" in line)
    assert allowed < hooks and allowed < secret
    assert found[hooks].startswith("(deny file-write*") and found[secret].startswith("(deny file-read-data")
    assert '(literal "/work/a b/.git/config")' in found[hooks]


def test_without_network_only_sockets_of_the_workspace_are_left() -> None:
    found = lines()
    assert "(deny network*)" in found
    after = [line for line in found[found.index("(deny network*)") :] if line.startswith("(allow network")]
    assert after and all("unix-socket (subpath" in line for line in after)


def test_the_way_to_allowed_hosts_is_one_port_by_the_name_that_seatbelt_knows() -> None:
    text = seatbelt.profile_for((HERE,), (SECRET,), network=False, port=4711)
    found = text.splitlines()
    way = found.index('(allow network-outbound (remote ip "localhost:4711"))')
    assert way > found.index("(deny network*)")
    assert "4711" not in seatbelt.profile_for((HERE,), (SECRET,), network=True, port=4711)


def test_nothing_is_opened_by_another_program() -> None:
    found = lines()
    assert {"(deny appleevent-send)", "(deny lsopen)"} <= {*found}
    assert "com.apple.coreservices.launchservicesd" in next(line for line in found if "mach-lookup" in line)


def test_with_network_agents_still_cannot_be_reached() -> None:
    found = lines(network=True)
    assert "(deny network*)" not in found
    assert "(deny network-outbound (remote unix-socket))" in found


def test_a_name_with_quotes_cannot_end_the_text() -> None:
    odd = profile(False, Path('/work/a") (allow default) ("'), Path("/work/back\\slash"))
    assert '(subpath "/work/a\\") (allow default) (\\"")' in odd
    assert '"/work/back\\\\slash"' in odd


@pytest.mark.skipif(sys.platform != "darwin", reason="Seatbelt is macOS's own")
def test_the_profile_is_taken_by_the_system(tmp_path: Path) -> None:
    here = tmp_path.resolve()
    text = seatbelt.profile_for((here,), (), network=False)
    words = seatbelt.argv(text, ["/bin/sh", "-c", f"echo x > {here}/a && ! echo x > /usr/local/b"])
    assert subprocess.run(words, check=False, capture_output=True).returncode == 0
