"""Score files, folds and cards as numbers and text."""
