"""Stages that only begin their work when they are called are refused, however they hide it; others are not."""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools

import pytest

from pytest_pipeline.errors import UsageError
from pytest_pipeline.model.callables import refuse_awaitable
from pytest_pipeline.model.plan import Stage


async def fetch(item):
    return item


class Client:
    """Made by a stage; calling it would begin a coroutine."""

    def __init__(self, item=None):
        self.item = item

    async def __call__(self, item):
        return item


class Reader(Client):
    """Calling it would begin a generator."""

    def __call__(self, item):
        yield item


@functools.wraps(fetch)
def wrapped(item):
    return fetch(item)


@pytest.mark.parametrize("stage", [lambda item: fetch([item]), wrapped], ids=["lambda", "wrapped"])
@pytest.mark.filterwarnings("error")
def test_a_stage_that_returns_a_coroutine_is_refused_without_a_warning_of_python(stage):
    with pytest.raises(UsageError, match="stage 'fetch' returned a coroutine.*\nnext: run it to"):
        refuse_awaitable("fetch", stage(1))


def test_outputs_that_somebody_may_wait_for_are_let_through():
    loop = asyncio.new_event_loop()
    for value in [1, None, [fetch], concurrent.futures.Future(), loop.create_future()]:
        refuse_awaitable("fetch", value)
    loop.close()


@pytest.mark.parametrize("made", [Client, Reader, functools.partial(Client, item=1)])
def test_a_class_is_a_stage_that_makes_instances_whatever_those_do_when_called(made):
    assert Stage(made).label in {"Client", "Reader"}


@pytest.mark.parametrize("stage", [Client(), functools.partial(Client())])
def test_an_object_that_is_called_like_a_coroutine_function_is_refused(stage):
    with pytest.raises(UsageError, match="stage 'Client' is a coroutine function"):
        Stage(stage)


def test_an_object_that_is_called_like_a_generator_function_is_refused():
    with pytest.raises(UsageError, match="stage 'Reader' is a generator function"):
        Stage(Reader())
