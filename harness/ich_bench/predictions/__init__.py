"""Folders of masks: what is in them, what is wrong with them, how they are mended."""
