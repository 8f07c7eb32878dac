"""The trace of a run on disk: its one writer, its readers, and what is derived from it. No torch anywhere."""
