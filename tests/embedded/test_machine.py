from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from kcode.config.settings import EmbeddedSettings
from kcode.providers.embedded import machine
from kcode.providers.embedded.frames import BrokenFrame, encode, read_frame
from kcode.providers.embedded.gguf import GgufHead
from kcode.providers.embedded.kvcache import KvCache

HEAD = GgufHead("qwen2", "Qwen", context=32_768, kv_bytes=28_672, file_bytes=1_117_320_768)


def with_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, limit: int, used: int) -> None:
    (tmp_path / "memory.max").write_text(f"{limit}\n")
    (tmp_path / "memory.current").write_text(f"{used}\n")
    (tmp_path / "memory.stat").write_text("anon 1\ninactive_file 0\n")
    monkeypatch.setattr(machine, "_CGROUP", tmp_path)


def test_the_window_shrinks_with_the_memory_of_the_container(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    windows = []
    for gigabytes in (2, 3, 4):
        with_memory(monkeypatch, tmp_path, gigabytes * machine.GB, 0)
        windows.append(machine.plan(HEAD, EmbeddedSettings()).context)
    assert windows == sorted(windows)
    assert machine.MIN_CONTEXT <= windows[0] <= machine.AUTO_CONTEXT


def test_little_memory_brings_the_advice_of_the_smaller_model(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with_memory(monkeypatch, tmp_path, 3 * machine.GB, 0)
    assert "qwen2.5-coder-0.5b" in machine.plan(HEAD, EmbeddedSettings()).advice


def test_the_settings_win_up_to_what_the_model_was_trained_for() -> None:
    chosen = machine.plan(HEAD, EmbeddedSettings(threads=3, context=99_999))
    assert (chosen.threads, chosen.context) == (3, 32_768)


def test_a_processor_quota_limits_the_threads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text("100000 100000\n")
    monkeypatch.setattr(machine, "_CGROUP", tmp_path)
    assert machine.physical_cores() == 1


def test_what_is_used_longest_ago_is_evicted_first(tmp_path: Path) -> None:
    model = tmp_path / "m.gguf"
    model.write_bytes(b"GGUF")
    cache = KvCache(model, 250)
    folder = cache.prepare()
    for age, name in enumerate(("new", "middle", "old")):
        path = folder / f"{name}.kv"
        path.write_bytes(b"x" * 100)
        os.utime(path, (time.time() - 100 * age - 10,) * 2)
    assert cache.has("old.kv")
    cache.evict()
    assert sorted(p.stem for p in folder.iterdir()) == ["new", "old"]


def test_a_saved_prefix_belongs_to_one_model_runtime_and_text(tmp_path: Path) -> None:
    caches = []
    for name in ("a.gguf", "b.gguf"):
        (tmp_path / name).write_bytes(b"GGUF")
        caches.append(KvCache(tmp_path / name, 1))
    names = {c.name(text, version) for c in caches for text in ("s", "t") for version in ("1", "2")}
    assert len(names) == 8


def test_frames_come_back_as_they_were_sent(tmp_path: Path) -> None:
    path = tmp_path / "frames"
    path.write_bytes(encode({"a": "é\n"}) + encode({}))
    with path.open("rb", buffering=0) as stream:
        assert [read_frame(stream), read_frame(stream), read_frame(stream)] == [{"a": "é\n"}, {}, None]


@pytest.mark.parametrize(
    "content", [b"\x00", b"\x00\x00\x00\x05{}", b"\xff\xff\xff\xff", b"\x00\x00\x00\x02[]"]
)
def test_bytes_that_are_no_frames_are_told_apart(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "frames"
    path.write_bytes(content)
    with path.open("rb", buffering=0) as stream, pytest.raises(BrokenFrame):
        read_frame(stream)
