"""New problems after an edit, as the project's own linters and type checkers see them."""
