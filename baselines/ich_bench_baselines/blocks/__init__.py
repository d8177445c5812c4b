"""Networks, losses and augmentations that several methods are made of."""
