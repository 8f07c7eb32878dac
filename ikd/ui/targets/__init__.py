"""The page of all soft targets of a run: every view of one example and one step, which stand in the address."""
