"""Asking before something happens: diffs, hunks, answers, rules on offer."""
