"""What is learnt before any mask is seen, once for all who need it."""
