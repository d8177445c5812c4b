"""nnU-Net v2 on our folds, in one folder and one process of its own."""
