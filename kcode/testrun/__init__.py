"""Running a project's tests and reading what they say. The doors: :mod:`.run` and :mod:`.summary`."""
