"""The slides in two languages and the report of a study."""
