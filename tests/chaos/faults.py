"""What goes wrong: one row a fault, with where it is done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from tests.k2sim import Fault

STALL_S = 25.0
PATIENCE_S = 8.0  # the longest silence of the server that kcode is told to bear


@dataclass(frozen=True)
class Row:
    """``fault`` is of the server and spoils ``times`` answers (0: all of the step). Without it the row's name
    is known to :mod:`tests.chaos.speaker` (``model``) or :mod:`tests.chaos.machine` (``machine``)."""

    name: str
    place: str  # server, model, machine
    fault: Callable[[Random], Fault] | None = None
    times: int = 1
    only: str = ""  # terminal, script, root: where it makes sense


def _kind(kind: str, **more: str | float | int) -> Callable[[Random], Fault]:
    return lambda chance: Fault(kind, **more)  # type: ignore[arg-type]


def _in_the_middle(kind: str, seconds: float = 0.0) -> Callable[[Random], Fault]:
    return lambda chance: Fault(kind, after_chunks=chance.randrange(0, 6), seconds=seconds)


_SERVER = (
    Row("429 with Retry-After", "server", _kind("engine_overloaded", retry_after="0"), times=2),
    Row("429 without Retry-After", "server", _kind("engine_overloaded")),
    Row("429 for good", "server", _kind("engine_overloaded", retry_after="0"), times=0),
    Row("429, a wait of an hour", "server", _kind("engine_overloaded", retry_after="3600"), times=0),
    Row("429, the limit on tokens told", "server", _kind("rate_limit_tpm", retry_after="0")),
    Row("429, quota used up", "server", _kind("quota_exceeded"), times=0),
    Row("500 HTML", "server", _kind("server_error_html", retry_after="0"), times=2),
    Row("502 HTML", "server", _kind("bad_gateway_html")),
    Row("503 HTML", "server", _kind("unavailable_html", retry_after="0")),
    Row("504 HTML", "server", _kind("gateway_timeout_html")),
    Row("503 HTML for good", "server", _kind("unavailable_html", retry_after="0"), times=0),
    Row("connection reset", "server", _in_the_middle("reset")),
    Row("reset before the answer", "server", _kind("reset_before")),
    Row("reset for good", "server", _in_the_middle("reset"), times=0),
    Row("closed before the answer", "server", _kind("close_before")),
    Row("stall", "server", _in_the_middle("stall", seconds=STALL_S)),
    Row("stall before the answer", "server", _kind("stall_before", seconds=STALL_S)),
    Row("cut stream", "server", _in_the_middle("cut")),
    Row("hung up in the stream", "server", _in_the_middle("hangup")),
    Row("no [DONE]", "server", _kind("no_done")),
    Row("no finish reason", "server", _kind("no_finish")),
    Row("error in the stream", "server", _in_the_middle("error_mid_stream")),
    Row("malformed JSON", "server", _in_the_middle("malformed_json")),
    Row("malformed JSON for good", "server", _in_the_middle("malformed_json"), times=0),
    Row("duplicated deltas", "server", _kind("duplicate_deltas")),
    Row("deltas out of order", "server", _kind("out_of_order")),
    Row("wrong index", "server", _kind("wrong_index")),
    Row("missing index", "server", _kind("missing_index")),
    Row("one index for all", "server", _kind("same_index")),
    Row("missing id", "server", _kind("missing_id")),
    Row("one id for all", "server", _kind("same_id")),
    Row("empty deltas", "server", _kind("empty_deltas")),
    Row("malformed arguments", "server", _kind("malformed_arguments")),
    Row("truncated arguments", "server", _kind("truncated_arguments")),
    Row("calls announced, none sent", "server", _kind("finish_without_calls")),
    Row("markup in the text", "server", _kind("markup_in_text")),
    Row("unknown tool", "server", _kind("unknown_tool")),
    Row("empty answer", "server", _kind("empty")),
    Row("empty answers for good", "server", _kind("empty"), times=0),
    Row("think-only answer", "server", _kind("think_only")),
    Row("think-only for good", "server", _kind("think_only"), times=0),
    Row("usage wrong", "server", _kind("usage_wrong")),
    Row("usage missing", "server", _kind("usage_missing")),
    Row("model gone", "server", _kind("model_gone"), times=0),
    Row("key revoked", "server", _kind("wrong_key"), times=0),
    Row("content filter", "server", _kind("content_filter"), times=0),
)
_MODEL = (
    Row("words repeated without end", "model"),
    Row("thoughts repeated without end", "model"),
    Row("a call repeated without end", "model"),
    Row("calls that alternate without end", "model"),
    Row("a command that hangs", "model"),
    Row("a command that leaves others running", "model"),
    Row("a command that forks", "model"),
    Row("a command that floods (10 GB)", "model"),
    Row("a command that eats memory", "model"),
    Row("a command that ignores SIGTERM", "model"),
)
_MACHINE = (
    Row("clock a day on", "machine"),
    Row("clock ten years back", "machine"),
    Row("clock ten years on", "machine"),
    Row("disk full in the turn", "machine"),
    Row("a file system that is full", "machine", only="root"),
    Row("journal unwritable from the start", "machine", only="script"),
    Row("journal deleted in the turn", "machine"),
    Row("repository deleted in the turn", "machine"),
)
ROWS = {row.name: row for row in (*_SERVER, *_MODEL, *_MACHINE)}
SOUND = "none"
