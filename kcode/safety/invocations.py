"""What one program does with the words it was given. Tables: :mod:`kcode.safety.programs`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from kcode.safety import programs
from kcode.safety.findings import Finding, leads_away
from kcode.safety.gitcommands import judge_git
from kcode.safety.options import has, options_of, plain_words, positionals
from kcode.safety.outreach import curl, docker, kill, ps
from kcode.safety.runtimes import cmake, node, only_checks, php, suites, terraform
from kcode.safety.shell_builtins import Said, dangerous_name, declares, says_where, sets, sources
from kcode.safety.shell_words import Simple, Word, names

_SYSTEM_FOLDERS = re.compile(r"/(usr/(local/)?)?s?bin/([^/]+)")
_OWN_FOLDERS = re.compile(
    r"(?:\./)?(?:\.?venv/bin|node_modules/\.bin|vendor/bin|bin(?=/(?:rails|rake|rspec)\Z))/([^/]+)"
)
_RUIN = re.compile(
    r"(/|/\*|~|~/|~/\*"
    r"|/(bin|boot|dev|etc|home|lib|lib64|opt|root|sbin|srv|sys|usr|var"
    r"|Users|System|Library)(/\*?)?)"
)
_SED_ADDRESS = r"(?:\d+|\$|/(?:[^/\\]|\\.)*/)"
_SED = re.compile(
    rf"(?:{_SED_ADDRESS}(?:,[+~]?{_SED_ADDRESS})?\s*!?\s*)?"
    r"(?:[pdqDGHNPghnx=]|s([/|,#@:])(?:(?!\1)[^\\\n]|\\.)*\1(?:(?!\1)[^\\\n]|\\.)*\1[gpIi0-9]*)\s*"
)
_AWK_RUNS = re.compile(r"system|getline|@|ENVIRON|close\s*\(|print[\s\S]*[|>]")  # only print writes and pipes
_FIND_FLAGS = names(
    "-name -iname -path -ipath -wholename -regex -iregex -regextype -type -maxdepth -mindepth -not -o -a "
    "-or -and -print -print0 -size -empty -mtime -mmin -newer -atime -ctime -perm -user -group -links "
    "-prune -depth -xdev -mount -H -P -L -follow -ls -printf -quit -readable -writable -executable "
    "-E -true -false -d"
)
_VALUED = {
    "gradle": ("--tests", "-x"),
    "mvn": ("-pl", "--projects", "-rf", "--resume-from"),
    "pnpm": ("--filter", "-F"),
    "meson": ("-C",),
}
_MILD_SETTING = re.compile(r"-Dtest=|(?:V|VERBOSE|Q)=\d?$|--[a-z-]+=[\w.,-]+$")
_UNPACKS = names("tar bsdtar gtar unzip zip 7z cpio patch git pip pip3")


def known_program(text: str) -> str:
    """The name by which a program is looked up: its own, out of the system's folders and tools' folders."""
    if found := _SYSTEM_FOLDERS.fullmatch(text):
        return found[3]
    if (found := _OWN_FOLDERS.fullmatch(text)) and _runs_own_code(found[1]):
        return found[1]
    return text.removeprefix("./") if text in ("./gradlew", "./mvnw") else text


def _runs_own_code(name: str) -> bool:
    """Programs that run the project's code anyway: one that a project planted does no more."""
    return name in programs.TESTS or name in programs.SUBCOMMANDS or bool(re.fullmatch(r"python[\d.]*", name))


def judge_program(name: str, simple: Simple) -> Iterator[Finding]:
    """What ``simple``, whose program is ``name``, does; at least one finding."""
    words = simple.words[1:]
    shown = simple.shown
    texts = [word.text for word in words]
    if _shows_version(name, texts):
        yield Finding("read", "shows a version", shown)
        return
    if why := _publishes(name, texts):
        yield Finding("danger", why, shown)
        return
    special = _SPECIAL.get(name)
    if special is not None:
        effect, why = special(simple)
    elif name in programs.READS:
        effect, why = _reads(name, words, programs.READS[name])
    elif name in programs.TESTS:
        effect, why = _tests(name, words)
    elif name in programs.SUBCOMMANDS:
        effect, why = _subcommand(name, words)
    elif name in programs.DANGEROUS:
        effect, why = "danger", programs.DANGEROUS[name]
    elif name in programs.CHANGES_FILES:
        effect, why = _changes(name, words)
    elif name.startswith("mkfs"):
        effect, why = "ruin", "makes a new file system"
    elif name in programs.UNREADABLE:
        effect, why = "unknown", f"{name} changes what later commands mean"
    elif re.fullmatch(r"python[\d.]*", name):
        effect, why = _python(simple)
    else:
        effect, why = "write", f"{name} is not known to only read"
    if effect == "write" and simple.fed and simple.text is None and _reads_program(name, simple.words[1:]):
        effect, why = "unknown", f"{name} runs what it is fed"
    if effect == "write" and name in _UNPACKS and any(leads_away(text) for text in texts):
        effect, why = "danger", f"{name} outside the workspace"
    paths = tuple(text for text in texts if not text.startswith("-"))
    yield Finding(effect, why, shown, paths=paths)


def _shows_version(name: str, texts: list[str]) -> bool:
    if texts in (["--version"], ["--help"], ["-V"]):
        return any(name in table for table in (programs.VERSIONED, programs.READS, programs.TESTS))
    ways = {"java": ["-version"], "javac": ["-version"], "mvn": ["-v"], "dotnet": ["--info"], "ruby": ["-v"]}
    return texts == ways.get(name)


def _reads_program(name: str, words: tuple[Word, ...]) -> bool:
    """Whether an interpreter takes its program from its input."""
    known = re.fullmatch(r"(python|perl|ruby|php|lua|node|nodejs|deno|bun)[\d.]*", name)
    return bool(known) and not any(word.text != "-" and not re.match(r"-[^cem]", word.text) for word in words)


def _publishes(name: str, texts: list[str]) -> str:
    words = [text for text in texts if not text.startswith("-")][:1]
    if name != "git" and words and words[0] in programs.PUBLISHES.get(name, ()):
        return "changes what others see"
    return ""


def _reads(name: str, words: tuple[Word, ...], dangerous: frozenset[str]) -> Said:
    if name in programs.COUNTS:
        words = tuple(word for word in words if word.known)
    if name not in programs.ANYTHING and (said := plain_words(words)):
        return said
    if name == "printf" and any(word.text.startswith("-v") or not word.known for word in words[:1]):
        return "unknown", "printf sets a variable"
    if name in ("test", "[") and any(word.text in ("-v", "-R") for word in words):
        return "unknown", "a test that can run commands"
    if name == "read" and any(dangerous_name(word.text) for word in words):
        return "danger", "sets a variable that changes what programs run"
    if name == "read" and any("[" in word.text for word in words):
        return "unknown", "a subscript can run commands"
    runs = {"jq": r"\benv\b|\$ENV|\$__prog", "yq": r"\b(?:str)?env|\bload|\bsystem\b|\beval\b"}.get(name)
    if runs and any(re.search(runs, word.text) for word in words):
        return "write", "shows the environment or other files"
    if found := has(words, dangerous):
        return "write", f"{name} {found} writes, runs or reads a list of files"
    if name == "cd" and (not words or words[0].text == "-"):
        return "write", "leaves the workspace"
    return "read", "only reads"


def _elsewhere(words: tuple[Word, ...]) -> Said | None:
    """What speaks against words that name another machine."""
    found = next((word.text for word in words if "://" in word.text), "")
    return ("write", f"{found} is another machine") if found else None


def _tests(name: str, words: tuple[Word, ...]) -> Said:
    if said := plain_words(words) or _elsewhere(words):
        return said
    if name in ("pytest", "py.test") and any(word.text.startswith("@") for word in words):
        return "write", f"{name} with words from a file"
    if name == "ninja" and any("install" in word.text for word in words):
        return "write", "installs what was built"
    if name in ("pytest", "py.test"):
        words = tuple(word for word in words if word.text not in ("--co", "--collect-only"))
        plugins = options_of(words, ("-p",))
        if plugins and all(plugin.startswith("no:") for plugin in plugins):
            words = tuple(word for word in words if word.text != "-p")
    if name in ("tox", "nox") and (said := suites(name, words)):
        return said
    if name == "jest":
        words = tuple(word for word in words if word.text != "--coverage")
    if found := has(words, programs.TESTS[name], clusters=False):
        return "write", f"{name} {found} writes files or runs something else"
    wanted = programs.CHECK_ONLY.get(name)
    if wanted is not None and not any(word.text in wanted for word in words):
        return "write", f"{name} changes files or stays running"
    return "test", "builds, tests or checks the project"


def _subcommand(name: str, words: tuple[Word, ...]) -> Said:
    if name == "bazel":  # //… is the workspace's root
        words = tuple(word for word in words if not re.match(r"-?//", word.text))
    if said := plain_words(words) or _elsewhere(words):
        return said
    texts = [word.text for word in words]
    settings = [text for text in texts if "=" in text and not _MILD_SETTING.match(text)]
    if name in ("make", "just", "mvn", "gradle", "gradlew", "mvnw", "dotnet") and settings:
        return "write", f"{name} with settings of its own"
    dangerous = programs.SUBCOMMAND_DANGER.get(name, frozenset())
    exact = next((text for text in texts if text.partition("=")[0].replace("--", "-") in dangerous), "")
    if found := exact if name == "go" else has(words, dangerous, clusters=False):
        return "write", f"{name} {found} writes files or runs something else"
    given = positionals(words, _VALUED.get(name.removesuffix("w"), ()))
    if name in ("npm", "yarn", "pnpm", "bun") and given[:1] in (["run"], ["run-script"]):
        return _script(name, given[1] if len(given) > 1 else "")
    if said := only_checks(name, given, words):
        return said
    if name == "coverage" and given[:2] == ["run", "pytest"] and texts[1:2] == ["-m"]:
        return "test", "tests the project"
    every = name in ("make", "just", "gradle", "gradlew", "mvn", "mvnw", "rake")
    goals = [goal.rpartition(":")[2] for goal in given] if name in ("gradle", "gradlew") else given
    known = programs.SUBCOMMANDS[name]
    if every:
        goals = [goal for goal in goals if not _MILD_SETTING.match(goal)]
    if goals and all(goal in known for goal in (goals if every else goals[:1])):
        return "test", "builds, tests or checks the project"
    if name in ("npm", "yarn", "pnpm") and goals and name != "npm":
        return _script(name, goals[0])
    return "write", f"{name} {' '.join(goals[:1])}".rstrip() + " is not known to only build or test"


def _script(name: str, script: str) -> Said:
    if script.partition(":")[0] in programs.SCRIPT_NAMES and "fix" not in script and "deploy" not in script:
        return "test", "builds, tests or checks the project"
    return "write", f"{name} runs the script {script}"


def _changes(name: str, words: tuple[Word, ...]) -> Said:
    if all(word.known for word in words) and name == "tee" and all(w.text == "/dev/null" for w in words):
        return "read", "writes nothing"
    texts = [word.text for word in words if not word.text.startswith("-")]
    if name in ("rm", "rmdir", "mv", "chmod", "chown", "shred") and any(_RUIN.fullmatch(t) for t in texts):
        return "ruin", f"{name} of a whole system or home"
    if name == "dd" and any(re.match(r"of=/dev/(?!null|stdout|stderr)", text) for text in texts):
        return "ruin", "writes over a device"
    if name == "rm" and any(word.text in (".", "./", "*", "./*", "..", ".*") for word in words):
        return "danger", "removes everything here"
    if any(leads_away(text.partition("=")[2] or text) for text in texts):
        return "danger", f"{name} outside the workspace"
    if name == "chmod" and any(re.search(r"[ug+,=]\S*s|^[2467]\d{3}$", text) for text in texts[:1]):
        return "danger", "gives a program other rights"
    if any(not word.known for word in words) and name in ("rm", "mv", "shred"):
        return "unknown", f"what {name} would touch is not written out"
    return "write", f"{name} changes files"


def _find(simple: Simple) -> Said:
    words = simple.words[1:]
    texts = [word.text for word in words]
    starts = []
    for text in texts:
        if text.startswith(("-", "(", "!")):
            break
        starts.append(text)
    if "-delete" in texts:
        far = any(leads_away(text) for text in starts)
        return ("danger" if far else "write"), "find -delete removes files"
    if any(not word.known for word in words):
        return "write", "what the words stand for cannot be seen"
    strange = next((t for t in texts if re.match(r"-[A-Za-z]", t) and t not in _FIND_FLAGS), "")
    if strange and not re.fullmatch(r"-\d+", strange):
        return "write", f"find {strange} is not known to only look"
    if any(leads_away(text) for text in texts if not text.startswith("-")):
        return "write", "looks outside the workspace"
    return "read", "only reads"


def _sed(simple: Simple) -> Said:
    words = simple.words[1:]
    if has(words, names("-i --in-place")) and any(leads_away(text) for text in _sed_files(words)):
        return "danger", "sed outside the workspace"
    if found := has(words, names("-i --in-place -f --file -s --separate --follow-symlinks")):
        return "write", f"sed {found} changes files or runs a script"
    if said := plain_words(tuple(word for word in words if not word.text.startswith("/"))):
        return said
    scripts = options_of(words, ("-e", "--expression"))
    given = positionals(words, ("-e", "--expression", "-l", "--line-length"))
    if not scripts:
        scripts, given = given[:1], given[1:]
    if any(leads_away(text) for text in given):
        return "write", "reads outside the workspace"
    lines = [part for script in scripts for part in re.split(r"[;\n]", script) if part.strip()]
    if scripts and all(_SED.fullmatch(part.strip()) for part in lines):
        return "read", "only reads"
    return "write", "a sed script that may write or run something"


def _sed_files(words: tuple[Word, ...]) -> list[str]:
    """What follows the script: the first word that is no option, where no option gives it."""
    given = positionals(words, ("-e", "--expression", "-f", "--file", "-l", "--line-length"))
    return given if options_of(words, ("-e", "--expression", "-f", "--file")) else given[1:]


def _awk(simple: Simple) -> Said:
    words = simple.words[1:]
    if found := has(
        words,
        names("-f --file -i --include -l --load -E --exec -o --pretty-print -d -p -D -e -W"),
        clusters=False,
    ):
        return "write", f"awk {found} runs another program"
    given = positionals(words, ("-F", "-v", "--field-separator", "--assign"))
    if any(not word.known for word in words):
        return "write", "an awk program that is not written out"
    if not given or _AWK_RUNS.search(given[0]):
        return "write", "an awk program that may write or run something"
    if any(leads_away(text) for text in given[1:]):
        return "write", "reads outside the workspace"
    return "read", "only reads"


def _two_files(simple: Simple) -> Said:
    words = simple.words[1:]
    if said := plain_words(words):
        return said
    given = positionals(words, ("-f", "-s", "-w", "-l", "-c", "-g", "-o"))
    if len(given) > 1 or has(words, names("-r -revert")):
        return "write", "a second name is a file that is written"
    return "read", "only reads"


def _tar(simple: Simple) -> Said:
    words = simple.words[1:]
    runs = names(
        "--to-command -I --use-compress-program --checkpoint-action -F --info-script --new-volume-script "
        "--rsh-command --rmt-command"
    )
    if found := has(words, runs, clusters=False):
        return "danger", f"tar {found} runs a program"
    if any(not word.known for word in words):
        return "write", "what the words stand for cannot be seen"
    if any(re.match(r"[^/]*:", word.text) for word in words):
        return "danger", "an archive on another machine"
    first = words[0].text if words else ""
    listing = re.fullmatch(r"-?[tvzjJf]*t[vzjJf]*", first) or first == "--list"
    if listing and not any(word.text.startswith("-") for word in words[1:]) and not plain_words(words):
        return "read", "only lists"
    return "write", "tar changes files"


def _archive_list(simple: Simple) -> Said:
    words = simple.words[1:]
    if words and words[0].text in ("-l", "-Z", "-Z1", "-v") and not plain_words(words):
        return "read", "only lists"
    return "write", "changes files"


def _python(simple: Simple) -> Said:
    words = list(simple.words[1:])
    while words and words[0].known and words[0].text in ("-u", "-B", "-q", "-b", "-bb", "-s", "-E", "-I"):
        words.pop(0)
    if len(words) > 1 and words[0].text == "-m" and words[1].known:
        module, rest = words[1].text, tuple(words[2:])
        if module in programs.TESTS:
            return _tests(module, rest)
        if module in programs.SUBCOMMANDS:
            return _subcommand(module, rest)
        if module in programs.PYTHON_MODULES:
            return plain_words(rest) or ("test", "builds, tests or checks the project")
        if module == "json.tool" and len(positionals(tuple(rest))) < 2:
            return plain_words(rest) or ("read", "only reads")
        return "write", f"runs the module {module}"
    if words and words[0].text in ("manage.py", "./manage.py") and not plain_words(tuple(words)):
        texts = [word.text for word in words[1:]]
        if texts[:1] in (["test"], ["check"], ["showmigrations"]) or texts[:2] == [
            "makemigrations",
            "--check",
        ]:
            return "test", "tests or checks the project"
    return "write", "runs a program in Python"


def _git(simple: Simple) -> Said:
    return judge_git(simple.words[1:], plain_words)


_SPECIAL: dict[str, Callable[[Simple], Said]] = {
    "find": _find,
    "sed": _sed,
    "gsed": _sed,
    **dict.fromkeys(("awk", "gawk", "mawk", "nawk"), _awk),
    **dict.fromkeys(("uniq", "xxd"), _two_files),
    **dict.fromkeys(("tar", "bsdtar", "gtar"), _tar),
    **dict.fromkeys(("unzip", "zipinfo"), _archive_list),
    **dict.fromkeys(("curl", "wget", "http", "https"), curl),
    **dict.fromkeys(("node", "nodejs"), node),
    **dict.fromkeys(("export", "declare", "local", "readonly", "typeset", "unset"), declares),
    **dict.fromkeys(("source", "."), sources),
    **dict.fromkeys(("docker", "podman"), docker),
    "cmake": cmake,
    "command": says_where,
    "git": _git,
    "kill": kill,
    "php": php,
    "ps": ps,
    "set": sets,
    "terraform": terraform,
}
