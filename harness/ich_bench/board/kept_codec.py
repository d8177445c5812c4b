"""How do many values of one dataclass become the columns of a table, and the same values again?"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import pyarrow as pa

T = TypeVar("T")
_LEAVES: Mapping[Any, pa.DataType] = {
    str: pa.string(),
    bool: pa.bool_(),
    int: pa.int64(),
    float: pa.float64(),
}
_HERE = "?"  # the column that says whether an optional dataclass is there


def columns(of: type, values: Sequence[Any], *, leave: Sequence[str] = (), prefix: str = "") -> dict[str, pa.Array]:
    """Return a column a field, those of a dataclass within under "field.name"; `leave` names fields to pass over.

    Fields hold text, truth values, whole numbers, reals (NaN and infinity too), tuples of these, or dataclasses of
    these; each may be None. TypeError for any other.
    """
    found: dict[str, pa.Array] = {}
    for name, hint, inner in _fields(of, tuple(leave)):
        held = [None if one is None else getattr(one, name) for one in values]
        if inner is None:
            found[f"{prefix}{name}"] = pa.array(held, type=_arrow(hint))
        else:
            found[f"{prefix}{name}{_HERE}"] = pa.array([one is not None for one in held], type=pa.bool_())
            found |= columns(inner, held, prefix=f"{prefix}{name}.")
    return found


def values(
    of: type[T], table: pa.Table, *, prefix: str = "", given: Mapping[str, Sequence[Any]] | None = None
) -> list[T]:
    """Return the values that `columns` made a table of; `given` holds the fields that were left out, a value each."""
    given = given or {}
    columns: dict[str, Sequence[Any]] = {}
    for name, hint, inner in _fields(of, tuple(given)):  # type: ignore[arg-type]
        column = f"{prefix}{name}"
        if inner is None:
            held = table.column(column).to_pylist()
            columns[name] = [None if one is None else tuple(one) for one in held] if _listed(hint) else held
        else:
            here = table.column(f"{column}{_HERE}").to_pylist()
            columns[name] = _within(inner, table, f"{column}.", here)
    columns |= dict(given)
    names = tuple(columns)
    return [of(**dict(zip(names, line, strict=True))) for line in zip(*columns.values(), strict=True)]


def _within(of: type, table: pa.Table, prefix: str, here: Sequence[bool]) -> list[Any]:
    if all(here):
        return values(of, table, prefix=prefix)
    made: Iterator[Any] = iter(values(of, table.filter(pa.array(here, type=pa.bool_())), prefix=prefix))
    return [next(made) if one else None for one in here]


@cache
def _fields(of: type, leave: tuple[str, ...]) -> tuple[tuple[str, Any, type | None], ...]:
    """Return name, type without None, and the dataclass that it is, of each field that is not left out."""
    hints = get_type_hints(of)
    found = []
    for field in dataclasses.fields(of):
        if field.name not in leave:
            hint = _bare(hints[field.name])
            found.append((field.name, hint, hint if dataclasses.is_dataclass(hint) else None))
    return tuple(found)  # type: ignore[arg-type]


def _bare(hint: Any) -> Any:
    if isinstance(hint, UnionType):
        (hint,) = (one for one in get_args(hint) if one is not NoneType)
    return hint


def _listed(hint: Any) -> bool:
    return get_origin(hint) is tuple


def _arrow(hint: Any) -> pa.DataType:
    if hint in _LEAVES:
        return _LEAVES[hint]
    if get_origin(hint) is Literal:
        return pa.string()
    if _listed(hint):
        return pa.list_(_arrow(get_args(hint)[0]))
    raise TypeError(f"no column holds {hint}")
