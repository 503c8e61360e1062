"""A training step as CUDA graphs, recorded once for each batch size and then replayed.

Launching the thousand small kernels of a step one by one takes longer than running them. An epoch has batches of at
most two sizes, so two graphs are enough and nothing is padded: a replayed step computes what the plain step computes.
"""

import contextlib
from collections.abc import Callable, Iterator

import torch

Step = Callable[[torch.Tensor, torch.Tensor | None, int], None]

# Steps before a recording: libraries choose and set up their kernels during the first ones.
_WARM_UP = 3


@contextlib.contextmanager
def between(stream: torch.cuda.Stream | None, device: torch.device) -> Iterator[None]:
    """Let the work on a stream begin after that of the caller's stream, and the caller's go on after it; None: neither.

    Streams do not wait for each other by themselves: without this the caller could read weights that are still trained.
    """
    if stream is None:
        yield
        return
    stream.wait_stream(torch.cuda.current_stream(device))
    try:
        yield
    finally:
        torch.cuda.current_stream(device).wait_stream(stream)


class Graphs:
    """Calls ``step(images, targets, slices)`` by replaying its recording.

    ``step`` must do the same for all batches of one size, and change nothing but the tensors that ``tensors()``
    yields, in place; tensors that it creates at its first call must start as zeros. All calls must be made within one
    CUDA stream other than the device's default.
    """

    def __init__(self, step: Step, tensors: Callable[[], Iterator[torch.Tensor]]) -> None:
        self._step = step
        self._tensors = tensors
        # One pool of memory for both graphs, which never run at once, and keep nothing between replays.
        self._pool = torch.cuda.graph_pool_handle()
        self._recorded: dict[int, tuple[torch.cuda.CUDAGraph, list[torch.Tensor]]] = {}

    def __call__(self, images: torch.Tensor, targets: torch.Tensor | None, slices: int) -> None:
        """Run one step on this batch."""
        batch = [images] if targets is None else [images, targets]
        if slices not in self._recorded:
            self._recorded[slices] = self._record(batch, slices)
        graph, inputs = self._recorded[slices]
        for recorded, given in zip(inputs, batch, strict=True):
            recorded.copy_(given)
        graph.replay()

    def _record(self, batch: list[torch.Tensor], slices: int) -> tuple[torch.cuda.CUDAGraph, list[torch.Tensor]]:
        """The graph of a step, and the tensors from which it reads its batch."""
        inputs = [given.clone() for given in batch]
        arguments = (inputs[0], inputs[1] if len(inputs) > 1 else None, slices)
        before = {tensor.data_ptr(): tensor.clone() for tensor in self._tensors()}
        for _ in range(_WARM_UP):
            self._step(*arguments)
        for tensor in self._tensors():
            if tensor.data_ptr() in before:
                tensor.copy_(before[tensor.data_ptr()])
            else:
                tensor.zero_()
        graph = torch.cuda.CUDAGraph()
        # "thread_local": threads that read slices ahead still pin memory while this one records.
        stream = torch.cuda.current_stream()
        with torch.cuda.graph(graph, pool=self._pool, stream=stream, capture_error_mode="thread_local"):
            self._step(*arguments)
        return graph, inputs
