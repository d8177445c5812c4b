"""What is asked of several methods or trainings together."""
