"""The simulator as a process of its own."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from pathlib import Path

from tests.k2sim.models import LIVE_ON_MOONSHOT
from tests.k2sim.script import ScriptError
from tests.k2sim.shapes import SHAPES
from tests.k2sim.simulator import TEST_KEY, Simulator


def main() -> int:
    options = _parser().parse_args()
    ids = options.model or (LIVE_ON_MOONSHOT if options.live else None)
    try:
        simulator = Simulator(
            options.script or (),
            shape=options.shape,
            api_key=None if options.any_key else options.key,
            log=options.log,
            port=options.port,
            model_ids=ids,
            context=dict(_window(text) for text in options.context),
            require_k2_ids=options.k2_ids,
            strict_arguments=not options.loose_arguments,
        )
    except ScriptError as error:
        print(f"k2sim: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"k2sim: cannot listen on port {options.port}: {error.strerror}", file=sys.stderr)
        return 1
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    with simulator:
        if options.port_file:
            _write_whole(options.port_file, f"{simulator.port}\n")
        print(f"k2sim listens on {simulator.base_url}", flush=True)
        stopped.wait()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.k2sim", description="A scripted K2 endpoint.")
    add = parser.add_argument
    add("--script", type=Path, help="TOML file of answers; without it every chat request gets a 500")
    add("--port", type=int, default=0, help="0 (the default) takes a free one")
    add("--port-file", type=Path, help="file to write the port to once the server listens")
    add("--log", type=Path, help="folder for the log of requests and answers")
    add("--shape", choices=sorted(SHAPES), default="moonshot")
    add("--key", default=TEST_KEY, help="the only API key that is accepted")
    add("--any-key", action="store_true", help="accept any key, and none")
    add("--model", action="append", help="serve only this model id; may be repeated")
    add("--live", action="store_true", help="serve only what Moonshot itself still listed in autumn 2026")
    add("--context", action="append", default=[], metavar="MODEL=TOKENS", help="override a model's window")
    add("--k2-ids", action="store_true", help="call ids in history must be functions.name:index")
    add("--loose-arguments", action="store_true", help="arguments in history need not be JSON objects")
    return parser


def _window(text: str) -> tuple[str, int]:
    model, _, tokens = text.rpartition("=")
    if not model or not tokens.isdigit():
        raise SystemExit(f"k2sim: --context takes MODEL=TOKENS, not {text!r}")
    return model, int(tokens)


def _write_whole(path: Path, text: str) -> None:
    """Written beside and renamed, so that who waits for the file never reads half of it."""
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    beside.write_text(text, "utf-8")
    beside.replace(path)


if __name__ == "__main__":
    sys.exit(main())
