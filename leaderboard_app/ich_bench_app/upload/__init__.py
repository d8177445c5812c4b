"""A stranger's zip, scored by a process of its own under limits; nothing of it is kept."""
