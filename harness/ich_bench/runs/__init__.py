"""Scoring: from a folder and a dataset to a score file."""
