"""The store: what the engine asks of a ledger, whatever database keeps it."""
