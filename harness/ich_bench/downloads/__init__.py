"""Datasets as downloaded: checked, and made ready for training."""
