"""What a tool is: a name, a description, a pydantic argument model, a plan and a run.

A tool first states its :class:`Intent` (what it would do, shown for approval), then runs. Its
:class:`ToolOutcome` has three faces: text for the model, a brief for people, a payload for renderers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict

from kcode.workspace.change import FileEdit as FileEdit

if TYPE_CHECKING:
    from kcode.codemap.service import CodeMap
    from kcode.config.settings import Settings
    from kcode.diagnostics.lsp.pool import Servers
    from kcode.safety.hosts import Gate
    from kcode.tools.background import Background
    from kcode.workspace.workspace import Workspace


class Arguments(BaseModel):
    """Base of all argument models: unknown fields are refused, so that the model learns of them."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True)
class Intent:
    """What a call would do. ``kind`` is what the policy judges.

    ``read`` looks; ``edit`` changes files of the workspace; ``command`` starts a process of the user's
    choosing; ``test`` runs the project's tests; ``note`` changes only kcode's own state.
    ``sensitive`` names why a yes is needed in every mode (a key file, ``.git/config``), or is empty.
    ``moves`` are the pairs (from, to) among the edits that are one file moved; ``partly`` tells that a part
    of the edits may be made instead of all. ``paths`` are what a read looks at, for rules over paths;
    ``hosts`` the machines that it reaches.
    """

    kind: Literal["read", "edit", "command", "test", "note"]
    edits: tuple[FileEdit, ...] = ()
    command: str = ""
    sensitive: str = ""
    moves: tuple[tuple[str, str], ...] = ()
    partly: bool = False
    paths: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ToolOutcome:
    """The three faces of a result, and the files it changed (workspace-relative).

    ``confined`` says of a failure that it looks as if the sandbox had caused it.
    """

    text: str
    brief: str
    ok: bool = True
    payload: Any = None
    changed: tuple[str, ...] = ()
    images: tuple[str, ...] = ()  # data: addresses, for models that see
    confined: bool = False


class ToolRefused(Exception):
    """The call cannot be done as asked; the message goes to the model, which can correct itself."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a running tool is: output that came since the last one, and a test run's counts so far
    (``total`` 0 where it is not known)."""

    text: str = ""
    passed: int = 0
    failed: int = 0
    total: int = 0


@dataclass(slots=True)
class ToolContext:
    """What tools work on. One per session; without ``background`` no command can be left running.

    ``always_confined``: commands run in the sandbox whatever the settings say (auto mode); ``outside``: the
    user allowed this one call to run without it.
    """

    workspace: Workspace
    settings: Settings
    todo: list[dict[str, str]] = field(default_factory=list)
    progress: Callable[[Progress], None] = lambda progress: None
    scratch: Path | None = None
    background: Background | None = None
    map: CodeMap | None = None
    always_confined: bool = False
    outside: bool = False
    question: str = ""  # the user's last message, as typed
    unseen: str = "no images are shown here"  # why images are not read; empty where they are
    servers: Servers | None = None  # language servers, where any is configured
    planned: dict[int, tuple[FileEdit, ...]] = field(default_factory=dict)  # id(arguments) -> approved
    gate: Gate | None = None  # decides over the other machines that confined commands reach
    denied: Callable[[], Sequence[str]] = tuple  # patterns of paths that rules deny
    test_env: dict[str, str] = field(default_factory=dict)  # variables that the project's tests get


A = TypeVar("A", bound=Arguments)


class Tool(ABC, Generic[A]):
    """One tool. Subclasses set the class variables and implement ``plan`` and ``run``."""

    name: ClassVar[str]
    read_only: ClassVar[bool] = False
    arguments: type[A]

    def title(self, args: A) -> str:
        """One line for people: the verb and the object."""
        return self.name

    async def plan(self, args: A, context: ToolContext) -> Intent:
        """What ``run`` would do. Raises :class:`ToolRefused` where it cannot be done."""
        return Intent("read")

    @abstractmethod
    async def run(self, args: A, context: ToolContext) -> ToolOutcome:
        """Do it. Called only after approval; must check again what may have changed since ``plan``."""
