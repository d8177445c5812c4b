"""The slice viewer: where the images lie, how they are read, kept and drawn; only pictures ever leave the server."""
