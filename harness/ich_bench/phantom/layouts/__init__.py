"""Drawn heads in the native layout of each real dataset, known defects included, so that every reader is exercised.

One module a dataset; each has `write(folder, heads=None, *, cases=..., shape=...)`, which returns the folder that a
user would name with `--source`.
"""
