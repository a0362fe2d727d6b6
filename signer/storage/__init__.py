"""Key records, events and API tokens in a relational database; the only place that speaks SQL."""
