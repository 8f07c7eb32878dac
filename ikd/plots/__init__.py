"""Figures: tables in, Altair charts out. Nothing here reads a trace or knows a page."""
