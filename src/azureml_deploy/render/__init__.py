"""Plans, runs and their life as text, tables, pages and pictures."""
