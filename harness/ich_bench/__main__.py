"""`python -m ich_bench` is `ich-bench`."""

from ich_bench.cli import main

main()
