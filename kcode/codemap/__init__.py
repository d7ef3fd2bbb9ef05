"""Where things are defined and used: a tree-sitter index of the repository, ranked, on disk and small."""
