"""The leaderboard in the browser: pages that show what `ich_bench` computes, and compute nothing themselves."""
