"""What does a small U-Net learn from drawn slices? Spahr 2023's network and loss, narrower; for phantom_difficulty.py."""
