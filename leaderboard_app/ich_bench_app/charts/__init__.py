"""The charts: one file each, a pure function from a table with fixed column names to an Altair chart."""
