"""The dialogue of ``kcode commit --split``: a plan of several commits, edited as a text, then made."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from kcode.agent.splitting import Group, Plan, title
from kcode.errors import NotAchieved, UsageError
from kcode.i18n import _, from_below, n_
from kcode.safety.sanitize import clean
from kcode.ui.desk import INTERRUPTED, Desk
from kcode.ui.look import figures

if TYPE_CHECKING:
    from kcode.agent.session import Session
    from kcode.workspace.logstyle import Style
    from kcode.workspace.splitting import Entry, Part, Splittable
    from kcode.workspace.staging import Committed, Draftable

_HEAD = re.compile(r"^=== commit\b.*$")
_PARTS = "--- parts"
_LISTED = 12


@dataclass(frozen=True, slots=True)
class Made:
    """One commit as it was made, or as it would be (``commit`` is ``""``)."""

    commit: str
    message: str
    files: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        return {"commit": self.commit, "message": self.message, "files": list(self.files)}


@dataclass(slots=True)
class SplitDialogue:
    """From a chosen change to its commits. ``index_holds``: it is what is staged, and what is not committed
    stays staged; else it is in the work tree, and stays there."""

    desk: Desk
    session: Session
    change: Draftable
    style: Style
    index_holds: bool
    hint: str = ""
    _found: Splittable = field(init=False)

    def __post_init__(self) -> None:
        from kcode.workspace.splitting import splittable

        self._found = splittable(self.session.root, self.change)

    async def run(self, yes: bool) -> list[Made]:
        """The commits that were made; drafts where nobody said yes."""
        desk = self.desk
        plan = await self._planned()
        while plan is not None:
            self._show(plan)
            if yes:
                return await self._commit(plan)
            if not desk.person:
                return [self._made(group, "") for group in plan.groups]
            count = len(plan.groups)
            asked = n_("Make this commit?", "Make these {count} commits?", count).format(count=count)
            key = await desk.key(asked, _choices())
            if key == "y":
                return await self._commit(plan)
            if key == "e":
                plan = await self._edited(plan)
            elif key == "r":
                said = await desk.line(_("how should it be divided?"))
                if said:
                    self.hint = "; ".join(filter(None, [self.hint, said]))
                    plan = await self._planned() or plan
            elif key in ("n", INTERRUPTED):
                break
        desk.say(_("nothing was committed; what was staged is as before"), "dim")
        return []

    async def _planned(self) -> Plan | None:
        from kcode.agent.splitting import plan

        session = self.session
        work = plan(
            session,
            self._found,
            self.change.stat,
            self.style,
            hint=self.hint,
            withheld=session.workspace.withheld,
        )
        made = await self.desk.during(_("dividing the change…"), work)
        if made is None:
            return None
        if not made.groups:
            raise NotAchieved(
                _("the model gave no usable plan"), _("kcode commit makes one commit; or stage a part first")
            )
        return replace(made, groups=tuple([await self._with_trailer(group) for group in made.groups]))

    async def _with_trailer(self, group: Group) -> Group:
        from kcode.agent.committing import with_trailer

        trailer = self.session.settings.commit.trailer
        return replace(group, message=await with_trailer(self.session.root, group.message, trailer))

    def _show(self, plan: Plan) -> None:
        desk, left = self.desk, self._left(plan)
        desk.say()
        for number, group in enumerate(plan.groups, 1):
            subject, _blank, body = group.message.partition("\n")
            desk.say(f"{number:>2}  {figures.one_line(subject)}", "bold")
            for line in body.strip().split("\n") if body.strip() else ():
                desk.say(f"    {clean(line)}".rstrip())
            parts = self._parts(group.numbers)
            for part in parts[:_LISTED]:
                desk.say(f"      {figures.one_line(from_below(title(part)))}", "dim")
            if len(parts) > _LISTED:
                desk.say(_("      and {count} more").format(count=len(parts) - _LISTED), "dim")
        if left:
            where = _("staged") if self.index_holds else _("in the work tree")
            words = n_("{count} part stays {where}", "{count} parts stay {where}", len(left))
            desk.say(words.format(count=len(left), where=where), "yellow")
        if plan.placed:
            words = n_(
                "the model forgot part {numbers}: it is beside what is nearest to it",
                "the model forgot the parts {numbers}: they are beside what is nearest to them",
                len(plan.placed),
            )
            desk.say(words.format(numbers=", ".join(map(str, plan.placed[:20]))), "yellow")

    # --- editing ---

    async def _edited(self, plan: Plan) -> Plan:
        from kcode.ui.editor import git_editor

        text = plan_text(plan, self._found.parts)
        while True:
            back = await self.desk.edit(text, "COMMIT_PLAN", git_editor(self.session.root))
            if back is None:
                self.desk.say(_("the editor ended with an error: the plan is as it was"), "yellow")
                return plan
            try:
                return read_plan(back, self._found.parts)
            except UsageError as error:
                self.desk.say(error.message, "yellow")
                key = await self.desk.key(
                    _("Edit it again?"), [("y", _("yes")), ("n", _("no, leave the plan as it was"))]
                )
                if key != "y":
                    return plan
                text = back

    # --- committing ---

    async def _commit(self, plan: Plan) -> list[Made]:
        from kcode.workspace.splitting import commit_tree, tree_with

        root, made = self.session.root, list[Made]()
        taken, other = set[int](), dict[str, "Entry | None"]()
        for group in plan.groups:
            tree = tree_with(root, self._found, {*taken, *group.numbers}, other)
            work = commit_tree(root, tree, group.message)
            done = await self.desk.during(_("committing…"), work)
            if done is None or not done.commit:
                self._stopped(group, made, plan, done)
            assert done is not None
            if done.output.strip():
                self.desk.say(clean(done.output.rstrip()))
            taken.update(group.numbers)
            made.append(self._made(group, done.commit))
            self.desk.say(f"[{done.commit}] {figures.one_line(group.message.partition(chr(10))[0])}", "green")
            self._after(group, tree, done, taken, other, last=len(made) == len(plan.groups))
        return made

    def _after(
        self,
        group: Group,
        tree: str,
        done: Committed,
        taken: set[int],
        other: dict[str, Entry | None],
        *,
        last: bool,
    ) -> None:
        """Bring the index along, and what a hook made of the files."""
        from kcode.workspace.splitting import changed_by_hook, entries_of, into_index

        root = self.session.root
        hooked = changed_by_hook(root, tree, done.tree)
        if hooked:
            self.desk.say(_("a hook changed what was committed: git show"), "yellow")
            other.update(hooked)
        paths = {part.path for part in self._parts(group.numbers)}
        paths |= {part.file.was for part in self._parts(group.numbers) if part.file.was}
        into_index(root, hooked if self.index_holds else entries_of(root, done.tree, {*paths, *hooked}))
        torn = {part.path for part in self._found.parts if part.number not in taken} & {*hooked}
        if torn and not last:
            raise NotAchieved(
                _("a hook changed {files}, of which more was to be committed").format(
                    files=", ".join(sorted(figures.one_line(path) for path in torn))
                ),
                _("the commits until here are made; look at git status and run kcode commit --split again"),
            )

    def _stopped(self, group: Group, made: Sequence[Made], plan: Plan, done: Committed | None) -> None:
        """Say what is there and what is not. Raises NotAchieved."""
        if done is not None and done.output.strip():
            self.desk.say(clean(done.output.rstrip()))
        where = _("staged") if self.index_holds else _("in the work tree")
        count = len(made)
        told = n_("{count} of {all} commits was made", "{count} of {all} commits were made", count).format(
            count=count, all=len(plan.groups)
        )
        subject = figures.one_line(group.message.partition("\n")[0])
        if done is None:
            raise NotAchieved(_("interrupted: {told}").format(told=told), "git status")
        raise NotAchieved(
            _("git or a hook refused {subject!r} (exit code {code}); {told}").format(
                subject=subject, code=done.code, told=told
            ),
            _("the rest is {where}; its message is in .git/KCODE_EDITMSG").format(where=where),
        )

    def _made(self, group: Group, commit: str) -> Made:
        files = tuple(dict.fromkeys(part.path for part in self._parts(group.numbers)))
        return Made(commit, group.message, files)

    def _parts(self, numbers: Sequence[int]) -> list[Part]:
        return [part for part in self._found.parts if part.number in numbers]

    def _left(self, plan: Plan) -> list[Part]:
        taken = {number for group in plan.groups for number in group.numbers}
        return [part for part in self._found.parts if part.number not in taken]


def plan_text(plan: Plan, parts: Sequence[Part]) -> str:
    """The plan for an editor; :func:`read_plan` reads it back."""
    known = {part.number: part for part in parts}
    out = [
        _("# Each commit: its message, then its parts. Move a line to put a part into another commit;"),
        _("# move a block to reorder them; delete a part, or a block, to leave it uncommitted."),
    ]
    for group in plan.groups:
        out += ["", "=== commit", group.message, _PARTS]
        out += [f"{number} {figures.one_line(title(known[number]))}" for number in group.numbers]
    return "\n".join(out) + "\n"


def read_plan(text: str, parts: Sequence[Part]) -> Plan:
    """The plan as somebody left it. Raises UsageError for what is no part, or is in two commits."""
    known, seen = {part.number for part in parts}, set[int]()
    groups: list[Group] = []
    for block in re.split(_HEAD.pattern, text, flags=re.MULTILINE)[1:]:
        message, _mark, rest = f"{block}\n".partition(f"\n{_PARTS}\n")
        numbers: list[int] = []
        for line in rest.split("\n"):
            if not line.strip() or line.startswith("#"):
                continue
            first = line.split()[0]
            if not first.isdigit() or int(first) not in known:
                raise UsageError(_("{line!r} names no part of the change").format(line=line[:60]))
            if int(first) in seen:
                raise UsageError(_("part {number} is there twice").format(number=first))
            seen.add(int(first))
            numbers.append(int(first))
        if numbers and not message.strip():
            raise UsageError(_("a commit has no message"))
        if numbers:
            groups.append(Group(message.strip(), tuple(sorted(numbers))))
    if not groups:
        raise UsageError(_("no commit is left in the plan"))
    return Plan(tuple(groups))


def _choices() -> list[tuple[str, str]]:
    return [
        ("y", _("yes")),
        ("e", _("edit the plan")),
        ("r", _("divide again with a hint")),
        ("n", _("no")),
    ]
