"""Qayyum 2023: stacks of slices, coarse and then fine."""
