"""The presentation in two languages, and the report of a study."""
