"""The typed settings. Layers and where each value came from: :mod:`kcode.config.layers`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from kcode.config import money, patterns, themes

Mode = Literal["plan", "ask", "edits", "auto"]
Money = Annotated[str, BeforeValidator(money.checked)]
Pattern = Annotated[str, BeforeValidator(patterns.checked)]
ThemeName = Annotated[str, BeforeValidator(themes.checked)]
Reasoning = Literal["folded", "open", "hidden"]


def _reasoning_shown(value: object) -> object:
    """``show_reasoning`` was true or false once: files and variables that say so still mean something."""
    word = str(value).casefold()
    if word in ("true", "yes", "on", "1"):
        return "open"
    return "hidden" if word in ("false", "no", "off", "0") else value


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ProviderSettings(Section):
    name: str = Field("auto", description="provider profile; auto: the first with a key, else embedded")
    model: str = Field("", description="model id; empty: the profile's best live model")
    base_url: str = Field("", description="address of the API, for self-hosted and compatible servers")
    api_key: str = Field("", description="API key; better kept in the environment")
    timeout_s: float = Field(600.0, gt=0, description="longest silence of the server, seconds")
    retries: int = Field(4, ge=0, le=20, description="how often a failed request is sent again")
    temperature: float | None = Field(None, ge=0, le=2, description="overrides the model's own")
    max_output_tokens: int = Field(0, ge=0, description="answer limit; 0: the model's default")
    context: int = Field(0, ge=0, description="window in tokens; 0: from the catalogue or the server")
    wire: Literal["auto", "chat", "responses", "messages", "completions"] = Field(
        "auto", description="API spoken: auto takes the profile's best"
    )
    dialect: str = Field(
        "", description="overrides of the profile's dialect, such as `heal=false partial=continue`"
    )
    reasoning_effort: Literal["", "low", "high", "max"] = Field(
        "", description="how much the K3 models think; empty: the server's default, which is max"
    )
    thinking: Literal["auto", "off"] = Field(
        "auto", description="off: switches thinking off where the model can (kimi-k2.6)"
    )
    official_tools: str = Field(
        "", description="Moonshot's own tools to offer, by name: `$web_search`, `fetch`, `code-runner`, …"
    )
    low_balance: float = Field(
        10.0, ge=0, description="balance below which a hint is shown, in the billing currency; 0: never"
    )
    batch_timeout_s: float = Field(
        86_400.0, gt=0, description="longest wait for one batch request, which may take hours; seconds"
    )


class AgentSettings(Section):
    mode: Mode = Field("ask", description="plan: read only; ask; edits: edits accepted; auto: all accepted")
    map_tokens: int = Field(
        1000, ge=0, description="size of the code map a conversation begins with, in tokens; 0: none"
    )
    max_turns: int = Field(60, ge=1, description="model requests in one turn of the user's")
    max_seconds: float = Field(3600.0, gt=0, description="time limit of one turn, seconds")
    max_cost: Money = Field("0", description="cost limit of a session; 0: none")
    guide_tokens: int = Field(
        8000, ge=0, description="tokens that AGENTS.md files may have in the context together"
    )
    max_cost_day: Money = Field("0", description="cost limit of all sessions of a day together; 0: none")


class EmbeddedSettings(Section):
    model: str = Field("qwen2.5-coder-1.5b", description="a name `kcode models list` shows, or a GGUF path")
    threads: int = Field(0, ge=0, description="0: from the machine")
    context: int = Field(0, ge=0, description="window in tokens; 0: from the machine's memory")
    kv_cache_mb: int = Field(512, ge=0, description="disk space for saved prompt prefixes, MB")


class RunnerSettings(Section):
    command: str = Field("", description="command that runs the tests; empty: detected")
    timeout_s: float = Field(300.0, gt=0, description="time limit of one test run, seconds")
    python: str = Field("", description="interpreter for the tests; empty: the project's own")
    runner: str = Field("auto", description="which runner runs the tests (docs/testing.md); auto: detected")
    rerun_failed: bool = Field(True, description="run a few failing tests again alone, to notice flaky ones")


class DiagnosticsSettings(Section):
    enabled: Literal["auto", "off"] = Field(
        "auto", description="after edits tell new problems that the project's linters and type checkers find"
    )
    commands: str = Field(
        "",
        description="checkers to run, parted by `;`: known names, or commands with {files}; empty: detected",
    )
    servers: str = Field(
        "",
        description="language servers to ask after edits and to rename with, parted by `;`: "
        "known names, or LANGUAGE=COMMAND; empty: none",
    )
    timeout_s: float = Field(30.0, gt=0, description="time limit of one checker, seconds")


class FixSettings(Section):
    max_seconds: float = Field(90.0, gt=0, description="time for one repair with the embedded model, seconds")
    suite_seconds: float = Field(
        600.0, gt=0, description="time for the whole test suite as the proof of a repair, seconds"
    )


class UiSettings(Section):
    show_reasoning: Annotated[Reasoning, BeforeValidator(_reasoning_shown)] = Field(
        "folded", description="the model's reasoning: folded to one line that Ctrl-O opens, open, or hidden"
    )
    notify: Literal["auto", "bell", "off"] = Field(
        "auto", description="how the end of a long turn is told: auto adds a notification to the bell"
    )
    notify_after_s: float = Field(
        20.0, ge=0, description="seconds a turn has to last for its end to be told; 0: never"
    )
    language: Literal["auto", "en", "zh"] = Field(
        "auto", description="of the interface: English or Simplified Chinese; auto: as the locale says"
    )
    theme: ThemeName = Field("auto", description="colours; auto: dark or light, as the terminal is")
    diff: Literal["auto", "unified", "split"] = Field(
        "auto", description="diffs: split shows both sides side by side; auto does from 140 columns"
    )
    editing_mode: Literal["emacs", "vi"] = Field("emacs", description="the keys of the input")
    paste_fold_lines: int = Field(
        10, ge=0, description="lines of a paste that are shown; a larger one is folded to a mark; 0: all"
    )


class SafetySettings(Section):
    sandbox: Literal["auto", "off"] = Field("auto", description="confine commands where the machine can")
    network: bool = Field(False, description="let confined commands reach the network")
    command_timeout_s: float = Field(120.0, gt=0, description="time limit of one command, seconds")
    memory_mb: int = Field(
        0, ge=0, description="memory of one command and all it starts, MB; 0: three quarters of the machine's"
    )
    processes: int = Field(1000, ge=0, description="processes of one command at a time; 0: no limit")
    mask_secrets: bool = Field(True, description="send placeholders instead of keys and passwords")
    secret_pattern: Pattern = Field(
        "", description="what else is a secret; a group in it is the secret's part of the match"
    )
    not_secret: Pattern = Field("", description="values that are no secret, though they look like one")


class SessionSettings(Section):
    snapshots: bool = Field(True, description="snapshot the files before a turn changes them, for rewinding")
    keep_days: int = Field(30, ge=0, description="days until sessions and snapshots are removed; 0: never")
    max_mb: int = Field(2000, ge=0, description="disk space for sessions and snapshots, MB; 0: no limit")


class HookSettings(Section):
    fail_closed: bool = Field(False, description="block the commit when a check itself cannot run")
    while_merging: bool = Field(
        False, description="all checks also while a merge, rebase, cherry-pick or revert is concluded"
    )
    review: Literal["off", "on"] = Field(
        "off", description="pre-commit: let the model review what is staged, once the checks pass"
    )
    review_seconds: float = Field(30.0, gt=0, description="time for that review or a draft, seconds")
    review_cost: Money = Field("0.5", description="cost limit of one review or draft; 0: none")
    block_at: Literal["high", "medium", "low", "never"] = Field(
        "high", description="severity from which a finding of that review stops the commit"
    )
    subject_length: int = Field(
        0, ge=0, description="commit-msg: longest subject; 0: 72, or as long as the repository's own are"
    )
    conventional: Literal["auto", "on", "off"] = Field(
        "auto", description="commit-msg: ask for a Conventional Commits type; auto: where the log has them"
    )
    push_tests: Literal["affected", "all", "off"] = Field("affected", description="pre-push: tests to run")
    push_seconds: float = Field(120.0, gt=0, description="pre-push: time for those tests, seconds")


class CommitSettings(Section):
    trailer: str = Field(
        "", description="added to messages that kcode drafts, such as `Assisted-by: kcode`; empty: none"
    )


class Settings(Section):
    provider: ProviderSettings = ProviderSettings()
    agent: AgentSettings = AgentSettings()
    embedded: EmbeddedSettings = EmbeddedSettings()
    tests: RunnerSettings = RunnerSettings()
    diagnostics: DiagnosticsSettings = DiagnosticsSettings()
    fix: FixSettings = FixSettings()
    ui: UiSettings = UiSettings()
    safety: SafetySettings = SafetySettings()
    sessions: SessionSettings = SessionSettings()
    hooks: HookSettings = HookSettings()
    commit: CommitSettings = CommitSettings()
