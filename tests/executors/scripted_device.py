"""A device on one virtual clock: every operation takes its script's time, one after the other."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Script:
    """Nanoseconds."""

    inward: int = 1
    """Per byte to the device."""
    outward: int = 1
    """Per byte from it."""
    host: int = 1
    """Per byte within host memory."""
    kernel: int = 1000
    """Per launch."""


class Block:
    """Some bytes somewhere."""

    def __init__(self, where, nbytes):
        self.where, self.nbytes = where, nbytes


class Mark:
    def __init__(self, clock):
        self.clock, self.at = clock, 0

    def record(self, stream):
        self.at = self.clock.now

    def synchronize(self):
        pass

    def elapsed_ns(self, earlier):
        return self.at - earlier.at


class Rail:
    def __init__(self, device):
        self.device = device

    def wait_event(self, event):
        pass


HOST = {"host", "pinned"}


class ScriptedDevice:
    """The protocol of a backend, as far as a diagnosis goes; copies both ways at once share the clock."""

    kind = "simulated"

    def __init__(self, script=Script()):
        self.script = script
        self.now = 0
        self.synchronized = 0

    def now_ns(self):
        return self.now

    def stream(self, device):
        return Rail(device)

    def event(self, device, *, is_timed=False):
        return Mark(self)

    def synchronize(self, device):
        self.synchronized += 1

    def is_tensor(self, leaf):
        return isinstance(leaf, Block)

    def is_on_device(self, leaf):
        return leaf.where not in HOST

    def needs_copy_out(self, leaf):
        return self.is_on_device(leaf)

    def is_pinned(self, leaf):
        return leaf.where == "pinned"

    def spec(self, leaf):
        return leaf.nbytes, leaf.nbytes

    def adopt(self, leaf):
        return leaf

    def host_buffer(self, nbytes):
        return Block("pinned", nbytes)

    def device_buffer(self, device, nbytes, stream):
        return Block(device, nbytes)

    def view(self, buffer, offset, like):
        return Block(buffer.where, like.nbytes)

    def fresh(self, view):
        return view

    def span(self, buffer, nbytes):
        return Block(buffer.where, nbytes)

    def host_copy(self, target, source):
        self.now += self.script.host * source.nbytes

    def copy(self, stream, target, source):
        per_byte = self.script.outward if target.where in HOST else self.script.inward
        self.now += per_byte * source.nbytes

    def launch(self, stream, fn, *values):
        self.now += self.script.kernel
        return fn(*values)

    def address(self, leaf):
        return id(leaf)

    def packed(self, stream, leaf):
        return leaf

    def enters_behind(self, stream, leaf):
        pass

    def taken_out(self, view):
        self.now += self.script.host * view.nbytes
        return Block("host", view.nbytes)

    def as_numpy(self, leaf):
        return leaf

    def hand_over(self):
        return None

    def take_over(self, mark):
        pass
