"""What can be wrong with the input, said so that its sender can mend it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, order=True)
class Problem:
    """One thing wrong with one file: where, what (with what was expected), and how to mend it."""

    where: str
    what: str
    mend: str = ""

    def __str__(self) -> str:
        return f"{self.where}  {self.what}" + (f" {self.mend}" if self.mend else "")


class IchBenchError(Exception):
    """Input that cannot be scored, found or verified: the command line prints it without a traceback and exits 1."""


class InputError(IchBenchError):
    """All problems of one input at once, as `problems`."""

    def __init__(self, headline: str, problems: Iterable[Problem]) -> None:
        """Keep the headline and the problems; the message lists both."""
        self.headline = headline
        self.problems = tuple(problems)
        super().__init__("\n".join([headline, *(f"  {problem}" for problem in self.problems)]))


class UsageError(IchBenchError):
    """A command or call that asks for something that does not exist: exit status 2."""


class VolumeError(IchBenchError):
    """One file that cannot be read as a volume; `what` and `mend` carry no file name."""

    def __init__(self, what: str, mend: str = "") -> None:
        """Keep both halves so that the caller can add the file's name."""
        self.what = what
        self.mend = mend
        super().__init__(f"{what} {mend}".strip())

    def at(self, where: str) -> Problem:
        """Return the same fault with the place it was found."""
        return Problem(where=where, what=self.what, mend=self.mend)


def did_you_mean(name: str, known: Iterable[str], count: int = 3) -> str:
    """Return the known names, nearest first, as a sentence; for errors about unknown names."""
    import difflib

    names = list(known)
    near = difflib.get_close_matches(name, names, n=count, cutoff=0.5)
    rest = [other for other in names if other not in near]
    listed = ", ".join(near + rest[: max(0, 12 - len(near))])
    more = "" if len(names) <= 12 else f" … ({len(names)} in all)"
    return (f"Did you mean {near[0]}? " if near else "") + f"Known: {listed}{more}."
