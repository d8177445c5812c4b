"""Which case does a file name mean, and which one pattern would explain the names of a whole folder."""

from __future__ import annotations

import csv
import difflib
import io
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ich_bench.errors import Problem, UsageError
from ich_bench.volume import stem

CASE_ID = "{case_id}"
_NEARLY_ALL = 0.8
_SEARCHES = 200_000  # names × ids tried when looking for a pattern; a larger folder is sampled


@dataclass(frozen=True, kw_only=True)
class Suggestion:
    """A `--rename` pattern that explains nearly all names, and the case of each name it explains."""

    pattern: str
    cases: Mapping[str, str]


class Names:
    """The case ids of a scheme, found by what files are called."""

    def __init__(self, case_ids: Collection[str]) -> None:
        """Index the ids by their exact and by their loose form; a loose form that two ids share is no key."""
        self.case_ids = tuple(case_ids)
        self._exact = {unicodedata.normalize("NFC", case_id): case_id for case_id in self.case_ids}
        self._cores = _cores(self.case_ids)
        self._loose = {**_unique(self._cores, self.case_ids), **_unique(self.case_ids, self.case_ids)}

    def exact(self, name: str) -> str | None:
        """Return the case id that is this name to the letter (Unicode composed or not), or None."""
        return self._exact.get(unicodedata.normalize("NFC", name))

    def near(self, name: str) -> str | None:
        """Return the case id that equals this name but for leading zeros, letter case and separators, or None.

        What all ids have in common (`_label` in `001_label`, `CQ500-CT-` in `CQ500-CT-4`) may be left out.
        """
        return self.exact(name) or self._loose.get(loose(name))

    def closest(self, name: str, missing: Collection[str]) -> str | None:
        """Return the id that was most likely meant: equal in number, else alike, rather a missing one; or None."""
        equal = self.near(name)
        if equal:
            return equal
        number = _last_number(name)
        same = [case_id for case_id in self.case_ids if number is not None and _last_number(case_id) == number]
        if len(same) == 1:
            return same[0]

        def fitness(case_id: str) -> tuple[float, bool, float]:
            theirs = _last_number(case_id)
            apart = float("inf") if number is None or theirs is None else abs(number - theirs)
            return ratio[case_id], case_id in missing, -apart

        ratio = {case_id: difflib.SequenceMatcher(None, name, case_id).ratio() for case_id in self.case_ids}
        best = max(self.case_ids, key=fitness, default=None)
        return best if best is not None and ratio[best] >= 0.5 else None

    def matched(self, pattern: str, path: str) -> str | None:
        """Return the case id (as written, or as known where it nearly equals one) that a pattern finds in a path.

        A pattern without a slash is held against the file's name alone, else against the whole path; neither carries
        the suffix. `{case_id}` may occur more than once and then means the same case. None where the pattern fails.
        """
        text = path if "/" in pattern else path.rpartition("/")[2]
        found = _compiled(pattern).fullmatch(text)
        if found is None or len({loose(group) for group in found.groups()}) != 1:
            return None
        return self.near(found.group(1)) or found.group(1)

    def suggest(self, names: Sequence[str]) -> Suggestion | None:
        """Return the one pattern that nearly all names follow; None where they are case ids already or follow none."""
        step = max(1, -(-len(names) * len(self.case_ids) // _SEARCHES))
        votes = _votes(names[::step], self.case_ids) or _votes(names[::step], self._cores)
        if not votes:
            return None
        pattern = max(votes, key=lambda template: (len(votes[template]), -len(template), template))
        read = {name: self.exact(self.matched(pattern, name) or "") for name in names}
        fits = {name: case_id for name, case_id in read.items() if case_id is not None}
        if len(votes[pattern]) < min(2, len(self.case_ids)) or len(fits) < _NEARLY_ALL * len(read):
            return None
        return None if all(self.exact(name) for name in fits) else Suggestion(pattern=pattern, cases=fits)


def loose(name: str) -> str:
    """Return a name without letter case, leading zeros and separators: `CQ500-CT-4` and `cq500ct004` are equal."""
    return re.sub(r"[0-9]+", lambda run: str(int(run.group())), re.sub(r"[-_ .]", "", name.casefold()))


def checked_pattern(pattern: str) -> str:
    """Return a `--rename` pattern without mask suffix; UsageError where it does not say where the case id stands."""
    bare = stem(pattern)
    if CASE_ID not in bare:
        raise UsageError(f"--rename {pattern!r} does not hold {CASE_ID}. Write for instance --rename '{CASE_ID}_seg'.")
    return bare.removeprefix("./")


def read_map(path: Path, names: Names) -> tuple[Mapping[str, str], list[Problem]]:
    """Return file → case id from a CSV with the columns file and case_id, and everything wrong with that CSV."""
    try:
        text = path.read_bytes()[:16_000_000].decode("utf-8-sig")
    except OSError as fault:
        raise UsageError(f"--map {path} cannot be read: {fault.strerror or fault}.") from fault
    except UnicodeDecodeError:
        raise UsageError(f"--map {path} is not a text file in UTF-8.") from None
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=";" if ";" in text.split("\n")[0] else ","))
    except csv.Error as fault:
        raise UsageError(f"--map {path} is not a CSV file: {fault}.") from None
    header = [cell.strip() for cell in rows[0]] if rows else []
    if "file" not in header or "case_id" not in header:
        raise UsageError(
            f"--map {path} needs the columns file and case_id in its first line; it has {', '.join(header) or 'none'}."
        )
    mapping: dict[str, str] = {}
    problems = []
    for line, row in enumerate(rows[1:], start=2):
        if not any(cell.strip() for cell in row):
            continue
        cells = dict(zip(header, (cell.strip() for cell in row), strict=False))
        file, case_id = cells.get("file", "").removeprefix("./"), cells.get("case_id", "")
        known = names.near(case_id)
        where = f"{path.name} line {line}"
        if not file or known is None:
            guess = names.closest(case_id, ())
            mend = f"Did you mean {guess}?" if guess and file else "Write file,case_id."
            problems.append(Problem(where=where, what=f"names {case_id!r}, which is no case here." if file
                                    else "names no file.", mend=mend))  # fmt: skip
        elif file in mapping:
            problems.append(Problem(where=where, what=f"names {file} a second time.", mend="Keep one line a file."))
        else:
            mapping[file] = known
    return mapping, problems


def compact(case_ids: Iterable[str], *, order: Sequence[str], most: int = 60) -> str:
    """Return ids in few words: runs of three or more neighbours in `order` as first–last."""
    place = {case_id: index for index, case_id in enumerate(order)}
    runs: list[list[str]] = []
    for case_id in sorted(case_ids, key=lambda one: (place.get(one, len(place)), one)):
        if runs and place.get(runs[-1][-1], -2) + 1 == place.get(case_id, -1):
            runs[-1].append(case_id)
        else:
            runs.append([case_id])
    parts = [part for run in runs for part in ([f"{run[0]}–{run[-1]}"] if len(run) > 2 else run)]
    return ", ".join(parts[:most]) + (f" … ({len(parts) - most} more)" if len(parts) > most else "")


def _cores(case_ids: Sequence[str]) -> tuple[str, ...]:
    """Return the ids without what they all begin and end with; a number is never cut in two."""
    if len(case_ids) < 2:
        return tuple(case_ids)
    low, high = min(case_ids), max(case_ids)
    begin = next((i for i, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), min(len(low), len(high)))
    backwards = sorted(case_id[begin:][::-1] for case_id in case_ids)
    pairs = zip(backwards[0], backwards[-1], strict=False)
    end = next((i for i, (a, b) in enumerate(pairs) if a != b), min(map(len, backwards)))
    prefix, suffix = low[:begin].rstrip("0123456789"), (backwards[0][:end][::-1]).lstrip("0123456789")
    cores = tuple(case_id[len(prefix) : len(case_id) - len(suffix)] for case_id in case_ids)
    return cores if all(cores) else tuple(case_ids)


def _unique(names: Sequence[str], case_ids: Sequence[str]) -> dict[str, str]:
    shared = Counter(loose(name) for name in names)
    return {loose(name): case_id for name, case_id in zip(names, case_ids, strict=True) if shared[loose(name)] == 1}


def _votes(names: Sequence[str], case_ids: Sequence[str]) -> dict[str, set[str]]:
    """Return, for each pattern that some name follows, the ids that are found by it."""
    shapes = [(case_id, _shape(case_id)) for case_id in case_ids]
    votes: dict[str, set[str]] = {}
    for name in names:
        for case_id, shape in shapes:
            if shape.search(name):
                votes.setdefault(shape.sub(CASE_ID, name), set()).add(case_id)
    return votes


def _shape(case_id: str) -> re.Pattern[str]:
    parts = re.findall(r"[0-9]+|[^\W\d_]+|.", case_id)
    body = "".join(
        f"0*{int(part)}" if part.isdecimal() and part.isascii() else "[-_ .]?" if part in "-_ ." else re.escape(part)
        for part in parts
    )
    before = r"(?<![0-9])" if parts and parts[0].isdecimal() else r"(?<![^\W\d_])"
    after = r"(?![0-9])" if parts and parts[-1].isdecimal() else r"(?![^\W\d_])"
    return re.compile(f"{before}{body}{after}", re.IGNORECASE)


def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile("([^/]+?)".join(re.escape(part) for part in pattern.split(CASE_ID)))


def _last_number(name: str) -> int | None:
    runs = re.findall(r"[0-9]{1,18}", name)
    return int(runs[-1]) if runs else None
