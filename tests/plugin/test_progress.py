"""The live line: on a terminal only, and gone afterwards."""

from __future__ import annotations

import contextlib

import pytest

from pytest_pipeline.plugin.measuring.progress import LiveLine


class Writer:
    fullwidth = 60
    width_of_current_line = 12

    def __init__(self):
        self.written = []

    def write_raw(self, text, *, flush):
        assert flush
        self.written.append(text)


class Reporter:
    isatty = True


class Capture:
    @contextlib.contextmanager
    def global_and_fixture_disabled(self):
        yield


class Config:
    writer = Writer()

    def __init__(self, **plugins):
        self.pluginmanager = self
        self._plugins = plugins

    def getplugin(self, name):
        return self._plugins.get(name)

    def get_terminal_writer(self):
        return self.writer


@pytest.fixture
def screen(monkeypatch):
    monkeypatch.setattr(Config, "writer", Writer())
    return lambda: shown("".join(Config.writer.written))


def shown(text, width=80):
    """Play `text` on a line of a terminal and return what is left on it."""
    line, column = [" "] * width, 0
    for character in text:
        if character == "\b":
            column -= 1
        else:
            line[column] = character
            column += 1
    return "".join(line).rstrip()


def test_each_text_replaces_the_one_before(screen):
    live = LiveLine(Config(terminalreporter=Reporter(), capturemanager=Capture()))
    live.show("a rather long first text")
    live.show("short")
    assert screen() == " short"
    live.erase()
    assert screen() == ""
    live.erase()


def test_a_text_never_wraps(screen):
    live = LiveLine(Config(terminalreporter=Reporter(), capturemanager=None))
    live.show("x" * 200)
    assert len(screen()) == Writer.fullwidth - Writer.width_of_current_line - 1


def test_silent_where_nobody_watches(screen):
    pipe, worker = (
        Config(terminalreporter=type("R", (), {"isatty": False})()),
        Config(terminalreporter=Reporter()),
    )
    worker.workerinput = {}
    for config in (pipe, worker, Config()):
        LiveLine(config).show("text")
    assert screen() == ""


def test_nothing_is_left_in_the_output_of_a_run(run):
    result = run("def test_one(pipeline): pipeline.run(['met'], [])")
    result.stdout.no_fnmatch_line("*round 1*")


@pytest.mark.parametrize("options", [(), ("--capture=sys",), ("-s",)])
def test_on_a_terminal_what_a_test_redirects_is_all_its_own_and_stays_redirected(run, options):
    source = """
        import contextlib, io, sys

        def test_one(pipeline, request):
            request.config.pluginmanager.getplugin("terminalreporter").isatty = True
            heard, warned = io.StringIO(), io.StringIO()
            with contextlib.redirect_stdout(heard), contextlib.redirect_stderr(warned):
                pipeline.run(["met"], [])
                print("mine")
                print("mine too", file=sys.stderr)
            assert (heard.getvalue(), warned.getvalue()) == ("mine\\n", "mine too\\n")
            print("captured again")
        """
    result = run(source, *options)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*round 1: met*"])
    if "-s" not in options:
        result.stdout.fnmatch_lines(["*Captured stdout call*", "captured again"])
