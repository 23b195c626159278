"""Networks in torch: a small one to train, and the weight matrices of any with Linear and Conv2d layers."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from rheostat.errors import InputError

Matrix = npt.NDArray[np.float32]


def mlp(sizes: Sequence[int] = (64, 16, 10), *, seed: int = 0) -> nn.Sequential:
    """A multilayer perceptron with ReLU between its Linear layers, initialised from `seed`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(sizes):
            layers += [nn.Linear(inputs, outputs), nn.ReLU()]
        return nn.Sequential(*layers[:-1])


def train(
    model: nn.Module,
    images: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int64],
    *,
    epochs: int = 40,
    batch: int = 32,
    learning_rate: float = 2e-3,
    seed: int = 0,
    threads: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Train in place with Adam and cross-entropy; the order of the images depends on `seed` only.

    images (n, features) float32, labels (n,) int64. progress(epochs done, epochs). With one thread the result does not
    depend on the machine's cores, and a small network is trained fastest.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        _train(model, torch.from_numpy(images), torch.from_numpy(labels), epochs, batch, learning_rate, seed, progress)
    finally:
        torch.set_num_threads(before)


def _train(
    model: nn.Module,
    x: torch.Tensor,
    y: torch.Tensor,
    epochs: int,
    batch: int,
    learning_rate: float,
    seed: int,
    progress: Callable[[int, int], None] | None,
) -> None:
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam(model.parameters(), lr=learning_rate)
    model.train()
    for epoch in range(epochs):
        order = torch.randperm(len(y), generator=generator)
        for start in range(0, len(y), batch):
            chosen = order[start : start + batch]
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(x[chosen]), y[chosen]).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        if progress is not None:
            progress(epoch + 1, epochs)
    model.eval()


def accuracy(model: nn.Module, images: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> float:
    """The fraction of images whose largest output is their label."""
    model.eval()
    with torch.no_grad():
        predicted = model(torch.from_numpy(images)).argmax(dim=1).numpy()
    return float(np.mean(predicted == labels))


def layers(model: nn.Module) -> dict[str, nn.Linear | nn.Conv2d]:
    """The layers whose weights go onto devices, by name, in the order of the model.

    Raises InputError when there are none, and for a convolution that aihwkit has no counterpart for.
    """
    found: dict[str, nn.Linear | nn.Conv2d] = {}
    for name, module in model.named_modules():
        if type(module) is nn.Linear:
            found[name] = module
        elif type(module) is nn.Conv2d:
            if module.groups != 1 or module.padding_mode != "zeros" or isinstance(module.padding, str):
                raise InputError(
                    f"layer {name!r}: of convolutions, those with one group and a number of zeros as padding can go"
                    f" onto devices; this one has groups={module.groups}, padding={module.padding!r},"
                    f" padding_mode={module.padding_mode!r}"
                )
            found[name] = module
    if not found:
        raise InputError("this model has neither a Linear nor a Conv2d layer: nothing could go onto devices")
    return found


def matrices(model: nn.Module) -> dict[str, Matrix]:
    """The weight matrix of every layer, (outputs, inputs); a convolution unrolled to (channels, inputs * kernel)."""
    unrolled = {}
    for name, layer in layers(model).items():
        weight = layer.weight.detach().cpu().float()
        unrolled[name] = weight.reshape(weight.shape[0], -1).numpy().copy()
    return unrolled


def with_weights(model: nn.Module, values: Mapping[str, npt.ArrayLike]) -> nn.Module:
    """A copy of the model with these weight matrices (as `matrices` gives them); biases stay."""
    changed = copy.deepcopy(model)
    with torch.no_grad():
        for name, layer in layers(changed).items():
            matrix = torch.from_numpy(np.asarray(values[name], dtype=np.float32))
            layer.weight.copy_(matrix.reshape(layer.weight.shape))
    return changed.eval()
