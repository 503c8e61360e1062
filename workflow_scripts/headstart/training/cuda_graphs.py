"""A training step as CUDA graphs: recorded once for each size of batch, and replayed.

Starting a step's thousand small kernels one by one takes longer than they run. An epoch has batches of two sizes at
most, so two graphs do, and nothing is padded: the mathematics is that of the step.
"""

from collections.abc import Callable, Iterator

import torch

Step = Callable[[torch.Tensor, torch.Tensor | None, int], None]

# Steps run before one is recorded, as libraries choose and set up their kernels in the first ones.
_WARM_UP = 3


class Graphs:
    """Calls ``step(images, targets, slices)`` by replaying it.

    ``step`` must do the same for all batches of a size, and change nothing but the tensors that ``tensors()`` lists, in
    place; those that it makes when it is first called must begin as zeros. Call it within one CUDA stream, not the
    device's own.
    """

    def __init__(self, step: Step, tensors: Callable[[], Iterator[torch.Tensor]]) -> None:
        self._step = step
        self._tensors = tensors
        self._recorded: dict[int, tuple[torch.cuda.CUDAGraph, list[torch.Tensor]]] = {}

    def __call__(self, images: torch.Tensor, targets: torch.Tensor | None, slices: int) -> None:
        """Do a step on this batch."""
        batch = [images] if targets is None else [images, targets]
        if slices not in self._recorded:
            self._recorded[slices] = self._record(batch, slices)
        graph, places = self._recorded[slices]
        for place, given in zip(places, batch, strict=True):
            place.copy_(given)
        graph.replay()

    def _record(self, batch: list[torch.Tensor], slices: int) -> tuple[torch.cuda.CUDAGraph, list[torch.Tensor]]:
        places = [given.clone() for given in batch]
        arguments = (places[0], places[1] if len(places) > 1 else None, slices)
        before = {tensor.data_ptr(): tensor.clone() for tensor in self._tensors()}
        for _ in range(_WARM_UP):
            self._step(*arguments)
        for tensor in self._tensors():
            if tensor.data_ptr() in before:
                tensor.copy_(before[tensor.data_ptr()])
            else:
                tensor.zero_()
        graph = torch.cuda.CUDAGraph()
        # Threads that read slices ahead go on pinning memory meanwhile.
        with torch.cuda.graph(graph, stream=torch.cuda.current_stream(), capture_error_mode="thread_local"):
            self._step(*arguments)
        return graph, places
