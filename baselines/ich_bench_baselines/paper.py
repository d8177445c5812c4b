"""Where does every hyper-parameter come from: the paper, its code, or ourselves?

    @dataclass(frozen=True, kw_only=True)
    class Settings:
        lr: float = paper(1e-3, "Sec. 2.5.2")
        dropout: float = paper(0.0, "Sec. 2.5.1 names none", code=code(0.5, "U-Net config"))
        warm_up_epochs: int = ours(0, "the paper is silent")
        unet: UNetSettings = UNetSettings()  # settings inside settings

    variant(Settings, "code")  # the value of the code wherever it differs from the paper
    scaled(Settings(), "smoke")  # minutes on a CPU: every field that was given a `smoke` value takes it
    origins(Settings())  # one row a value: name, value, origin, source

`code(...)` alone declares a value that only the authors' code names. Ranges are tuples, so that settings stay frozen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass, replace
from typing import Any, Literal, TypeVar, cast

from ich_bench.errors import UsageError, did_you_mean

T = TypeVar("T")
S = TypeVar("S")
From = Literal["paper", "code", "ours", "given"]
KEY = "origin"
VARIANTS, SCHEDULES = ("paper", "code"), ("paper", "smoke")
NONE: Any = MISSING  # a value that was not given, where None is a value


@dataclass(frozen=True, kw_only=True)
class Declared:
    """What a field was declared with; `code` and `smoke` are `NONE` where there is no such value."""

    value: Any
    origin: From
    source: str
    code: Any = NONE
    code_source: str = ""
    smoke: Any = NONE


@dataclass(frozen=True, kw_only=True)
class Origin:
    """One hyper-parameter in use: `name` is dotted inside settings; `elsewhere` says what the code has instead."""

    name: str
    value: Any
    origin: From
    source: str
    elsewhere: str = ""


def paper(value: T, source: str, *, code: T | None = None, smoke: T = NONE) -> T:
    """Return a dataclass field with the paper's value; `code` is a `code(...)` where the authors' code differs."""
    return cast(T, _field(value, "paper", source, code, smoke))


def code(value: T, source: str, *, smoke: T = NONE) -> T:
    """Return a dataclass field with a value that stands only in the authors' code; `source` says in which file."""
    return cast(T, _field(value, "code", source, None, smoke))


def ours(value: T, why: str, *, code: T | None = None, smoke: T = NONE) -> T:
    """Return a dataclass field with a value of our own, and why; `code` as in `paper`."""
    return cast(T, _field(value, "ours", why, code, smoke))


def origins(settings: object) -> tuple[Origin, ...]:
    """Return one row a hyper-parameter, in the order of the fields, settings inside settings with dotted names.

    The origin is that of the value in use: a value that is neither the paper's, nor the code's, nor the smoke
    schedule's is `given`, and its source names what it stands instead of.

    Raises:
        TypeError: a field was declared without an origin.
    """
    return tuple(_rows(settings, ""))


def variant(settings_class: type[S], which: str) -> S:
    """Return settings as the paper has them, or as the authors' code has them where it differs.

    Raises:
        UsageError: a variant of another name.
    """
    _known(which, VARIANTS, "variant")
    found = settings_class()
    if which == "paper":
        return found
    return cast(S, _replaced(found, lambda declared: declared.code))


def scaled(settings: S, schedule: str) -> S:
    """Return settings on a schedule: `paper` leaves them, `smoke` makes them small enough for minutes on a CPU.

    Raises:
        UsageError: a schedule of another name.
    """
    _known(schedule, SCHEDULES, "schedule")
    if schedule == "paper":
        return settings
    return cast(S, _replaced(settings, lambda declared: declared.smoke))


def _field(value: Any, origin: From, source: str, code: Any, smoke: Any) -> Any:
    other = _declared(code) if code is not None else None
    if other is not None and other.origin != "code":
        raise TypeError("code=... takes a code(...), which names the file")
    if not source.strip():
        raise TypeError(f"the value {value!r} needs a source: where it stands, or why it is ours")
    found = Declared(
        value=value,
        origin=origin,
        source=source,
        code=other.value if other else NONE,
        code_source=other.source if other else "",
        smoke=smoke,
    )
    return field(default=value, metadata={KEY: found})


def _declared(one: Any) -> Declared:
    found = one.metadata.get(KEY) if isinstance(one, Field) else None
    if found is None:
        raise TypeError("declare the value with paper(...), code(...) or ours(...)")
    return cast(Declared, found)


def _is_settings(value: object) -> bool:
    return is_dataclass(value) and not isinstance(value, type)


def _rows(settings: Any, before: str) -> Iterator[Origin]:
    for one in fields(settings):
        name, value = before + one.name, getattr(settings, one.name)
        if KEY not in one.metadata:
            if not _is_settings(value):
                raise TypeError(f"{type(settings).__name__}.{one.name} has no origin: use paper, code or ours")
            yield from _rows(value, f"{name}.")
            continue
        yield _row(name, value, _declared(one))


def _row(name: str, value: Any, declared: Declared) -> Origin:
    elsewhere = ""
    if declared.code is not NONE and value != declared.code:
        elsewhere = f"code: {declared.code} ({declared.code_source})"
    if value == declared.value:
        return Origin(name=name, value=value, origin=declared.origin, source=declared.source, elsewhere=elsewhere)
    instead = f"{declared.origin}: {declared.value} ({declared.source})"
    if declared.code is not NONE and value == declared.code:
        return Origin(name=name, value=value, origin="code", source=declared.code_source, elsewhere=instead)
    if declared.smoke is not NONE and value == declared.smoke:
        return Origin(name=name, value=value, origin="ours", source="the smoke schedule", elsewhere=instead)
    return Origin(name=name, value=value, origin="given", source="set for this run", elsewhere=instead)


def _replaced(settings: Any, chosen: Any) -> Any:
    """Return settings with each value for which `chosen(declared)` knows another one."""
    changed: dict[str, Any] = {}
    for one in fields(settings):
        value = getattr(settings, one.name)
        if KEY in one.metadata:
            other = chosen(_declared(one))
            if other is not NONE:
                changed[one.name] = other
        elif _is_settings(value):
            changed[one.name] = _replaced(value, chosen)
    return replace(settings, **changed)


def _known(name: str, known: tuple[str, ...], what: str) -> None:
    if name not in known:
        raise UsageError(f"There is no {what} {name!r}. {did_you_mean(name, known)}")
