"""Placement: a network's weight matrices, cut into tiles, onto devices in turn. Pure numpy.

With fewer devices than weights every device takes many targets, one after another, as evenly as it goes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rheostat.errors import InputError

Indices = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Tile:
    """A block of a layer's weight matrix: rows [top, bottom), columns [left, right). Rows are the layer's outputs."""

    layer: str
    top: int
    bottom: int
    left: int
    right: int

    @property
    def size(self) -> int:
        return (self.bottom - self.top) * (self.right - self.left)


@dataclass(frozen=True)
class Placement:
    """Which weight goes to which device, in the order of programming: tile by tile, row by row.

    devices: the names, all different. tiles: in order. shapes: layer -> (rows, columns).
    device: (n,) index into `devices` of every weight; no device has two weights more than another.
    """

    devices: tuple[str, ...]
    tiles: tuple[Tile, ...]
    shapes: dict[str, tuple[int, int]]
    device: Indices

    @property
    def names(self) -> list[str]:
        """The device of every weight by name, (n,)."""
        return [self.devices[index] for index in self.device]

    @property
    def per_device(self) -> Indices:
        """How many weights each device takes, (len(devices),)."""
        return np.bincount(self.device, minlength=len(self.devices)).astype(np.int64)

    def gather(self, matrices: Mapping[str, npt.ArrayLike]) -> Values:
        """One value for every weight, (n,), from matrices of the layers' shapes."""
        arrays = {name: np.asarray(matrix, dtype=np.float64) for name, matrix in matrices.items()}
        for name, shape in self.shapes.items():
            if name not in arrays or arrays[name].shape != shape:
                found = arrays[name].shape if name in arrays else "nothing"
                raise InputError(f"layer {name!r}: a matrix of shape {shape} is needed, {found} came")
        blocks = [arrays[t.layer][t.top : t.bottom, t.left : t.right].reshape(-1) for t in self.tiles]
        return np.concatenate(blocks) if blocks else np.empty(0)

    def scatter(self, values: npt.ArrayLike) -> dict[str, Values]:
        """The reverse of gather: matrices of the layers' shapes from (n,) values."""
        flat = np.asarray(values, dtype=np.float64)
        if flat.shape != self.device.shape:
            raise InputError(f"{len(self.device)} values are needed, an array of shape {flat.shape} came")
        matrices = {name: np.empty(shape) for name, shape in self.shapes.items()}
        start = 0
        for tile in self.tiles:
            block = flat[start : start + tile.size].reshape(tile.bottom - tile.top, tile.right - tile.left)
            matrices[tile.layer][tile.top : tile.bottom, tile.left : tile.right] = block
            start += tile.size
        return matrices


def tiles(layer: str, shape: tuple[int, int], block: tuple[int, int] | None = None) -> Iterator[Tile]:
    """The tiles of a weight matrix, row of tiles by row of tiles; `block`: (rows, columns) at most, None: all."""
    rows, columns = shape
    high, wide = block or (max(rows, 1), max(columns, 1))
    if high < 1 or wide < 1:
        raise InputError(f"a tile has at least one row and one column, not {block}")
    for top in range(0, rows, high):
        for left in range(0, columns, wide):
            yield Tile(layer, top, min(top + high, rows), left, min(left + wide, columns))


def place(
    shapes: Mapping[str, tuple[int, int]], devices: Sequence[str], block: tuple[int, int] | None = None
) -> Placement:
    """Give the weights of all layers to the devices in turn: the k-th weight to device k modulo their number.

    shapes: layer -> (rows, columns), in the order of programming. Raises InputError without devices or with one twice.
    """
    if not devices:
        raise InputError("at least one device is needed to place weights on")
    if len(set(devices)) != len(devices):
        twice = sorted({name for name in devices if list(devices).count(name) > 1})
        raise InputError(f"devices named twice: {', '.join(twice)}")
    cut = tuple(tile for name, shape in shapes.items() for tile in tiles(name, shape, block))
    total = sum(tile.size for tile in cut)
    return Placement(tuple(devices), cut, dict(shapes), np.arange(total, dtype=np.int64) % len(devices))
