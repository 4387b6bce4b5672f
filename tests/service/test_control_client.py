"""What becomes of the control server's refusals, and of its silence. The control server here is a fake."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from elastic_spawner.hub.service.control_client import ControlClient, ControlError

from .fake_control import TOKEN, FakeControl


@pytest.fixture
def control() -> Iterator[FakeControl]:
    with FakeControl() as running:
        yield running


async def failure(call: Any) -> ControlError:
    with pytest.raises(ControlError) as caught:
        await call
    return caught.value


async def all_of(stream: Any) -> bytes:
    return b"".join([piece async for piece in stream])


@pytest.mark.asyncio
async def test_names_are_quoted_and_the_nameless_server_is_a_dash(control: FakeControl) -> None:
    control.answer("/servers/a%2Fb%20c%3F/-/plan", {"kernels": []})
    control.answer("/servers/ann/lab/plan", {"kernels": [1]})
    client = ControlClient(control.url, TOKEN)
    assert await client.plan("a/b c?", "") == {"kernels": []}
    assert await client.plan("ann", "lab") == {"kernels": [1]}


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("status", "code"), [(400, "bad_size"), (404, "not_found"), (409, "busy"), (507, "store_full")]
)
async def test_a_refusal_is_passed_on_as_it_is(control: FakeControl, status: int, code: str) -> None:
    control.refuse("/servers/ann/-/resize", status, code, "because of 100 % <reasons>")
    error = await failure(ControlClient(control.url, TOKEN).resize("ann", "", b"{}"))
    assert (error.status, error.code, str(error)) == (status, code, "because of 100 % <reasons>")


@pytest.mark.asyncio
async def test_a_refused_stream_is_a_refusal_too(control: FakeControl) -> None:
    control.refuse("/servers/ann/-/progress", 404, "not_found", "there is no user 'ann'")
    error = await failure(all_of(ControlClient(control.url, TOKEN).progress("ann", "")))
    assert (error.status, str(error)) == (404, "there is no user 'ann'")


@pytest.mark.asyncio
async def test_a_stream_is_passed_on_as_it_comes(control: FakeControl) -> None:
    control.events = [{"step": "saving"}, {"step": "done"}]
    text = await all_of(ControlClient(control.url, TOKEN).progress("ann", ""))
    assert text == b'data: {"step": "saving"}\n\ndata: {"step": "done"}\n\n'


@pytest.mark.asyncio
async def test_our_own_token_being_refused_is_no_fault_of_the_one_who_asks(control: FakeControl) -> None:
    control.answer("/servers", [])
    error = await failure(ControlClient(control.url, "1" * 64).servers())
    assert (error.status, error.code) == (502, "control_denied")
    assert "restart the hub" in str(error)


@pytest.mark.asyncio
async def test_a_hub_that_does_not_run_is_named() -> None:
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        client = ControlClient(f"http://127.0.0.1:{taken.getsockname()[1]}", TOKEN)
        for call in (client.servers(), all_of(client.progress("ann", ""))):
            error = await failure(call)
            assert (error.status, error.code) == (502, "control_unreachable")


@pytest.mark.asyncio
@pytest.mark.parametrize("body", [b"<html>", b"[]", b'"text"', b""])
async def test_an_answer_that_makes_no_sense_is_an_error(control: FakeControl, body: bytes) -> None:
    control.answer("/servers/ann/-/plan", body)
    error = await failure(ControlClient(control.url, TOKEN).plan("ann", ""))
    assert (error.status, error.code) == (502, "bad_answer")


@pytest.mark.asyncio
async def test_numbers_that_json_does_not_have_become_null(control: FakeControl) -> None:
    control.answer("/servers/ann/-/plan", b'{"bytes": NaN, "seconds": -Infinity}')
    assert await ControlClient(control.url, TOKEN).plan("ann", "") == {"bytes": None, "seconds": None}
