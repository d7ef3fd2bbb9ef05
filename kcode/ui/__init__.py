"""What people see: the REPL, live rendering, approval, diffs, and machine-readable output."""
