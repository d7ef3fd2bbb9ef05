"""What programs do that reach beyond files: other machines, containers, processes."""

from __future__ import annotations

import re

from kcode.safety.findings import leads_away
from kcode.safety.options import has
from kcode.safety.shell_builtins import Said
from kcode.safety.shell_words import Simple, names

_CURL_SENDS = names(
    "-d --data --data-raw --data-binary --data-urlencode --data-ascii --json -F --form --form-string -T "
    "--upload-file --post-data --post-file --body-data --body-file -K --config --url-query --netrc-file"
)


def curl(simple: Simple) -> Said:
    words = simple.words[1:]
    texts = [word.text for word in words]
    if found := has(words, _CURL_SENDS, clusters=False):
        return "danger", f"{found} sends data or settings out"
    if any(re.fullmatch(r"(-X|--request=?|--method=)?(POST|PUT|PATCH|DELETE)", text) for text in texts):
        return "danger", "changes something at another machine"
    if any(not word.known for word in words):
        return "danger", "asks another machine with words that are not written out"
    if any(leads_away(text) for text in texts if not re.match(r"\w+://", text)):
        return "danger", "writes or reads outside the workspace"
    return "write", "fetches from another machine"


def docker(simple: Simple) -> Said:
    text = " ".join(word.text for word in simple.words)
    if re.search(
        r"--privileged|--pid|--cap-add|(-v|--volume|--mount)[= ]\S*(/:|/,|docker\.sock|/etc|/root|~)", text
    ):
        return "danger", "a container with rights over this machine"
    return "write", "docker changes things"


def kill(simple: Simple) -> Said:
    if any(word.text in ("-1", "1", "0") for word in simple.words[2:]) or simple.words[1:2] == ():
        return "danger", "ends every process"
    return "write", "ends a process"


def ps(simple: Simple) -> Said:
    if [word.text for word in simple.words[1:]] in ([], ["aux"], ["-ef"], ["-e"], ["-a"], ["ax"], ["-A"]):
        return "read", "only reads"
    return "write", "may show the environment of programs"
