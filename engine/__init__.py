"""Flowdeck's engine: an embeddable workflow orchestrator over a durable ledger."""
