"""Examples of every command: what to type, and what it does. The help and the manual show them."""

from __future__ import annotations

Example = tuple[str, str]

EXAMPLES: dict[str, tuple[Example, ...]] = {
    "": (
        ("kcode", "A session in this folder."),
        ("kcode -c", "The project's last session, where it ended."),
        ('kcode -p "why does test_total fail?"', "One task; the answer on standard output."),
        ("git diff | kcode -p 'review this' --output json", "With input, for scripts."),
        ("kcode --model kimi-k2.6 --mode plan", "Another model; read only, ending with a plan."),
    ),
    "fix": (
        ("kcode fix tests/test_shop.py::test_total", "Repair this test, show the patch, ask."),
        ("kcode fix the login test", "By words; without any: whatever fails."),
        ("kcode fix -- npm test", "What this command reports."),
        ("pytest | kcode fix", "What this log says has failed."),
        ("kcode fix --bisect --attempts 3", "Find the first bad commit; take the smallest of three patches."),
        ("kcode fix --yes --commit --branch fix/total", "Without asking, as a commit on a new branch."),
        ("kcode fix --yes --json", "Whatever fails, without asking, for scripts."),
    ),
    "commit": (
        ("kcode commit", "Draft a message for what is staged; commit after a yes."),
        ("kcode commit --split", "Several commits, by what belongs together."),
        ('kcode commit -a -m "closes the race in the queue"', "Stage everything; say what it is about."),
    ),
    "resolve": (
        ("kcode resolve", "Conflict by conflict: ours, theirs, both, a proposal, your edit."),
        ("kcode resolve --dry-run src/", "What would be proposed for a folder."),
        ("kcode resolve --yes --continue", "What is sure; tests; then let git go on."),
    ),
    "review": (
        ("kcode review", "What is not committed yet."),
        ("kcode review main...HEAD --fail-on high", "A branch, in CI."),
        ("kcode review - --format sarif < change.patch", "A patch, for code scanning."),
        ("kcode review --apply 2", "Make the change that the second finding suggests."),
    ),
    "explain": (
        ("kcode explain HEAD~1", "What a commit changes, and why."),
        ("kcode explain src/cart.py:42", "What a line does, with the commit that made it so."),
    ),
    "changelog": (
        ("kcode changelog", "Since the last tag, for users."),
        ("kcode changelog v1.2..HEAD > NEWS.md", "A range, into a file."),
        ("kcode changelog --no-model", "The subjects themselves, sorted; offline."),
    ),
    "map": (
        ("kcode map --tokens 4000", "The files that matter most, and what they define."),
        ("kcode map --focus src/login.py", "What is near one file, folder or symbol."),
        ("kcode map --symbol Session.turn", "Where a name is defined; --uses: who uses it."),
    ),
    "demo": (("kcode demo --keep", "Watch a repair, and look at the repository afterwards."),),
    "models": (("kcode models --provider moonshot", "What Moonshot offers, with prices."),),
    "models list": (("kcode models list --json", "All of it, for scripts."),),
    "models pull": (("kcode models pull qwen2.5-coder-1.5b", "Fetch an embedded model; again: goes on."),),
    "models verify": (("kcode models verify qwen2.5-coder-1.5b", "Is the file whole?"),),
    "models rm": (("kcode models rm qwen2.5-coder-1.5b", "Free the space it takes."),),
    "models path": (("ls -l $(kcode models path qwen2.5-coder-1.5b)", "Where the file is."),),
    "login": (
        ("kcode login moonshot", "Asks for the key, checks it and keeps it."),
        ("pass show ark | kcode login ark --stdin", "From a password manager."),
    ),
    "logout": (("kcode logout moonshot", "Forget Moonshot's key on this machine."),),
    "balance": (("kcode balance --json", "The account's balance, for scripts."),),
    "provider": (("kcode provider", "Who can answer, and who does."),),
    "provider list": (("kcode provider list --json", "The profiles, for scripts."),),
    "provider check": (("kcode provider check ark", "Does Ark work with this key and model?"),),
    "provider verify": (
        ("kcode --base-url https://vendor.example/v1 provider verify", "How well this vendor calls tools."),
    ),
    "session": (("kcode session list", "The project's sessions."),),
    "session list": (("kcode session list login --all", "Sessions about the login, in all projects."),),
    "session show": (("kcode session show", "About the last session."),),
    "session export": (("kcode session export --format md -o talk.md", "As a document to read."),),
    "session fork": (("kcode session fork login", "Try another way without losing this one."),),
    "session rm": (("kcode session rm 20260102-1200-ab12", "Delete it for good."),),
    "session prune": (("kcode session prune --older-than 60d", "Remove what is older than 60 days."),),
    "cost": (
        ("kcode cost --since 7d --by model", "The last week, by model."),
        ("kcode cost --by project --json", "By project, for scripts."),
    ),
    "config": (("kcode config list", "Every setting and where it comes from."),),
    "config list": (("kcode config list --json", "The same, for scripts."),),
    "config get": (("kcode config get agent.mode", "One value."),),
    "config set": (
        ("kcode config set ui.theme light", "In your own file."),
        ('kcode config set --project tests.command "make test"', "In the project's file."),
    ),
    "config unset": (("kcode config unset ui.theme", "The default holds again."),),
    "config edit": (("kcode config edit", "In your editor; checked afterwards."),),
    "config path": (("kcode config path --project", "Where the project's file is."),),
    "permissions": (("kcode permissions explain -- git push", "Would it be asked about?"),),
    "permissions explain": (("kcode permissions explain --mode auto -- rm -rf build", "And in auto mode?"),),
    "permissions trust": (("kcode permissions trust", "Let this project's rules allow things."),),
    "permissions list": (("kcode permissions list", "The rules that hold here."),),
    "permissions forget": (("kcode permissions forget 'command: make *'", "Remove a rule of yours."),),
    "hook": (("kcode hook status", "Which hooks are installed here."),),
    "hook install": (
        ("kcode hook install pre-commit", "Check every commit for secrets and leftovers."),
        ("kcode hook install prepare-commit-msg pre-push", "Drafted messages; tests before a push."),
    ),
    "hook uninstall": (("kcode hook uninstall pre-commit", "Put back the hook that was there."),),
    "hook status": (("kcode hook status", "Which hooks are installed here."),),
    "hook run": (("kcode hook run pre-commit", "Check what is staged now."),),
    "doctor": (
        ("kcode doctor", "What is there, what is missing, how to mend it."),
        ("kcode doctor --online", "The network and the key too, with the smallest real call."),
    ),
    "completion": (
        ("kcode completion bash --install", "Put it where bash finds it."),
        ("kcode completion zsh > ~/.zfunc/_kcode", "Put it where you like."),
    ),
    "man": (
        ("kcode man | man -l -", "Read the manual now."),
        ("kcode man --install", "So that `man kcode` shows it."),
    ),
    "help": (
        ("kcode help options", "All options of kcode itself."),
        ("kcode help config set", "The same as kcode config set --help."),
    ),
}


def examples_of(path: str) -> tuple[Example, ...]:
    """For ``""`` (kcode itself), ``"config"`` or ``"config set"``."""
    return EXAMPLES.get(path, ())
