"""Ramananda 2025: masks from slice labels."""
