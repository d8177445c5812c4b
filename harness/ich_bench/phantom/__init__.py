"""Drawn heads: head CTs made from a seed, for the first minute, the tests and the demo."""
