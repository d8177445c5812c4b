"""Where do the workers run: processes or threads of this machine, or a Dask cluster?"""

from __future__ import annotations

from dataclasses import dataclass

from ich_bench.errors import UsageError, did_you_mean
from ich_bench.escape import printable

BACKENDS = ("loky", "threads", "dask")
SCHEMES = ("tcp", "tls")


@dataclass(frozen=True, kw_only=True)
class Backend:
    """Processes (`loky`), threads (`threads`) or Dask (`dask`); `scheduler` is its address, else a cluster here."""

    name: str = "loky"
    scheduler: str | None = None


LOKY = Backend()


def find_backend(name: str = "loky", scheduler: str | None = None) -> Backend:
    """Return the backend that was asked for; UsageError for an unknown name, or an address that is none."""
    if name not in BACKENDS:
        raise UsageError(f"there is no backend {printable(name)!r}. {did_you_mean(name, BACKENDS)}")
    if scheduler is None:
        return Backend(name=name)
    if name != "dask":
        raise UsageError(f"--scheduler belongs to --backend dask; --backend {name} runs on this machine only.")
    scheme, separator, place = scheduler.partition("://")
    if scheme not in SCHEMES or not separator or not place.rpartition(":")[2].isdecimal():
        raise UsageError(
            f"{printable(scheduler)!r} is no address of a Dask scheduler; expected tcp://HOST:PORT or tls://HOST:PORT, "
            "such as tls://10.0.0.5:8786."
        )
    return Backend(name=name, scheduler=scheduler)


def warnings_about(backend: Backend) -> tuple[str, ...]:
    """Return what a user should know before the work is handed out: a scheduler without TLS."""
    if backend.scheduler is None or not backend.scheduler.startswith("tcp://"):
        return ()
    return (
        f"{backend.scheduler} is not encrypted: whoever reaches that port can run code as its workers. "
        "Use tls:// outside a network of your own.",
    )
