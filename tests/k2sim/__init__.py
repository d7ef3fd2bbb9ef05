"""The K2 simulator: a real HTTP server that answers by script and refuses as the real API does.

In a test::

    from tests.k2sim import Simulator, call, fail, say, use

    with Simulator([use(call("read_file", path="a.py")), say("Done.")], shape="moonshot") as sim:
        ...                       # point the client at sim.base_url with the key TEST_KEY
        sim.requests              # every request: raw, json, headers, status, prompt_tokens, cached_tokens
        assert all(step.extends for step in sim.prefix_report())

With pytest, the factory fixture of ``tests.k2sim.fixtures`` starts and stops them: ``sim = k2sim([...])``.

As a process: ``python -m tests.k2sim --script FILE --port 0 --log DIR --shape moonshot --port-file F``.

Scripts are TOML, described in ``tests/k2sim/README.md``. Shapes: ``moonshot`` (base ``/v1``), ``ark``
(``/api/v3``), ``openai`` (``/v1``, a self-hosted engine).
"""

from tests.k2sim.answers import Answer, Call, Chunking, Fault, Match, call, fail, say, use
from tests.k2sim.exchange import ChatRequest, Record
from tests.k2sim.prefix import PrefixStep, extends, extends_json
from tests.k2sim.script import Script, ScriptError
from tests.k2sim.shapes import Refusal
from tests.k2sim.simulator import TEST_KEY, Simulator

__all__ = [
    "TEST_KEY",
    "Answer",
    "Call",
    "ChatRequest",
    "Chunking",
    "Fault",
    "Match",
    "PrefixStep",
    "Record",
    "Refusal",
    "Script",
    "ScriptError",
    "Simulator",
    "call",
    "extends",
    "extends_json",
    "fail",
    "say",
    "use",
]
