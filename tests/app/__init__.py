"""Tests of the leaderboard in the browser; a package, so that their files may be named like those above."""
