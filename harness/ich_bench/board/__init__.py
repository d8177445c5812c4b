"""Which method is better, by how much, and how sure is that: score files become standings."""
