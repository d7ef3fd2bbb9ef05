from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from kcode.errors import UsageError
from kcode.providers.base import ServerFailed
from kcode.providers.chat import ChatProvider
from kcode.providers.moonshot.files import LARGEST, can_extract, check_size, extract
from tests.k2sim import Simulator
from tests.k2sim_tests.client import request
from tests.providers.support import make_provider

from .loopback import loopback, whole

PDF = b"%PDF-1.7\n\x00\xff binary\r\n\r\n--boundary"


def read(provider: ChatProvider, name: str = "report.pdf", data: bytes = PDF) -> str:
    async def whole() -> str:
        try:
            return await extract(provider, name, data)
        finally:
            await provider.close()

    return asyncio.run(whole())


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(2000):
        if holds():
            return
        await asyncio.sleep(0.01)
    pytest.fail("it never came to that")


def steps(sim: Simulator) -> list[str]:
    return [f"{record.method} {record.path}" for record in sim.requests]


def upload(
    sim: Simulator, purpose: str | None = "file-extract", name: str = "a.pdf", data: bytes = PDF
) -> Any:
    lines = []
    if purpose is not None:
        lines.append(b'--edge\r\nContent-Disposition: form-data; name="purpose"\r\n\r\n' + purpose.encode())
    head = f'--edge\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    lines.append(head.encode() + data)
    body = b"\r\n".join([*lines, b"--edge--\r\n"])
    return request(sim, "POST", "/files", body, kind="multipart/form-data; boundary=edge")


def test_a_document_is_uploaded_read_and_deleted(k2sim: Any) -> None:
    sim = k2sim()
    sim.platform.texts["report.pdf"] = "Umsatz: 4 Mio. €\n第二页"
    assert read(make_provider(sim.base_url)) == "Umsatz: 4 Mio. €\n第二页"
    assert steps(sim) == [
        "POST /v1/files",
        "GET /v1/files/file-000001/content",
        "DELETE /v1/files/file-000001",
    ]
    assert PDF in sim.requests[0].raw
    assert sim.platform.files == {}


def test_a_name_outside_ascii_arrives(k2sim: Any) -> None:
    sim = k2sim()
    assert read(make_provider(sim.base_url), "财务 报告.pdf") == "the text of 财务 报告.pdf"


def test_text_that_comes_wrapped_in_an_object_is_unwrapped(k2sim: Any) -> None:
    sim = k2sim()
    sim.platform.wrapped = True
    assert read(make_provider(sim.base_url)) == "the text of report.pdf"


def test_a_document_that_holds_json_stays_as_it_is(k2sim: Any) -> None:
    sim = k2sim()
    sim.platform.texts["report.pdf"] = '{"content": "not wrapped by the service"}'
    assert read(make_provider(sim.base_url)) == '{"content": "not wrapped by the service"}'


def test_a_refused_document_is_named_with_the_reason(k2sim: Any) -> None:
    sim = k2sim()
    sim.platform.unreadable.add("report.pdf")
    with pytest.raises(UsageError, match=r"report\.pdf: .* the document is protected"):
        read(make_provider(sim.base_url))
    with pytest.raises(UsageError, match="unsupported file type"):
        read(make_provider(sim.base_url), "program.exe")


def test_a_document_without_text_is_refused_and_deleted(k2sim: Any) -> None:
    sim = k2sim()
    sim.platform.texts["report.pdf"] = " \n"
    with pytest.raises(UsageError, match="no text was found"):
        read(make_provider(sim.base_url))
    assert sim.platform.files == {}


def test_a_size_that_is_not_taken_is_refused_before_anything_is_sent(k2sim: Any) -> None:
    sim = k2sim()
    with pytest.raises(UsageError, match="at most 100 MB"):
        check_size("film.pdf", LARGEST + 1)
    with pytest.raises(UsageError, match="is empty"):
        read(make_provider(sim.base_url), data=b"")
    assert sim.requests == []


def test_a_file_is_deleted_where_its_text_cannot_be_had(k2sim: Any) -> None:
    sim = k2sim()
    sim.platform.content_delay_s = 60.0
    provider = make_provider(sim.base_url)

    async def interrupted() -> None:
        work = asyncio.ensure_future(extract(provider, "report.pdf", PDF))
        await until(lambda: any(step.endswith("/content") for step in steps(sim)))
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        await provider.close()

    asyncio.run(interrupted())
    assert steps(sim)[-1] == "DELETE /v1/files/file-000001"
    assert sim.platform.files == {}


def test_two_interruptions_do_not_leave_the_file_there(k2sim: Any) -> None:
    sim = k2sim()
    sim.platform.content_delay_s = 60.0
    provider = make_provider(sim.base_url)

    async def interrupted() -> None:
        work = asyncio.ensure_future(extract(provider, "report.pdf", PDF))
        await until(lambda: any(step.endswith("/content") for step in steps(sim)))
        for _ in range(2):
            work.cancel()
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await work
        await provider.close()

    asyncio.run(interrupted())
    assert sim.platform.files == {}


def test_an_upload_that_is_interrupted_leaves_no_file_there(k2sim: Any) -> None:
    sim = k2sim()
    sim.platform.upload_delay_s = 0.2
    provider = make_provider(sim.base_url)

    async def interrupted() -> None:
        work = asyncio.ensure_future(extract(provider, "report.pdf", PDF))
        await until(lambda: bool(sim.platform.files))
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        await provider.close()

    asyncio.run(interrupted())
    assert steps(sim) == ["POST /v1/files", "DELETE /v1/files/file-000001"]
    assert sim.platform.files == {}


def test_an_upload_without_an_id_is_the_servers_failure() -> None:
    async def refused() -> None:
        async with loopback(whole({"object": "file"})) as server:
            provider = make_provider(server.url)
            with pytest.raises(ServerFailed):
                await extract(provider, "report.pdf", PDF)
            await provider.close()

    asyncio.run(refused())


def test_a_file_that_the_service_marks_as_failed_is_refused_and_deleted() -> None:
    async def refused() -> list[str]:
        failed = {"id": "file-1", "status": "error", "status_details": "too many pages"}
        async with loopback(whole(failed)) as server:
            provider = make_provider(server.url)
            with pytest.raises(UsageError, match="too many pages"):
                await extract(provider, "report.pdf", PDF)
            await provider.close()
            return [f"{got.method} {got.path}" for got in server.received]

    assert asyncio.run(refused()) == ["POST /v1/files", "DELETE /v1/files/file-1"]


def test_other_profiles_cannot_and_name_those_that_can(k2sim: Any) -> None:
    sim = k2sim()
    provider = make_provider(sim.base_url, name="ark", model="kimi-k2-250905")
    assert not can_extract(provider)
    with pytest.raises(UsageError) as refused:
        read(provider)
    assert "--provider moonshot" in refused.value.remedy
    assert sim.requests == []


def test_the_simulator_refuses_what_the_platform_refuses(k2sim: Any) -> None:
    sim = k2sim()
    sim.platform.largest = 100
    assert upload(sim).status == 200
    assert "purpose is required" in upload(sim, purpose=None).message
    assert "is not one of" in upload(sim, purpose="fine-tune").message
    assert "exceeds" in upload(sim, data=b"x" * 101).message
    assert "file is empty" in upload(sim, data=b"").message
    assert "unsupported" in upload(sim, name="a.exe").message
    assert "multipart" in request(sim, "POST", "/files", b"{}").message
    assert (
        "has no extracted content"
        in (
            upload(sim, purpose="batch", name="b.jsonl"),
            request(sim, "GET", "/files/file-000002/content"),
        )[1].message
    )
    assert request(sim, "DELETE", "/files/file-000009").status == 404
    assert len(request(sim, "GET", "/files").json["data"]) == 2
