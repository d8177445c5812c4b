"""The papers' methods, trained and predicted through one command each."""
