"""The papers' figures and tables, made from score files: one HTML page, pictures, Markdown and LaTeX."""
