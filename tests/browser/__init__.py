"""The pages in a real browser: what AppTest cannot see."""
