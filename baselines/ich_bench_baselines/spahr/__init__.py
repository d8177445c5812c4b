"""Spahr 2023: with which values, and the intracranial cavity."""
