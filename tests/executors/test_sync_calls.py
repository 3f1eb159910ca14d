"""Calls in a stage that wait for the device are named by file and line; the warnings come from a script."""

import inspect
import threading
import warnings

import numpy as np
import pytest

from pytest_pipeline.executors._device import sync_calls
from pytest_pipeline.executors._device.sync_calls import SyncWatch

TEXT = "called a synchronizing CUDA operation (Triggered internally at CUDAFunctions.cpp:143.)"


INSIDE_TORCH = f"""
def wait(cuda):
    import warnings
    if cuda.mode == 1:
        warnings.warn({TEXT!r}, UserWarning)
"""


class ScriptedCuda:
    """`torch.cuda` as far as its debug mode goes; `wait` does what `.item()` does in that mode."""

    def __init__(self, mode=0):
        self.mode = mode

    def get_sync_debug_mode(self):
        return self.mode

    def set_sync_debug_mode(self, mode):
        self.mode = {"warn": 1}.get(mode, mode)


_inside: dict = {}
exec(compile(INSIDE_TORCH, "/x/site-packages/torch/_tensor.py", "exec"), _inside)
ScriptedCuda.wait = _inside["wait"]


@pytest.fixture
def cuda():
    return ScriptedCuda()


def line_of(function, text):
    lines, first = inspect.getsourcelines(function)
    return first + next(k for k, line in enumerate(lines) if text in line)


def test_the_notice_of_torch_that_its_mode_is_a_prototype_is_no_error_of_the_diagnosis():
    class Cuda(ScriptedCuda):
        def set_sync_debug_mode(self, mode):
            warnings.warn(
                "Synchronization debug mode is a prototype feature and does not yet detect all "
                "synchronizing operations (Triggered internally at Module.cpp:1)",
                UserWarning,
                stacklevel=1,
            )
            super().set_sync_debug_mode(mode)

    cuda = Cuda()
    with SyncWatch(cuda) as watch, watch.stage("score"):
        cuda.wait()
    assert [call.stage for call in watch.found()] == ["score"]


def test_a_waiting_call_is_named_by_stage_file_line_and_source(cuda):
    def score(item):
        cuda.wait()  # out.max().item()
        return item

    with SyncWatch(cuda) as watch:
        for item in range(3):
            with watch.stage("score"):
                score(item)
    (found,) = watch.found()
    assert (found.stage, found.count) == ("score", 3)
    assert found.location.endswith(f"test_sync_calls.py:{line_of(score, 'max().item()')}")
    assert found.code == "cuda.wait()  # out.max().item()"


def test_the_most_frequent_call_comes_first_and_each_line_counts_apart(cuda):
    with SyncWatch(cuda) as watch, watch.stage("a"):
        cuda.wait()
        for _ in range(2):
            cuda.wait()
    assert [each.count for each in watch.found()] == [2, 1]


def test_the_executors_own_waits_are_no_finding(cuda):
    with SyncWatch(cuda) as watch:
        cuda.wait()
    assert watch.found() == ()


def test_a_stage_in_another_thread_does_not_lend_its_name(cuda):
    with SyncWatch(cuda) as watch, watch.stage("here"):
        other = threading.Thread(target=cuda.wait)
        other.start()
        other.join()
    assert watch.found() == ()


def test_other_warnings_still_reach_the_user(cuda):
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        with SyncWatch(cuda) as watch, watch.stage("a"):
            warnings.warn("mine", UserWarning, stacklevel=1)
    assert [str(each.message) for each in shown] == ["mine"]
    assert watch.found() == ()


def test_a_filter_that_makes_warnings_errors_does_not_break_the_stage(cuda):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with SyncWatch(cuda) as watch, watch.stage("a"):
            cuda.wait()
            with pytest.raises(UserWarning, match="mine"):
                warnings.warn("mine", UserWarning, stacklevel=1)
    assert len(watch.found()) == 1


@pytest.mark.parametrize("mode", [0, 2])
def test_mode_and_filters_are_as_before_also_after_an_error(mode):
    cuda = ScriptedCuda(mode)
    filters, show = list(warnings.filters), warnings.showwarning
    with pytest.raises(KeyError), SyncWatch(cuda) as watch, watch.stage("a"):
        raise KeyError
    assert cuda.mode == mode
    assert (list(warnings.filters), warnings.showwarning) == (filters, show)


def test_a_mode_that_cannot_be_switched_leaves_the_filters_alone(cuda):
    def refuse(mode):
        raise RuntimeError("no device")

    cuda.set_sync_debug_mode = refuse
    show = warnings.showwarning
    with pytest.raises(RuntimeError, match="no device"), SyncWatch(cuda):
        pass
    assert warnings.showwarning == show


def test_a_warning_that_torch_raises_in_compiled_code_is_named_by_the_users_line(monkeypatch):
    """The CPU build never waits for a device; another warning of its compiled code stands in, same way, other text."""
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(sync_calls, "_MESSAGE", "not writable")
    frozen = np.zeros(3)
    frozen.flags.writeable = False

    class WarnAlways:
        def get_sync_debug_mode(self):
            return 0

        def set_sync_debug_mode(self, mode):
            torch.set_warn_always(mode == "warn")

    def read(item):
        return torch.from_numpy(item)

    with SyncWatch(WarnAlways()) as watch:
        for _ in range(2):
            with watch.stage("read"):
                read(frozen)
    (found,) = watch.found()
    assert (found.stage, found.code, found.count) == ("read", "return torch.from_numpy(item)", 2)
