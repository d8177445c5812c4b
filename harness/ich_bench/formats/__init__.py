"""How voxels and headers lie in files, read as if a stranger had sent them."""
