"""What follows from one mask alone, extracted once."""

from __future__ import annotations

from ich_bench.metrics.components import Components, components_of
from ich_bench.metrics.corners import Surface, surface_of
from ich_bench.metrics.masks import Mask
from ich_bench.metrics.packed import Packed, Rows, Shape, popcount, rows_of


class Side:
    """One mask of a pair: its shape (x, y, z), the rows that hold its voxels (None: empty), and what follows from them.

    Surface and components are extracted when first asked for, once; a cache may have kept them.
    """

    def __init__(
        self,
        shape: Shape,
        rows: Rows | None,
        *,
        surface: Surface | None = None,
        components: Components | None = None,
    ) -> None:
        """Take the part of a mask of this shape that holds its voxels, and what is known of it already."""
        self.shape = shape
        self.rows = rows
        self.voxels = popcount(rows.bits) if rows else 0
        self._surface = surface
        self._components = components

    @classmethod
    def of(cls, mask: Packed | Mask) -> Side:
        """Return a whole mask as a side."""
        packed = mask if isinstance(mask, Packed) else Packed.of(mask)
        return cls(packed.shape, rows_of(packed))

    @property
    def surface(self) -> Surface:
        """Return the corners of the surface; ValueError for an empty mask."""
        if self._surface is None:
            self._surface = surface_of(self._held)
        return self._surface

    @property
    def components(self) -> Components:
        """Return the 26-connected components; ValueError for an empty mask."""
        if self._components is None:
            self._components = components_of(self._held)
        return self._components

    @property
    def _held(self) -> Rows:
        if self.rows is None:
            raise ValueError("an empty mask has no surface and no components")
        return self.rows
