"""The panes: each a view of values; none knows another, none asks the engine."""
