"""Reading for operators: pages, details, health. Nothing in here writes."""
