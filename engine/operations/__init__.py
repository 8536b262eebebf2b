"""Operator verbs: plan, apply, verify; every one is planned with the code that applies it."""
