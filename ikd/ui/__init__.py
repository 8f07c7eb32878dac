"""The pages' building blocks. Nothing here trains or imports torch: pages read runs and ask `ikd.runs` to start them."""
