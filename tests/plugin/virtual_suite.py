"""A nested suite on virtual time: the real measurement, a fake machine, `stage(name, seconds)`."""

from __future__ import annotations

CONFTEST = '''
import pytest
from pytest_pipeline.plugin.session import MACHINE
from pytest_pipeline.testing import FakeMachine, VirtualExecutor


def pytest_configure(config):
    config.stash[MACHINE] = FakeMachine()


class Narrow(VirtualExecutor):
    """Claims the declared workers and runs with one per stage."""

    def open(self, plan):
        import dataclasses

        stages = tuple(dataclasses.replace(each, workers=1) for each in plan.stages)
        return super().open(dataclasses.replace(plan, stages=stages))


def pytest_pipeline_executors(config):
    machine = config.stash[MACHINE]
    return {
        "serial": VirtualExecutor("serial", machine, overlaps=False),
        "threads": VirtualExecutor("threads", machine),
        "locked": VirtualExecutor("locked", machine, locked=["parse"]),
        "narrow": Narrow("narrow", machine),
    }


@pytest.fixture
def machine(request):
    return request.config.stash[MACHINE]


@pytest.fixture
def stage(machine):
    from pytest_pipeline import Stage

    def make(name, seconds, **options):
        def run(item):
            machine.work(seconds)
            return item

        run.__qualname__ = name  # messages write `Stage(parse, ...)` for a function of that name
        return Stage(run, name=name, **options)

    return make
'''


def run_nested(pytester, source, *options, conftest=CONFTEST):
    """Run `source` as a test file in this process, with the fake machine; without a report but for what `options` ask for."""
    pytester.makeconftest(conftest)
    pytester.makepyfile("import pytest\n" + source)
    arguments = ("-p", "pytest_pipeline.plugin", "-p", "no:cacheprovider", "--pipeline-report=off")
    return pytester.runpytest_inprocess(*arguments, "-rA", *options)


def run_study(pytester, source, *options):
    """Run `source`, which Ctrl-C may end, as a test file with the fake machine; writes `out.json`."""
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(test_it=source)
    arguments = ("-p", "pytest_pipeline.plugin", "--pipeline-json=out.json", "-rA")
    return pytester.runpytest_inprocess(*arguments, *options, no_reraise_ctrlc=True)
