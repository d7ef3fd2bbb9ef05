"""The hook script itself: POSIX sh, short, and never in the way of a commit when kcode is gone."""

from __future__ import annotations

MARK = "# kcode-hook: "
CHAINED = ".kcode-chained"

_SCRIPT = """\
#!/bin/sh
{mark}{hook}
# Installed by `kcode hook install {hook}`; `kcode hook uninstall {hook}` takes it away again.
# A hook that was here before is {hook}{chained} beside this file: it runs first, and its "no" counts.
chained="$(dirname "$0")/{hook}{chained}"
if [ -x "$chained" ]; then
    "$chained" "$@" || exit $?
fi
[ "${{KCODE_HOOKS:-1}}" = 0 ] && exit 0
kcode={kcode}
if [ ! -x "$kcode" ] || ! "$kcode" --version >/dev/null 2>&1; then
    kcode=$(command -v kcode 2>/dev/null) || kcode=
fi
if [ -z "$kcode" ] || ! "$kcode" --version >/dev/null 2>&1; then
    echo "kcode hook: kcode was not found, so nothing was checked (to remove this hook: rm '$0')" >&2
    exit 0
fi
"$kcode" hook run {hook} "$@"
code=$?
case $code in
    0 | 1 | 130) exit $code ;;
    *)
        echo "kcode hook: the check ended with code $code; the commit goes on" >&2
        exit 0
        ;;
esac
"""


def script(hook: str, kcode: str) -> str:
    """The text for ``hook`` that starts the program at the absolute path ``kcode``."""
    return _SCRIPT.format(mark=MARK, hook=hook, chained=CHAINED, kcode=_quoted(kcode))


def is_ours(content: bytes) -> bool:
    return MARK.encode() in content[:200]


def recorded_program(content: bytes) -> str:
    """The path of kcode in one of our scripts, or ``""``."""
    for line in content.decode("utf-8", "surrogateescape").splitlines():
        if line.startswith("kcode='"):
            return line[len("kcode='") : -1].replace("'\\''", "'")
    return ""


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
