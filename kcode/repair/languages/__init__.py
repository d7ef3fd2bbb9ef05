"""Repair by the embedded model in languages other than Python, with the suite's own runner as the judge."""
