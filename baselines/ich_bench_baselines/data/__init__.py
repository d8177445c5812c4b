"""How do CTs and pools become cached slices, and which of them reach a network?"""
