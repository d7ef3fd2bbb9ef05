"""A patch as people send it (``git diff``, ``format-patch``, ``diff -u``), as the diff that is in it."""

from __future__ import annotations

import re

_HUNK = re.compile(r"^@@ -\d+(?:,(\d{1,9}))? \+\d+(?:,(\d{1,9}))? @@")
_HEADER = re.compile(
    r"^(index |(old|new|deleted file|new file) mode|(dis)?similarity index|(rename|copy) (from|to) "
    r"|Binary files |GIT binary patch|--- |\+\+\+ )"
)


def diff_in(text: str) -> str:
    """The diff that ``text`` holds, as :func:`kcode.workspace.unidiff.parse` reads it; ``""`` for none.

    Mail headers, messages and signatures are left out; a file without git's own header gets one.
    """
    kept: list[str] = []
    old = new = 0  # lines that the running hunk still has
    inside = False  # behind a file's header, before its first hunk
    lines = text.replace("\r\n", "\n").split("\n")
    made = False
    for line, follows in zip(lines, [*lines[1:], ""], strict=True):
        if old > 0 or new > 0:
            sign = line[:1]
            if sign not in (" ", "+", "-", "\\", ""):
                old = new = 0
                continue
            old -= sign in (" ", "-", "")
            new -= sign in (" ", "+", "")
            kept.append(line or " ")
        elif match := _HUNK.match(line):
            old, new = (int(match[n]) if match[n] is not None else 1 for n in (1, 2))
            kept.append(line)
            inside = False
        elif line.startswith("diff --git "):
            kept.append(line)
            inside = True
        elif line.startswith("--- ") and not inside and follows.startswith("+++ "):
            kept += _header(line, follows)
            inside = made = True
        elif made and line.startswith("+++ "):
            made = False  # said by the header already
        elif (inside and _HEADER.match(line) and line not in kept[-2:]) or (kept and line.startswith("\\ ")):
            kept.append(line)
    return "\n".join(kept) + "\n" if kept else ""


def _header(minus: str, plus: str) -> list[str]:
    """git's header for the two lines of ``diff -u``; what stands behind a tab there is a date."""
    was, now = (line[4:].partition("\t")[0].strip() for line in (minus, plus))
    name = now if now != "/dev/null" else was
    plain = name.removeprefix("a/").removeprefix("b/").removeprefix("./")
    status = ["new file mode 100644"] if was == "/dev/null" else []
    status += ["deleted file mode 100644"] if now == "/dev/null" else []
    first = "--- /dev/null" if was == "/dev/null" else f"--- a/{plain}"
    second = "+++ /dev/null" if now == "/dev/null" else f"+++ b/{plain}"
    return [f"diff --git a/{plain} b/{plain}", *status, first, second]
