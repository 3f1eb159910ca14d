"""Functions behind `functools.cache` in worker processes: they travel as any other function does."""

import functools
import importlib
import sys

import pytest

from pytest_pipeline.errors import ShippingError
from pytest_pipeline.executors.processes import Processes
from pytest_pipeline.model.plan import Stage


@functools.lru_cache(maxsize=7, typed=True)
def load_model():
    return object()


@functools.cache
def doubled(x):
    return 2 * x


@functools.cache
def sum_to(x):
    return x + sum_to(x - 1) if x else 0


class Priced:
    """An item that only this test module knows."""

    @functools.cache  # noqa: B019 - what users write
    def total(self):
        return 5


@pytest.fixture
def processes():
    return Processes(workers=1)


def test_cached_functions_of_the_test_module_are_stages_and_helpers(processes, opened, source):
    running = opened(processes, [doubled, lambda x: (x, load_model() is load_model())])
    assert running.run(source([1, 2, 2])).outputs == [(2, True), (4, True), (4, True)]


def test_a_cached_function_does_not_bring_the_test_module_a_second_time(processes, opened, source):
    running = opened(processes, [lambda x: (load_model(), __name__ in sys.modules)[1]])
    assert running.run(source([1])).outputs == [False]


def test_a_cached_function_keeps_its_size_and_starts_empty(processes, opened, source):
    load_model()
    stage = lambda x: (load_model.cache_parameters(), load_model.cache_info().currsize)  # noqa: E731
    outputs = opened(processes, [stage]).run(source([1])).outputs
    assert outputs == [({"maxsize": 7, "typed": True}, 0)]


def test_a_cached_function_that_calls_itself_has_one_cache(processes, opened, source):
    running = opened(processes, [sum_to, lambda x: (x, sum_to.cache_info().currsize)])
    assert running.run(source([4])).outputs == [(10, 5)]


def test_a_cached_function_of_the_test_itself_travels(processes, opened, source):
    @functools.cache
    def tripled(x):
        return 3 * x

    assert opened(processes, [tripled]).run(source([1, 2])).outputs == [3, 6]


def test_cached_functions_may_be_items_and_outputs(processes, opened, source):
    outputs = opened(processes, [lambda fn: (fn(4), fn)]).run(source([doubled])).outputs
    assert outputs[0][0] == outputs[0][1](4) == 8


def test_items_may_have_cached_methods(processes, opened, source):
    running = opened(processes, [lambda item: item.total()])
    assert running.run(source([Priced(), Priced()])).outputs == [5, 5]


def test_a_cached_function_that_workers_can_import_goes_by_name(processes, opened, source):
    stage = lambda x: (importlib.import_module("fnmatch")._compile_pattern is x, x)[0]  # noqa: E731
    import fnmatch

    assert opened(processes, [stage]).run(source([fnmatch._compile_pattern])).outputs == [True]


SCRIPT = """
import functools
import pytest_pipeline
from pytest_pipeline import Processes

print("imported", flush=True)

@functools.lru_cache
def load_model():
    return 10

def score(x):
    return load_model() + x

result = pytest_pipeline.compare([score], [1, 2], executors=[Processes(workers=1)], budget_s=1)
print(result.outputs)
"""


@pytest.mark.slow
def test_a_script_may_cache_what_its_stages_load(script):
    output, _ = script(SCRIPT).communicate(timeout=60)
    assert output == "imported\n[11, 12]\n"


class Unloadable:
    """A stage whose state cannot be restored."""

    def __call__(self, x):
        return x

    def __reduce__(self):
        return importlib.import_module, ("no_such_module_of_the_shop",)


def test_a_stage_that_a_worker_cannot_load_is_named_with_a_next_step(processes, opened):
    with pytest.raises(ShippingError) as caught:
        opened(processes, [Stage(Unloadable(), name="score")])
    first, step, *rest = str(caught.value).splitlines()
    cause = "ModuleNotFoundError: No module named 'no_such_module_of_the_shop'"
    assert first == f"stage 'score' cannot be loaded in a worker process: {cause}"
    assert step.startswith("next: ")
    assert "PYTHONPATH" in step
    assert "Traceback" in rest[0]


def test_of_several_stages_those_that_a_worker_cannot_load_are_named(processes, opened):
    stages = [Stage(doubled, name="parse"), Stage(Unloadable(), name="score"), len]
    with pytest.raises(ShippingError, match=r"^one of the stages 'parse', 'score', 'len' cannot"):
        opened(processes, stages)
