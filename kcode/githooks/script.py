"""The hook script itself: POSIX sh, short, and never in the way of a commit when kcode is gone.

Where hooks are files that everybody shares (husky, lefthook) there is no script of ours but a few lines in
theirs: no path of one machine is in them.
"""

from __future__ import annotations

MARK = "# kcode-hook: "
CHAINED = ".kcode-chained"

_SCRIPT = """\
#!/bin/sh
{mark}{hook}
# Installed by `kcode hook install {hook}`; `kcode hook uninstall {hook}` takes it away again.
# A hook that was here before is {hook}{chained} beside this file: it runs first, and its "no" counts.
chained="${{0%/*}}/{hook}{chained}"
{input}if [ -x "$chained" ]; then
    {feed}"$chained" "$@" || exit $?
fi
[ "${{KCODE_HOOKS:-1}}" = 0 ] && exit 0
kcode={kcode}
if [ ! -x "$kcode" ] || ! "$kcode" --version </dev/null >/dev/null 2>&1; then
    kcode=$(command -v kcode 2>/dev/null) || kcode=
fi
if [ -z "$kcode" ] || ! "$kcode" --version </dev/null >/dev/null 2>&1; then
    echo "kcode hook: kcode was not found, so nothing was checked (to remove this hook: rm '$0')" >&2
    exit 0
fi
{feed}"$kcode" hook run {hook} "$@"
code=$?
case $code in
    0 | 1 | 130) exit $code ;;
    *)
        echo "kcode hook: the check ended with code $code; git goes on" >&2
        exit 0
        ;;
esac
"""

_READ = "input=$(cat)\n"  # both the older hook and kcode are to read what git says
_FEED = "printf '%s\\n' \"$input\" | "

_STANZA_BEGIN = f"{MARK}begin"
_STANZA_END = f"{MARK}end"
_STANZA = """\
{begin} {hook}{joined} (`kcode hook uninstall {hook}` takes these lines away)
if [ "${{KCODE_HOOKS:-1}}" != 0 ] && command -v kcode >/dev/null 2>&1; then
    kcode hook run {hook} "$@" || [ $? -ne 1 ] || exit 1
fi
{end}
"""
_JOINED = ", joined"  # the file did not end in a line break: taking the lines away takes ours away, too
_SHEBANG = "#!/usr/bin/env sh\n"


def script(hook: str, kcode: str) -> str:
    """The text for ``hook`` that starts the program at the absolute path ``kcode``."""
    reads = hook == "pre-push"
    return _SCRIPT.format(
        mark=MARK,
        hook=hook,
        chained=CHAINED,
        kcode=_quoted(kcode),
        input=_READ if reads else "",
        feed=_FEED if reads else "",
    )


def is_ours(content: bytes) -> bool:
    return MARK.encode() in content[:200] and not has_stanza(content)


def recorded_program(content: bytes) -> str:
    """The path of kcode in one of our scripts, or ``""``."""
    for line in content.decode("utf-8", "surrogateescape").splitlines():
        if line.startswith("kcode='"):
            return line[len("kcode='") : -1].replace("'\\''", "'")
    return ""


def has_stanza(content: bytes) -> bool:
    return _STANZA_BEGIN.encode() in content


def with_stanza(hook: str, content: bytes | None) -> bytes:
    """A shared hook with our lines at its end; None for one that is not there yet."""
    before = _SHEBANG.encode() if content is None else content
    joined = _JOINED if before and not before.endswith(b"\n") else ""
    lines = _STANZA.format(begin=_STANZA_BEGIN, end=_STANZA_END, hook=hook, joined=joined)
    return before + (b"\n" if joined else b"") + lines.encode()


def without_stanza(content: bytes) -> bytes | None:
    """A shared hook as it was before :func:`with_stanza`; None where nothing of it is left."""
    start = content.index(_STANZA_BEGIN.encode())
    first = content[start:].partition(b"\n")[0]
    end = content.find(_STANZA_END.encode(), start)
    rest = content[end:].partition(b"\n")[2] if end >= 0 else b""
    before = content[:start]
    if _JOINED.encode() in first:
        before = before.removesuffix(b"\n")
    left = before + rest
    return None if left in (b"", _SHEBANG.encode()) else left


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
