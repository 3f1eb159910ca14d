"""Stages that several files of tests run, on items, batches and chunks."""


def identity(x):
    return x


def breaks_at(*bad, error=ValueError):
    def stage(x):
        if x in bad:
            raise error(f"bad item {x}")
        return x

    return stage


def straggle(fifo, release_at):
    """Let item 0, or its batch, get on only when a later one has got so far."""

    def stage(given):
        for x in {0, release_at} & set(given if isinstance(given, list) else [given]):
            with open(fifo, "r" if x == 0 else "w"):
                pass
        return given

    return stage
