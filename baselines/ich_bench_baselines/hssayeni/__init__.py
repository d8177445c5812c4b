"""Hssayeni 2020: crops, votes and morphology."""
