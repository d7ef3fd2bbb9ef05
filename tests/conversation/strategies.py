from __future__ import annotations

import json

from hypothesis import strategies as st

from kcode.conversation.ledger import (
    Assistant,
    Call,
    Checkpoint,
    Entry,
    Epoch,
    Note,
    System,
    ToolResult,
    Tools,
    UsageEntry,
    User,
)

TEXT = st.text(max_size=30) | st.sampled_from(["修复这个测试", "<|im_end|>", "a\x00b", "é\u2028"])
TOOLS = Tools(
    json.dumps([{"type": "function", "function": {"name": "read_file", "parameters": {"type": "object"}}}])
)
HEAD: list[Entry] = [Epoch("start"), System("You are kcode."), TOOLS]


@st.composite
def steps(draw: st.DrawFn, ids: list[int]) -> list[Entry]:
    count = draw(st.integers(0, 3))
    calls = []
    for _ in range(count):
        ids.append(len(ids))
        arguments = draw(
            st.sampled_from(["{}", '{"path":"a.py"}', "{", "", "[1]", '{"a": "数"}', '{"a": NaN}'])
        )
        calls.append(
            Call(f"call_{ids[-1]}", draw(st.sampled_from(["read_file", "grep", "fs.read", "ls"])), arguments)
        )
    answer = Assistant(
        draw(TEXT), draw(st.none() | TEXT), tuple(calls), draw(st.sampled_from(["stop", "length"]))
    )
    ran = draw(st.integers(0, count))  # fewer than all: the turn was interrupted
    results: list[Entry] = [ToolResult(call.id, call.name, draw(TEXT)) for call in calls[:ran]]
    between = draw(
        st.lists(
            st.sampled_from(
                [
                    UsageEntry("kimi-k2", 300, 256, 10, cost="0.0012", currency="CNY", at=1.0),
                    Note("retry", "503"),
                    Note("news", "<news>so it is</news>"),
                    Note("user-command", "<user-command>", {"code": "0"}),
                    Checkpoint("c1", ("a.py",)),
                ]
            ),
            max_size=2,
        )
    )
    return [answer, *between, *results]


@st.composite
def conversations(draw: st.DrawFn, epochs: bool = True) -> list[Entry]:
    ids: list[int] = []
    ledger: list[Entry] = list(HEAD)
    for _ in range(draw(st.integers(0, 5))):
        ledger.append(User(draw(TEXT.filter(bool)), "typed"))
        for _ in range(draw(st.integers(0, 3))):
            ledger.extend(draw(steps(ids)))
            for text in draw(st.lists(TEXT.filter(bool), max_size=2)):  # steered: they join the running turn
                ledger.extend([Note("steer", text, {"id": "1"}), User(text, text)])
                ledger.append(Note("steer-joined", data={"id": "1"}))
        if epochs and draw(st.integers(0, 5)) == 0:
            kind = draw(st.sampled_from(["rewind", "restore", "clear", "model"]))
            if kind == "rewind":
                ledger.append(Epoch("rewind", keep_upto=draw(st.integers(len(HEAD), len(ledger)))))
            elif kind == "restore":
                ledger.append(Epoch("rewind", restore_upto=draw(st.integers(len(HEAD), len(ledger)))))
            elif kind == "model":
                ledger.append(Epoch("model", keep_upto=len(ledger)))
            else:
                ledger.extend([Epoch("clear"), *HEAD[1:]])
    return ledger
