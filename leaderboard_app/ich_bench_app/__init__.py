"""The leaderboard in the browser."""
