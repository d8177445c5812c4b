"""Where data, caches and configuration lie on this machine."""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from pathlib import Path

from ich_bench.errors import IchBenchError

_NAME = "ich-bench"
_MEMORY = "data.json"


def cache_folder() -> Path:
    """Return the folder for what can be made again: $ICH_BENCH_CACHE, else this user's cache folder. May not exist."""
    set_by_user = os.environ.get("ICH_BENCH_CACHE")
    if set_by_user:
        return Path(set_by_user).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path(_NAME, appauthor=False)


def config_folder() -> Path:
    """Return the folder for what is remembered: $ICH_BENCH_CONFIG, else this user's config folder. May not exist."""
    set_by_user = os.environ.get("ICH_BENCH_CONFIG")
    if set_by_user:
        return Path(set_by_user).expanduser()
    from platformdirs import user_config_path

    return user_config_path(_NAME, appauthor=False)


def data_folder(dataset_id: str, explicit: str | Path | None = None) -> Path:
    """Return the folder that holds a dataset's download.

    Looked for in this order: `explicit` (what `--data` names), then `$ICH_BENCH_DATA/<dataset_id>`, then what `prepare`
    remembered. A place that is named but does not exist is an error for `explicit`, and passed over, but told, for the
    other two. IchBenchError lists every place looked at and says how to get the data.
    """
    if explicit is not None:
        named = Path(explicit).expanduser()
        if named.exists():
            return named
        raise IchBenchError(f"--data {explicit}: there is no such folder. Name the folder that holds {dataset_id}.")
    looked = ["--data was not given"]
    shelf = os.environ.get("ICH_BENCH_DATA")
    if shelf:
        folder = Path(shelf).expanduser() / dataset_id
        if folder.exists():
            return folder
        looked.append(f"{folder} (from ICH_BENCH_DATA) does not exist")
    else:
        looked.append("ICH_BENCH_DATA is not set")
    kept = remembered(dataset_id)
    if kept is not None:
        if kept.exists():
            return kept
        looked.append(f"{kept} (remembered by `ich-bench prepare`) does not exist any more")
    else:
        looked.append("`ich-bench prepare` has not remembered a folder for it")
    raise IchBenchError(
        f"the data of {dataset_id} were not found: {'; '.join(looked)}.\n"
        f"Name the folder with --data DIR, or once with `ich-bench prepare {dataset_id} --source DIR`. "
        f"`ich-bench datasets {dataset_id}` says how to get the data."
    )


def remember(dataset_id: str, folder: Path) -> None:
    """Keep the folder of a dataset for later commands, in a small JSON file that is never half written."""
    kept = _memory()
    kept[dataset_id] = str(folder.expanduser().resolve())
    write_json(config_folder() / _MEMORY, kept)


def remembered(dataset_id: str) -> Path | None:
    """Return the folder kept by `remember`, or None; it may have been moved since."""
    kept = _memory().get(dataset_id)
    return None if kept is None else Path(kept)


def write_text(path: Path, text: str, *, mend: str = "Free space, or choose -o.") -> Path:
    """Write a text file beside its final place, then rename; return the path. Folders are made as needed.

    IchBenchError in words where the disk refuses, `mend` at their end; what was there before is then untouched.
    """
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8", newline="\n")
        part.replace(path)
    except OSError as fault:
        raise IchBenchError(f"cannot write {path}: {fault.strerror or fault}. {mend}") from fault
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
    return path


def write_json(path: Path, content: object) -> None:
    """Write JSON as `write_text` writes a text."""
    mend = "Free space there, or name another folder in ICH_BENCH_CONFIG (configuration) or ICH_BENCH_CACHE (caches)."
    write_text(path, json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n", mend=mend)


def _memory() -> dict[str, str]:
    path = config_folder() / _MEMORY
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as fault:
        raise IchBenchError(f"{path} cannot be read: {fault}. Delete it and run `ich-bench prepare` again.") from fault
    if not isinstance(kept, dict):
        raise IchBenchError(f"{path} does not hold what ich-bench wrote. Delete it and run `ich-bench prepare` again.")
    return {str(name): str(folder) for name, folder in kept.items()}
