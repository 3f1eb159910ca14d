"""What the CUDA benchmark runs: items on the host, and the function that a device computes on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

MB = 1 << 20
CPU = "cpu"
"""The device of a dry run."""


@dataclass(frozen=True)
class Shape:
    """One group of rows. On the CPU items and weights are tiny: a dry run."""

    name: str
    make_items: Callable[[str], list[Any]]
    """Given the device: host tensors, pageable."""
    make_fn: Callable[[str], Callable[[Any], Any]]
    """Given the device, which gets the weights."""
    has_graphs: bool = False
    """Launches take longer than kernels: ours also runs with CUDA graphs."""


def random_items(
    count: int, distinct: int, *size: int, small: tuple[int, ...]
) -> Callable[[str], list[Any]]:
    """Random data (zeros are quicker to multiply), in more buffers than a device's cache holds."""

    def make(device: str) -> list[Any]:
        import torch

        generator = torch.Generator().manual_seed(7)
        is_dry = device == CPU
        shape, number = (small, 2) if is_dry else (size, distinct)
        made = [torch.randn(*shape, generator=generator) for _ in range(number)]
        return [made[k % number] for k in range(4 if is_dry else count)]

    return make


def cheap(_device: str) -> Callable[[Any], Any]:
    """One pass over the item."""
    return lambda x: x * 2 + 1


def matmuls(share: float) -> Callable[[str], Callable[[Any], Any]]:
    """As many products as take `share` times the copy of one item to the device, found by timing both."""

    def make(device: str) -> Callable[[Any], Any]:
        import torch

        side = 8 if device == CPU else 2048
        generator = torch.Generator().manual_seed(11)
        weights = torch.randn(side, side, generator=generator).to(device) / side**0.5
        products = 2 if device == CPU else share * copy_s(side, device) / product_s(weights)
        repeats = max(1, round(products))

        def multiply(x: Any) -> Any:
            for _ in range(repeats):
                x = x @ weights
            return x

        return multiply

    return make


def tiny_kernels(device: str) -> Callable[[Any], Any]:
    """Two hundred kernels of a few microseconds each."""

    def run(x: Any) -> Any:
        for _ in range(4 if device == CPU else 200):
            x = x + 1
        return x

    return run


def encoder(device: str) -> Callable[[Any], Any]:
    """Put a transformer encoder in evaluation mode on the device."""
    import torch

    torch.manual_seed(5)
    width, layers = (16, 1) if device == CPU else (512, 4)
    layer = torch.nn.TransformerEncoderLayer(width, 8, 4 * width, batch_first=True)
    model = torch.nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
    model = model.eval().to(device)

    def infer(x: Any) -> Any:
        return model(x)

    return infer


def copy_s(side: int, device: str) -> float:
    """Seconds of one pinned copy of a square item to the device."""
    import torch

    item = torch.randn(side, side).pin_memory()
    there = torch.empty(side, side, device=device)
    return _event_s(lambda: there.copy_(item, non_blocking=True))


def product_s(weights: Any) -> float:
    """Seconds of one product."""
    return _event_s(lambda: weights @ weights)


def _event_s(run: Callable[[], object], repeats: int = 20) -> float:
    import torch

    for _ in range(3):
        run()
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    for _ in range(repeats):
        run()
    end.record()
    end.synchronize()
    return begin.elapsed_time(end) / 1e3 / repeats


SHAPES = (
    Shape("copy-bound: 64 MB, one pass", random_items(40, 8, 16, MB, small=(8, 8)), cheap),
    Shape(
        "balanced: 16 MB, products as long as the copy",
        random_items(64, 16, 2048, 2048, small=(8, 8)),
        matmuls(1.0),
    ),
    Shape(
        "compute-bound: 16 MB, products of four copies",
        random_items(64, 16, 2048, 2048, small=(8, 8)),
        matmuls(4.0),
    ),
    Shape(
        "launch-bound: 1 MB, 200 tiny kernels",
        random_items(100, 64, 512, 512, small=(8, 8)),
        tiny_kernels,
        has_graphs=True,
    ),
    Shape(
        "model: transformer encoder, batches of 32 x 128 x 512",
        random_items(64, 16, 32, 128, 512, small=(2, 4, 16)),
        encoder,
    ),
)

NULL = Shape(
    "null: 4 kB, nothing computed",
    random_items(2000, 64, 1024, small=(8,)),
    lambda _device: lambda x: x,
)
"""For what the host spends on an item."""
