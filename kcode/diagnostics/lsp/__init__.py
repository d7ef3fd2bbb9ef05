"""Language servers that a person configured: their diagnostics, and renaming by what a name means."""
